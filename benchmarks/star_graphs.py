"""
Explains models of star graphs, for which it is known which edges matter, and compares what is kept with that. Nothing is read:
the data are generated, the same for all seeds, which are those of training.

    python -m benchmarks.star_graphs --seeds 3 --json results/stars.jsonl
    python -m benchmarks.star_graphs --seeds 10 --methods graphmask --json results/stars.jsonl
    python -m benchmarks.star_graphs --variant two_layer --seeds 3 --json results/stars.jsonl

For each seed a model is trained, and explained by each method (all but `graphmask_paper`, which trains for minutes and has to be
named); one line of JSON is written for each seed and method, and in the end a table of the means over seeds. All figures
are those of the test graphs. Precision, recall and F1 are in percent, and so are `kept` and `true`, the shares of edges that are
kept and that matter; edges for which the truth is not defined are left out of all of them and counted as `excluded`.
`recall_winning` and `recall_losing` are those of the edges of the query's colour that has more and of that which has fewer.
With several layers the figures of each are in `layers`, from the bottom. `changed` is the share of predictions that change when
only what is kept is left.

Methods that do not decide what to keep do so by the threshold with the best F1 on the development graphs, of scores or of
scores relative to the largest of their graph (`relative`); `own_rule` has the figures with the interpreter's default instead.

CPU seconds are those of one thread: `train_cpu_seconds` of the training loop with its validation, or of choosing the threshold;
`setup_cpu_seconds` of reading and building before it; `explain_cpu_seconds` of explaining the test graphs in one batch. What a
process takes to start is in none.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import Instance
from allennlp.models import Model, load_archive

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from benchmarks.edge_truth import against_truth, percent
from benchmarks.star_graph_methods import (
    CONFIGS,
    METHODS,
    MODELS,
    SLOW,
    Explained,
    Task,
    methods_of,
    tensors_of,
    truth_of,
)
from benchmarks.star_graphs_table import table
from benchmarks.training import train_here


def score(attribution: EdgeAttribution, instances: Sequence[Instance]) -> Dict[str, Any]:
    """What is kept against the truth, in all and by layer, and the recall on the winning and the losing colour's edges."""
    # Shape: (num_layers, num_edges)
    kept = [layer.tolist() for layer in attribution.kept]
    truth = truth_of(instances, attribution.num_layers)
    layers = [against_truth(*layer) for layer in zip(kept, truth, strict=True)]
    figures: Dict[str, Any] = against_truth(sum(kept, []), sum(truth, []))
    # The bottom layer has the coloured edges. Of a tie, in which no colour wins, neither counts.
    found: Dict[str, List[bool]] = {"winning": [], "losing": []}
    place = 0
    for instance in instances:
        labels = instance["graph"].labels  # type: ignore[attr-defined]
        first, second = instance["metadata"].metadata["graph_metadata"]["query"]  # type: ignore[attr-defined]
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


def line_of(method: str, task: Task, explained: Explained) -> Dict[str, Any]:
    """What is written of one method and seed."""
    line = {
        "method": method,
        "seed": task.seed,
        **score(explained.attribution, task.test),
        "changed": explained.changed,
        "train_cpu_seconds": round(explained.train_cpu_seconds, 2),
        "setup_cpu_seconds": round(explained.setup_cpu_seconds, 2),
        "explain_cpu_seconds": round(explained.explain_cpu_seconds, 6),
    }
    if explained.cut is not None and explained.own_rule is not None:
        line["relative"] = explained.cut.relative
        line["threshold"] = explained.cut.threshold
        line["development_f1"] = round(explained.cut.f1, 3)
        line["own_rule"] = score(explained.own_rule, task.test)
    return line


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", choices=sorted(MODELS), default="single_layer")
    parser.add_argument("--seeds", type=int, default=10, metavar="K", help="the seeds 1 to K (default: 10)")
    parser.add_argument(
        "--methods", nargs="+", choices=list(METHODS), help=f"default: all but {', '.join(SLOW)}"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/stars"),
        help="folder of the archives (default: results/stars); what is there is not trained again",
    )
    parser.add_argument("--json", type=Path, required=True, help="file that lines are appended to")
    options = parser.parse_args(arguments)
    possible = methods_of(options.variant)
    methods = options.methods or [name for name in possible if name not in SLOW]
    for name in methods:
        if name not in possible:
            parser.error(f"{name} cannot explain the variant {options.variant}.")
    import_plugins()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for seed in range(1, options.seeds + 1):
        name = MODELS[options.variant]
        folder = options.output / f"{name}_{seed}"
        seconds = train_here(str(CONFIGS / f"{name}.jsonnet"), folder, seed)
        archive = load_archive(str(folder / "model.tar.gz"))
        development, test = (list(archive.validation_dataset_reader.read(split)) for split in ("dev", "test"))
        of_model = {
            "variant": options.variant,
            "model_accuracy": accuracy(archive.model, test),
            "model_train_cpu_seconds": round(seconds.training, 2),
        }
        task = Task(
            options.variant, seed, folder / "model.tar.gz", archive.model, development, test, options.output
        )
        for method in methods:
            lines.append({**line_of(method, task, METHODS[method](task)), **of_model})
            with open(options.json, "a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            sys.stdout.write(json.dumps(lines[-1]) + "\n")
            sys.stdout.flush()
    sys.stdout.write(table(lines))


if __name__ == "__main__":
    main()
