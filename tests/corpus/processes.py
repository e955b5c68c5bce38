"""`allennlp explain-corpus` in processes, which can be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List


def start(folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    """Start it in a folder. What it prints goes to `log.txt` there."""
    with open(folder / "log.txt", "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "allennlp", "explain-corpus", *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            text=True,
            # Where the tests run in the background of a script, Ctrl-C is ignored, which processes inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def finish(folder: Path, *arguments: object, status: int = 0) -> None:
    """Run it to its end."""
    running = start(folder, *arguments)
    assert running.wait(timeout=600) == status, (folder / "log.txt").read_text()


def find_workers(driver: int) -> List[int]:
    """Return the processes of a run that explain, or load what explains."""
    parents: Dict[int, int] = {}
    titles: Dict[int, bytes] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name before the parent may have blanks and brackets.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                titles[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue  # It has ended.

    def descends(process: int) -> bool:
        while process in parents and process != driver:
            process = parents[process]
        return process == driver

    return [process for process, title in titles.items() if title.startswith(b"ray::Worker") and descends(process)]


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def wait_for_parts(folder: Path, number: int, running: "subprocess.Popen[str]") -> None:
    """Wait until a folder has as many parts."""
    deadline = time.monotonic() + 300
    while len(list(folder.glob("part-*.parquet"))) < number:
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
