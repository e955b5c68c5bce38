"""
Train a question answering model, the same model without its graph encoder, and GraphMask, for several seeds, with
`allennlp train`, and measure what `docs/results/questions.md` reports. Needs the environment variable GRAPHMASK_DATA.

    python -m benchmarks.wikihop --seeds 1 2 3 4 5 --output results/wikihop --json results/wikihop.jsonl

Nothing is chosen on the development questions that the figures are for: epochs and thresholds are chosen on a tenth of the
training questions, which are not trained on. A seed whose archives are in the output folder already is not trained again. One
line of JSON is written for each seed, and one for all of them; the tables of all seeds are printed.
"""

import argparse
import json
import lzma
import os
import random
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy
from allennlp.common.plugins import import_plugins
from allennlp.models import load_archive

from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold
from benchmarks import paired
from benchmarks.tables import machine, markdown_table, mean_and_range, value_over_lines
from benchmarks.training import append_line, collate_by_size, evaluate, kept_by_layer_and_relation, train

CONFIGS = Path(__file__).parent.parent / "training_config" / "wikihop"


def load_questions(path: Path) -> List[Dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def split_questions(questions: Sequence[Dict[str, Any]], folder: Path) -> Tuple[Path, Path]:
    """
    Write nine tenths of the questions to a file to train on, and one tenth to choose on. Questions about one subject stay
    together, as nearly no subject of the development questions occurs in the training data, and questions about one subject
    often have the same answer.
    """
    by_subject: Dict[str, List[Any]] = defaultdict(list)
    for question in questions:
        subjects = question.get("subjects") or [question["query"].split(" ", 1)[1]]
        by_subject[subjects[0]].append(question)
    names = sorted(by_subject)
    random.Random(0).shuffle(names)
    parts: Tuple[List[Any], List[Any]] = [], []
    for subject in names:
        parts[len(parts[1]) < len(questions) // 10].extend(by_subject[subject])
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "train.json", folder / "selection.json"
    for path, part in zip(paths, parts):
        write_atomically(path, json.dumps(part))
    return paths


def measure(
    folders: Dict[str, Path], selection_file: Path, dev_file: Path, batch_size: int, bounds: List[float]
) -> Tuple[Dict[str, Any], Dict[str, numpy.ndarray]]:
    """Measure all that is reported of one seed. Also return the counts of `paired` for both models."""
    counts = {
        name: paired.count_all(str(folders[name] / "model.tar.gz"), str(dev_file), batch_size)
        for name in ("graph", "no_graph")
    }
    archive = load_archive(str(folders["graphmask"] / "model.tar.gz"))
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask)
    selection = collate_by_size(list(reader.read(str(selection_file))), model, batch_size)
    dev = collate_by_size(list(reader.read(str(dev_file))), model, batch_size)
    training = json.loads((folders["graphmask"] / "metrics.json").read_text())
    results: Dict[str, Any] = {
        "questions": len(counts["graph"]),
        "accuracy": {name: paired.score(one.sum(0)) / 100 for name, one in counts.items()},
        "training": {
            key: training[key] for key in ("best_epoch", "training_kept", "training_divergence", "training_changed")
        },
        "allowance": model.lagrangian.allowance,
        "as_trained": {"threshold": float(model.threshold), **evaluate(model, dev, random_draws=5)},
    }
    for bound in bounds:
        chosen = choose_threshold(model, selection, bound)[0]
        model.threshold.fill_(chosen.threshold)
        results[f"threshold_for_{bound}"] = {
            "chosen": chosen._asdict(),
            "dev": evaluate(model, dev, random_draws=5),
            "kept_by_layer_and_relation": kept_by_layer_and_relation(model, dev),
        }
    return results, counts


def format_tables(lines: List[Dict[str, Any]], bounds: List[float]) -> str:
    """Format what was measured of several seeds."""
    over_seeds = partial(value_over_lines, lines)
    seeds = [
        [line["seed"], *(f"{100 * line['accuracy'][name]:.1f}" for name in ("graph", "no_graph"))]
        + [f"{line['training']['training_divergence']:.4f}", f"{100 * line['training']['training_changed']:.1f} %"]
        + [round(line["train_cpu_seconds"][name]) for name in ("graph", "graphmask")]
        for line in lines
    ]
    seeds.append(["mean", *(over_seeds("accuracy", name) for name in ("graph", "no_graph"))])
    seeds[-1] += [over_seeds("training", "training_divergence", number="{:.4f}", factor=1)]
    seeds[-1] += [over_seeds("training", "training_changed"), "", ""]
    thresholds: Dict[str, Tuple[str, ...]] = {"as trained": ("as_trained",)}
    thresholds.update({f"for {100 * bound:g} %": (f"threshold_for_{bound}", "dev") for bound in bounds})
    value: Dict[str, Tuple[str, ...]] = {"as trained": ("as_trained", "threshold")}
    value.update({f"for {100 * bound:g} %": (f"threshold_for_{bound}", "chosen", "threshold") for bound in bounds})
    decided = [
        [
            name,
            over_seeds(*value[name], number="{:.2f}", factor=1),
            *(over_seeds(*keys, metric) for metric in ("kept", "changed")),
            over_seeds(*keys, "divergence", number="{:.4f}", factor=1),
            *(over_seeds(*keys, metric) for metric in ("masked_accuracy", "random_changed", "random_accuracy")),
        ]
        for name, keys in thresholds.items()
    ]
    middle = f"threshold_for_{bounds[len(bounds) // 2]}"
    relations = [
        [
            name,
            *(
                mean_and_range([line[middle]["kept_by_layer_and_relation"][name][layer] for line in lines])
                for layer in range(len(lines[0][middle]["kept_by_layer_and_relation"][name]))
            ),
        ]
        for name in lines[0][middle]["kept_by_layer_and_relation"]
    ]
    quantities = ["threshold", "value", "kept", "changed", "divergence", "masked accuracy"]
    return "\n\n".join(
        markdown_table(header, rows)
        for header, rows in (
            (["seed", "accuracy", "without graph", "divergence", "changed", "model, CPU s", "GraphMask, CPU s"], seeds),
            ([*quantities, "random: changed", "random: accuracy"], decided),
            (["relation", *(f"layer {layer}" for layer in range(len(relations[0]) - 1))], relations),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="small", help="the name of a config in training_config/wikihop")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--output", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--json", type=Path, required=True, help="file that a line for each seed is appended to")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--bounds", type=float, nargs="+", default=[0.05, 0.08, 0.1], help="largest fractions of changed answers"
    )
    arguments = parser.parse_args()
    import_plugins()
    data = Path(os.environ["GRAPHMASK_DATA"]) / "qa_wikihop_format"
    train_file, selection_file = split_questions(load_questions(data / "redocred_train.json.xz"), arguments.output)
    environment = {"WIKIHOP_TRAIN": str(train_file), "WIKIHOP_DEV": str(selection_file)}
    all_counts: Dict[str, List[numpy.ndarray]] = defaultdict(list)
    lines = []
    for seed in arguments.seeds:
        folders = {
            name: arguments.output / f"{arguments.config}_{name}_{seed}" for name in ("graph", "no_graph", "graphmask")
        }
        config = str(CONFIGS / f"{arguments.config}.jsonnet")
        seconds = {
            "graph": train(config, folders["graph"], seed, environment),
            "no_graph": train(config, folders["no_graph"], seed, environment, {"model.graph_encoder": None}),
            "graphmask": train(
                str(CONFIGS / f"{arguments.config}_graphmask.jsonnet"),
                folders["graphmask"],
                seed,
                {**environment, "GRAPHMASK_TARGET": str(folders["graph"] / "model.tar.gz")},
            ),
        }
        results, counts = measure(
            folders,
            selection_file,
            data / "redocred_dev.json.xz",
            arguments.batch_size,
            arguments.bounds,
        )
        for name, one in counts.items():
            all_counts[name].append(one)
        line = {"config": arguments.config, "seed": seed, "machine": machine(), "train_cpu_seconds": seconds, **results}
        append_line(arguments.json, line)
        lines.append(line)
    with_graph, without_graph = (numpy.stack(all_counts[name]) for name in ("graph", "no_graph"))
    difference = paired.compare(with_graph, without_graph)
    append_line(arguments.json, {"seeds": arguments.seeds, "graph_against_no_graph": difference})
    sys.stdout.write(f"{lines[0]['questions']} questions; {machine()}\n\n{format_tables(lines, arguments.bounds)}\n")


if __name__ == "__main__":
    main()
