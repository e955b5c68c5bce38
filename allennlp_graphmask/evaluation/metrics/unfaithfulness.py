import math
from typing import ClassVar, Dict

from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.interpret.divergences import Kl, SaturatingKl


@Metric.register("edge_unfaithfulness")
class EdgeUnfaithfulness(EdgeMetric):
    """
    KL(y || ŷ), from the prediction y on the whole graph to the prediction ŷ with nothing but the explanation, summed over an
    instance's positions; the mean over instances. With y = (0.9, 0.1) and ŷ = (0.5, 0.5) it is 0.3681.

    Registered as a `Metric` with name "edge_unfaithfulness".

    # Parameters

    saturating : `bool`, optional (default = `False`)
        Gives `saturating_unfaithfulness = 1 - exp(-KL(y || ŷ))` instead, from 0 to 1 ([Agarwal et al.,
        2023](https://arxiv.org/abs/2208.09339), "graph explanation faithfulness"): a single outlier cannot dominate the mean.
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "unfaithfulness": Quantity(
            "lower", 0.0, math.inf, 0.0, "KL divergence from the prediction to that of the explanation alone."
        ),
        "saturating_unfaithfulness": Quantity("lower", 0.0, 1.0, 0.0, "1 - exp(-KL) of the same."),
    }

    def __init__(self, saturating: bool = False) -> None:
        super().__init__()
        self.saturating = saturating

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        values = explained.masked_model.divergence(
            SaturatingKl() if self.saturating else Kl(), explained.unmasked, explained.kept_output
        )
        key = MetricKey("saturating_unfaithfulness" if self.saturating else "unfaithfulness")
        # Rounding may leave a divergence slightly below zero.
        return {key: Ratios.for_mean(values.clamp(min=0))}


@Metric.register("edge_changed")
class EdgeChanged(EdgeMetric):
    """
    The share of instances with any changed prediction when nothing but the explanation is kept. GraphMask's constraint bounds it.

    Registered as a `Metric` with name "edge_changed".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "changed": Quantity("lower", 0.0, 1.0, 0.0, "Share of instances with a changed prediction.")
    }

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        changed = explained.masked_model.changed(explained.unmasked, explained.kept_output)
        return {MetricKey("changed"): Ratios.for_mean(changed.double())}
