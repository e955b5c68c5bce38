"""The configs for graphs over text build their reader, model, trainer and data, for graphs and for nodes."""

import copy
import json
from pathlib import Path
from typing import Any, Dict

import pytest
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.models.archival import archive_model
from torch import save

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.models import GraphClassifier
from tests.data.dataset_readers.graph_jsonl.graphs import EVE, written

REPOSITORY = Path(__file__).parent.parent.parent
CONFIGS = REPOSITORY / "training_config" / "graph_classification"
FIXTURES = REPOSITORY / "fixtures" / "graph_jsonl"

NODES: Dict[str, Any] = {
    "dataset_reader": {"classify": "nodes"},
    "validation_dataset_reader": {"classify": "nodes"},
}


def build(name: str, folder: Path, overrides: Dict[str, Any]) -> TrainModel:
    folder.mkdir()
    params = Params.from_file(str(CONFIGS / f"{name}.jsonnet"), json.dumps(overrides))
    params.to_file(str(folder / "config.json"))
    return TrainModel.from_params(params=params, serialization_dir=str(folder), local_rank=0)


@pytest.mark.parametrize("encoder", ["rgcn", "syntactic_gcn"])
@pytest.mark.parametrize("classify", ["graph", "nodes"])
def test_config_and_its_graphmask_config_build(tmp_path, monkeypatch, encoder, classify) -> None:
    overrides: Dict[str, Any] = {"model": {"graph_encoder": {"type": encoder}}}
    masker_overrides: Dict[str, Any] = {}
    paths = {"GRAPH_TRAIN": str(FIXTURES / "train.jsonl"), "GRAPH_DEV": str(FIXTURES / "dev.jsonl")}
    if classify == "nodes":
        paths = dict.fromkeys(paths, written(tmp_path / "nodes.jsonl", EVE, EVE))
        masker_overrides = copy.deepcopy(NODES)
        overrides = {**NODES, "model": {"classify": "nodes", "graph_encoder": {"type": encoder}}}
    target = tmp_path / "target"
    for variable, value in {**paths, "GRAPHMASK_TARGET": str(target / "model.tar.gz")}.items():
        monkeypatch.setenv(variable, value)

    training = build("small", target, overrides)
    assert isinstance(training.model, GraphClassifier) and training.model.classify == classify
    loss = training.model(**next(iter(training.trainer.data_loader)))["loss"]
    assert bool(loss.isfinite()) and loss.requires_grad
    training.model.vocab.save_to_files(str(target / "vocabulary"))
    save(training.model.state_dict(), str(target / "best.th"))
    archive_model(str(target))

    masking = build("small_graphmask", tmp_path / "graphmask", masker_overrides)
    model = masking.model
    assert isinstance(model, GraphMask)
    loss = model.eval()(**next(iter(masking.trainer.data_loader)))["loss"]
    assert bool(loss.isfinite())
    multiplier_groups = [
        group
        for group in masking.trainer.optimizer.param_groups
        if any(p is model.lagrangian.multiplier for p in group["params"])
    ]
    assert len(multiplier_groups) == 1 and len(multiplier_groups[0]["params"]) == 1


def test_training_needs_labels_and_prediction_does_not(monkeypatch) -> None:
    for variable in ("GRAPH_TRAIN", "GRAPH_DEV", "GRAPHMASK_TARGET"):
        monkeypatch.setenv(variable, "nowhere")
    for name in ("small", "small_graphmask"):
        params = Params.from_file(str(CONFIGS / f"{name}.jsonnet")).as_dict()
        reader = params["dataset_reader"]
        assert reader["require_labels"] is True
        assert params["validation_dataset_reader"] == {**reader, "require_labels": False}


@pytest.mark.parametrize("missing", ["GRAPH_TRAIN", "GRAPH_DEV"])
def test_a_missing_variable_is_named(monkeypatch, missing) -> None:
    for variable in ("GRAPH_TRAIN", "GRAPH_DEV"):
        monkeypatch.setenv(variable, "nowhere")
    monkeypatch.delenv(missing)
    with pytest.raises(RuntimeError, match=missing):
        Params.from_file(str(CONFIGS / "small.jsonnet"))
