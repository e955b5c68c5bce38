"""
`allennlp graphmask-doctor` says what is installed, what the bridge does and why, which devices and data there are, what is
missing, and how to get it. `python -m allennlp_graphmask_compat.doctor` says the same where AllenNLP cannot be imported.
"""

import argparse
import sys

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError


@Subcommand.register("graphmask-doctor")
class GraphMaskDoctor(Subcommand):
    """
    Registered as a `Subcommand` with name "graphmask-doctor".
    """

    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        description = (
            "Say which versions, patches, devices and data there are, what is missing, and how to get it. The exit status is 1 if "
            "something is missing without which nothing works."
        )
        subparser = parser.add_parser(
            self.name, description=description, help="Say what is installed and what is missing."
        )
        subparser.add_argument("--json", action="store_true", help="as JSON")
        subparser.set_defaults(func=examine_for_arguments)
        return subparser


def examine_for_arguments(args: argparse.Namespace) -> None:
    """
    # Raises

    `SystemExit` with 1 if something essential is missing.
    """
    try:
        from allennlp_graphmask_compat import doctor
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "graphmask-doctor is part of the bridge, allennlp_graphmask_compat, which is not installed beside allennlp_graphmask. "
            "Install the package: pip install -c constraints.txt ."
        ) from error
    status = doctor.report(as_json=args.json)
    if status:
        sys.exit(status)
