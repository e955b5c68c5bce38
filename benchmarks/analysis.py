"""
Explain the validation data of GraphMask archives, and report what the models use: the tables of `docs/analysis.md`.

    python -m benchmarks.analysis small=results/propbank/small_?_graphmask/model.tar.gz \\
        gcn_only=results/propbank/small_gcn_only_?_graphmask/model.tar.gz --focus all --focus assigned --output results/analysis_roles
    python -m benchmarks.analysis small=results/wikihop/small_graphmask_?/model.tar.gz --focus all --focus rival \\
        --data $GRAPHMASK_DATA/qa_wikihop_format/redocred_dev.json.xz --output results/analysis_questions

`allennlp explain` writes the explanations of each archive, focus and kind of decision (verified and single pass) to the output folder; one
that is complete is not made again. `allennlp explain-report` makes the report from all of them in its folder `report`; archives of one name
are its runs.
"""

import argparse
import glob
import subprocess
import sys
from pathlib import Path
from typing import List, Tuple

from allennlp.common import Params
from allennlp.models.archival import extracted_archive


def find_archives(patterns: List[str]) -> List[Tuple[str, str]]:
    """Return the name and path of each archive; a shell expands no pattern behind `NAME=`."""
    found: List[Tuple[str, str]] = []
    for pattern in patterns:
        name, _, path = pattern.partition("=")
        paths = sorted(glob.glob(path))
        if not paths:
            raise SystemExit(f"No archive matches {path!r} ({pattern!r}): expected NAME=ARCHIVE.")
        found.extend((name, path) for path in paths)
    return found


def validation_data(archive: str) -> str:
    with extracted_archive(archive) as folder:
        return str(Params.from_file(str(Path(folder, "config.json")))["validation_data_path"])


def run_allennlp(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "allennlp", *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", metavar="NAME=ARCHIVE")
    parser.add_argument("--focus", action="append", required=True, help="may be repeated")
    parser.add_argument("--data", help="file to explain (default: the validation data of each archive)")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--examples", default="20")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    sources = []
    for number, (name, archive) in enumerate(find_archives(options.archives), start=1):
        data = options.data or validation_data(archive)
        for focus in options.focus:
            for kind, arguments in (("verified", []), ("single", ["--no-verify"])):
                path = options.output / f"{name}_{number}_{focus}_{kind}.jsonl"
                if not path.exists():
                    run_allennlp("explain", archive, data, "-o", str(path), "--focus", focus, *arguments)
                sources.append(f"{name}={path}")
    run_allennlp("explain-report", *sources, "-o", str(options.output / "report"), "--examples", options.examples)


if __name__ == "__main__":
    main()
