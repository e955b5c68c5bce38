"""Training toys with AllenNLP's own trainer, for the tests of what is around the GraphMask model."""

import copy
from pathlib import Path
from typing import Any, Dict, Optional, Type

from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.models import Model
from allennlp.training.callbacks import TrainerCallback

TOY_ENCODER = {"type": "syntactic_gcn", "input_dim": 5, "hidden_dim": 6, "num_layers": 2}

DATA = {
    "dataset_reader": {"type": "toy_graphs"},
    "train_data_path": "1:40",
    "validation_data_path": "2:20",
    "data_loader": {"batch_size": 8, "shuffle": True},
    "validation_data_loader": {"batch_size": 20, "shuffle": False},
    "random_seed": 5,
    "numpy_seed": 5,
    "pytorch_seed": 5,
}

TARGET_MODEL = {"type": "toy_tagger", "dropout": 0.1, "graph_encoder": TOY_ENCODER}

OPTIMIZER = {"type": "adam", "lr": 0.1, "parameter_groups": [[[r"(^|\.)multiplier$"], {"lr": 0.2}]]}


@TrainerCallback.register("toy_interruption")
class Interruption(TrainerCallback):
    """Stops training with an exception in the middle of an epoch, if a test says so."""

    #: (epoch, batch) where to stop.
    at: Optional[tuple] = None
    error: Type[BaseException] = RuntimeError

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, **kwargs) -> None:
        if (epoch, batch_number) == Interruption.at:
            raise Interruption.error("Stopped by the test.")


@TrainerCallback.register("toy_observer")
class Observer(TrainerCallback):
    """Notes what each epoch was trained and validated with."""

    seen: list = []

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, is_training, **kwargs):
        Observer.seen.append((epoch, is_training, int(trainer.model.enabled_layers)))


def train(config: Dict[str, Any], folder: Path, *, recover: bool = False) -> Model:
    return train_model(Params(copy.deepcopy(config)), str(folder), recover=recover)


def target_config(model: Optional[Dict[str, Any]] = None, **trainer: Any) -> Dict[str, Any]:
    optimizer = {"type": "adam", "lr": 0.05}
    return {
        **DATA,
        "model": model or TARGET_MODEL,
        "trainer": {"num_epochs": 12, "validation_metric": "+accuracy", "optimizer": optimizer, **trainer},
    }


def graphmask_config(target: Path, *, callback: Optional[Dict[str, Any]] = None, **settings: Any) -> Dict[str, Any]:
    """GraphMask on a trained toy: two layers, enabled in the first two of three epochs."""
    return {
        **DATA,
        "vocabulary": {"type": "from_files", "directory": str(target)},
        "model": {
            "type": "graphmask",
            "target": {"type": "from_archive", "archive_file": str(target)},
            "epochs_per_layer": 1,
            "constraint_bound": 0.5,
            # Few steps have to do.
            "masker": {"location_bias": 1.0},
            **settings,
        },
        "trainer": {
            "num_epochs": 3,
            "validation_metric": "-selection",
            "optimizer": OPTIMIZER,
            "checkpointer": {"keep_most_recent_by_count": 10},
            "callbacks": [
                {"type": "graphmask", **(callback or {})},
                {"type": "toy_interruption"},
                {"type": "toy_observer"},
            ],
        },
    }
