"""The main job by stock commands in processes of their own, from an empty folder: train, mask, explain."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

REPOSITORY = Path(__file__).parent.parent
CONFIGS = REPOSITORY / "training_config" / "propbank"
FEWER_EPOCHS = json.dumps({"trainer.num_epochs": 12})


def run(arguments: List[str], folder: Path, environment: Optional[Dict[str, str]] = None, fails: bool = False) -> str:
    """Runs `python -m` with these arguments and gives all that it printed."""
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=600,
    )
    output = result.stdout + result.stderr
    assert (result.returncode != 0) == fails, output[-4000:]
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An empty folder but for the fixtures, with a trained model and a GraphMask archive; the model is gone."""
    folder = tmp_path_factory.mktemp("empty")
    shutil.copytree(REPOSITORY / "fixtures", folder / "fixtures")
    run(["allennlp", "train", str(CONFIGS / "demo.jsonnet"), "-s", "model", "-o", FEWER_EPOCHS], folder)
    environment = {"GRAPHMASK_TARGET": "model/model.tar.gz"}
    schedule = json.dumps({"trainer.num_epochs": 3, "model.epochs_per_layer": 1})
    config = str(CONFIGS / "demo_graphmask.jsonnet")
    run(["allennlp", "train", config, "-s", "graphmask", "-o", schedule], folder, environment)
    (folder / "model").rename(folder / "model_hidden")
    return folder


def test_training_reports_what_it_should(folder):
    metrics = json.loads((folder / "graphmask" / "metrics.json").read_text())
    for name in (
        "kept",
        "kept_layer_0",
        "kept_layer_1",
        "divergence",
        "divergence_floor",
        "changed",
        "random_changed",
        "multiplier",
        "constraint_met",
        "original_f1",
        "masked_f1",
        "random_f1",
    ):
        assert f"best_validation_{name}" in metrics, name
    assert metrics["best_validation_divergence_floor"] == 0.0
    assert any(name.startswith("best_validation__kept_type/") for name in metrics)
    original = json.loads((folder / "model_hidden" / "metrics.json").read_text())
    assert metrics["best_validation_original_f1"] == pytest.approx(original["best_validation_f1"], abs=1e-6)


def test_evaluate_without_the_explained_models_archive(folder):
    run(
        [
            "allennlp",
            "evaluate",
            "graphmask/model.tar.gz",
            "fixtures/propbank/dev.conll09",
            "--output-file",
            "scores.json",
        ],
        folder,
    )
    trained = json.loads((folder / "graphmask" / "metrics.json").read_text())
    scores = json.loads((folder / "scores.json").read_text())
    for name in ("kept", "changed", "divergence", "masked_f1"):
        assert scores[name] == pytest.approx(trained[f"best_validation_{name}"], abs=1e-6)


def explanations_of(path: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_predict_from_conll_lines_gives_explanations(folder):
    arguments = [
        "allennlp",
        "predict",
        "graphmask/model.tar.gz",
        "fixtures/propbank/demo.conll09",
        "--use-dataset-reader",
    ]
    run([*arguments, "--output-file", "explanations.jsonl", "--silent"], folder)
    explanations = explanations_of(folder / "explanations.jsonl")
    assert explanations
    for explanation in explanations:
        assert explanation["edges"] and explanation["tokens"]
        for edge in explanation["edges"]:
            assert len(edge["kept"]) == len(edge["score"]) == 2
    # In batches the same.
    run([*arguments, "--output-file", "batched.jsonl", "--silent", "--batch-size", "3"], folder)
    for single, batched in zip(explanations, explanations_of(folder / "batched.jsonl"), strict=True):
        assert [edge["kept"] for edge in single["edges"]] == [edge["kept"] for edge in batched["edges"]]
        assert single["prediction"]["changed"] == batched["prediction"]["changed"]

    text = run(["allennlp_graphmask.views", "explanations.jsonl"], folder)
    assert " ".join(explanations[0]["tokens"])[:40] in text


def test_trees_of_another_scheme_are_refused_by_name(folder):
    overrides = json.dumps({"dataset_reader.syntax": "predicted"})
    output = run(
        ["allennlp", "evaluate", "graphmask/model.tar.gz", "fixtures/propbank/dev.conll09", "-o", overrides],
        folder,
        fails=True,
    )
    assert "universal_dependencies" in output and "clearnlp" in output


def test_training_names_a_missing_target(folder):
    output = run(
        ["allennlp", "train", str(CONFIGS / "demo_graphmask.jsonnet"), "-s", "never"],
        folder,
        {"GRAPHMASK_TARGET": "nowhere/model.tar.gz"},
        fails=True,
    )
    assert "nowhere/model.tar.gz" in output


def test_recovered_training_equals_uninterrupted_training(folder):
    (folder / "model_hidden").rename(folder / "model")
    try:
        environment = {"GRAPHMASK_TARGET": "model/model.tar.gz"}
        config = str(CONFIGS / "demo_graphmask.jsonnet")

        def settings(num_epochs: int) -> str:
            return json.dumps({"trainer.num_epochs": num_epochs, "model.epochs_per_layer": 1})

        # The same schedule, stopped after two epochs and taken up again.
        run(["allennlp", "train", config, "-s", "recovered", "-o", settings(2)], folder, environment)
        written = folder / "recovered" / "config.json"
        written.write_text(written.read_text().replace('"num_epochs": 2', '"num_epochs": 3'))
        run(
            ["allennlp", "train", config, "-s", "recovered", "-o", settings(3), "--recover"],
            folder,
            environment,
        )
    finally:
        (folder / "model").rename(folder / "model_hidden")
    whole = json.loads((folder / "graphmask" / "metrics_epoch_2.json").read_text())
    recovered = json.loads((folder / "recovered" / "metrics_epoch_2.json").read_text())
    for name, value in whole.items():
        if name.startswith(("training_", "validation_")) and not name.endswith(("duration", "memory_MB")):
            assert recovered[name] == value, name
