"""Names of constructor parameters: unknown and old ones are refused in configs; old ones are translated in archives."""

import logging
import os
from typing import Any, ClassVar, Dict, Optional, Type, TypeVar, Union

from allennlp.common import FromParams, Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.from_params import infer_params
from allennlp.data import Vocabulary
from allennlp.models import Model

from allennlp_graphmask.vocabulary_entries import check_vocabulary
from allennlp_graphmask_compat.loading import current_loading

logger = logging.getLogger(__name__)

T = TypeVar("T", bound="CheckedParameters")


class CheckedParameters(FromParams):
    """
    A class that checks the names of the parameters in its config. AllenNLP does so only for constructors without `**kwargs`.
    It comes behind a base class of AllenNLP's, which passes on parameters of the first base class only.

    # Raises

    `ConfigurationError` from `from_params` if a config has an unknown name, or one of an earlier version. It names the new one.
    """

    #: From the old name to the new one.
    renamed_parameters: ClassVar[Dict[str, str]] = {}

    @classmethod
    def from_params(
        cls: Type[T],
        params: Union[Params, Dict[str, Any], str],
        constructor_to_call: Any = None,
        constructor_to_inspect: Any = None,
        **extras: Any,
    ) -> T:
        names = list(params) if isinstance(params, (Params, dict)) else []
        for old, new in _collect_renamed(cls).items():
            if old in names:
                raise ConfigurationError(f"{cls.__name__}: the parameter '{old}' is now called '{new}'. Rename it.")
        if constructor_to_inspect is cls.__init__:  # `type` has been resolved
            known = [
                name for name in infer_params(cls, constructor_to_inspect) if name not in ("self", "kwargs", *extras)
            ]
            for name in names:
                if name not in known:
                    raise ConfigurationError(f"{cls.__name__} has no parameter '{name}'. It has: {', '.join(known)}.")
        return super().from_params(params, constructor_to_call, constructor_to_inspect, **extras)  # type: ignore[arg-type]


class ModelWithCheckedParameters(Model, CheckedParameters):
    """
    A `Model` whose archives may hold old names: they are translated with a warning. Its vocabulary must survive saving
    (`check_vocabulary`).
    """

    #: The file or folder that the model was loaded from, for messages.
    archive_file: Optional[str] = None

    def __init__(self, vocab: Vocabulary, **kwargs: Any) -> None:
        super().__init__(vocab, **kwargs)
        check_vocabulary(vocab)

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
        model = super()._load(config, serialization_dir, weights_file, cuda_device)
        assert isinstance(model, cls)
        loading = current_loading()
        # The outermost is that of a fine-tuned model, whose config names a further archive.
        model.archive_file = None if loading is None else loading.outermost.archive_file
        return model


def translate_renamed(config: Dict[str, Any]) -> Dict[str, Any]:
    """Return the config of an archived model with the current names of its parameters."""
    model_class = Model.by_name(config["type"])
    names = _collect_renamed(model_class)
    found = [name for name in names if name in config]
    if not found:
        return config
    logger.warning(
        "The archive of a '%s' has old parameter names, which were translated: %s.",
        config["type"],
        ", ".join(f"{old} is now {names[old]}" for old in found),
    )
    return {names.get(name, name): value for name, value in config.items()}


def _collect_renamed(owner: Any) -> Dict[str, str]:
    """Return what a class and its base classes renamed."""
    return {old: new for base in owner.__mro__ for old, new in vars(base).get("renamed_parameters", {}).items()}
