"""Two workers train each model, agree, and measure what one process does."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from allennlp.commands.evaluate import evaluate_from_archive
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.data import Batch
from allennlp.models.archival import Archive, load_archive

from allennlp_graphmask.interpret.graphmask import choose_threshold, threshold_curve
from tests.configs import DATA, graphmask_config, task_config
from tests.interpret.graphmask.training import Interruption
from tests.training.workers import read_notes, train_by_workers

#: Metrics of a sample of the batches or of random gates, and the mean loss of batches, which are others with two workers.
SAMPLED = ("divergence_floor", "random_", "loss")


def with_callbacks(config: Dict[str, Any], *callbacks: Dict[str, Any]) -> Dict[str, Any]:
    trainer = config["trainer"]
    return {**config, "trainer": {**trainer, "callbacks": [*trainer.get("callbacks", []), *callbacks]}}


def check_workers(folder: Path, config: Dict[str, Any]) -> List[Dict[str, Any]]:
    notes = read_notes(folder)
    for name in notes[0].keys() - {"noise", "metrics"}:
        assert notes[0][name] == notes[1][name], name
    measured = [
        {key: value for key, value in worker["metrics"].items() if "duration" not in key and "memory" not in key}
        for worker in notes
    ]
    assert measured[0] == measured[1]
    for first, second in zip(notes[0]["noise"], notes[1]["noise"]):
        assert first != second
    assert len({tuple(noise) for noise in notes[1]["noise"]}) == len(notes[1]["noise"]) > 2

    # The threshold is moved after the best epoch was measured.
    weights = folder / f"model_state_e{measured[0]['best_epoch'] + 1}_b0.th"
    alone = evaluate_from_archive(folder / "model.tar.gz", config["validation_data_path"], weights_file=str(weights))
    best = {
        key[len("best_validation_") :]: value
        for key, value in measured[0].items()
        if key.startswith("best_validation_")
    }
    compared = [key for key in best if not key.startswith(SAMPLED)]
    assert compared
    for key in compared:
        assert alone[key] == pytest.approx(best[key], abs=1e-6), key
    return notes


def check_model(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = with_callbacks(task_config(name), {"type": "distributed"}, {"type": "worker_notes"})
    train_by_workers(config, folder / "model", monkeypatch)
    check_workers(folder / "model", config)
    config = with_callbacks(graphmask_config(name, str(folder / "model" / "model.tar.gz")), {"type": "worker_notes"})
    # A role labeller that has hardly learnt assigns no roles.
    config["model"]["focus"] = "all"
    train_by_workers(config, folder / "graphmask", monkeypatch)
    first, _ = check_workers(folder / "graphmask", config)
    assert first["enabled_layers"] == 2

    curves = json.loads((folder / "graphmask" / "threshold_curve.json").read_text())
    chosen = next(iter(curves.values()))["chosen"]  # for the focus of training
    assert chosen["threshold"] == first["threshold"]
    archive = load_archive(folder / "graphmask" / "model.tar.gz")
    batches = one_batch(archive, config)
    [point] = threshold_curve(archive.model.eval(), batches, [chosen["threshold"]])
    assert point == pytest.approx(tuple(chosen.values()), abs=1e-6)
    assert choose_threshold(archive.model, batches, 0.2)[0] == pytest.approx(point, abs=1e-6)


def one_batch(archive: Archive, config: Dict[str, Any]) -> List[Any]:
    """All of the validation data."""
    batch = Batch(archive.validation_dataset_reader.read(config["validation_data_path"]))
    batch.index_instances(archive.model.vocab)
    return [batch.as_tensor_dict()]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "qa" else pytest.mark.reliability) for name in DATA]
)
def test_workers_agree_and_measure_what_one_process_does(name, tmp_path, monkeypatch) -> None:
    check_model(name, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def stars(tmp_path_factory) -> str:
    """An archive that was trained by one process."""
    folder = tmp_path_factory.mktemp("stars") / "model"
    train_model(Params(task_config("stars")), str(folder))
    return str(folder / "model.tar.gz")


def test_recovered_training_is_bitwise_that_without_interruption(stars, tmp_path, monkeypatch) -> None:
    config = with_callbacks(graphmask_config("stars", stars), {"type": "worker_notes"}, {"type": "toy_interruption"})
    config["trainer"]["checkpointer"] = {"save_every_num_batches": 1, "keep_most_recent_by_count": 10}
    train_by_workers(config, tmp_path / "whole", monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(Exception, match="Stopped by the test"):
        patch.setattr(Interruption, "at", (1, 2))
        train_by_workers(config, tmp_path / "interrupted", monkeypatch)
    train_by_workers(config, tmp_path / "interrupted", monkeypatch, recover=True)
    for whole, recovered in zip(read_notes(tmp_path / "whole"), read_notes(tmp_path / "interrupted")):
        assert whole["digest"] == recovered["digest"] and whole["threshold"] == recovered["threshold"]
        # One batch was left.
        assert whole["noise"][-2:] == recovered["noise"]


def test_dropped_batches_are_counted(stars, tmp_path, monkeypatch) -> None:
    config = graphmask_config("stars", stars)
    # 17 graphs: 9 for the first worker, 8 for the other.
    config["dataset_reader"]["num_dev"] = 17
    config["validation_data_loader"]["batch_size"] = 4
    train_by_workers(config, tmp_path / "run", monkeypatch)
    log = (tmp_path / "run" / "out_worker0.log").read_text()
    assert "1 of the 5 batches of validation data are dropped in each epoch" in log and "3 and 2" in log
    assert "training data are dropped" not in log
    # The threshold was chosen on the four that are left.
    points = json.loads((tmp_path / "run" / "threshold_curve.json").read_text())["all"]["points"]
    assert {point["changed"] * 16 % 1 for point in points} == {0.0}


def test_the_test_data_are_evaluated_as_by_one_process(tmp_path, monkeypatch) -> None:
    config = {**task_config("stars"), "test_data_path": "test", "evaluate_on_test": True}
    train_by_workers(config, tmp_path / "run", monkeypatch)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    alone = evaluate_from_archive(tmp_path / "run" / "model.tar.gz", "test")
    for name in ("accuracy", "loss"):
        assert metrics[f"test_{name}"] == pytest.approx(alone[name], abs=1e-6)
