from typing import Any, ClassVar, Dict, Mapping

import numpy
import torch
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import (
    EdgeMetric,
    Quantity,
    Ratios,
    check_choice,
    mean_of,
)
from allennlp_graphmask.interpret.divergences import Divergence, PredictionNll
from allennlp_graphmask.interpret.masked_model import MaskedModel

#: How an instance with several predictions (a role for each word) is one instance.
POSITIONS = ("joint", "mean")


class _SummedProbability(Divergence):
    """The probability of what the model predicts on the whole graph, summed over positions."""

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        predicted = original_logits.argmax(-1, keepdim=True)
        return masked_logits.softmax(-1).gather(-1, predicted).squeeze(-1)


class _SummedChanges(Divergence):
    """Whether the prediction differs, summed over positions."""

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        return (original_logits.argmax(-1) != masked_logits.argmax(-1)).to(masked_logits.dtype)


class _Positions(Divergence):
    """The number of positions."""

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(masked_logits[..., 0])


def probability_of_prediction(
    masked_model: MaskedModel, original: Dict[str, Any], masked: Dict[str, Any], positions: str = "joint"
) -> torch.Tensor:
    """
    How probable a masked pass makes what the model predicts on the whole graph. An instance with several predictions has the
    probability that all of them are made (`"joint"`, their product, as the model makes them independently of each other), or the
    mean of their probabilities (`"mean"`). Shape: `(batch_size,)`.
    """
    if positions == "joint":
        return (-masked_model.divergence(PredictionNll(), original, masked)).exp()
    count = masked_model.divergence(_Positions(), original, masked)
    return masked_model.divergence(_SummedProbability(), original, masked) / count.clamp(min=1)


def label_change(
    masked_model: MaskedModel, original: Dict[str, Any], masked: Dict[str, Any], positions: str = "joint"
) -> torch.Tensor:
    """Whether any prediction of an instance differs (`"joint"`), or the share that do (`"mean"`). Shape: `(batch_size,)`."""
    if positions == "joint":
        return masked_model.changed(original, masked).double()
    count = masked_model.divergence(_Positions(), original, masked)
    return masked_model.divergence(_SummedChanges(), original, masked) / count.clamp(min=1)


@Metric.register("edge_fidelity")
class EdgeFidelity(EdgeMetric):
    """
    What becomes of the prediction ŷ on the whole graph G when the explanation is dropped, or nothing else is kept ([Pope et
    al., 2019](https://openaccess.thecvf.com/content_CVPR_2019/html/Pope_Explainability_Methods_for_Graph_Convolutional_Neural_Networks_CVPR_2019_paper.html);
    [Yuan et al., 2022](https://arxiv.org/abs/2012.15445), equations 1 to 4). With m the kept messages and 1-m the others:

        fidelity_plus_probability  = p(ŷ | G) - p(ŷ | G keeping 1-m)
        fidelity_minus_probability = p(ŷ | G) - p(ŷ | G keeping m)
        fidelity_plus_label        = [ŷ differs, G keeping 1-m]
        fidelity_minus_label       = [ŷ differs, G keeping m]

    All are means over instances. ŷ is the model's prediction and not the gold label: that is what is explained (the
    "phenomenon" is not, in the terms of [Amara et al., 2022](https://arxiv.org/abs/2206.09677)). `characterization` is their
    harmonic mean of fidelity_plus_label and 1 - fidelity_minus_label, both over all instances; 0 if either is.

    Whoever keeps everything has the best fidelity-, and, without it, changes much: read both beside the kept share and the random
    control.

    Registered as a `Metric` with name "edge_fidelity".

    # Parameters

    positions : `str`, optional (default = `"joint"`)
        For instances with several predictions (a role for each word). With `"joint"` the instance is one prediction: its
        probability is the product of theirs, its label differs if one of them does. With `"mean"`, the mean over them.
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "fidelity_plus_probability": Quantity(
            "higher", -1.0, 1.0, 1.0, "Probability that the prediction loses without the explanation."
        ),
        "fidelity_minus_probability": Quantity(
            "lower", -1.0, 1.0, 0.0, "Probability that the prediction loses with nothing but the explanation."
        ),
        "fidelity_plus_label": Quantity(
            "higher", 0.0, 1.0, 1.0, "Share of predictions that change without the explanation."
        ),
        "fidelity_minus_label": Quantity(
            "lower", 0.0, 1.0, 0.0, "Share of predictions that change with nothing but the explanation."
        ),
        "characterisation": Quantity(
            "higher", 0.0, 1.0, 1.0, "Harmonic mean of fidelity_plus_label and 1 - fidelity_minus_label."
        ),
    }

    def __init__(self, positions: str = "joint") -> None:
        super().__init__()
        check_choice("edge_fidelity.positions", positions, POSITIONS)
        self.positions = positions

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        masked_model, original = evaluation.masked_model, evaluation.unmasked.output
        dropped = evaluation.output_with([~layer for layer in evaluation.attribution.kept])
        whole = probability_of_prediction(masked_model, original, original, self.positions)
        ratios = {}
        for name, output in (("plus", dropped), ("minus", evaluation.kept_output)):
            lost = whole - probability_of_prediction(masked_model, original, output, self.positions)
            ratios[f"fidelity_{name}_probability"] = mean_of(lost)
            ratios[f"fidelity_{name}_label"] = mean_of(
                label_change(masked_model, original, output, self.positions)
            )
        return ratios

    def derive(self, values: Mapping[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
        if "fidelity_plus_label" not in values:
            return {}
        plus, minus = values["fidelity_plus_label"], 1 - values["fidelity_minus_label"]
        total = plus + minus
        return {
            "characterisation": numpy.where(
                total == 0, 0.0, 2 * plus * minus / numpy.where(total == 0, 1.0, total)
            )
        }
