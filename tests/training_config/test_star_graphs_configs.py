"""Every config for star graphs builds its reader, model, trainer and data, on few graphs."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
from allennlp.common import Params

from allennlp_graphmask.models import StarGraphClassifier
from tests.training_config.building import (
    REPOSITORY,
    archive,
    build,
    check_graphmask,
    models_of,
    targets_of,
)

CONFIGS = REPOSITORY / "training_config" / "star_graphs"
FEW = json.dumps({"dataset_reader.num_train": 70, "dataset_reader.num_dev": 10})


def test_there_is_a_graphmask_config_for_every_model() -> None:
    assert models_of(CONFIGS) == targets_of(CONFIGS) == ["demo", "paper", "small", "two_layer"]


@pytest.mark.parametrize("name", targets_of(CONFIGS))
def test_config_and_its_graphmask_config_build(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "target"
    training = build(CONFIGS / f"{name}.jsonnet", folder, FEW, monkeypatch, {})
    assert isinstance(training.model, StarGraphClassifier)
    assert training.model.graph_encoder.num_layers == (2 if name == "two_layer" else 1)
    loss = training.model(**next(iter(training.trainer.data_loader)))["loss"]
    assert bool(loss.isfinite()) and loss.requires_grad
    environment = {"GRAPHMASK_TARGET": archive(training, folder)}
    config = CONFIGS / f"{name}_graphmask.jsonnet"
    check_graphmask(build(config, tmp_path / "graphmask", FEW, monkeypatch, environment))


def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> Dict[str, Any]:
    monkeypatch.setenv("GRAPHMASK_TARGET", "nowhere")
    return Params.from_file(str(CONFIGS / f"{name}.jsonnet")).as_dict()


@pytest.mark.parametrize("name", targets_of(CONFIGS))
def test_both_configs_have_the_same_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, graphmask = loaded(name, monkeypatch), loaded(f"{name}_graphmask", monkeypatch)
    for key in ("dataset_reader", "train_data_path", "validation_data_path"):
        assert model[key] == graphmask[key]
    assert (model["train_data_path"], model["validation_data_path"]) == ("train", "dev")


def test_paper_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    model, graphmask = loaded("paper", monkeypatch), loaded("paper_graphmask", monkeypatch)
    encoder = model["model"]["graph_encoder"]
    assert (encoder["hidden_dim"], encoder["num_layers"]) == (100, 1)
    assert graphmask["data_loader"]["batch_size"] == 5 and graphmask["trainer"]["num_epochs"] == 25
    settings = graphmask["model"]
    assert (settings["penalty_scaling"], settings["allowance"]) == (5, 0.03)
    assert settings["gates"] == "straight_through" and settings["two_sided"] is False
