from typing import ClassVar, Dict, Mapping

import numpy
import torch
from allennlp.training.metrics import Metric

from allennlp_graphmask.checks import check_fraction
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.evaluation.metrics.fidelity import mean_over_positions
from allennlp_graphmask.interpret.divergences import broadcast_mask
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.ranking import put_first, top_fraction_mask


def swap_rivals(masked_model: MaskedModel, unmasked: UnmaskedPass) -> UnmaskedPass:
    """
    Return the pass with the logits of the most probable and the second most probable class in the focus exchanged, at each position: as
    if the model had predicted the second.
    """
    logits = masked_model.logits(unmasked.output)
    possible = broadcast_mask(logits, unmasked.focus.mask)
    first_two = _first_two(logits.masked_fill(~possible, float("-inf")))
    swapped = logits.scatter(-1, first_two, logits.gather(-1, first_two).flip(-1))
    # A class that is not possible is not a rival.
    return masked_model.with_logits(unmasked, torch.where(possible.sum(-1, keepdim=True) > 1, swapped, logits))


def rival_wins(masked_model: MaskedModel, unmasked: UnmaskedPass, masked: Dict[str, torch.Tensor]) -> torch.Tensor:
    """
    Compute how often the second most probable class of the unmasked pass is more probable in the masked one than the most probable of
    the unmasked pass: the mean over the positions in the focus. Shape: `(batch_size,)`.
    """

    def wins(original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        found = masked_logits.gather(-1, _first_two(original_logits))
        return (found[..., -1] > found[..., 0]).to(masked_logits.dtype)

    return mean_over_positions(masked_model, wins, unmasked, masked)


def _first_two(logits: torch.Tensor) -> torch.Tensor:
    return logits.topk(min(2, logits.shape[-1]), dim=-1).indices


@Metric.register("edge_swap")
class EdgeSwap(EdgeMetric):
    """
    Whether scores justify what they are given as the prediction, instead of explaining what the model does. The interpreter scores
    messages once more, given the second most probable class (the rival) as the prediction. With nothing but the highest scores of
    either, how often is the rival more probable than the prediction?

    An order that picks whatever speaks for the class that it is given makes the rival win; one of what the model uses gives about
    the same for both. It is a control for orders that read the outcome, where no truth is known. At several positions it is the
    mean over them.

    Registered as a `Metric` with name "edge_swap".

    # Parameters

    fraction : `float`, optional (default = `0.1`)
        Of each graph's messages, those with the highest scores; all layers together, rounded up.

    # Raises

    `ConfigurationError` if the fraction is not in [0, 1].
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "rival_wins": Quantity("lower", 0.0, 1.0, 0.0, "How often the rival wins with the highest scores."),
        "swapped_rival_wins": Quantity(
            "lower", 0.0, 1.0, 0.0, "The same with the highest scores for the rival as the prediction."
        ),
        "swap_effect": Quantity("zero", -1.0, 1.0, 0.0, "swapped_rival_wins - rival_wins."),
    }

    def __init__(self, fraction: float = 0.1) -> None:
        super().__init__()
        check_fraction("edge_swap", fraction=fraction)
        self.fraction = fraction

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        masked_model, unmasked = explained.masked_model, explained.unmasked
        swapped = explained.shared(
            "swap",
            lambda: explained.interpreter.attribute(masked_model, swap_rivals(masked_model, unmasked)),
        )
        ratios = {}
        reachable = torch.stack(unmasked.reachable())
        both = {"rival_wins": explained.attribution, "swapped_rival_wins": explained.as_here(swapped)}
        for name, attribution in both.items():
            ranked = put_first(attribution.scores, attribution.rounding, reachable)
            kept = top_fraction_mask(ranked, self.fraction, attribution.graph, attribution.rounding)
            with torch.no_grad(), masked_model.explaining():
                masked = masked_model.masked(unmasked, attribution.gates(kept))
            ratios[MetricKey(name)] = Ratios.for_mean(rival_wins(masked_model, unmasked, masked))
        return ratios

    def derive(self, values: Mapping[MetricKey, numpy.ndarray]) -> Dict[MetricKey, numpy.ndarray]:
        if not values:
            return {}
        return {MetricKey("swap_effect"): values[MetricKey("swapped_rival_wins")] - values[MetricKey("rival_wins")]}
