from typing import Any, Callable, ClassVar, Dict, Mapping

import numpy
import torch
from allennlp.training.metrics import Metric

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.interpret.divergences import Divergence, PredictionNll
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.rounding import most_probable

#: How an instance with several predictions (a role for each word) is counted as one instance.
POSITIONS = ("joint", "mean")

LogitsFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class _SumOverPositions(Divergence):
    """The sum of a function of the original and the masked logits of each position."""

    def __init__(self, function: LogitsFunction) -> None:
        self._function = function

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        return self._function(original_logits, masked_logits)


def mean_over_positions(
    masked_model: MaskedModel, function: LogitsFunction, unmasked: UnmaskedPass, masked: Dict[str, Any]
) -> torch.Tensor:
    """Compute the mean over an instance's positions in the focus. Shape: `(batch_size,)`."""
    count = _SumOverPositions(lambda _, logits: torch.ones_like(logits[..., 0]))
    total = masked_model.divergence(_SumOverPositions(function), unmasked, masked)
    return total / masked_model.divergence(count, unmasked, masked).clamp(min=1)


def _probability(original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
    predicted = most_probable(original_logits).unsqueeze(-1)
    return masked_logits.softmax(-1).gather(-1, predicted).squeeze(-1)


def _change(original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
    return (most_probable(original_logits) != most_probable(masked_logits)).to(masked_logits.dtype)


def probability_of_prediction(
    masked_model: MaskedModel, unmasked: UnmaskedPass, masked: Dict[str, Any], positions: str = "joint"
) -> torch.Tensor:
    """
    Compute the probability in a masked pass of the model's prediction on the whole graph. For an instance with several predictions
    it is the probability that all of them are made (`"joint"`, their product, as the model makes them independently of each
    other), or the mean of their probabilities (`"mean"`). Shape: `(batch_size,)`.
    """
    if positions == "joint":
        return (-masked_model.divergence(PredictionNll(), unmasked, masked)).exp()
    return mean_over_positions(masked_model, _probability, unmasked, masked)


def label_change(
    masked_model: MaskedModel, unmasked: UnmaskedPass, masked: Dict[str, Any], positions: str = "joint"
) -> torch.Tensor:
    """
    Compute whether any prediction of an instance differs (`"joint"`), or the share of them that do (`"mean"`). Shape:
    `(batch_size,)`.
    """
    if positions == "joint":
        return masked_model.changed(unmasked, masked).double()
    return mean_over_positions(masked_model, _change, unmasked, masked)


@Metric.register("edge_fidelity")
class EdgeFidelity(EdgeMetric):
    """
    The change of the prediction ŷ on the whole graph G when the explanation is dropped, or nothing else is kept ([Pope et
    al., 2019](https://openaccess.thecvf.com/content_CVPR_2019/html/Pope_Explainability_Methods_for_Graph_Convolutional_Neural_Networks_CVPR_2019_paper.html);
    [Yuan et al., 2022](https://arxiv.org/abs/2012.15445), equations 1 to 4). With m the kept messages and 1-m the others:

        fidelity_plus_probability  = p(ŷ | G) - p(ŷ | G keeping 1-m)
        fidelity_minus_probability = p(ŷ | G) - p(ŷ | G keeping m)
        fidelity_plus_label        = [ŷ differs, G keeping 1-m]
        fidelity_minus_label       = [ŷ differs, G keeping m]

    All are means over instances. ŷ is the model's prediction and not the gold label: the model is explained, not the
    "phenomenon" ([Amara et al., 2022](https://arxiv.org/abs/2206.09677)). `characterization` is the harmonic mean of
    fidelity_plus_label and 1 - fidelity_minus_label, both over all instances; 0 if either is.

    Keeping everything gives the best fidelity-, and its complement, the empty graph, changes much: read both beside the kept share
    and the random control.

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
        "characterization": Quantity(
            "higher", 0.0, 1.0, 1.0, "Harmonic mean of fidelity_plus_label and 1 - fidelity_minus_label."
        ),
    }

    def __init__(self, positions: str = "joint") -> None:
        super().__init__()
        check_choice("edge_fidelity", POSITIONS, positions=positions)
        self.positions = positions

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        masked_model, unmasked = explained.masked_model, explained.unmasked
        dropped = explained.output_with([~layer for layer in explained.attribution.kept])
        whole = probability_of_prediction(masked_model, unmasked, unmasked.output, self.positions)
        ratios = {}
        for name, output in (("plus", dropped), ("minus", explained.kept_output)):
            lost = whole - probability_of_prediction(masked_model, unmasked, output, self.positions)
            changed = label_change(masked_model, unmasked, output, self.positions)
            ratios[MetricKey(f"fidelity_{name}_probability")] = Ratios.for_mean(lost)
            ratios[MetricKey(f"fidelity_{name}_label")] = Ratios.for_mean(changed)
        return ratios

    def derive(self, values: Mapping[MetricKey, numpy.ndarray]) -> Dict[MetricKey, numpy.ndarray]:
        if not values:
            return {}
        plus = values[MetricKey("fidelity_plus_label")]
        minus = 1 - values[MetricKey("fidelity_minus_label")]
        total = plus + minus
        harmonic_mean = numpy.where(total == 0, 0.0, 2 * plus * minus / numpy.where(total == 0, 1.0, total))
        return {MetricKey("characterization"): harmonic_mean}
