"""
Train a semantic role labelling model and GraphMask on it, for several seeds, with `allennlp train`, and measure what
`docs/results/roles.md` reports. Needs the environment variable GRAPHMASK_DATA.

    python -m benchmarks.propbank --seeds 1 2 3 --output results/propbank --json results/propbank.jsonl

A seed whose archives are in the output folder already is not trained again. One line of JSON is written for each seed, and the
tables of all seeds are printed.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any, Dict, List

from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader
from allennlp.data.data_loaders import SimpleDataLoader
from allennlp.models import load_archive

from allennlp_graphmask.graph import inverse_relation, is_inverse_relation
from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold, threshold_curve
from benchmarks.tables import machine, markdown_table, value_over_lines
from benchmarks.training import append_line, evaluate, train

#: The prefix of the metrics of GraphMask that give the share of messages kept of a relation.
KEPT_TYPE = "_kept_type/"
TASK_METRICS = ("f1", "f1_with_arguments")


def measure(archive_file: Path, batch_size: int) -> Dict[str, Any]:
    """Measure all that is reported of a GraphMask archive, on its validation data."""
    archive = load_archive(str(archive_file))
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    instances = list(reader.read(archive.config["validation_data_path"]))

    def loader_of(part: List[Any]) -> SimpleDataLoader:
        loader = SimpleDataLoader(part, batch_size)
        loader.index_with(model.vocab)
        return loader

    whole, first, second = loader_of(instances), loader_of(instances[::2]), loader_of(instances[1::2])

    def at(threshold: float) -> Dict[str, Any]:
        model.threshold.fill_(threshold)
        return {"threshold": threshold, **evaluate(model, whole, random_draws=5)}

    results: Dict[str, Any] = {
        "instances": len(instances),
        "as_trained": at(float(model.threshold)),
        "default_threshold": at(model.gate_distribution.threshold),
        "threshold_for_0.1": at(choose_threshold(model, whole, 0.1)[0].threshold),
    }
    # A threshold that meets the bound on the data it was chosen on may not meet it on others.
    for bound in (0.05, 0.1):
        on_first = choose_threshold(model, first, bound)[0]
        results[f"halves_for_{bound}"] = {
            "chosen_on_first_half": on_first._asdict(),
            "measured_on_second_half": threshold_curve(model, second, [on_first.threshold])[0]._asdict(),
        }
    return results


def format_tables(lines: List[Dict[str, Any]]) -> str:
    """Format what was measured of several seeds."""
    over_seeds = partial(value_over_lines, lines)
    decided = [
        [
            name,
            over_seeds(key, "threshold", number="{:.2f}", factor=1),
            *(over_seeds(key, metric) for metric in ("kept", "changed", "masked_f1", "random_changed", "random_f1")),
        ]
        for name, key in (
            ("as trained, at most 5 % changed", "as_trained"),
            ("default", "default_threshold"),
            ("at most 10 % changed", "threshold_for_0.1"),
        )
    ]
    halves = [
        [
            f"{bound} %",
            *(
                over_seeds(f"halves_for_{bound / 100}", half, quantity)
                for half in ("chosen_on_first_half", "measured_on_second_half")
                for quantity in ("kept", "changed")
            ),
        ]
        for bound in (5, 10)
    ]
    kept_types = [key.removeprefix(KEPT_TYPE) for key in lines[0]["as_trained"] if key.startswith(KEPT_TYPE)]
    by_label = [["all", over_seeds("as_trained", "_kept_direct"), over_seeds("as_trained", "_kept_inverse")]] + [
        [name, *(over_seeds("as_trained", f"{KEPT_TYPE}{relation}") for relation in (name, inverse_relation(name)))]
        for name in kept_types
        if not is_inverse_relation(name)
    ]
    models = [
        [line["seed"], *(f"{100 * line['as_trained'][f'original_{name}']:.2f}" for name in TASK_METRICS)]
        + [round(line[f"{name}_train_cpu_seconds"]) for name in ("target", "graphmask")]
        for line in lines
    ]
    models.append(["mean", *(over_seeds("as_trained", f"original_{name}", number="{:.2f}") for name in TASK_METRICS)])
    models[-1] += ["", ""]
    return "\n\n".join(
        markdown_table(header, rows)
        for header, rows in (
            (["seed", "F1", "F1 with arguments", "model, CPU s", "GraphMask, CPU s"], models),
            (["threshold", "value", "kept", "changed", "masked F1", "random: changed", "random: F1"], decided),
            (["at most", "one half: kept", "changed", "other half: kept", "changed"], halves),
            (["label", "along", "against"], by_label),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="small", help="the name of a config in training_config/propbank")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--json", type=Path, required=True, help="file that a line for each seed is appended to")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--overrides", type=json.loads, default={}, help="overrides of the model's config, in JSON")
    arguments = parser.parse_args()
    import_plugins()
    configs = Path(__file__).parent.parent / "training_config" / "propbank"
    lines = []
    for seed in arguments.seeds:
        target_folder = arguments.output / f"{arguments.config}_{seed}"
        masker_folder = arguments.output / f"{arguments.config}_{seed}_graphmask"
        target_seconds = train(
            str(configs / f"{arguments.config}.jsonnet"), target_folder, seed, {}, arguments.overrides
        )
        masker_seconds = train(
            str(configs / f"{arguments.config}_graphmask.jsonnet"),
            masker_folder,
            seed,
            {"GRAPHMASK_TARGET": str(target_folder / "model.tar.gz")},
        )
        line = {
            "config": arguments.config,
            "machine": machine(),
            "seed": seed,
            "target_train_cpu_seconds": target_seconds,
            "graphmask_train_cpu_seconds": masker_seconds,
            **measure(masker_folder / "model.tar.gz", arguments.batch_size),
        }
        append_line(arguments.json, line)
        lines.append(line)
    sys.stdout.write(f"{lines[0]['instances']} predicates; {machine()}\n\n{format_tables(lines)}\n")


if __name__ == "__main__":
    main()
