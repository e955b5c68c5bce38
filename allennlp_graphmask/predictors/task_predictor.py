from typing import Any, ClassVar, Dict, Iterator, List

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict, lazy_groups_of
from allennlp.data import DatasetReader, Instance
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.data.json_lines import parse_object


class TaskPredictor(Predictor):
    """
    The base of predictors of the task models. A subclass writes `json_to_instances`, which is also how the predictors that
    explain ask for instances, and `build_result`.

    # Parameters

    batch_size : `int`, optional (default = `64`)
        At most this many instances go through the model at once, however many one input has.

    The others are those of `Predictor`.
    """

    #: What of a file of plain text is one input for `text_to_json`, where a predictor has it: each `"line"`, or the whole `"file"`.
    text_unit: ClassVar[str] = "line"
    #: Why an input may have no instance, for the report that names it.
    why_empty: str = "no instance"

    def __init__(
        self, model: Model, dataset_reader: DatasetReader, frozen: bool = True, *, batch_size: int = 64
    ) -> None:
        super().__init__(model, dataset_reader, frozen)
        self._batch_size = batch_size

    def load_line(self, line: str) -> JsonDict:
        """Read a line of input. Raise a `ConfigurationError` if it is not a JSON object."""
        return parse_object(line, f"The input {line.strip()!r:.80}")

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """
        Build all instances of an input.

        # Raises

        `ConfigurationError` naming what is wrong with the input.
        """
        raise NotImplementedError

    def build_result(self, metadata: Dict[str, Any], output: Dict[str, Any]) -> JsonDict:
        """Build what is written for an instance, from its metadata and the model's output."""
        raise NotImplementedError

    def run_model(self, instances: List[Instance]) -> Iterator[Dict[str, Any]]:
        """Yield the model's output for each instance."""
        for batch in lazy_groups_of(instances, self._batch_size):
            for instance in batch:
                self._dataset_reader.apply_token_indexers(instance)
            yield from self._model.forward_on_instances(batch)

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        return self.predict_batch_instance([self._json_to_instance(one_input) for one_input in inputs])

    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    def predict_batch_instance(self, instances: List[Instance]) -> List[JsonDict]:
        return [
            self.build_result(instance.fields["metadata"].metadata, output)  # type: ignore[attr-defined]
            for instance, output in zip(instances, self.run_model(instances))
        ]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        instances = self.json_to_instances(json_dict)
        if len(instances) != 1:
            raise ConfigurationError(f"This input has {len(instances)} instances, where one is expected.")
        return instances[0]
