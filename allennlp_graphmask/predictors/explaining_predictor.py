import contextlib
import gc
from typing import Any, Dict, Iterator, List, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict, lazy_groups_of
from allennlp.data import DatasetReader, Instance
from allennlp.data.fields import SequenceField
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.explanation.explanation import Explanation


class ExplainingPredictor(Predictor):
    """
    The base of predictors that explain the predictions of a model: for each instance one
    [`Explanation`](../interpret/explanation.md).

    JSON input is what the explained model's own predictor takes (for `gcn_srl` see `graph_srl`). It can stand
    for any number of instances, so that the output for one input is `{"explanations": [...]}`, each in its
    JSON form. For instances (`--use-dataset-reader`) the output for each is the JSON form of its explanation
    alone.

    # Parameters

    model : `Model`
        What this predictor runs.
    dataset_reader : `DatasetReader`
    frozen : `bool`, optional (default = `True`)
    target : `Model`
        The explained model.
    target_predictor : `str`, optional (default = `None`)
        The registered name of the predictor that turns JSON into instances. The explained model's
        `default_predictor` if not given.
    batch_size : `int`, optional (default = `64`)
        At most so many instances go through the model at once, however many one input has.
    target_predictor_arguments : `Dict[str, Any]`, optional (default = `None`)
        Go to the target's predictor: `spacy_model`, for example.
    """

    def __init__(
        self,
        model: Model,
        dataset_reader: DatasetReader,
        frozen: bool = True,
        *,
        target: Model,
        target_predictor: Optional[str] = None,
        batch_size: int = 64,
        target_predictor_arguments: Optional[Dict[str, Any]] = None,
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        self._target = target
        self._batch_size = batch_size
        self.target_predictor = _build_target_predictor(
            target, dataset_reader, target_predictor, frozen, target_predictor_arguments or {}
        )

    def explain_batch(self, instances: List[Instance]) -> List[Explanation]:
        """
        # Parameters

        instances : `List[Instance]`
            At least one, and not more than fit into one batch. They have their token indexers.

        # Returns

        `List[Explanation]`
            One for each instance, in their order.
        """
        raise NotImplementedError

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """All instances of one input, as the target's predictor makes them."""
        if self.target_predictor is None:
            raise ConfigurationError(
                f"{type(self._target).__name__} has no predictor that turns JSON into instances. Name "
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
        explanations: Dict[int, Explanation] = {}
        by_length = sorted(range(len(instances)), key=lambda number: _length(instances[number]))
        for numbers in lazy_groups_of(by_length, self._batch_size):
            batch = [instances[number] for number in numbers]
            for instance in batch:
                self._dataset_reader.apply_token_indexers(instance)
            with _garbage_left_alone():
                explanations.update(zip(numbers, self.explain_batch(batch)))
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


def _build_target_predictor(
    target: Model,
    dataset_reader: DatasetReader,
    name: Optional[str],
    frozen: bool,
    arguments: Dict[str, Any],
) -> Optional[Predictor]:
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
        return Predictor.by_name(name)(target, dataset_reader, frozen=frozen, **arguments)
    except TypeError as error:
        raise ConfigurationError(
            f"The predictor '{name}' of the explained model does not take "
            f"{', '.join(sorted(arguments)) or 'frozen'}: {error}"
        ) from error


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
