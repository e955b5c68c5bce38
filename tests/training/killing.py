"""Trainings in processes of their own that are killed at a given moment, and what they leave."""

import builtins
import json
import multiprocessing
import os
import random
import re
import signal
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.common.plugins import import_plugins
from allennlp.training import GradientDescentTrainer

ROOT = Path(__file__).resolve().parents[2]

# A server that has imported this module and computed nothing forks the trainings: starting one takes no time.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])

import_plugins()


class Moments:
    """Notes the moments of a training at which something is about to happen to files or to the model, and kills at one."""

    def __init__(self, killed_at: Optional[int]) -> None:
        self.names: List[str] = []
        self._killed_at = killed_at

    def reach(self, name: str, before_killing: Callable[[], Any] = lambda: None) -> None:
        if len(self.names) == self._killed_at:
            before_killing()
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)

    def watch(self, folder: Path) -> None:
        for owner, name in [(os, "replace"), (os, "remove"), (os, "link"), (os, "fsync")]:
            self._watch(owner, name)
        for name in ("_train_epoch", "_validation_loss", "rescale_gradients"):
            self._watch(GradientDescentTrainer, name)
        self._watch(torch.optim.AdamW, "step")
        self._watch(torch.optim.Adam, "step")
        save, open_file = torch.save, builtins.open

        def half_save(state: Any, file: Any, **kwargs: Any) -> None:
            def write_half() -> None:
                if isinstance(file, (str, os.PathLike)):
                    Path(file).write_bytes(b"PK half")
                else:
                    file.write(b"PK half")
                    file.flush()

            self.reach("half of save", write_half)
            save(state, file, **kwargs)

        def empty_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            opened = open_file(file, mode, *args, **kwargs)
            if "w" in mode and str(file).startswith(str(folder)):
                self.reach(f"empty {re.sub(r'.[0-9]+.partial$', '', os.path.basename(file))}")
            return opened

        torch.save, builtins.open = half_save, empty_open

    def _watch(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {name}")
            result = original(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        setattr(owner, name, watched)


def train_here(
    config: Dict[str, Any], folder: Path, recover: bool, killed_at: Optional[int], noted: Optional[Path]
) -> None:
    with open(folder.with_suffix(".log"), "a") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    os.chdir(ROOT)
    torch.manual_seed(1234 + int(recover))  # What does not set the random state must not find the same one.
    random.seed(99 + int(recover))
    moments = Moments(killed_at)
    moments.watch(folder)
    train_model(Params(config), str(folder), recover=recover)
    if noted is not None:
        noted.write_text(json.dumps(moments.names))


def train(
    config: Dict[str, Any],
    folder: Path,
    *,
    recover: bool = False,
    killed_at: Optional[int] = None,
    killed_after: Optional[float] = None,
    noted: Optional[Path] = None,
) -> int:
    """Return the exit code, which is `-signal.SIGKILL` if it was killed."""
    process = PROCESSES.Process(target=train_here, args=(config, folder, recover, killed_at, noted))
    process.start()
    if killed_after is not None:
        while not (folder / "config.json").exists() and process.is_alive():
            time.sleep(0.001)
        process.join(killed_after)
        process.kill()
    process.join(300)
    assert process.exitcode is not None, "It hangs."
    return process.exitcode


def train_to_the_end(config: Dict[str, Any], folder: Path, **options: Any) -> Dict[str, Any]:
    """Train, or continue what was killed, and return all that has to be equal."""
    recover = (folder / "config.json").exists()
    exit_code = train(config, folder, recover=recover, **options)
    assert exit_code == 0, folder.with_suffix(".log").read_text()[-3000:]
    return read_results(folder)


def read_results(folder: Path) -> Dict[str, Any]:
    results: Dict[str, Any] = {}
    for path in [*folder.glob("metrics*.json")]:
        metrics = json.loads(path.read_text())
        results[path.name] = {
            name: value for name, value in metrics.items() if not name.endswith(("duration", "memory_MB"))
        }
    for name in ["best.th", max(folder.glob("model_state*"), key=lambda path: path.stat().st_mtime_ns).name]:
        results[name] = read_state(folder / name)
    with tarfile.open(folder / "model.tar.gz") as archive:
        assert "vocabulary/non_padded_namespaces.txt" in archive.getnames()
        archive.extract("weights.th", folder / "extracted", filter="data")
    results["model.tar.gz"] = read_state(folder / "extracted" / "weights.th")
    results["files"] = sorted(path.name for path in folder.iterdir())
    return results


def read_state(path: Path) -> Dict[str, Any]:
    state = torch.load(path, weights_only=True)
    return {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in state.items()}


def without_training_metrics(results: Dict[str, Any]) -> Dict[str, Any]:
    """Without the sums over an epoch that was continued in its middle."""
    return {
        name: {key: value for key, value in result.items() if not key.startswith("training_")}
        if name.startswith("metrics")
        else result
        for name, result in results.items()
    }
