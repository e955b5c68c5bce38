"""
`allennlp graphmask-doctor`.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, List

import pytest
import torch
from allennlp.commands.subcommand import Subcommand

from allennlp_graphmask.commands.graphmask_doctor import GraphMaskDoctor
from allennlp_graphmask_compat import configured_data, doctor
from allennlp_graphmask_compat.patches import PATCHES

CONFIGS = Path(__file__).resolve().parents[2] / "training_config"


def run_command(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    GraphMaskDoctor().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["graphmask-doctor", *arguments])
    args.func(args)


def findings(section: str) -> Dict[str, doctor.Finding]:
    return {finding.name: finding for finding in doctor.examine() if finding.section == section}


def test_it_says_what_is_there(capsys) -> None:
    run_command()
    text = capsys.readouterr().out
    assert text.endswith("Usable.\n") and "[MISSING]" not in text
    for name in ("torch", "allennlp", "transformers", "spacy", "jsonnet", "numpy"):
        assert f"  {name:<27} {metadata.version(name)}" in text
    for patch in PATCHES:
        assert patch.name in text and patch.reason in text
    assert f"{torch.get_num_threads()} threads of {os.cpu_count()} processors" in text


def test_json(capsys) -> None:
    run_command("--json")
    found = json.loads(capsys.readouterr().out)
    assert found["usable"] is True
    assert {"versions", "bridge", "devices", "data"} <= set(found)
    states = {entry["name"]: entry["detail"].split(".")[0] for entry in found["bridge"]}
    assert states["default_plugin"] == "applied"
    assert set(states) == {patch.name for patch in PATCHES}
    # Each has looked whether it is needed.
    assert not any(state.startswith(("not reached", "failed")) for state in states.values())


def test_what_is_missing_and_how_to_get_it(monkeypatch, capsys) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "lmdb":
            raise metadata.PackageNotFoundError(name)
        return {"torch": "1.12.0", "allennlp": "2.9.0"}.get(name) or version(name)

    monkeypatch.setattr(doctor.metadata, "version", without)
    with pytest.raises(SystemExit) as ended:
        run_command()
    assert ended.value.code == 1
    text = capsys.readouterr().out
    assert text.endswith("NOT USABLE: allennlp, torch, lmdb.\n")
    assert "[MISSING] 1.12.0, expected >=2.6" in text and "-> pip install 'torch>=2.6'" in text
    assert "-> pip install --no-deps allennlp==2.10.1 fairscale==0.4.13" in text
    assert "[MISSING] not installed" in text and "-> pip install 'lmdb>=" in text


def test_what_cannot_be_imported(monkeypatch) -> None:
    import_module = importlib.import_module

    def failing(name: str) -> Any:
        if name in ("torch", "allennlp.commands"):
            raise OSError("libcudart.so: cannot open shared object file")
        return import_module(name)

    monkeypatch.setattr(importlib, "import_module", failing)
    found = findings("versions")
    assert found["import torch"].state == doctor.MISSING
    assert "OSError: libcudart.so" in found["import allennlp.commands"].detail
    # The rest is said all the same.
    assert findings("devices") == {} and len(findings("bridge")) == len(PATCHES)


def test_only_optional_parts_missing(monkeypatch) -> None:
    requires = ["torch>=2.6", "tqdm>=4", 'matplotlib>=999; extra == "plot"', 'ruff>=999; extra == "dev"']
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: requires)
    monkeypatch.setattr("spacy.util.get_installed_models", lambda: [])
    found = doctor.examine()
    assert doctor.is_usable(found)
    optional = {finding.name: finding for finding in found if finding.section == "optional"}
    assert set(optional) == {"matplotlib", "spaCy en_core_web_sm"}
    assert optional["matplotlib"].mend == "pip install 'matplotlib>=999'"
    assert optional["spaCy en_core_web_sm"].mend == "python -m spacy download en_core_web_sm"
    assert "(extra: plot)" in optional["matplotlib"].detail


def test_a_folder_that_is_not_installed(monkeypatch) -> None:
    def requires(name: str) -> List[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "requires", requires)
    found = doctor.examine()
    assert doctor.is_usable(found)
    [own] = [finding for finding in found if finding.name == "allennlp-graphmask"]
    assert own.state == doctor.NOTE and "not installed" in own.detail


class TestData:
    def test_variables_are_those_that_the_configs_read(self) -> None:
        found = {variable.name: variable for variable in configured_data.configured_variables(CONFIGS)}
        mentioned = set()
        for path in CONFIGS.rglob("*sonnet"):
            mentioned |= set(configured_data._VARIABLE.findall(path.read_text()))
        assert set(found) == mentioned == set(doctor.MEANINGS)
        assert "vectors/glove.6B.50d.subset.txt.gz" in found["GRAPHMASK_DATA"].files
        assert "wikihop/small.jsonnet" in found["WIKIHOP_TRAIN"].configs
        # Its library mentions this one, for other configs.
        assert "star_graphs/small.jsonnet" not in found["GRAPHMASK_TARGET"].configs
        assert "star_graphs/small_graphmask.jsonnet" in found["GRAPHMASK_TARGET"].configs

    def test_without_jsonnet_they_are_those_that_are_mentioned(self, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "_jsonnet", None)
        found = {variable.name: variable for variable in configured_data.configured_variables(CONFIGS)}
        assert set(found) == set(doctor.MEANINGS)
        assert not any(variable.files for variable in found.values())

    def test_a_config_of_ones_own(self, tmp_path) -> None:
        (tmp_path / "common.libsonnet").write_text('{ size: std.parseInt(std.extVar("SIZE")) }')
        (tmp_path / "a.jsonnet").write_text(
            "local c = import 'common.libsonnet';\n"
            "{ size: c.size * 2, path: std.extVar('A') + '/train.txt', other: [std.extVar('B')] }"
        )
        (tmp_path / "b.jsonnet").write_text("{ broken: std.extVar('C') * 2 }")
        assert configured_data.configured_variables(tmp_path) == [
            ("A", ("a.jsonnet",), ("train.txt",)),
            ("B", ("a.jsonnet",), ()),
            ("C", ("b.jsonnet",), ()),
            ("SIZE", ("a.jsonnet",), ()),
        ]

    def test_their_values(self, monkeypatch, tmp_path) -> None:
        for name in doctor.MEANINGS:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GRAPHMASK_DATA", str(tmp_path))
        monkeypatch.setenv("WIKIHOP_DEV", str(tmp_path / "dev.json"))
        monkeypatch.setenv("WORD_VECTORS_DIMENSION", "300")
        (tmp_path / "train.json").touch()
        monkeypatch.setenv("WIKIHOP_TRAIN", str(tmp_path / "train.json"))
        found = findings("data")
        assert f"{tmp_path}, which lacks propbank_ewt/ewt_dev" in found["GRAPHMASK_DATA"].detail
        assert "which does not exist; read by wikihop/" in found["WIKIHOP_DEV"].detail
        assert found["WIKIHOP_TRAIN"].state == found["WORD_VECTORS_DIMENSION"].state == doctor.OK
        assert found["GRAPHMASK_TARGET"].detail.startswith("not set; read by ")
        assert "export GRAPHMASK_TARGET=..., the archive" in found["GRAPHMASK_TARGET"].mend


def test_from_an_empty_folder(tmp_path) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "allennlp", "graphmask-doctor"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.endswith("Usable.\n")


def test_where_allennlp_does_not_start(tmp_path) -> None:
    """The bridge is switched off, without which AllenNLP cannot be imported beside current libraries."""
    import huggingface_hub

    if hasattr(huggingface_hub, "HfFolder"):
        pytest.skip("AllenNLP needs no bridge beside this huggingface_hub")
    finished = subprocess.run(
        [sys.executable, "-m", "allennlp_graphmask_compat.doctor", "--json"],
        cwd=tmp_path,
        env={**os.environ, "ALLENNLP_GRAPHMASK_COMPAT": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 1, finished.stderr
    found = json.loads(finished.stdout)
    assert found["usable"] is False
    by_name = {entry["name"]: entry for section in ("versions", "bridge") for entry in found[section]}
    assert "HfFolder" in by_name["import allennlp.commands"]["detail"]
    assert by_name["switch"]["mend"] == "unset ALLENNLP_GRAPHMASK_COMPAT"


def test_it_is_registered() -> None:
    assert Subcommand.by_name("graphmask-doctor") is GraphMaskDoctor
