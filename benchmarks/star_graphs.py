"""
Explains models of star graphs, for which it is known which edges matter, and compares what is kept with that. Nothing is read:
the data are generated, the same for all seeds, which are those of training.

    python -m benchmarks.star_graphs --seeds 10 --output results/stars --json results/stars.jsonl
    python -m benchmarks.star_graphs --variant two_layer --seeds 3 --output results/stars --json results/stars.jsonl

For each seed a model is trained, and explained by each method; one line of JSON is written for each seed and method. All figures
are those of the test graphs. Precision, recall and F1 are in percent, and so are `kept` and `true`, the shares of edges that are
kept and that matter; edges for which the truth is not defined are left out of all of them and counted as `excluded`. With several
layers the figures of each are in `layers`, from the bottom. CPU seconds are those of one thread: `train_cpu_seconds` of the
training loop with its validation, `setup_cpu_seconds` of reading and building before it. What a process takes to start is in neither.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import Batch, Instance
from allennlp.models import Model, load_archive

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask import GraphMask
from benchmarks.edge_truth import against_truth, percent
from benchmarks.training import train_here

CONFIGS = Path(__file__).parent.parent / "training_config" / "star_graphs"

#: The config of the model for each variant.
MODELS = {"single_layer": "small", "two_layer": "two_layer"}


class Explained(NamedTuple):
    """What a method says of a batch, and its CPU seconds."""

    attribution: EdgeAttribution
    changed: Optional[float]
    train_cpu_seconds: float
    setup_cpu_seconds: float
    explain_cpu_seconds: float


class Task(NamedTuple):
    """What a method is given: the archive of a model, and test graphs."""

    variant: str
    seed: int
    archive_file: Path
    instances: List[Instance]
    folder: Path


def tensors_of(instances: Sequence[Instance], model: Model) -> Dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


def explain_by_graphmask(task: Task, config: str) -> Explained:
    """Trains GraphMask and explains all graphs in one batch."""
    folder = task.folder / f"{config}_{task.seed}"
    os.environ["GRAPHMASK_TARGET"] = str(task.archive_file)
    seconds = train_here(str(CONFIGS / f"{config}.jsonnet"), folder, task.seed)
    model = load_archive(str(folder / "model.tar.gz")).model
    assert isinstance(model, GraphMask)
    model.eval()
    # As when explanations are made by its predictor.
    model.measures_controls = False
    batch = tensors_of(task.instances, model)
    times = []
    with torch.no_grad():
        # The first time is that of warming up; of the others it is the median.
        for _ in range(6):
            start = time.process_time()
            output = model(**batch)
            times.append(time.process_time() - start)
    changed = float(output["changed"].float().mean())
    return Explained(output["attribution"], changed, seconds.training, seconds.setup, sorted(times[1:])[2])


#: How each method explains. Other interpreters can be added here.
METHODS: Dict[str, Callable[[Task], Explained]] = {
    "graphmask": lambda task: explain_by_graphmask(task, f"{MODELS[task.variant]}_graphmask"),
    "graphmask_paper": lambda task: explain_by_graphmask(task, "paper_graphmask"),
}


def score(attribution: EdgeAttribution, instances: Sequence[Instance]) -> Dict[str, Any]:
    """What is kept against the truth, in all and by layer, and the recall on the winning and the losing colour's edges."""
    metadata = [instance["metadata"].metadata for instance in instances]  # type: ignore[attr-defined]
    # Shape: (num_layers, num_edges)
    kept = [layer.tolist() for layer in attribution.kept]
    truth = [
        [edge["matters"][layer] for graph in metadata for edge in graph["edge_metadata"]]
        for layer in range(attribution.num_layers)
    ]
    layers = [against_truth(*layer) for layer in zip(kept, truth, strict=True)]
    figures: Dict[str, Any] = against_truth(sum(kept, []), sum(truth, []))
    # The bottom layer has the coloured edges. Of a tie, in which no colour wins, neither counts.
    found: Dict[str, List[bool]] = {"winning": [], "losing": []}
    place = 0
    for instance, graph in zip(instances, metadata):
        labels = instance["graph"].labels  # type: ignore[attr-defined]
        first, second = graph["graph_metadata"]["query"]
        difference = labels.count(first) - labels.count(second)
        for label in labels:
            if difference and truth[0][place]:
                wins = (label == first) == (difference > 0)
                found["winning" if wins else "losing"].append(kept[0][place])
            place += 1
    for name, decisions in found.items():
        figures[f"recall_{name}"] = percent(sum(decisions), len(decisions))
    if len(layers) > 1:
        figures["layers"] = layers
    return figures


def accuracy(model: Model, instances: Sequence[Instance]) -> float:
    model.eval()
    with torch.no_grad():
        model(**tensors_of(instances, model))
    return model.get_metrics(reset=True)["accuracy"]


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", choices=sorted(MODELS), default="single_layer")
    parser.add_argument("--seeds", type=int, default=10, metavar="K", help="the seeds 1 to K (default: 10)")
    parser.add_argument("--methods", nargs="+", choices=sorted(METHODS), default=["graphmask"])
    parser.add_argument("--output", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--json", type=Path, required=True, help="file that lines are appended to")
    options = parser.parse_args(arguments)
    import_plugins()
    for seed in range(1, options.seeds + 1):
        name = MODELS[options.variant]
        folder = options.output / f"{name}_{seed}"
        seconds = train_here(str(CONFIGS / f"{name}.jsonnet"), folder, seed)
        archive = load_archive(str(folder / "model.tar.gz"))
        instances = list(archive.validation_dataset_reader.read("test"))
        of_model = {
            "variant": options.variant,
            "model_accuracy": accuracy(archive.model, instances),
            "model_train_cpu_seconds": round(seconds[0], 2),
        }
        task = Task(options.variant, seed, folder / "model.tar.gz", instances, options.output)
        for method in options.methods:
            explained = METHODS[method](task)
            line = {
                "method": method,
                "seed": seed,
                **score(explained.attribution, instances),
                "changed": explained.changed,
                "train_cpu_seconds": round(explained.train_cpu_seconds, 2),
                "setup_cpu_seconds": round(explained.setup_cpu_seconds, 2),
                "explain_cpu_seconds": round(explained.explain_cpu_seconds, 4),
                **of_model,
            }
            with open(options.json, "a") as file:
                file.write(json.dumps(line) + "\n")
            sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
