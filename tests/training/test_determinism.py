"""The same seed on the same machine gives the same bytes, whatever the seed of hashes and the speed of worker processes."""

import json
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from tests.compat.conftest import run_python
from tests.configs import DATA
from tests.training.whole_run import run

#: Durations and memory are measured, and part of the metrics in a training's state; archives hold the times of files; AllenNLP writes
#: a set of two names.
VARY = (
    "metrics.json",
    "metrics_epoch_*.json",
    "training_state_*.th",
    "model.tar.gz",
    "non_padded_namespaces.txt",
    "out.log",
)


def whole_run(folder: Path, hash_seed: int, loader: Dict[str, Any], *names: str) -> Dict[str, bytes]:
    """Train, explain and write pages in a process of its own. Return the files."""
    folder.mkdir()
    module = ("-m", "tests.training.whole_run", json.dumps(loader))
    run_python(*module, *names, folder=folder, PYTHONHASHSEED=str(hash_seed))
    return read_files(folder)


def read_files(folder: Path) -> Dict[str, bytes]:
    paths = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        str(name): path.read_bytes() for name, path in paths.items() if not any(name.match(varying) for varying in VARY)
    }


def check_equal(first: Dict[str, bytes], second: Dict[str, bytes], *names: str) -> None:
    assert first.keys() == second.keys()
    for name in names:
        expected = ["{}.jsonl", "{}_pages/0001.html", "{}_model/best.th", "{}_graphmask/best.th"]
        assert {pattern.format(name) for pattern in expected} <= first.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_two_processes_give_the_same_bytes(tmp_path, monkeypatch) -> None:
    loader = {"num_workers": 2}
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", [])
    run("stars", loader)
    check_equal(read_files(tmp_path / "here"), whole_run(tmp_path / "there", 1, loader, "stars"), "stars")


@pytest.mark.reliability
@pytest.mark.parametrize("loader", [{}, {"num_workers": 2}, {"num_workers": 2, "max_instances_in_memory": 8}], ids=str)
def test_every_model_gives_the_same_bytes(loader, tmp_path) -> None:
    first, second = (whole_run(tmp_path / str(seed), seed, loader, *DATA) for seed in (1, 2))
    check_equal(first, second, *DATA)
