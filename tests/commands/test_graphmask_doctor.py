import importlib
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch

from allennlp_graphmask_compat import doctor
from allennlp_graphmask_compat.patches import PATCHES
from tests.compat.conftest import run_python


def test_the_command_prints_what_there_is_from_an_empty_folder(tmp_path) -> None:
    output = run_python("-m", "allennlp", "graphmask-doctor", folder=tmp_path)
    assert "\nUsable.\n" in output and "PROBLEM" not in output
    assert metadata.version("allennlp") in output and f"{torch.get_num_threads()} threads" in output
    for patch in PATCHES:
        # Each has looked whether it is needed.
        assert f"{patch.name} " in output and patch.reason in output
    assert "not reached" not in output and "failed" not in output


def test_where_allennlp_cannot_be_imported(tmp_path) -> None:
    """The compatibility layer is switched off, without which AllenNLP does not fit current libraries."""
    if hasattr(huggingface_hub, "HfFolder"):
        pytest.skip("AllenNLP fits this huggingface_hub")
    arguments = ("-m", "allennlp_graphmask_compat.doctor")
    output = run_python(*arguments, folder=tmp_path, expected_status=1, ALLENNLP_GRAPHMASK_COMPAT="0")
    assert "NOT USABLE: import allennlp.commands, import allennlp_graphmask.commands." in output
    assert "HfFolder" in output and "unset ALLENNLP_GRAPHMASK_COMPAT" in output


def test_wrong_versions_are_problems(monkeypatch, capsys) -> None:
    def find_version(name: str) -> str:
        if name == "fairscale":
            raise metadata.PackageNotFoundError(name)
        return "2.9.0"

    monkeypatch.setattr(doctor.metadata, "version", find_version)
    assert doctor.main() == 1
    output = capsys.readouterr().out
    assert "NOT USABLE: allennlp, fairscale." in output
    assert "PROBLEM: 2.9.0" in output and "PROBLEM: not installed" in output
    assert "pip install --no-deps allennlp==2.10.1 fairscale==0.4.13" in output


def test_a_torch_that_cannot_be_imported_is_a_problem(monkeypatch, capsys) -> None:
    import_module = importlib.import_module

    def fail_for_torch(name: str) -> Any:
        if name == "torch":
            raise OSError("libcudart.so: cannot open shared object file")
        return import_module(name)

    monkeypatch.setattr(importlib, "import_module", fail_for_torch)
    assert doctor.main() == 1
    assert "PROBLEM: OSError: libcudart.so" in capsys.readouterr().out
    assert list(doctor.find_devices()) == [] and len(list(doctor.find_patches())) == len(PATCHES)


def test_an_interpreter_that_does_not_start_the_layer(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "_STARTED_WITH_INTERPRETER", "raise SystemExit(1)")
    assert "not started" in dict(doctor.find_patches())


def test_variables(monkeypatch, tmp_path) -> None:
    configs = Path(__file__).resolve().parents[2] / "training_config"
    text = "".join(path.read_text() for path in configs.rglob("*sonnet"))
    found = dict(doctor.find_variables())
    assert text.count("std.extVar") > len(found) > 5
    for name in found:
        assert f"std.extVar('{name}')" in text
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRAPHMASK_DATA", str(tmp_path))
    monkeypatch.setenv("WIKIHOP_DEV", os.path.join(tmp_path, "dev.json"))
    monkeypatch.setenv("WORD_VECTORS_DIMENSION", "300")
    found = dict(doctor.find_variables())
    assert found["GRAPHMASK_DATA"].startswith(f"'{tmp_path}'; read by propbank/small.libsonnet")
    assert "dev.json', which does not exist" in found["WIKIHOP_DEV"]
    assert found["WORD_VECTORS_DIMENSION"].startswith("'300'; ")
    assert found["GRAPHMASK_TARGET"].startswith("not set; the archive (model.tar.gz)")
