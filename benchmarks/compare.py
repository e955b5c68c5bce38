"""
Compare interpreters on the models that `benchmarks.wikihop` or `benchmarks.propbank` trained, each at the same fraction of
messages, and print the table of `docs/results/interpreters.md`: means over the models of several seeds. Needs the environment variable
GRAPHMASK_DATA.

    python -m benchmarks.compare questions results/wikihop --seeds 1 2 3 --output results/compare_questions
    python -m benchmarks.compare roles results/propbank --seeds 1 2 3 --output results/compare_roles

GraphMask comes first with its own decisions; the fraction is what it keeps on these data. On the model of the first seed further
maskers are trained, and how far they agree is printed, too.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from allennlp.common.plugins import import_plugins

from allennlp_graphmask.evaluation.comparison import compare_interpreters
from benchmarks.tables import machine, markdown_table, mean_and_range
from benchmarks.wikihop import load_questions, split_questions

CONFIGS = Path(__file__).parent.parent / "training_config"


class Task(NamedTuple):
    """Where a benchmark keeps its models, and what is explained."""

    model: str
    masker: str
    data: str
    graphmask_config: str
    batch_size: int
    max_instances: Optional[int]
    #: The registered names of interpreters, with settings that are not their defaults.
    interpreters: Dict[str, Dict[str, Any]]


#: For both tasks. Labels that are not registered names have a `type`.
INTERPRETERS: Dict[str, Dict[str, Any]] = {
    "gradient_x_message": {},
    "integrated_gradients": {},
    "gnn_explainer": {},
    "gnn_explainer_tuned": {"type": "gnn_explainer", "entropy_coefficient": 0.1, "size_coefficient": 0.05},
    "graphmask_per_instance": {"learn_baselines": False},
    "random": {},
}
TASKS = {
    "questions": Task(
        "small_graph_{}",
        "small_graphmask_{}",
        "qa_wikihop_format/redocred_dev.json.xz",
        "wikihop/small_graphmask.jsonnet",
        8,
        None,
        {**INTERPRETERS, "information_bottleneck": {"samples_per_step": 2}},
    ),
    "roles": Task(
        "small_{}",
        "small_{}_graphmask",
        "propbank_ewt/ewt_dev.conll09.xz",
        "propbank/small_graphmask.jsonnet",
        20,
        200,
        {"leave_one_edge_out": {}, **INTERPRETERS, "information_bottleneck": {}},
    ),
}
#: The columns: quantity, whether it is a percentage, and the name in the table.
QUANTITIES = [
    ("kept", True, "kept"),
    ("changed", True, "changed"),
    ("fidelity_minus_probability", False, "fidelity-"),
    ("fidelity_plus_label", True, "fidelity+ (label)"),
    ("unfaithfulness", False, "unfaithfulness"),
    ("sufficiency", False, "sufficiency"),
]


def numbers_of(result: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    """Return the numbers of all metrics of an interpreter by their key."""
    return {name: number for metric in result["metrics"].values() for name, number in metric.items()}


def format_table(results: List[Dict[str, Any]]) -> str:
    """Format the comparisons of several models. A cell holds mean and range, and the mean of the random controls."""
    rows = []
    for label in results[0]["interpreters"]:
        numbers = [numbers_of(result["interpreters"][label]) for result in results]
        row = [f"`{label}`"]
        for key, percentage, _ in QUANTITIES:
            style = {"factor": 100.0, "number": "{:.1f}"} if percentage else {"factor": 1.0, "number": "{:.3f}"}
            cell = mean_and_range([one[key]["value"] for one in numbers], **style)  # type: ignore[arg-type]
            if key != "kept":
                controls = [one[key]["control"]["value"] for one in numbers]
                cell += f"; {mean_and_range(controls, **style).split(' ')[0]}"  # type: ignore[arg-type]
            row.append(cell)
        seconds = [result["interpreters"][label]["cpu_seconds_per_explanation"] for result in results]
        rows.append([*row, mean_and_range(seconds, "{:.4f}", 1.0).split(" ")[0]])
    return markdown_table(["interpreter", *(name for _, _, name in QUANTITIES), "CPU s"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("runs", type=Path, help="the output folder of the benchmark that trained the models")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the models")
    parser.add_argument(
        "--maskers", type=int, default=3, help="number of maskers whose agreement is measured, 0 for none"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    import_plugins()
    task = TASKS[arguments.task]
    data_folder = Path(os.environ["GRAPHMASK_DATA"])
    data = str(data_folder / task.data)
    model_file, masker_file = (str(arguments.runs / name / "model.tar.gz").format for name in (task.model, task.masker))
    common: Dict[str, Any] = {"batch_size": task.batch_size, "max_instances": task.max_instances}
    results = []
    for seed in arguments.seeds:
        masker = {"type": "graphmask", "archive_file": masker_file(seed)}
        folder = arguments.output / str(seed)
        own = compare_interpreters(model_file(seed), data, folder / "own", interpreters={"graphmask": masker}, **common)
        fraction = round(numbers_of(own["interpreters"]["graphmask"])["kept"]["value"], 3)
        others = {
            label: {"type": label, **settings, "top_fraction": fraction}
            for label, settings in task.interpreters.items()
        }
        ranked = {"graphmask_ranked": {**masker, "top_fraction": fraction}, **others}
        result = compare_interpreters(model_file(seed), data, folder / "ranked", interpreters=ranked, **common)
        result["interpreters"] = {**own["interpreters"], **result["interpreters"]}
        results.append(result)
    sys.stdout.write(f"{machine()}\n\n{format_table(results)}\n\n")
    if arguments.maskers < 2:
        return
    if arguments.task == "questions":
        questions = load_questions(data_folder / "qa_wikihop_format" / "redocred_train.json.xz")
        train_file, selection_file = split_questions(questions, arguments.runs)
        os.environ.update(WIKIHOP_TRAIN=str(train_file), WIKIHOP_DEV=str(selection_file))
    agreement = compare_interpreters(
        model_file(arguments.seeds[0]),
        data,
        arguments.output / "agreement",
        interpreters={"all_edges": {"type": "all_edges"}},
        metrics={"edge_kept": {"type": "edge_kept"}},
        graphmask_config=str(CONFIGS / task.graphmask_config),
        seeds=arguments.maskers,
        **common,
    )
    (found,) = (result for label, result in agreement["interpreters"].items() if label.startswith("graphmask"))
    rows = [
        [name, f"{number['value']:.3f}"] for name, number in found["agreement"].items() if number["value"] is not None
    ]
    sys.stdout.write(markdown_table([f"agreement of {arguments.maskers} maskers", ""], rows) + "\n")


if __name__ == "__main__":
    main()
