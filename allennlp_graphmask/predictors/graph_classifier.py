from typing import Any, Dict, List

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import JsonDict
from allennlp.data import Instance
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers.graph_jsonl import GraphJsonlReader, TextGraph
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.predictors.task_predictor import TaskPredictor
from allennlp_graphmask.validation import check_characters


@Predictor.register("graph_classifier")
class GraphClassifierPredictor(TaskPredictor):
    """
    Classifies graphs over text, or their nodes.

    An input is a JSON object as in a line of a `graph_jsonl` file (`docs/graph_jsonl.md`), with or without labels. The output
    is `{"id": ..., "prediction": {...}}`. The prediction is `label`, `probability` and the `probabilities` of all labels; or
    if nodes are classified, `nodes`, a list with these and the `text` of each node.

    The parameters are those of `TaskPredictor`.

    Registered as a `Predictor` with name "graph_classifier".
    """

    def json_to_instances(self, inputs: JsonDict) -> List[Instance]:
        if not isinstance(self._dataset_reader, GraphJsonlReader):
            raise ConfigurationError(
                f"{type(self._dataset_reader).__name__}, the dataset reader of this model, is not 'graph_jsonl'. Predict from a "
                "file that it reads, with --use-dataset-reader."
            )
        instance = self._dataset_reader.text_to_instance(TextGraph.from_json(inputs))
        # Other keys are kept as metadata, and no type describes them.
        check_characters(inputs, ConfigurationError)
        return [instance]

    def build_result(self, metadata: Dict[str, Any], output: Dict[str, Any]) -> JsonDict:
        # AllenNLP's `sanitize` would write a missing id as the string "None".
        return to_plain_json({"id": metadata["id"], "prediction": output["prediction"]})
