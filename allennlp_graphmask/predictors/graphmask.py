import contextlib
from typing import Any, Dict, Iterator, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance
from allennlp.models import Archive, Model
from allennlp.predictors import Predictor

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.interpret.build_explanation import build_explanation, build_provenance
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor


@Predictor.register("graphmask")
class GraphMaskPredictor(ExplainingPredictor):
    """
    Explains the predictions of the model that a `graphmask` model was trained for. What goes in and comes out
    is described at `ExplainingPredictor`, from which this is derived.

    Registered as a `Predictor` with name "graphmask".

    # Parameters

    model : `Model`
        A `graphmask` model.
    dataset_reader : `DatasetReader`
    frozen : `bool`, optional (default = `True`)
    target_predictor : `str`, optional (default = `None`)
        The registered name of the predictor that turns JSON into instances. The explained model's
        `default_predictor` if not given.
    config : `Dict[str, Any]`, optional (default = `None`)
        The configuration from which the model was trained, for its fingerprint and seeds in the explanations'
        provenance. A model from an archive brings its own.
    batch_size : `int`, optional (default = `64`)
        At most so many instances go through the model at once, however many one input has.
    target_predictor_arguments : `Any`
        All other arguments go to the target's predictor: `spacy_model`, for example.
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
        **target_predictor_arguments: Any,
    ) -> None:
        if not isinstance(model, GraphMask):
            raise ConfigurationError(
                f"The predictor 'graphmask' explains by a trained 'graphmask' model, not by a "
                f"{type(model).__name__}. Train one on this model, and give the archive of that."
            )
        super().__init__(
            model,
            dataset_reader,
            frozen,
            target=model.target,
            target_predictor=target_predictor,
            batch_size=batch_size,
            target_predictor_arguments=target_predictor_arguments,
        )
        self._model: GraphMask
        self._config = config
        self._provenance: Optional[Dict[str, Any]] = None

    @classmethod
    def from_archive(
        cls,
        archive: Archive,
        predictor_name: Optional[str] = None,
        dataset_reader_to_load: str = "validation",
        frozen: bool = True,
        extra_args: Optional[Dict[str, Any]] = None,
    ) -> Predictor:
        """See `Predictor.from_archive`."""
        extra_args = {"config": archive.config.as_dict(quiet=True), **(extra_args or {})}
        return super().from_archive(
            archive, predictor_name or "graphmask", dataset_reader_to_load, frozen, extra_args
        )

    @property
    def provenance(self) -> Dict[str, Any]:
        """The `provenance` of this predictor's explanations. It reads all weights, and does so once."""
        if self._provenance is None:
            # `Predictor.from_archive`, which the commands call, gives a predictor no config: the model has
            # kept it.
            config = (
                self._config if self._config is not None else getattr(self._model, "archive_config", None)
            )
            self._provenance = build_provenance(self._model, config)
        return self._provenance

    def explain_batch(self, instances: List[Instance]) -> List[Explanation]:
        interpreter = self._model.describe()
        with _without_controls(self._model):
            outputs = self._model.forward_on_instances(instances)
        return [
            build_explanation(instance, output, interpreter=interpreter, provenance=self.provenance)
            for instance, output in zip(instances, outputs)
        ]


@contextlib.contextmanager
def _without_controls(model: GraphMask) -> Iterator[None]:
    """The random control and the divergence floor need more passes, for metrics that nobody reads here."""
    before = model.measures_controls
    model.measures_controls = False
    try:
        yield
    finally:
        model.measures_controls = before
