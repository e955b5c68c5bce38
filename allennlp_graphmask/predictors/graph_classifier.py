from typing import Any, Dict, List

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers.graph_jsonl import GraphJsonlReader, TextGraph
from allennlp_graphmask.explanation.serialization import to_plain_json


@Predictor.register("graph_classifier")
class GraphClassifierPredictor(Predictor):
    """
    Classifies graphs over text, or their nodes.

    An input is a JSON object as in a line of a `graph_jsonl` file (`docs/graph_jsonl.md`), with or without labels. The output
    is `{"id": ..., "prediction": {...}}`. The prediction is `label`, `probability` and the `probabilities` of all labels; or
    if nodes are classified, `nodes`, a list with these and the `text` of each node.

    Registered as a `Predictor` with name "graph_classifier".
    """

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        """The one instance of an input, in a list, as the predictor `graphmask` asks for it."""
        return [self._json_to_instance(inputs)]

    def _json_to_instance(self, json_dict: JsonDict) -> Instance:
        if not isinstance(self._dataset_reader, GraphJsonlReader):
            raise ConfigurationError(
                f"{type(self._dataset_reader).__name__}, the dataset reader of this model, is not 'graph_jsonl'. Predict from a "
                "file that it reads, with --use-dataset-reader."
            )
        return self._dataset_reader.text_to_instance(TextGraph.from_json(json_dict))

    def predict_json(self, inputs: JsonDict) -> JsonDict:
        return self.predict_batch_json([inputs])[0]

    def predict_batch_json(self, inputs: List[JsonDict]) -> List[JsonDict]:
        return self.predict_batch_instance([self._json_to_instance(one_input) for one_input in inputs])

    def predict_instance(self, instance: Instance) -> JsonDict:
        return self.predict_batch_instance([instance])[0]

    def predict_batch_instance(self, instances: List[Instance]) -> List[JsonDict]:
        for instance in instances:
            self._dataset_reader.apply_token_indexers(instance)
        outputs = self._model.forward_on_instances(instances)
        return [_result(instance, output) for instance, output in zip(instances, outputs)]


def _result(instance: Instance, output: Dict[str, Any]) -> JsonDict:
    metadata = instance.fields["metadata"].metadata  # type: ignore[attr-defined]
    # AllenNLP's `sanitize` would write a missing id as the string "None".
    return to_plain_json({"id": metadata["id"], "prediction": output["prediction"]})
