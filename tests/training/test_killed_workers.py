"""What is left of distributed training when one of its processes is killed: nothing, and a message."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, List

import pytest

from tests.configs import task_config

LIMIT = 60.0

#: Notes the process of each worker; the first one can be kept busy outside of what the workers do together.
NOTES = """
import os, time
from allennlp.training.callbacks import TrainerCallback

@TrainerCallback.register("process_notes")
class ProcessNotes(TrainerCallback):
    def __init__(self, serialization_dir: str, busy: bool) -> None:
        super().__init__(serialization_dir)
        self.busy = busy

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, *args, **kwargs):
        if epoch == 0 and batch_number == 1 and kwargs["is_training"]:
            with open(f"{trainer._rank}.partial", "w") as file:
                file.write(str(os.getpid()))
            os.rename(f"{trainer._rank}.partial", f"{trainer._rank}.pid")
            if self.busy and trainer._rank == 0:
                time.sleep(600)
"""


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def is_running(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.reliability
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("killed, busy", [("0", False), ("1", False), ("1", True), ("main", True)])
def test_all_processes_end_when_one_is_killed(killed, busy, tmp_path) -> None:
    config = task_config("stars", num_epochs=100_000, callbacks=[{"type": "process_notes", "busy": busy}])
    config["distributed"] = {"cuda_devices": [-1, -1]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "notes.py").write_text(NOTES)
    command = [sys.executable, "-m", "allennlp", "train", "config.json", "-s", "run", "--include-package", "notes"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with open(tmp_path / "printed", "w") as printed:
        main = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=printed, stderr=printed)
    files = [tmp_path / f"{rank}.pid" for rank in range(2)]
    workers: List[int] = []
    try:
        assert wait_for(lambda: all(file.exists() for file in files) or main.poll() is not None, 300)
        workers = [int(file.read_text()) for file in files]
        time.sleep(0.5)
        os.kill(main.pid if killed == "main" else workers[int(killed)], signal.SIGKILL)
        started = time.monotonic()
        main.wait(LIMIT)
        assert wait_for(lambda: not any(map(is_running, workers)), LIMIT - (time.monotonic() - started))
        print(f"All processes had ended after {time.monotonic() - started:.1f} s.")
    finally:
        main.kill()
        for worker in filter(is_running, workers):
            os.kill(worker, signal.SIGKILL)
    assert main.returncode != 0
    if killed != "main":
        assert f"process {killed} terminated with signal SIGKILL" in (tmp_path / "printed").read_text()
