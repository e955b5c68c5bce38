"""Data of each SRL format: a model is trained on it, GraphMask on the model, and both explain it, in this process."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
from allennlp.commands.train import train_model
from allennlp.common import Params

from tests.commands.explaining import explained
from tests.conftest import SRL_CONFIG
from tests.data.real_data import DATA, needs_data

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


def train(folder: Path, reader: Dict[str, Any], data: Path, model: Dict[str, Any], num_epochs: int) -> Dict[str, Any]:
    config = {
        **SRL_CONFIG,
        "dataset_reader": {**SRL_CONFIG["dataset_reader"], **reader},
        "train_data_path": str(data),
        "validation_data_path": str(data),
        "model": model,
        "data_loader": {"batch_size": 32, "shuffle": True},
        "trainer": {"num_epochs": num_epochs, "optimizer": {"type": "adam", "lr": 0.02}},
    }
    if model["type"] == "graphmask":
        config["vocabulary"] = {"type": "from_files", "directory": model["target"]["archive_file"]}
        config["trainer"].update(callbacks=[{"type": "graphmask"}], validation_metric="-selection")
    # A copy without shared parts, which AllenNLP takes apart.
    train_model(Params(json.loads(json.dumps(config))), str(folder))
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    "reader, data, num_epochs, min_f1",
    [
        pytest.param(
            {"type": "universal_propositions"},
            DATA / "srl_formats" / "en_ewt-up-dev.first300.conllu",
            6,
            0.3,
            marks=[needs_data, pytest.mark.long],
        ),
        ({"type": "universal_propositions"}, FIXTURES / "universal_propositions" / "sentences.conllu", 120, 0.7),
        ({"type": "nltk_propbank", "dependency_scheme": "penn_head_rules"}, FIXTURES / "nltk_data", 120, 0.7),
    ],
    ids=["300 Universal Propositions", "universal_propositions", "nltk_propbank"],
)
def test_trained_masked_and_explained(tmp_path, reader, data, num_epochs, min_f1) -> None:
    scheme = reader.get("dependency_scheme", "universal_dependencies")
    config = {**SRL_CONFIG["model"], "dependency_scheme": scheme}
    trained = train(tmp_path / "model", reader, data, config, num_epochs)
    assert trained["best_validation_f1"] > min_f1
    archive = str(tmp_path / "model" / "model.tar.gz")
    model = {"type": "graphmask", "target": {"type": "from_archive", "archive_file": archive}, "epochs_per_layer": 1}
    masked = train(tmp_path / "graphmask", reader, data, model, 3)
    assert masked["best_validation_original_f1"] == pytest.approx(trained["best_validation_f1"])
    explanations = explained(tmp_path / "out.jsonl", tmp_path / "graphmask" / "model.tar.gz", data)
    assert explanations and all(one.metadata["roles"] is not None for one in explanations)
