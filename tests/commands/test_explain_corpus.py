"""`allennlp explain-corpus`. Tests that start Ray are run by `make test-cluster`."""

import argparse
import importlib.util
import random
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any, List

import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.commands.explain_corpus import ExplainCorpus
from allennlp_graphmask.explanation import Explanation, read_explanations
from tests.corpus.corpora import assert_equal_explanations, explain_files, write_corpus
from tests.corpus.processes import find_workers, finish, kill, start, wait_for_parts
from tests.predictors.inputs import CONLL

ROWS = 100
#: 1,401 inputs, 15 parts.
TIMES = 100


def explain_corpus(*arguments: object) -> Any:
    """In this process."""
    parser = argparse.ArgumentParser()
    ExplainCorpus().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["explain-corpus", *map(str, arguments)])
    return args.func(args)


@pytest.mark.parametrize("missing", [["ray"], ["pyarrow"], ["ray", "pyarrow"]])
def test_all_missing_libraries_are_named(tmp_path, monkeypatch, conll_file, missing) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find_spec(name) or True)
    with pytest.raises(ConfigurationError, match=f"needs {' and '.join(missing)}.*pip install {' '.join(missing)}$"):
        explain_corpus("pretrained:propbank-srl", conll_file, "-o", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "options, named",
    [
        (["--rows-per-shard", 0], "rows_per_shard is 0"),
        (["--actors", 0], "actors is 0"),
        (["--gpus-per-actor", -1], "gpus_per_actor is -1"),
        (["--gpus-per-actor", 1.5], "gpus_per_actor is 1.5"),
        (["--gpus-per-actor", 0.00001], "gpus_per_actor is 1e-05"),
        (["--batch-size", 0], "--batch-size is 0"),
        (["nix.txt"], "nix.txt"),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_loaded(tmp_path, conll_file, options, named) -> None:
    with pytest.raises(ConfigurationError, match=named):
        explain_corpus("pretrained:propbank-srl", conll_file, *options, "-o", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any, graphmask_archive_file: str) -> Path:
    """With an archive, a corpus, and what an undisturbed run by one worker has written to `one`."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    folder = tmp_path_factory.mktemp("corpus")
    shutil.copy(graphmask_archive_file, folder / "model.tar.gz")
    write_corpus(folder, TIMES)
    finish(folder, *arguments("one", actors=1), status=3)
    return folder


def arguments(out: str, actors: int = 2) -> List[object]:
    options = ["-o", out, "--actors", actors, "--rows-per-shard", ROWS, "--batch-size", 8]
    return ["model.tar.gz", "a.jsonl", "[bc].*", *options]


def files(folder: Path) -> Any:
    """What a run has written, byte by byte."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.cluster
def test_what_explain_gives(folder, tmp_path, graphmask_archive_file, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    names = ["a.jsonl", "b.conll09", "c.jsonl"]
    expected: List[Explanation] = explain_files(graphmask_archive_file, names, tmp_path, "--batch-size", 8)
    assert_equal_explanations(list(read_explanations(folder / "one")), expected)
    assert len(expected) > 1000
    log = (folder / "log.txt").read_text()
    assert f"{len(expected):,} explanations of 1,401 inputs" in log and "NOT EXPLAINED: 200 inputs" in log
    assert "inputs/s" in log and "failures=200" in log


@pytest.mark.cluster
def test_two_workers_of_which_some_are_killed(folder) -> None:
    generator = random.Random(3)
    running = start(folder, *arguments("two"))
    for _ in range(3):
        wait_for_parts(folder / "two", 1, running)
        time.sleep(generator.uniform(0, 0.5))
        if workers := find_workers(running.pid):
            kill(generator.choice(workers))
    assert running.wait(timeout=300) == 3, (folder / "log.txt").read_text()
    assert files(folder / "two") == files(folder / "one")


@pytest.mark.cluster
def test_a_run_that_is_killed_continues(folder) -> None:
    generator = random.Random(4)
    parts = len(list((folder / "one").glob("part-*")))
    for number in (0, 1, generator.randrange(2, parts - 4)):
        running = start(folder, *arguments("killed"))
        if number:
            wait_for_parts(folder / "killed", number, running)
        else:
            time.sleep(generator.uniform(3, 6))
        kill(running.pid)
        running.wait(timeout=60)
    finish(folder, *arguments("killed"), status=3)
    assert "Continuing after" in (folder / "log.txt").read_text()
    assert files(folder / "killed") == files(folder / "one")


@pytest.mark.cluster
def test_changed_options_are_refused(folder) -> None:
    finish(folder, *arguments("one"), "--focus", "all", status=2)
    assert "other settings (focus)" in (folder / "log.txt").read_text()


@pytest.mark.cluster
def test_a_cluster_that_is_not_there(folder, tmp_path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        finish(folder, *arguments(str(tmp_path / "out")), "--address", address, status=2)
    assert f"--address {address} does not answer" in (folder / "log.txt").read_text()


@pytest.mark.cluster
def test_ctrl_c(folder) -> None:
    running = start(folder, *arguments("interrupted"))
    wait_for_parts(folder / "interrupted", 2, running)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 130
    assert "Stopped. The same command continues from here." in (folder / "log.txt").read_text()


DEADLY = """
import os
import torch
from allennlp_graphmask.interpret.interpreters import Interpreter, LayerScores

@Interpreter.register("deadly_for_test")
class DeadlyInterpreter(Interpreter):
    default_threshold = 0.5

    def score(self, masked_model, unmasked, _):
        if unmasked.graph.nodes_per_graph.max() > 6:  # as for want of memory
            os._exit(9)
        return LayerScores([torch.ones(unmasked.graph.num_edges) for _ in unmasked.layers])
"""


@pytest.mark.cluster
def test_what_ends_every_worker_loses_its_part_alone(folder) -> None:
    (folder / "deadly.py").write_text(DEADLY)
    (folder / "long.conll09").write_text(CONLL)
    options = ["--interpreter", "deadly_for_test", "--include-package", "deadly", "--actors", 1, "--rows-per-shard", 1]
    finish(folder, "model.tar.gz", "long.conll09", "-o", "deadly", *options, status=3)
    parts = [path.name for path in sorted((folder / "deadly").glob("part-*"))]
    assert parts == ["part-00000.parquet", "part-00002.parquet"]
    assert "NOT EXPLAINED: part 1, from input 2 of long.conll09 to input 2" in (folder / "log.txt").read_text()
