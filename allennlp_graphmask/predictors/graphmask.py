import contextlib
import gc
from typing import Any, Dict, Iterator, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict, lazy_groups_of
from allennlp.data import DatasetReader, Instance
from allennlp.data.fields import SequenceField
from allennlp.models import Archive, Model
from allennlp.predictors import Predictor

from allennlp_graphmask.interpret.explanation import Explanation, build_explanation
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.provenance import build_provenance


@Predictor.register("graphmask")
class GraphMaskPredictor(Predictor):
    """
    Explains the predictions of the model that a `graphmask` model was trained for: for each instance one
    [`Explanation`](../interpret/explanation.md).

    JSON input is what the explained model's own predictor takes (for `gcn_srl` see `graph_srl`). It can stand
    for any number of instances, so that the output for one input is `{"explanations": [...]}`, each in its
    JSON form. For instances (`--use-dataset-reader`) the output for each is the JSON form of its explanation
    alone.

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
        super().__init__(model, dataset_reader, frozen)
        self._model: GraphMask
        self._batch_size = batch_size
        self._config = config
        self._provenance: Optional[Dict[str, Any]] = None
        self.target_predictor = self._build_target_predictor(
            target_predictor, frozen, target_predictor_arguments
        )

    def _build_target_predictor(
        self, name: Optional[str], frozen: bool, arguments: Dict[str, Any]
    ) -> Optional[Predictor]:
        target = self._model.target
        name = name or target.default_predictor
        if name is None:
            # Instances can be explained all the same.
            if arguments:
                raise ConfigurationError(
                    f"{type(target).__name__} has no predictor of its own that could take "
                    f"{', '.join(sorted(arguments))}. "
                    'Name one by "target_predictor".'
                )
            return None
        try:
            return Predictor.by_name(name)(target, self._dataset_reader, frozen=frozen, **arguments)
        except TypeError as error:
            raise ConfigurationError(
                f"The predictor '{name}' of the explained model does not take "
                f"{', '.join(sorted(arguments)) or 'frozen'}: {error}"
            ) from error

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

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """All instances of one input, as the target's predictor makes them."""
        if self.target_predictor is None:
            raise ConfigurationError(
                f"{type(self._model.target).__name__} has no predictor that turns JSON into instances. Name "
                'one by "target_predictor", or explain a file that its reader reads (--use-dataset-reader).'
            )
        json_to_instances = getattr(self.target_predictor, "json_to_instances", None)
        if json_to_instances is not None:
            return json_to_instances(inputs)
        return [self.target_predictor._json_to_instance(inputs)]

    def explain_instances(self, instances: List[Instance]) -> List[Explanation]:
        """
        # Parameters

        instances : `List[Instance]`
            Any number of them; the more there are, the faster, as those of about the same length go into one batch.

        # Returns

        `List[Explanation]`
            One for each instance, in their order.
        """
        interpreter = self._model.describe()
        explanations: Dict[int, Explanation] = {}
        by_length = sorted(range(len(instances)), key=lambda number: _length(instances[number]))
        for numbers in lazy_groups_of(by_length, self._batch_size):
            batch = [instances[number] for number in numbers]
            for instance in batch:
                self._dataset_reader.apply_token_indexers(instance)
            with _without_controls(self._model), _garbage_left_alone():
                outputs = self._model.forward_on_instances(batch)
                for number, instance, output in zip(numbers, batch, outputs):
                    explanations[number] = build_explanation(
                        instance, output, interpreter=interpreter, provenance=self.provenance
                    )
        return [explanations[number] for number in range(len(instances))]

    def explain_json(self, inputs: JsonDict) -> List[Explanation]:
        """The explanations of one input."""
        return self.explain_instances(self.json_to_instances(inputs))

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        instances = [self.json_to_instances(one_input) for one_input in inputs]
        explanations = iter(self.explain_instances([instance for group in instances for instance in group]))
        return [{"explanations": [next(explanations).to_dict() for _ in group]} for group in instances]

    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    def predict_batch_instance(self, instances: List[Instance]) -> List[JsonDict]:
        return [explanation.to_dict() for explanation in self.explain_instances(instances)]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        instances = self.json_to_instances(json_dict)
        if len(instances) != 1:
            raise ConfigurationError(
                f"This input stands for {len(instances)} instances, where one is expected."
            )
        return instances[0]


def _length(instance: Instance) -> int:
    """That of its longest sequence, to which a batch is padded."""
    fields = instance.fields.values()
    return max((field.sequence_length() for field in fields if isinstance(field, SequenceField)), default=0)


@contextlib.contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """
    Explanations of large graphs are hundreds of thousands of small objects, none of them garbage: looking through them again
    and again for cycles takes longer than making them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _without_controls(model: GraphMask) -> Iterator[None]:
    """The random control and the divergence floor need more passes, for metrics that nobody reads here."""
    before = model.measures_controls
    model.measures_controls = False
    try:
        yield
    finally:
        model.measures_controls = before
