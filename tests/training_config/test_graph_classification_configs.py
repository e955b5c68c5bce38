"""The configs for graphs over text build their reader, model, trainer and data, for graphs and for nodes."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
from allennlp.common import Params

from allennlp_graphmask.models import GraphClassifier
from tests.data.dataset_readers.graph_jsonl.graphs import EVE, written
from tests.training_config.building import REPOSITORY, archive, build, check_graphmask

CONFIGS = REPOSITORY / "training_config" / "graph_classification"
FIXTURES = REPOSITORY / "fixtures" / "graph_jsonl"


@pytest.mark.parametrize("encoder", ["rgcn", "syntactic_gcn"])
@pytest.mark.parametrize("classify", ["graph", "nodes"])
def test_config_and_its_graphmask_config_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, classify: str
) -> None:
    train, dev = FIXTURES / "train.jsonl", FIXTURES / "dev.jsonl"
    reader: Dict[str, Any] = {}
    if classify == "nodes":
        train = dev = Path(written(tmp_path / "nodes.jsonl", EVE, EVE))
        reader = {f"{name}.classify": "nodes" for name in ("dataset_reader", "validation_dataset_reader")}
    target = tmp_path / "target"
    environment = {
        "GRAPH_TRAIN": str(train),
        "GRAPH_DEV": str(dev),
        "GRAPHMASK_TARGET": str(target / "model.tar.gz"),
    }
    overrides = {**reader, "model.classify": classify, "model.graph_encoder.type": encoder}
    training = build(CONFIGS / "small.jsonnet", target, json.dumps(overrides), monkeypatch, environment)
    assert isinstance(training.model, GraphClassifier) and training.model.classify == classify
    loss = training.model(**next(iter(training.trainer.data_loader)))["loss"]
    assert bool(loss.isfinite()) and loss.requires_grad
    archive(training, target)

    check_graphmask(
        build(
            CONFIGS / "small_graphmask.jsonnet",
            tmp_path / "graphmask",
            json.dumps(reader),
            monkeypatch,
            environment,
        )
    )


def test_training_needs_labels_and_prediction_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GRAPH_TRAIN", "GRAPH_DEV", "GRAPHMASK_TARGET"):
        monkeypatch.setenv(variable, "nowhere")
    for name in ("small", "small_graphmask"):
        params = Params.from_file(str(CONFIGS / f"{name}.jsonnet")).as_dict()
        reader = params["dataset_reader"]
        assert reader["require_labels"] is True
        assert params["validation_dataset_reader"] == {**reader, "require_labels": False}


@pytest.mark.parametrize("missing", ["GRAPH_TRAIN", "GRAPH_DEV"])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for variable in ("GRAPH_TRAIN", "GRAPH_DEV"):
        monkeypatch.setenv(variable, "nowhere")
    monkeypatch.delenv(missing)
    with pytest.raises(RuntimeError, match=missing):
        Params.from_file(str(CONFIGS / "small.jsonnet"))
