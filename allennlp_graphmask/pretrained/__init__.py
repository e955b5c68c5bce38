"""
Trained archives that come with the package, by names such as `pretrained:propbank-srl`. Each is an archive of GraphMask, which
holds the model that it explains (`NAME.tar.gz` in this folder), with a model card (AllenNLP's `ModelCard`, `NAME.json`) that
gives its scores. The spaCy pipeline `en-ewt-parser` parses raw text for them.
"""

import json
import re
from pathlib import Path
from typing import List

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.model_card import ModelCard

from allennlp_graphmask_compat.mistakes import did_you_mean

PREFIX = "pretrained:"

#: The spaCy pipeline that comes with the package.
PARSER = "pretrained:en-ewt-parser"

_FOLDER = Path(__file__).parent


def pretrained_names() -> List[str]:
    """Return all names, without the prefix."""
    return sorted(path.name.removesuffix(".tar.gz") for path in _FOLDER.glob("*.tar.gz"))


def pretrained_archive(name: str) -> str:
    """Return the path of the archive called `NAME` or `pretrained:NAME`. Raise a `ConfigurationError` if there is none."""
    name = name.removeprefix(PREFIX)
    if name not in pretrained_names():
        raise ConfigurationError(
            f"No trained archive is called '{PREFIX}{name}'. Available: "
            f"{', '.join(PREFIX + other for other in pretrained_names()) or 'none'}.{did_you_mean(name, pretrained_names())}"
        )
    return str(_FOLDER / f"{name}.tar.gz")


def pretrained_parser(name: str) -> str:
    """Return the folder of the spaCy pipeline `NAME` or `pretrained:NAME`. Raise a `ConfigurationError` if there is none."""
    bare = name.removeprefix(PREFIX)
    folder = _FOLDER / bare
    # A name, and no path: archives of others may have one in their config.
    if not re.fullmatch(r"[\w-]+", bare) or not (folder / "meta.json").is_file():
        raise ConfigurationError(f"No spaCy pipeline is called '{name}'. Available: {PARSER}.")
    return str(folder)


def load_model_card(name: str) -> ModelCard:
    """Load the model card of the archive called `NAME` or `pretrained:NAME`. Raise a `ConfigurationError` if there is none."""
    path = Path(pretrained_archive(name).removesuffix(".tar.gz") + ".json")
    return ModelCard.from_params(Params(json.loads(path.read_text(encoding="utf-8"))["card"]))
