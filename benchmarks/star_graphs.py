"""
Explain models of star graphs, for which it is known which edges matter, by `allennlp compare-interpreters`. Nothing is read: the
data are generated, the same for all seeds, which are those of training, interpreters and random controls.

    python -m benchmarks.star_graphs --seeds 3
    python -m benchmarks.star_graphs --seeds 10 --methods graphmask --json results/stars.jsonl
    python -m benchmarks.star_graphs --variant two_layer --seeds 3

For each seed a model is trained and explained by each method (all but `graphmask_paper` and `graphmask_all_budgets`, which
train for minutes and have to be named); in the end a table of the means over seeds is printed. The folder of the archives has also that of each comparison. What
is there is not computed again.

All figures are those of the 500 test graphs, in percent. `kept` counts all messages, precision, recall and F1 only those whose
truth is defined. `winning` and `losing` are the recall of the edges of the query's color that has more and of that which has
fewer. `changed` is the share of predictions that change when only what is kept is left. `random` is the random control of
`graphmask`: as many messages of each graph.

Methods that only rank messages keep those above the threshold with the best F1 on the development graphs (`tuned_threshold`);
`own rule` has their figures with the interpreter's default instead.

CPU seconds are those of one thread. `once` is the training loop with its validation, or choosing the threshold; reading, building
and starting a process are not counted.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import fmean
from typing import Any, Dict, List, Optional, Sequence

from allennlp.commands.evaluate import evaluate_from_archive
from allennlp.common.plugins import import_plugins

from allennlp_graphmask.evaluation.comparison import Sampling, compare_interpreters
from benchmarks.training import train_here

CONFIGS = Path(__file__).parent.parent / "training_config" / "star_graphs"

#: The config of the model for each variant.
MODELS = {"single_layer": "small", "two_layer": "two_layer"}

#: Interpreters that decide what to keep. docs/results/star_graphs.md gives the reasons for settings.
DECIDING: Dict[str, Dict[str, Any]] = {
    "erasure_search": {"type": "erasure_search"},
    "graphmask_per_instance": {"type": "graphmask_per_instance"},
    # What is dropped is replaced by zeros, not by a vector that is fitted to the instance.
    "graphmask_per_instance_zeros": {"type": "graphmask_per_instance", "learn_baselines": False},
    "all_edges": {"type": "all_edges"},
}

#: Interpreters that rank messages.
RANKING: Dict[str, Dict[str, Any]] = {
    # The many kinks of ReLUs would call for hundreds of steps; scores of 500 steps keep the same messages.
    "integrated_gradients": {"type": "integrated_gradients", "completeness_tolerance": None},
    "gradient_x_message": {"type": "gradient_x_message"},
    "leave_one_edge_out": {"type": "leave_one_edge_out"},
    # Chosen on the development graphs: with the default beta of 10 nothing is kept and all scores are alike.
    "information_bottleneck": {
        "type": "information_bottleneck",
        "beta": 0.1,
        "num_steps": 50,
        "learning_rate": 0.5,
    },
    # The settings of its authors' code.
    "gnn_explainer": {"type": "gnn_explainer"},
    # Ours: see docs/interpreters.md.
    "gnn_explainer_tuned": {"type": "gnn_explainer", "entropy_coefficient": 0.1, "size_coefficient": 0.05},
    # The coefficients and epochs of the GraphMask authors' code.
    "gnn_explainer_as_compared": {
        "type": "gnn_explainer",
        "entropy_coefficient": 0.001,
        "size_coefficient": 0.0005,
        "num_epochs": 2000,
    },
}

METHODS = ["graphmask", "graphmask_verified", "graphmask_all_budgets", "graphmask_paper", *DECIDING, *RANKING, "random"]

#: Train for minutes.
SLOW = ("graphmask_all_budgets", "graphmask_paper")

#: The paper's model has one layer, and a search through the messages of two layers would not end.
SINGLE_LAYER_ONLY = ("graphmask_paper", "erasure_search")


def compare(variant: str, seed: int, methods: Sequence[str], folder: Path) -> List[Dict[str, Any]]:
    """Train a model and the maskers, compare the methods, and return the figures of each."""
    name = MODELS[variant]
    target = folder / f"{name}_{seed}"
    model_seconds = train_here(str(CONFIGS / f"{name}.jsonnet"), target, seed)
    archive = str(target / "model.tar.gz")
    os.environ["GRAPHMASK_TARGET"] = archive
    interpreters: Dict[str, Dict[str, Any]] = {}
    seconds: Dict[str, float] = {}
    for method in methods:
        if method in RANKING:
            interpreters[f"{method}_own_rule"] = RANKING[method]
            interpreters[method] = {"type": "tuned_threshold", "interpreter": RANKING[method]}
        elif method in DECIDING:
            interpreters[method] = DECIDING[method]
        else:
            label = "graphmask" if method == "random" else method
            config = {
                "graphmask_paper": "paper_graphmask",
                "graphmask_all_budgets": f"{name}_graphmask_all_budgets",
            }.get(method, f"{name}_graphmask")
            verified = {"verify": True} if method == "graphmask_verified" else {}
            masker = folder / f"{config}_{seed}"
            seconds[method] = train_here(str(CONFIGS / f"{config}.jsonnet"), masker, seed).training
            interpreters[label] = {"type": "graphmask", "archive_file": str(masker / "model.tar.gz"), **verified}
    results = compare_interpreters(
        archive,
        "test",
        folder / f"comparison_{name}_{seed}",
        interpreters=interpreters,
        metrics={name: {"type": name} for name in ("edge_truth", "edge_kept", "edge_changed")},
        sampling=Sampling(seed=seed),
        development_data="dev",
        batch_size=500,
        overwrite=True,
    )["interpreters"]
    common = {
        "variant": variant,
        "seed": seed,
        "model_accuracy": evaluate_from_archive(archive, "test")["accuracy"],
        "model_train_cpu_seconds": model_seconds.training,
    }
    lines = []
    for method in methods:
        line = {"method": method, **common}
        if method == "random":
            line.update(read_figures(results["graphmask"], "control"), once=0.0, explaining=0.0)
        else:
            result = results[method]
            fitting = result.get("fitting", {})
            line.update(
                read_figures(result),
                once=seconds.get(method, fitting.get("cpu_seconds", 0.0)),
                explaining=result["cpu_seconds_per_explanation"] * result["instances"],
                fitting=fitting,
            )
        if method in RANKING:
            line["own_rule"] = read_figures(results[f"{method}_own_rule"])
        lines.append(line)
    return lines


def read_figures(result: Dict[str, Any], estimate: Optional[str] = None) -> Dict[str, Optional[float]]:
    """Return all figures of an interpreter, or of its random control, in percent."""
    rows = {name: row for numbers in result["metrics"].values() for name, row in numbers.items()}
    values = {name: (row[estimate] if estimate else row)["value"] for name, row in rows.items()}
    return {name: None if value is None else 100 * value for name, value in values.items()}


#: The columns of the table: the figure and how it is formatted.
COLUMNS = {
    "precision": ("precision", "{:.1f}"),
    "recall": ("recall", "{:.1f}"),
    "F1 (lowest, highest)": ("f1", "{:.1f} ({:.1f}, {:.1f})"),
    "kept": ("kept", "{:.1f} %"),
    "recall: winning": ("recall_group_winning", "{:.1f}"),
    "losing": ("recall_group_losing", "{:.1f}"),
    "changed": ("changed", "{:.1f} %"),
    "CPU s: once": ("once", "{:.2f}"),
    "explaining": ("explaining", "{:.3f}"),
}


def format_table(lines: Sequence[Dict[str, Any]]) -> str:
    """Format the means over seeds in Markdown; a seed for which a figure is undefined does not count."""

    def mean(chosen: List[Dict[str, Any]], key: str, pattern: str) -> str:
        values = [line[key] for line in chosen if line.get(key) is not None]
        return pattern.format(fmean(values), min(values), max(values)) if values else "-"

    headings = ["method", "seeds", *COLUMNS, "own rule: P / R / F1"]
    rows = [headings, ["---"] * len(headings)]
    for method in dict.fromkeys(line["method"] for line in lines):
        chosen = [line for line in lines if line["method"] == method]
        row = [f"`{method}`", str(len(chosen)), *(mean(chosen, *column) for column in COLUMNS.values())]
        own = [line["own_rule"] for line in chosen if "own_rule" in line]
        row.append(" / ".join(mean(own, key, "{:.1f}") for key in ("precision", "recall", "f1") if own))
        rows.append(row)
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--variant", choices=sorted(MODELS), default="single_layer")
    add("--seeds", type=int, default=10, metavar="K", help="the seeds 1 to K (default: 10)")
    add("--methods", nargs="+", choices=METHODS, help=f"default: all but {', '.join(SLOW)}")
    add("--output", type=Path, default=Path("results/stars"), help="folder (default: results/stars)")
    add("--json", type=Path, help="file that a line of JSON is appended to for each seed and method")
    options = parser.parse_args(arguments)
    possible = [name for name in METHODS if options.variant == "single_layer" or name not in SINGLE_LAYER_ONLY]
    methods = options.methods or [name for name in possible if name not in SLOW]
    for name in methods:
        if name not in possible:
            parser.error(f"{name} cannot explain the variant {options.variant}.")
    import_plugins()
    lines = []
    for seed in range(1, options.seeds + 1):
        lines += compare(options.variant, seed, methods, options.output)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        with open(options.json, "a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    sys.stdout.write(format_table(lines))


if __name__ == "__main__":
    main()
