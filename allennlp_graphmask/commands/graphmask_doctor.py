"""
`allennlp graphmask-doctor` prints what `pip check` cannot find out about an installation. Where AllenNLP cannot be imported,
`python -m allennlp_graphmask_compat.doctor` does the same.
"""

import argparse
import sys
from typing import Any

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError


@Subcommand.register("graphmask-doctor")
class GraphMaskDoctor(Subcommand):
    """Registered as a `Subcommand` with name "graphmask-doctor"."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        description = (
            "Print whether AllenNLP can be imported, what each patch of the compatibility layer did and why, which devices there "
            "are, and which environment variables of the training configs are not set. The exit status is 1 if nothing can work."
        )
        subparser = parser.add_parser(self.name, description=description, help="Examine the installation.")
        subparser.set_defaults(func=examine_installation)
        return subparser


def examine_installation(args: argparse.Namespace) -> None:
    """Print the findings. Raise `SystemExit` with status 1 if the installation is unusable."""
    try:
        from allennlp_graphmask_compat import doctor
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "graphmask-doctor needs the package allennlp_graphmask_compat, which is not installed beside allennlp_graphmask. "
            "Install both: pip install -c constraints.txt ."
        ) from error
    if doctor.main():
        sys.exit(1)
