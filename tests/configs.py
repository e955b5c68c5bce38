"""Tiny configs that train every task model on the fixtures, and GraphMask on it."""

import json
from typing import Any, Dict

from tests.commands.conftest import GRAPH_CONFIG
from tests.conftest import QA_CONFIG, ROOT, SRL_CONFIG

FIXTURES = ROOT / "fixtures"

STAR_CONFIG: Dict[str, Any] = {
    "dataset_reader": {"type": "star_graphs", "variant": "two_layer", "num_train": 32, "num_dev": 16, "num_test": 9},
    "model": {
        "type": "star_graph_classifier",
        "graph_encoder": {"type": "rgcn", "input_dim": 12, "hidden_dim": 8, "num_layers": 2, "normalise": False},
    },
}
DATA = {
    "stars": ("train", "dev"),
    "srl": (FIXTURES / "propbank" / "train.conll09", FIXTURES / "propbank" / "dev.conll09"),
    "graphs": (FIXTURES / "graph_jsonl" / "train.jsonl", FIXTURES / "graph_jsonl" / "dev.jsonl"),
    "qa": (FIXTURES / "multihop_qa" / "questions.json", FIXTURES / "multihop_qa" / "questions.json"),
}
BASES = {"stars": STAR_CONFIG, "srl": SRL_CONFIG, "graphs": GRAPH_CONFIG, "qa": QA_CONFIG}


def task_config(name: str, **trainer: Any) -> Dict[str, Any]:
    """The config of the task model of this name, a key of `DATA`. Relative paths are those of the data of star graphs only."""
    train, dev = map(str, DATA[name])
    config = {
        **json.loads(json.dumps(BASES[name])),
        "train_data_path": train,
        "validation_data_path": dev,
        "datasets_for_vocab_creation": ["train"],
        # All of the validation data are one batch, and half of them one for each of two workers.
        "data_loader": {"batch_size": 2 if name == "qa" else 8, "shuffle": True},
        "validation_data_loader": {"batch_size": 500, "shuffle": False},
        "trainer": {"num_epochs": 2, "optimizer": {"type": "adam", "lr": 0.02}, **trainer},
    }
    if name in ("srl", "graphs", "qa"):
        config["model"]["dropout"] = 0.2
    if name == "srl":
        config["model"]["word_dropout"] = {}
    return config


def graphmask_config(name: str, target: str, **callback: Any) -> Dict[str, Any]:
    """The config of GraphMask on the archive of this task model."""
    config = task_config(name)
    return {
        **config,
        "vocabulary": {"type": "from_files", "directory": target},
        "model": {
            "type": "graphmask",
            "target": {"type": "from_archive", "archive_file": target},
            "epochs_per_layer": 1,
            "initial_multiplier": 1.0,
            "masker": {"type": "edgewise", "location_bias": 0.0},
        },
        "trainer": {
            **config["trainer"],
            "validation_metric": "-selection",
            "optimizer": {
                "type": "adam",
                "lr": 0.02,
                "parameter_groups": [[[r"(^|\.)multiplier$"], {"lr": 0.05}]],
            },
            "callbacks": [{"type": "graphmask", "max_changed": 0.2, **callback}],
        },
    }
