"""The training and evaluation that several benchmarks share."""

import json
import os
import shutil
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

import numpy
import torch
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.common.util import prepare_environment
from allennlp.data import Batch, DatasetReader, Instance
from allennlp.models import Model
from allennlp.models.archival import archive_model
from allennlp.nn.util import move_to_device
from allennlp.training.util import create_serialization_dir

from allennlp_graphmask.evaluation.comparison.masker_training import SEEDS, run_training
from allennlp_graphmask.interpret.graphmask import GraphMask


def train(
    config: str,
    folder: Path,
    seed: int,
    environment: Dict[str, str],
    overrides: Optional[Dict[str, Any]] = None,
) -> float:
    """Run `allennlp train` with one thread and return its CPU seconds, which a later run reads from the folder."""
    record = folder / "cpu_seconds.json"
    if not ((folder / "model.tar.gz").exists() and record.exists()):
        shutil.rmtree(folder, ignore_errors=True)
        overrides = {**dict.fromkeys(SEEDS, seed), **(overrides or {})}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        record.write_text(json.dumps(run_training(config, folder, overrides, environment)))
    return float(json.loads(record.read_text()))


class CpuSeconds(NamedTuple):
    """Of the training loop with its validation, and of what comes before it: reading the data and building the model."""

    training: float
    setup: float


def train_here(config: str, folder: Path, seed: int, overrides: Optional[Dict[str, Any]] = None) -> CpuSeconds:
    """
    Train as `allennlp train` does, in this process, so that the CPU seconds of training are apart from those of starting a
    process. A later run reads them from the folder. Environment variables that the config reads must be set.
    """
    record = folder / "cpu_seconds.json"
    if (folder / "model.tar.gz").exists() and record.exists():
        return CpuSeconds(**json.loads(record.read_text()))
    params = Params.from_file(config, json.dumps({**dict.fromkeys(SEEDS, seed), **(overrides or {})}))
    create_serialization_dir(params, str(folder), recover=False, force=True)
    params.to_file(str(folder / "config.json"))
    prepare_environment(params)
    start = time.process_time()
    training = TrainModel.from_params(params=params, serialization_dir=str(folder), local_rank=0)
    training.model.vocab.save_to_files(str(folder / "vocabulary"))
    ready = time.process_time()
    metrics = training.run()
    seconds = CpuSeconds(training=time.process_time() - ready, setup=ready - start)
    training.finish(metrics)
    archive_model(str(folder))
    record.write_text(json.dumps(seconds._asdict()))
    return seconds


def evaluate(model: GraphMask, batches: Iterable[Any], random_draws: int) -> Dict[str, float]:
    """Return all metrics of the model on the batches and on nothing else, in evaluation mode."""
    model.num_random_controls = random_draws
    model.eval()
    # Passes that were made for something else have counted, too.
    model.get_metrics(reset=True)
    for batch in batches:
        model(**move_to_device(batch, -1))
    return model.get_metrics(reset=True)


@torch.no_grad()
def kept_by_layer_and_relation(model: GraphMask, batches: Iterable[Any]) -> Dict[str, List[float]]:
    """Compute the fraction of messages kept in each layer, from the bottom, for each relation."""
    kept: Dict[str, numpy.ndarray] = defaultdict(lambda: numpy.zeros(model.num_layers))
    total: Dict[str, int] = defaultdict(int)
    for batch in batches:
        attribution = model(**move_to_device(batch, -1))["attribution"]
        decisions = torch.stack(attribution.kept).numpy()  # Shape: (num_layers, num_edges)
        edge_type = attribution.graph.edge_type.numpy()
        for relation in numpy.unique(edge_type):
            chosen = edge_type == relation
            kept[attribution.relation_names[relation]] += decisions[:, chosen].sum(1)
            total[attribution.relation_names[relation]] += int(chosen.sum())
    return {name: (shares / total[name]).round(4).tolist() for name, shares in kept.items()}


def collate_by_size(instances: List[Instance], model: Model, batch_size: int) -> List[Dict[str, Any]]:
    """Collate batches of instances whose graphs are of about the same size."""
    ordered = sorted(instances, key=lambda instance: instance["graph"].num_nodes)  # type: ignore[attr-defined]
    batches = []
    for start in range(0, len(ordered), batch_size):
        batch = Batch(ordered[start : start + batch_size])
        batch.index_instances(model.vocab)
        batches.append(batch.as_tensor_dict())
    return batches


def split(
    model: Model, reader: DatasetReader, path: str, choose_on: Optional[str], batch_size: int
) -> List[List[Dict[str, Any]]]:
    """
    Read what thresholds are chosen on and what is reported: every second instance of a file and the others, or another file and all.
    Return the batches of each.
    """
    instances = list(reader.read(path))
    parts = [instances[::2], instances[1::2]] if choose_on is None else [list(reader.read(choose_on)), instances]
    return [collate_by_size(part, model, batch_size) for part in parts]


def append_line(path: Path, line: Dict[str, Any]) -> None:
    """Append what was measured to a file of JSON lines."""
    with open(path, "a") as file:
        file.write(json.dumps(line) + "\n")
