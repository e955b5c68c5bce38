"""What commands that explain an archive have in common: the options that say how its model is run, and that model."""

import argparse
from typing import Any, Dict, Optional, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.models.archival import Archive

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.masked_model import MaskedModel

#: Names in the model's outputs and vocabulary, which are arguments of `MaskedModel`.
_OPTIONS = {
    "encoder": "the name of the model's graph encoder, if it has several",
    "distribution": "the key of the logits in the model's output (default: logits)",
    "mask": "the key of their mask in the model's output (default: mask)",
    "edge_label_namespace": "where the vocabulary keeps the relations (default: edge_labels)",
}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--encoder` and the others."""
    for name, meaning in _OPTIONS.items():
        parser.add_argument(_flag(name), help=meaning)


def target_options(args: argparse.Namespace) -> Dict[str, Optional[str]]:
    """What they were given as, all of them, for settings that results depend on."""
    return {name: getattr(args, name) for name in _OPTIONS}


def build_masked_model(archive: Archive, args: argparse.Namespace) -> Tuple[MaskedModel, Optional[GraphMask]]:
    """
    The model to explain; with the archive of a masker, that which it was trained for, and the masker.

    # Raises

    `ConfigurationError` if options are given with the archive of a masker.
    """
    model = archive.model.eval()
    given: Dict[str, Any] = {name: value for name, value in target_options(args).items() if value is not None}
    if not isinstance(model, GraphMask):
        return MaskedModel(model, **given), None
    if given:
        raise ConfigurationError(
            f"The archive '{args.archive_file}' is of GraphMask, which says itself what it explains: leave out "
            f"{', '.join(map(_flag, given))}."
        )
    return model.masked_model, model
