"""
Make the archive that comes with the package, and its model card, from training to file. Needs the environment variable
GRAPHMASK_DATA.

    python -m benchmarks.pretrained results/pretrained

trains the model and GraphMask on it by `allennlp train`, labels the development part with given predicates and from raw text, and
writes the archive and the card into `allennlp_graphmask/pretrained`.
Runs that are finished are not repeated. The text of the card beside the figures is in `benchmarks/pretrained_card.json`; paths of
this machine are taken out of the archive. The parser comes from `benchmarks/pretrained_parser.py`.
"""

import argparse
import gzip
import io
import json
import os
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import torch
from allennlp.common.plugins import import_plugins
from allennlp.models import load_archive

from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask
from benchmarks.conll2009 import label_and_score
from benchmarks.tables import machine
from benchmarks.training import train

NAME = "propbank-srl"
FOLDER = Path(__file__).parents[1] / "allennlp_graphmask" / "pretrained"
CARD = Path(__file__).parent / "pretrained_card.json"
CONFIGS = Path(__file__).parents[1] / "training_config" / "propbank"
ARCHIVE = "model.tar.gz"


def without_paths(text: str, target: Path) -> str:
    """Of the data folder the variable's name is left, of the model to explain its file's."""
    return text.replace(os.environ["GRAPHMASK_DATA"], "$GRAPHMASK_DATA").replace(str(target), target.name)


def shipped_archive(archive_file: Path, target: Path) -> bytes:
    """Copy an archive of GraphMask without the paths of this machine; equal archives give equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive_file) as archive:
            archive.extractall(folder, filter="data")
        weights = torch.load(Path(folder) / "weights.th")
        weights["_extra_state"] = without_paths(weights["_extra_state"], target)
        torch.save(weights, Path(folder) / "weights.th")
        config = Path(folder) / "config.json"
        config.write_text(without_paths(config.read_text(encoding="utf-8"), target), encoding="utf-8")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in sorted(Path(folder).rglob("*")):
                if path.name == ".lock":
                    continue
                member = archive.gettarinfo(path, str(path.relative_to(folder)))
                member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
                if path.is_file():
                    with open(path, "rb") as file:
                        archive.addfile(member, file)
                else:
                    archive.addfile(member)
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def train_models(runs: Path, seed: int) -> Dict[str, float]:
    """Train what is not there yet, and return the CPU seconds of each run."""
    target = {"GRAPHMASK_TARGET": str(runs / "model" / ARCHIVE)}
    return {
        name: train(str(CONFIGS / f"{config}.jsonnet"), runs / name, seed, environment)
        for name, config, environment in (("model", "pretrained", {}), ("graphmask", "pretrained_graphmask", target))
    }


def measure(runs: Path) -> Dict[str, Any]:
    """Measure the trained models on the development data."""
    archive_file = str(runs / "graphmask" / ARCHIVE)
    model = load_archive(archive_file).model
    assert isinstance(model, GraphMask)
    summary = model.training_summary
    chosen = summary["threshold_choice"]
    data = str(Path(os.environ["GRAPHMASK_DATA"]) / "propbank_ewt" / "ewt_dev.conll09.xz")
    given = label_and_score(archive_file, data, runs / "conll2009")
    raw = label_and_score(archive_file, data, runs / "conll2009_raw_text", raw_text=True)
    figures = {
        "f1": summary["original_f1"],
        "f1_with_arguments": summary["original_f1_with_arguments"],
        "f1_and_senses": given["arguments_and_senses"]["f1"],
        "raw_text_f1": raw["arguments"]["f1"],
        "raw_text_f1_with_arguments": raw["arguments_of_predicates_with_arguments"]["f1"],
        "raw_text_precision": raw["arguments"]["precision"],
        "raw_text_recall": raw["arguments"]["recall"],
        **{name: chosen[name] for name in ("kept", "changed", "max_changed", "threshold")},
    }
    return {
        "predicates": given["predicates"]["gold"],
        "raw_text_predicates": raw["predicates"]["predicted"],
        **{name: round(value, 5) for name, value in figures.items()},
    }


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the training runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    import_plugins()
    seconds = train_models(options.runs, options.seed)
    figures = {**measure(options.runs), "seed": options.seed}
    card = json.loads(CARD.read_text(encoding="utf-8"))
    card["quantitative_analyses"] = {
        "unitary_results": f"F1 {100 * figures['f1']:.1f} of all marked predicates, {100 * figures['f1_with_arguments']:.1f} of those "
        f"with arguments, from raw text {100 * figures['raw_text_f1']:.1f} of all. {100 * figures['kept']:.1f} % of the messages kept with "
        f"{100 * figures['changed']:.1f} % of the predicates changed."
    }
    content = shipped_archive(options.runs / "graphmask" / ARCHIVE, options.runs / "model" / ARCHIVE)
    write_atomically(FOLDER / f"{NAME}.tar.gz", content)
    write_atomically(
        FOLDER / f"{NAME}.json",
        json.dumps({"card": card, "figures": figures}, indent=2, ensure_ascii=False) + "\n",
    )
    sys.stdout.write(
        json.dumps({**figures, "bytes": len(content), "cpu_seconds": seconds, "machine": machine()}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
