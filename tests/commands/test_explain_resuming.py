"""`allennlp explain`: interrupted runs continue with the same bytes."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any, List

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.interpreters import Interpreter, LayerScores
from allennlp_graphmask.predictors import ExplainingPredictor
from allennlp_graphmask.views import render_text
from tests.commands.explaining import (
    Killed,
    explain,
    explain_some,
    explanations_in,
    killed_at,
    process,
    repeated,
    write_lines,
)
from tests.predictors.inputs import CONLL, TOKENS


@Interpreter.register("global_random_for_test")
class GlobalRandomInterpreter(Interpreter):
    """As third parties may write one: its numbers are drawn from generators that all share."""

    default_threshold = 0.5

    def score(self, masked_model, unmasked, _):
        edges = unmasked.graph.num_edges
        return LayerScores([torch.rand(edges) * 0.5 + random.random() * 0.5 for _ in unmasked.layers])


@pytest.mark.parametrize(
    "interpreter, suffix",
    [(None, "jsonl"), ("random", "jsonl"), ("global_random_for_test", "jsonl"), (None, "parquet")],
)
def test_an_interrupted_run_continues_with_the_same_bytes(
    tmp_path, graphmask_archive_file, monkeypatch, capsys, interpreter, suffix
) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet files need the extra `table`")
    lines = [{"conll": CONLL}, TOKENS, b"bad", {"conll": CONLL}, {"conll": ""}, TOKENS, b"{}", TOKENS] * 2
    file = write_lines(tmp_path / "inputs.jsonl", lines)
    options: List[object] = [file, "--batch-size", "3"]
    if interpreter is not None:
        options += ["--interpreter", interpreter]
    explain_some(graphmask_archive_file, *options, "-o", tmp_path / f"whole.{suffix}")
    out = tmp_path / f"out.{suffix}"
    for call, half_a_line in ((1, True), (3, False), (2, True)):
        undo = killed_at(monkeypatch, call, half_a_line)
        with pytest.raises(Killed):
            explain(graphmask_archive_file, *options, "-o", out)
        undo()
        assert not out.exists() and Path(f"{out}.partial").stat().st_size
    # As a process leaves it that is killed after writing lines and before counting them.
    with open(f"{out}.partial", "ab") as partial:
        partial.write(b'{"schema": "allennlp_gra')
    capsys.readouterr()
    explain_some(graphmask_archive_file, *options, "-o", out, "--view", "text")
    assert out.read_bytes() == (tmp_path / f"whole.{suffix}").read_bytes()
    shown = capsys.readouterr()
    assert "Continuing after" in shown.err
    assert "line 3, line 7, line 11, line 15" in shown.err
    separator = "\n" + "-" * 88 + "\n"
    assert shown.out == separator.join(map(render_text, explanations_in(out))) + "\n"
    assert not list(tmp_path.glob("*.partial*"))


def test_ctrl_c(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 3)
    before, calls = ExplainingPredictor._explain_batch, []

    def interrupted(self: Any, instances: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return before(self, instances)

    monkeypatch.setattr(ExplainingPredictor, "_explain_batch", interrupted)
    with pytest.raises(SystemExit) as ended:
        explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "2")
    assert ended.value.code == 130 and "The same command continues from here." in capsys.readouterr().err
    explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "2")
    explain(graphmask_archive_file, file, "-o", tmp_path / "whole.jsonl", "--batch-size", "2")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_other_arguments_do_not_continue(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 3)
    out = tmp_path / "out.jsonl"
    undo = killed_at(monkeypatch, 2, False)
    with pytest.raises(Killed):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2")
    undo()
    left = {path: path.read_bytes() for path in tmp_path.glob("*.partial*")}
    assert len(left) == 2
    with pytest.raises(ConfigurationError, match="out.jsonl.partial.*batch_size.*--force"):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "3")
    with pytest.raises(ConfigurationError, match="interpreter"):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2", "--interpreter", "random")
    repeated(file, 4)
    with pytest.raises(ConfigurationError, match=r"\(input\)"):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2")
    assert {path: path.read_bytes() for path in tmp_path.glob("*.partial*")} == left
    explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2", "--force")
    assert "Continuing" not in capsys.readouterr().err
    assert len(explanations_in(out)) == 12
    # A whole file is replaced when the new one is whole.
    explain(graphmask_archive_file, file, "-o", out, "--interpreter", "random")
    assert explanations_in(out)[0].interpreter["name"] == "random"


@pytest.mark.long
def test_sigkill_at_ten_random_points(tmp_path, graphmask_archive_file) -> None:
    os.symlink(graphmask_archive_file, tmp_path / "model.tar.gz")
    repeated(tmp_path / "sentences.conll09", 300)
    options = ["model.tar.gz", "sentences.conll09", "--batch-size", "8"]
    running = process(tmp_path, *options, "-o", "whole.jsonl")
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    size = (tmp_path / "whole.jsonl").stat().st_size
    generator = random.Random(5)
    points = sorted(generator.uniform(0, 0.95) * size for _ in range(10))
    partial = tmp_path / "out.jsonl.partial"
    for point in points:
        running = process(tmp_path, *options, "-o", "out.jsonl")
        deadline = time.monotonic() + 300
        while not partial.exists() or partial.stat().st_size < point:
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.0005)
        time.sleep(generator.uniform(0, 0.03))
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        assert running.returncode == -signal.SIGKILL
        assert not (tmp_path / "out.jsonl").exists()
    running = process(tmp_path, *options, "-o", "out.jsonl")
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    assert "Continuing after" in output
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
