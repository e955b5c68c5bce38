"""Run `allennlp compare-interpreters` in this process."""

import argparse
from pathlib import Path
from typing import Any, Dict

from allennlp_graphmask.commands import CompareInterpreters

FEW = ("--num-random-controls", "2", "--bootstrap-draws", "50", "--batch-size", "3")


def compare(*arguments: object) -> Dict[str, Any]:
    parser = argparse.ArgumentParser()
    CompareInterpreters().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["compare-interpreters", *map(str, arguments)])
    return args.func(args)


def compare_in(folder: Path, *arguments: object) -> Dict[str, Any]:
    return compare(folder / "model.tar.gz", folder / "graphs.jsonl", "-o", folder / "out", *FEW, *arguments)
