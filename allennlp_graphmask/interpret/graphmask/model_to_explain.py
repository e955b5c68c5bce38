from typing import Any, Mapping

from allennlp.common.checks import ConfigurationError
from allennlp.models import Model

from allennlp_graphmask.interpret.graphmask.graph_mask import GraphMask
from allennlp_graphmask.interpret.masked_model import MaskedModel


def model_to_explain(model: Model, options: Mapping[str, Any]) -> MaskedModel:
    """
    Return the model of an archive as interpreters see it: of a `GraphMask` the model that it was trained for.

    # Parameters

    model : `Model`
        It is put into evaluation mode.
    options : `Mapping[str, Any]`
        Arguments of `MaskedModel`; none for a `GraphMask`, which has its own.

    # Raises

    `ConfigurationError` if there are options for a `GraphMask`.
    """
    model.eval()
    if not isinstance(model, GraphMask):
        return MaskedModel(model, **options)
    if options:
        raise ConfigurationError(
            f"An archive of GraphMask holds the settings of the model that it explains: leave out {', '.join(options)}."
        )
    return model.masked_model
