"""The main job by stock commands in processes of their own, from an empty folder: train, mask, explain."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from allennlp_graphmask.explanation import read_explanations
from tests.compat.conftest import run_python

REPOSITORY = Path(__file__).parent.parent
CONFIGS = REPOSITORY / "training_config" / "propbank"
FEWER_EPOCHS = json.dumps({"trainer.num_epochs": 12})


def allennlp(folder: Path, *arguments: str, **options: Any) -> str:
    return run_python("-m", "allennlp", *arguments, folder=folder, **options)


def train_graphmask(folder: Path, name: str, num_epochs: int, *options: str) -> None:
    """Train GraphMask on the model, one epoch for each layer."""
    schedule = json.dumps({"trainer.num_epochs": num_epochs, "model.epochs_per_layer": 1})
    arguments = (str(CONFIGS / "demo_graphmask.jsonnet"), "-s", name, "-o", schedule, *options)
    allennlp(folder, "train", *arguments, GRAPHMASK_TARGET="model/model.tar.gz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An empty folder but for the fixtures, with a trained model and a GraphMask archive; the model is gone."""
    folder = tmp_path_factory.mktemp("empty")
    shutil.copytree(REPOSITORY / "fixtures", folder / "fixtures")
    allennlp(folder, "train", str(CONFIGS / "demo.jsonnet"), "-s", "model", "-o", FEWER_EPOCHS)
    train_graphmask(folder, "graphmask", 3)
    (folder / "model").rename(folder / "model_hidden")
    return folder


def test_training_reports_what_it_should(folder):
    metrics = json.loads((folder / "graphmask" / "metrics.json").read_text())
    names = ["kept", "kept_layer_0", "kept_layer_1", "divergence", "changed", "random_changed"]
    names += ["multiplier", "constraint_met", "original_f1", "masked_f1", "random_f1"]
    for name in names:
        assert f"best_validation_{name}" in metrics, name
    assert metrics["best_validation_divergence_floor"] == 0.0
    assert any(name.startswith("best_validation__kept_type/") for name in metrics)
    original = json.loads((folder / "model_hidden" / "metrics.json").read_text())
    assert metrics["best_validation_original_f1"] == pytest.approx(original["best_validation_f1"], abs=1e-6)


def test_evaluate_without_the_explained_models_archive(folder):
    paths = ("graphmask/model.tar.gz", "fixtures/propbank/dev.conll09")
    allennlp(folder, "evaluate", *paths, "--output-file", "scores.json")
    trained = json.loads((folder / "graphmask" / "metrics.json").read_text())
    scores = json.loads((folder / "scores.json").read_text())
    for name in ("kept", "changed", "divergence", "masked_f1"):
        assert scores[name] == pytest.approx(trained[f"best_validation_{name}"], abs=1e-6)


def test_predict_from_conll_lines_gives_explanations(folder):
    paths = ("graphmask/model.tar.gz", "fixtures/propbank/demo.conll09")
    options = ("--use-dataset-reader", "--silent", "--output-file", "explanations.jsonl")
    allennlp(folder, "predict", *paths, *options)
    explanations = list(read_explanations(folder / "explanations.jsonl"))
    assert explanations
    for explanation in explanations:
        assert explanation.edges and explanation.tokens
        for edge in explanation.edges:
            assert len(edge.kept) == len(edge.score) == 2
    text = run_python("-m", "allennlp_graphmask.views", "explanations.jsonl", folder=folder)
    assert " ".join(explanations[0].tokens)[:40] in text


def test_trees_of_another_scheme_are_refused_by_name(folder):
    overrides = json.dumps({"dataset_reader.syntax": "predicted"})
    paths = ("graphmask/model.tar.gz", "fixtures/propbank/dev.conll09")
    output = allennlp(folder, "evaluate", *paths, "-o", overrides, expected_status=2)
    assert "universal_dependencies" in output and "clearnlp" in output


def test_training_names_a_missing_target(folder):
    config, target = str(CONFIGS / "demo_graphmask.jsonnet"), "nowhere/model.tar.gz"
    output = allennlp(folder, "train", config, "-s", "never", expected_status=2, GRAPHMASK_TARGET=target)
    assert target in output


def test_recovered_training_equals_uninterrupted_training(folder):
    (folder / "model_hidden").rename(folder / "model")
    try:
        # The same schedule, stopped after two epochs and taken up again.
        train_graphmask(folder, "recovered", 2)
        written = folder / "recovered" / "config.json"
        written.write_text(written.read_text().replace('"num_epochs": 2', '"num_epochs": 3'))
        train_graphmask(folder, "recovered", 3, "--recover")
    finally:
        (folder / "model").rename(folder / "model_hidden")
    whole = json.loads((folder / "graphmask" / "metrics_epoch_2.json").read_text())
    recovered = json.loads((folder / "recovered" / "metrics_epoch_2.json").read_text())
    for name, value in whole.items():
        if name.startswith(("training_", "validation_")) and not name.endswith(("duration", "memory_MB")):
            assert recovered[name] == value, name
