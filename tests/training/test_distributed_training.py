"""Two workers train each model, agree, and measure what one process does."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from allennlp.commands.evaluate import evaluate_from_archive
from allennlp.data import Batch
from allennlp.models.archival import Archive, load_archive

from allennlp_graphmask.interpret.graphmask import choose_threshold, threshold_curve
from tests.configs import DATA, graphmask_config, task_config
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
    train_by_workers(config, folder / "graphmask", monkeypatch)
    first, _ = check_workers(folder / "graphmask", config)
    assert first["enabled_layers"] == 2

    chosen = json.loads((folder / "graphmask" / "threshold_curve.json").read_text())["chosen"]
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


@pytest.mark.parametrize("name", DATA)
def test_workers_agree_and_measure_what_one_process_does(name, tmp_path, monkeypatch) -> None:
    check_model(name, tmp_path, monkeypatch)
