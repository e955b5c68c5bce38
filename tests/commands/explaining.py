"""`allennlp explain` in this process, and its inputs."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List, Sequence

import pytest

from allennlp_graphmask.commands.explain import SOME_INPUTS_FAILED, Explain
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.predictors.resumable_file import ResumableFile
from tests.predictors.inputs import CONLL


def explain(*arguments: object) -> Any:
    """In this process."""
    parser = argparse.ArgumentParser()
    Explain().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["explain", *map(str, arguments)])
    return args.func(args)


def explain_some(*arguments: object) -> None:
    """Where some inputs cannot be explained."""
    with pytest.raises(SystemExit) as ended:
        explain(*arguments)
    assert ended.value.code == SOME_INPUTS_FAILED


def explained(path: Path, *arguments: object) -> List[Explanation]:
    """What a run writes to a file."""
    explain(*arguments, "-o", path)
    return explanations_in(path)


def explanations_in(path: Path) -> List[Explanation]:
    return list(read_explanations(path))


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    """JSON, or bytes as they are."""
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


def repeated(path: Path, times: int) -> Path:
    """The sentences of CONLL, many times."""
    path.write_text(CONLL * times)
    return path


class Killed(BaseException):
    """Stands for SIGKILL: nobody expects it."""


def killed_at(monkeypatch: Any, call: int, half_a_line: bool) -> Callable[[], None]:
    """Ends a run when lines are added for the given time, before or after they are written. Gives what undoes that."""
    add = ResumableFile.add
    calls: List[int] = []

    def killed(self: ResumableFile, explanations: Sequence[Explanation], *arguments: Any) -> None:
        calls.append(1)
        if len(calls) == call:
            if half_a_line:
                # Some lines have reached the disk, and half of one.
                self._file.write(self._form.encode(explanations)[:-20])
                self._file.flush()
            raise Killed
        add(self, explanations, *arguments)

    monkeypatch.setattr(ResumableFile, "add", killed)
    return lambda: monkeypatch.setattr(ResumableFile, "add", add)


def process(folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "allennlp", "explain", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
