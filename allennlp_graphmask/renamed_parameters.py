"""Constructor parameters that have a new name: refused in configs, translated in archives."""

import logging
import os
from typing import Any, ClassVar, Dict, Optional, Type, TypeVar, Union

from allennlp.common import FromParams, Params
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model

logger = logging.getLogger(__name__)

T = TypeVar("T", bound="RenamedParameters")


class RenamedParameters(FromParams):
    """
    A class some of whose parameters had other names in earlier versions.

    # Raises

    `ConfigurationError` from `from_params` if a config has an old name. It names the new one.
    """

    #: From the old name to the new one.
    renamed_parameters: ClassVar[Dict[str, str]] = {}

    @classmethod
    def from_params(cls: Type[T], params: Union[Params, Dict[str, Any], str], **kwargs: Any) -> T:  # type: ignore[override]
        for old, new in _renamed(cls).items():
            if isinstance(params, (Params, dict)) and old in params:
                raise ConfigurationError(f"{cls.__name__}: the parameter '{old}' is now called '{new}'. Rename it.")
        return super().from_params(params, **kwargs)  # type: ignore[arg-type]


class ModelWithRenamedParameters(RenamedParameters, Model):
    """A `Model` whose archives may hold old names: they are translated with a warning."""

    @classmethod
    def _load(
        cls,
        config: Params,
        serialization_dir: Union[str, os.PathLike[str]],
        weights_file: Optional[Union[str, os.PathLike[str]]] = None,
        cuda_device: int = -1,
    ) -> Model:
        config = config.duplicate()
        config["model"] = translate_renamed(config["model"].as_dict(quiet=True))
        return super()._load(config, serialization_dir, weights_file, cuda_device)


def translate_renamed(config: Dict[str, Any]) -> Dict[str, Any]:
    """Return the config of an archived model with the current names of its parameters."""
    model_class = Model.by_name(config["type"])
    names = _renamed(model_class)
    found = [name for name in names if name in config]
    if not found:
        return config
    logger.warning(
        "The archive of a '%s' has old parameter names, which were translated: %s.",
        config["type"],
        ", ".join(f"{old} is now {names[old]}" for old in found),
    )
    return {names.get(name, name): value for name, value in config.items()}


def _renamed(owner: Any) -> Dict[str, str]:
    """What a class renamed and what its base classes did."""
    return {old: new for base in owner.__mro__ for old, new in vars(base).get("renamed_parameters", {}).items()}
