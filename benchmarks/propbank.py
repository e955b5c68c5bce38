"""
Train a semantic role labelling model and GraphMask on it, for several seeds, with `allennlp train`, and measure what
`docs/results.md` reports. Needs the environment variable GRAPHMASK_DATA.

    python -m benchmarks.propbank --seeds 1 2 3 --output results/propbank --json results/propbank.jsonl

A seed whose archives are in the output folder already is not trained again. One line of JSON is written for each seed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List

from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader
from allennlp.data.data_loaders import SimpleDataLoader
from allennlp.models import load_archive

from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold, threshold_curve
from benchmarks.training import evaluate, train


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

    def at(threshold: float) -> Dict[str, float]:
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="small", help="the name of a config in training_config/propbank")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--output", type=Path, required=True, help="folder of the archives")
    parser.add_argument("--json", type=Path, required=True, help="file that a line for each seed is appended to")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    import_plugins()
    configs = Path(__file__).parent.parent / "training_config" / "propbank"
    for seed in arguments.seeds:
        target_folder = arguments.output / f"{arguments.config}_{seed}"
        masker_folder = arguments.output / f"{arguments.config}_{seed}_graphmask"
        target_seconds = train(str(configs / f"{arguments.config}.jsonnet"), target_folder, seed, {})
        masker_seconds = train(
            str(configs / f"{arguments.config}_graphmask.jsonnet"),
            masker_folder,
            seed,
            {"GRAPHMASK_TARGET": str(target_folder / "model.tar.gz")},
        )
        line = {
            "config": arguments.config,
            "seed": seed,
            "target_train_cpu_seconds": target_seconds,
            "graphmask_train_cpu_seconds": masker_seconds,
            **measure(masker_folder / "model.tar.gz", arguments.batch_size),
        }
        with open(arguments.json, "a") as file:
            file.write(json.dumps(line) + "\n")
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
