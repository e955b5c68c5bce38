"""Runs the workers of distributed training as forks of the test's process, which spares them the imports."""

import copy
import hashlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import torch
import torch.distributed
from allennlp.commands import train
from allennlp.common import Params
from allennlp.training.callbacks import TrainerCallback
from torch import multiprocessing

from allennlp_graphmask.interpret.graphmask import GraphMask

WORKERS = {"cuda_devices": [-1, -1]}


class _Forking:
    """What AllenNLP's `train` uses of `torch.multiprocessing`."""

    @staticmethod
    def spawn(function: Callable[..., Any], **options: Any) -> None:
        multiprocessing.start_processes(function, start_method="fork", **options)


def train_by_workers(config: Dict[str, Any], folder: Path, monkeypatch: Any, recover: bool = False) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train, "mp", _Forking)
        train.train_model(Params(copy.deepcopy({**config, "distributed": WORKERS})), str(folder), recover=recover)


def _in_worker(rank: int, function: Callable[..., Any], folder: str, arguments: tuple) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        Path(folder, f"{rank}.json").write_text(json.dumps(function(*arguments)))
    finally:
        torch.distributed.destroy_process_group()


def call_in_workers(function: Callable[..., Any], folder: Path, *arguments: Any) -> List[Any]:
    """Call a function in two workers. Return the JSON of their results."""
    multiprocessing.start_processes(_in_worker, (function, str(folder), arguments), nprocs=2, start_method="fork")
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@TrainerCallback.register("worker_notes")
class WorkerNotes(TrainerCallback):
    """Writes what each worker had after each batch and at the end to `worker_RANK.json`."""

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self.notes: Dict[str, Any] = {"noise": [], "digests": []}

    def on_start(self, trainer, is_primary=True, **kwargs) -> None:
        super().on_start(trainer, is_primary, **kwargs)
        self._note()

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, is_training, **kwargs):
        if is_training:
            self._note()

    def _note(self) -> None:
        model = self.trainer.model
        self.notes["digests"].append(digest(model))
        with torch.random.fork_rng():
            if isinstance(model, GraphMask):
                noise = model.gate_distribution.sample(torch.zeros(20))
            else:
                noise = torch.rand(20)
            self.notes["noise"].append(noise.tolist())

    def on_end(self, trainer, metrics=None, epoch=None, is_primary=True, **kwargs) -> None:
        self.notes["metrics"] = metrics
        self.notes["digest"] = digest(trainer.model)
        if isinstance(trainer.model, GraphMask):
            self.notes["multiplier"] = float(trainer.model.lagrangian.multiplier)
            self.notes["enabled_layers"] = int(trainer.model.enabled_layers)
            self.notes["threshold"] = float(trainer.model.threshold)
        path = Path(self.serialization_dir, f"worker_{torch.distributed.get_rank()}.json")
        path.write_text(json.dumps(self.notes))


def digest(model: torch.nn.Module) -> str:
    """What all parameters and buffers are."""
    found = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        found.update(name.encode() + tensor.detach().numpy().tobytes())
    return found.hexdigest()


def read_notes(folder: Path) -> List[Dict[str, Any]]:
    return [json.loads((folder / f"worker_{rank}.json").read_text()) for rank in range(2)]
