"""`allennlp graphmask-data` prepares data sets that everyone can have, from where they are published; see docs/data.md."""

import argparse
import sys
from pathlib import Path
from typing import Any

from allennlp.commands.subcommand import Subcommand

from allennlp_graphmask.data.propbank_ewt import merge_propbank_ewt


@Subcommand.register("graphmask-data")
class GraphMaskData(Subcommand):
    """Registered as a `Subcommand` with name "graphmask-data"."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        description = "Prepare a data set for the readers of allennlp_graphmask."
        subparser: argparse.ArgumentParser = parser.add_parser(self.name, description=description, help=description)
        data_sets = subparser.add_subparsers(title="Data sets", metavar="NAME", required=True)
        description = "Merge UD English EWT with PropBank's roles into CoNLL-2009 files, for whatever splits are there."
        propbank = data_sets.add_parser("propbank-ewt", description=description, help=description)
        add = propbank.add_argument
        add("--ud", type=Path, metavar="DIR", required=True, help="a checkout of UniversalDependencies/UD_English-EWT")
        add("--propbank", type=Path, metavar="DIR", required=True, help="a checkout of propbank/propbank-release")
        add("-o", "--output", type=Path, metavar="OUT", required=True, help="the folder for ewt_SPLIT.conll09.xz")
        propbank.set_defaults(func=merge_for_arguments)
        return subparser


def merge_for_arguments(args: argparse.Namespace) -> None:
    def report(message: str) -> None:
        print(message, file=sys.stderr)

    for counts in merge_propbank_ewt(args.ud, args.propbank, args.output, report).values():
        print(counts)
