from typing import Any, Dict, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor


@Predictor.register("graphmask")
class GraphMaskPredictor(ExplainingPredictor):
    """
    Explains the predictions of the model that a `graphmask` model was trained for, by its masker: `ExplainingPredictor` with the
    interpreter `graphmask`.

    Registered as a `Predictor` with name "graphmask".

    # Parameters

    model : `Model`
        A `graphmask` model.
    config : `Dict[str, Any]`, optional (default = `None`)
        The configuration that the model was trained with. A model from an archive brings its own.
    verify, max_divergence : optional (default = `True`, `None`)
        Those of `Interpreter`.
    target_predictor_arguments : `Any`
        All other arguments go to the target's predictor: `spacy_model`, for example.

    The others are those of `ExplainingPredictor`.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        frozen: bool = True,
        *,
        target_predictor: Optional[str] = None,
        config: Optional[Dict[str, Any]] = None,
        batch_size: int = 64,
        focus: Optional[str] = None,
        verify: bool = True,
        max_divergence: Optional[float] = None,
        **target_predictor_arguments: Any,
    ) -> None:
        if not isinstance(model, GraphMask):
            raise ConfigurationError(
                f"The predictor 'graphmask' explains by a trained 'graphmask' model, not by a {type(model).__name__}. Train one on "
                "this model, and give its archive."
            )
        super().__init__(
            model.masked_model,
            dataset_reader,
            interpreter=AmortisedGraphMask(graphmask=model, verify=verify, max_divergence=max_divergence),
            description={"name": "graphmask"},
            explaining_model=model,
            config=model.archive_config if config is None else config,
            frozen=frozen,
            target_predictor=target_predictor,
            batch_size=batch_size,
            focus=focus,
            target_predictor_arguments=target_predictor_arguments,
        )
