"""The argument ARCHIVE of commands, and the options for its model."""

import argparse
from typing import Dict

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask_compat import patches_in_effect
from allennlp_graphmask_compat.loading import is_trusted

#: Names in the model's outputs and vocabulary, which are arguments of `MaskedModel`.
_TARGET_OPTIONS = {
    "encoder": "the name of the model's graph encoder, if it has several",
    "distribution": "the key of the logits in the model's output (default: logits)",
    "mask": "the key of their mask in the model's output (default: mask)",
    "focus": "the part of each prediction to explain: all, or what the model offers, such as assigned, each or A1 (semantic roles), "
    "rival or against:TEXT (questions); default: that of the model",
    "edge_label_namespace": "the namespace of the relations in the vocabulary (default: edge_labels)",
}


def require_checked_archives() -> None:
    """Raise a `ConfigurationError` if nothing would check an archive before it is loaded, and it is not trusted either."""
    applied = any(patch.name == "checked_archives" and patch.state == "applied" for patch in patches_in_effect())
    if not applied and not is_trusted():
        raise ConfigurationError(
            "Nothing would check the archive before it is loaded: the patch 'checked_archives' is not in effect (`allennlp "
            "graphmask-doctor` lists the patches). Switch the compatibility layer on, or give --trust for an archive of your own."
        )


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust",
        action="store_true",
        help="load archives of your own that need more than registered classes, such as classes by their path (docs/explain.md)",
    )


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add `--encoder` and the other options for the model to explain."""
    for name, meaning in _TARGET_OPTIONS.items():
        parser.add_argument("--" + name.replace("_", "-"), help=meaning)


def get_target_options(args: argparse.Namespace) -> Dict[str, str]:
    """Return those that were given."""
    options = {name: getattr(args, name) for name in _TARGET_OPTIONS}
    return {name: value for name, value in options.items() if value is not None}
