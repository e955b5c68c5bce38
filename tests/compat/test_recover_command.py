"""A real `allennlp train --recover` after a training that was interrupted."""

import json
import signal
from pathlib import Path
from typing import Any

import torch

from tests.compat.conftest import run_allennlp, tagger_config, write_config, write_tagging_data

# A plugin of the user's own, in the folder where the command runs. It stops the training as Ctrl-C does.
INTERRUPTING_PLUGIN = """
import os
from allennlp.training import TrainerCallback

@TrainerCallback.register("interrupt_after")
class InterruptAfter(TrainerCallback):
    def __init__(self, serialization_dir, epoch: int) -> None:
        super().__init__(serialization_dir)
        self.epoch = epoch

    def on_epoch(self, trainer, metrics, epoch, is_primary=True, **kwargs) -> None:
        if "INTERRUPT" in os.environ and epoch == self.epoch:
            raise KeyboardInterrupt
"""

NUM_EPOCHS = 5
INTERRUPTED_EPOCH = 2


def train_interrupt_and_recover(folder: Path, scheduler: dict[str, Any]) -> dict[str, Any]:
    """Train until the plugin interrupts, recover, and return the training state that was recovered from."""
    write_tagging_data(folder)
    (folder / "interrupting.py").write_text(INTERRUPTING_PLUGIN, encoding="utf-8")
    (folder / ".allennlp_plugins").write_text("interrupting\n", encoding="utf-8")
    callbacks = [{"type": "interrupt_after", "epoch": INTERRUPTED_EPOCH}]
    write_config(folder, tagger_config(NUM_EPOCHS, learning_rate_scheduler=scheduler, callbacks=callbacks))
    interrupted = run_allennlp(
        "train", "config.json", "-s", "run", folder=folder, expected_status=-signal.SIGINT, INTERRUPT="1"
    )
    assert "KeyboardInterrupt" in interrupted
    checkpoint = max((folder / "run").glob("training_state_e*.th"), key=lambda path: path.stat().st_mtime)
    # It was written a moment ago, so it can be trusted.
    state = torch.load(checkpoint, weights_only=False)
    assert not (folder / "run" / "metrics.json").exists()
    first_epochs = [folder / "run" / f"metrics_epoch_{epoch}.json" for epoch in range(INTERRUPTED_EPOCH)]
    written_at = [path.stat().st_mtime_ns for path in first_epochs]
    run_allennlp("train", "config.json", "-s", "run", "--recover", folder=folder)
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["epoch"] == NUM_EPOCHS - 1
    # The recovered run began where the interrupted one ended.
    assert [path.stat().st_mtime_ns for path in first_epochs] == written_at
    return state


def test_train_recover_with_a_scheduler_that_computes_in_numpy(tmp_path) -> None:
    state = train_interrupt_and_recover(tmp_path, {"type": "cosine", "t_initial": 10})
    [group] = state["optimizer"]["param_groups"]
    # The very thing that torch.load refuses; were it no longer there, this test would test nothing.
    assert type(group["lr"]).__module__ == "numpy"


def test_train_recover_with_reduce_on_plateau(tmp_path) -> None:
    state = train_interrupt_and_recover(tmp_path, {"type": "reduce_on_plateau", "patience": 0, "mode": "max"})
    assert state["learning_rate_scheduler"]["last_epoch"] > 0
