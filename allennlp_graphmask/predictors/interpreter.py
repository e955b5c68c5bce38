from typing import Any, Dict, List, Optional

import torch
from allennlp.data import Batch, DatasetReader, Instance
from allennlp.nn.util import move_to_device

from allennlp_graphmask.evaluation.metrics import AttributionEvaluation
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.interpret.build_explanation import build_explanation
from allennlp_graphmask.interpret.divergences import Divergence, SaturatingKl
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor


class InterpreterPredictor(ExplainingPredictor):
    """
    Explains a model's predictions by any `Interpreter`. What goes in and comes out is described at `ExplainingPredictor`, from
    which this is derived. `allennlp explain --interpreter` makes one.

    # Parameters

    masked_model : `MaskedModel`
        The model to explain.
    dataset_reader : `DatasetReader`
    frozen : `bool`, optional (default = `True`)
    interpreter : `Interpreter`
    description : `Dict[str, Any]`
        What the explanations say of the interpreter: `name`, and whatever else.
    provenance : `Dict[str, Any]`
        See `allennlp_graphmask.explanation.provenance`.
    divergence : `Divergence`, optional (default = `SaturatingKl()`)
        Measures how far the prediction with the kept messages alone is from the original one.
    target_predictor : `str`, optional (default = `None`)
    batch_size : `int`, optional (default = `64`)
    target_predictor_arguments : `Dict[str, Any]`, optional (default = `None`)
    """

    def __init__(
        self,
        masked_model: MaskedModel,
        dataset_reader: DatasetReader,
        frozen: bool = True,
        *,
        interpreter: Interpreter,
        description: Dict[str, Any],
        provenance: Dict[str, Any],
        divergence: Optional[Divergence] = None,
        target_predictor: Optional[str] = None,
        batch_size: int = 64,
        target_predictor_arguments: Optional[Dict[str, Any]] = None,
    ) -> None:
        super().__init__(
            masked_model.target,
            dataset_reader,
            frozen,
            target=masked_model.target,
            target_predictor=target_predictor,
            batch_size=batch_size,
            target_predictor_arguments=target_predictor_arguments,
        )
        self._passes = masked_model
        self._interpreter = interpreter
        self._divergence = divergence or SaturatingKl()
        self._description = {**description, "divergence": self._divergence.name}
        self.provenance = provenance

    def explain_batch(self, instances: List[Instance]) -> List[Explanation]:
        target = self._target
        batch = Batch(instances)
        batch.index_instances(target.vocab)
        inputs = move_to_device(batch.as_tensor_dict(), target._get_prediction_device())
        attribution = self._interpreter.interpret(self._passes, inputs)
        evaluation = AttributionEvaluation(self._passes, inputs, attribution)
        original, masked = evaluation.unmasked.output, evaluation.kept_output
        with torch.no_grad():
            divergence = self._passes.divergence(self._divergence, original, masked).tolist()
            changed = self._passes.changed(original, masked).tolist()
            # After all else: it changes the outputs.
            predictions = [
                target.make_output_human_readable(output).get("prediction", [None] * len(instances))
                for output in (original, masked)
            ]
        return [
            build_explanation(
                instance,
                {
                    "attribution": part,
                    "original_prediction": predictions[0][number],
                    "masked_prediction": predictions[1][number],
                    "changed": changed[number],
                    "divergence": divergence[number],
                },
                interpreter=self._description,
                provenance=self.provenance,
            )
            for number, (instance, part) in enumerate(zip(instances, attribution.split()))
        ]


def describe_interpreter(config: Dict[str, Any], interpreter: Interpreter) -> Dict[str, Any]:
    """
    What explanations say of an interpreter.

    # Parameters

    config : `Dict[str, Any]`
        From which it was built: `type` and its settings.
    interpreter : `Interpreter`

    # Returns

    `Dict[str, Any]`
        `name`, `settings` (of the config), `seed`; with a masker also what that says of itself.
    """
    settings = {key: value for key, value in config.items() if key != "type"}
    described: Dict[str, Any] = {"name": config["type"]}
    if isinstance(interpreter, AmortisedGraphMask):
        described = {**interpreter.graphmask.describe(), **described}
        if interpreter.threshold is not None or interpreter.top_fraction is not None:
            # It was trained and selected with decisions of its own.
            del described["constraint"]
    return {**described, "settings": settings, "seed": interpreter.seed}
