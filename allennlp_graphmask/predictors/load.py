"""From an archive to a predictor that explains."""

import copy
import os
from typing import Any, Dict, Optional, Tuple, Union

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.plugins import import_plugins
from allennlp.models import Archive, Model, load_archive

from allennlp_graphmask.focus import default_focus
from allennlp_graphmask.interpret.build_explanation import weights_fingerprint
from allennlp_graphmask.interpret.graphmask import GraphMask, model_to_explain
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor
from allennlp_graphmask.predictors.graphmask import GraphMaskPredictor

#: What an interpreter that only ranks messages keeps, where no masker sets the budget.
_DEFAULT_FRACTION = 0.2


def load_explaining_predictor(
    archive: Union[Archive, str, os.PathLike[str]],
    interpreter: Union[Dict[str, Any], str, None] = None,
    *,
    options: Optional[Dict[str, Any]] = None,
    batch_size: int = 64,
    focus: Optional[str] = None,
    verify: bool = True,
    max_divergence: Optional[float] = None,
    target_predictor: Optional[str] = None,
    target_predictor_arguments: Optional[Dict[str, Any]] = None,
) -> ExplainingPredictor:
    """
    Build the predictor that explains the model of an archive: by its masker, or by an interpreter.

    # Parameters

    archive : `Archive` or `str`
        Of GraphMask, or with an interpreter of any model with a graph encoder; or its path, or `pretrained:NAME`.
    interpreter : `Dict[str, Any]` or `str`, optional (default = the masker of the archive)
        The config of an interpreter, `type` and its settings, or its registered name. One that only ranks messages (`Interpreter.ranks_only`) keeps, if the
        config has neither `threshold` nor `top_fraction`, the share that the masker of the archive keeps on its validation data, or
        one fifth without a masker. The `budget` in the description of the interpreter states it.
    options : `Dict[str, Any]`, optional (default = `None`)
        Arguments of `MaskedModel`.
    verify, max_divergence : optional (default = `True`, `None`)
        Those of `Interpreter`; what the interpreter's own config says goes first.

    The others are those of `ExplainingPredictor`.

    # Raises

    `ConfigurationError` if the archive has no masker and no interpreter is given, the model cannot be explained, or the
    interpreter's masker was trained for another model.
    """
    if not isinstance(archive, Archive):
        import_plugins()  # as every command does: an archive names registered classes
        archive = load_archive(archive)
    if isinstance(interpreter, str):
        interpreter = {"type": interpreter}
    model, reader = archive.model, archive.validation_dataset_reader
    masked_model = model_to_explain(model, options or {})
    shared: Dict[str, Any] = {"target_predictor": target_predictor, "batch_size": batch_size, "focus": focus}
    verification: Dict[str, Any] = {"verify": verify, "max_divergence": max_divergence}
    arguments = target_predictor_arguments or {}
    if isinstance(model, GraphMask) and interpreter in (None, {"type": "graphmask"}):
        return GraphMaskPredictor(model, reader, **shared, **verification, **arguments)
    if interpreter is None:
        raise ConfigurationError(
            f"The archive holds a {type(model).__name__} and no masker that could explain it. Choose an interpreter, one of "
            f"{', '.join(sorted(Interpreter.list_available()))}; or train GraphMask on the model and give that archive."
        )
    extras = {"graphmask": model} if isinstance(model, GraphMask) else {}
    built = Interpreter.from_params(Params(copy.deepcopy({**verification, **interpreter})), **extras)
    explaining_model, config = model, archive.config.as_dict(quiet=True)
    if isinstance(built, AmortisedGraphMask) and built.graphmask is not model:
        explaining_model, config = built.graphmask, built.graphmask.archive_config
        if weights_fingerprint(built.graphmask.target) != weights_fingerprint(masked_model.target):
            raise ConfigurationError(
                f"The masker of '{interpreter['archive_file']}' was trained for another model than that of the archive to explain: "
                "their weights differ. Its scores would mean nothing."
            )
    settings = {name: value for name, value in interpreter.items() if name != "type"}
    budget: Dict[str, str] = {}
    if built.ranks_only and built.threshold is None and built.top_fraction is None:
        built.top_fraction, budget["budget"] = _choose_budget(model, focus)
        settings["top_fraction"] = built.top_fraction
    return ExplainingPredictor(
        masked_model,
        reader,
        interpreter=built,
        description={"name": interpreter["type"], "settings": settings, "seed": built.seed, **budget},
        explaining_model=explaining_model,
        config=config,
        target_predictor_arguments=arguments,
        **shared,
    )


def _choose_budget(model: Model, focus: Optional[str]) -> Tuple[float, str]:
    """Return the fraction of the messages that is kept by default, and in words what it is."""
    fraction, reason = _DEFAULT_FRACTION, "the default"
    if isinstance(model, GraphMask):
        summary = model.training_summary
        chosen = summary.get("threshold_choice", summary)
        chosen = summary.get("threshold_choices", {}).get(focus or default_focus(model.target), chosen)
        if "kept" in chosen:
            fraction, reason = (
                round(chosen["kept"], 6),
                "as many as the masker of the archive keeps on its validation data",
            )
    return fraction, f"the {100 * fraction:.3g} % of the messages with the highest scores: {reason}"
