"""
Make an archive that comes with the package, and its model card, from finished training runs:

    export GRAPHMASK_DATA=/path/to/data
    allennlp train training_config/propbank/pretrained.jsonnet -s results/pretrained/model
    export GRAPHMASK_TARGET=results/pretrained/model/model.tar.gz
    allennlp train training_config/propbank/pretrained_graphmask.jsonnet -s results/pretrained/graphmask
    allennlp train training_config/propbank/small_predicted.jsonnet -s results/pretrained/unlimited
    python -m benchmarks.pretrained results/pretrained

The third run is the same architecture without the limit of size, for comparison. The text of the card beside the figures is in
`benchmarks/pretrained_card.json`. Paths of this machine are taken out of the archive.
"""

import argparse
import gzip
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

import torch
from allennlp.common.plugins import import_plugins
from allennlp.models import load_archive

from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.graphmask import GraphMask

NAME = "propbank-srl"
FOLDER = Path(__file__).parents[1] / "allennlp_graphmask" / "pretrained"
CARD = Path(__file__).parent / "pretrained_card.json"


def without_paths(text: str) -> str:
    """Of the data folder the variable's name is left, of the model to explain its file's."""
    for variable, left in (("GRAPHMASK_DATA", "$GRAPHMASK_DATA"), ("GRAPHMASK_TARGET", "model.tar.gz")):
        text = text.replace(os.environ[variable], left)
    return text


def shipped_archive(archive_file: Path) -> bytes:
    """Copy an archive without the paths of this machine; equal archives give equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive_file) as archive:
            archive.extractall(folder, filter="data")
        weights = torch.load(Path(folder) / "weights.th")
        weights["_extra_state"] = without_paths(weights["_extra_state"])
        torch.save(weights, Path(folder) / "weights.th")
        config = Path(folder) / "config.json"
        config.write_text(without_paths(config.read_text(encoding="utf-8")), encoding="utf-8")
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


def figures_of(runs: Path) -> Dict[str, Any]:
    """Measure the archive on the development data."""
    archive = load_archive(str(runs / "graphmask" / "model.tar.gz"))
    assert isinstance(archive.model, GraphMask)
    chosen = archive.model.training_summary["threshold_choice"]
    unlimited = json.loads((runs / "unlimited" / "metrics.json").read_text(encoding="utf-8"))
    return {
        "f1": round(archive.model.training_summary["original_f1"], 5),
        "f1_without_limit_of_size": round(unlimited["best_validation_f1"], 5),
        "kept": round(chosen["kept"], 5),
        "changed": round(chosen["changed"], 5),
        "max_changed": chosen["max_changed"],
        "threshold": round(chosen["threshold"], 5),
        "seed": archive.config.get("random_seed", 13370),
    }


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder of the three runs")
    options = parser.parse_args(arguments)
    import_plugins()
    figures = figures_of(options.runs)
    card = json.loads(CARD.read_text(encoding="utf-8"))
    card["quantitative_analyses"] = {
        "unitary_results": f"F1 {100 * figures['f1']:.1f} (the same architecture without the limit of size "
        f"{100 * figures['f1_without_limit_of_size']:.1f}); {100 * figures['kept']:.1f} % of the messages kept with "
        f"{100 * figures['changed']:.1f} % of the predicates changed."
    }
    content = shipped_archive(options.runs / "graphmask" / "model.tar.gz")
    write_atomically(FOLDER / f"{NAME}.tar.gz", content)
    write_atomically(
        FOLDER / f"{NAME}.json",
        json.dumps({"card": card, "figures": figures}, indent=2, ensure_ascii=False) + "\n",
    )
    print(json.dumps(figures, indent=2), f"\n{len(content)} bytes")


if __name__ == "__main__":
    main()
