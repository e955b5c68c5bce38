import copy
from typing import Any, Mapping

from allennlp.common.checks import ConfigurationError
from allennlp.models import Model

from allennlp_graphmask.interpret.graphmask.graph_mask import GraphMask
from allennlp_graphmask.interpret.masked_model import MaskedModel


def model_to_explain(model: Model, options: Mapping[str, Any]) -> MaskedModel:
    """
    Put the model of an archive into evaluation mode and return it as interpreters see it: of a `GraphMask` the model
    that it was trained for. `options` are arguments of `MaskedModel`.

    # Raises

    `ConfigurationError` if there are options for a `GraphMask`, which has its own, other than `focus`.
    """
    model.eval()
    if not isinstance(model, GraphMask):
        return MaskedModel(model, **options)
    others = [name for name in options if name != "focus"]
    if others:
        raise ConfigurationError(
            f"An archive of GraphMask holds the settings of the model that it explains: leave out {', '.join(f'--{one}'.replace('_', '-') for one in others)}."
        )
    masked_model = copy.copy(model.masked_model)
    masked_model.focus = options.get("focus", masked_model.focus)
    return masked_model
