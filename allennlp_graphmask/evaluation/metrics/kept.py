import math
from typing import ClassVar, Dict

import torch
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation, sum_by_graph
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios


@Metric.register("edge_kept")
class EdgeKept(EdgeMetric):
    """
    The share of messages that are kept, of all layers together and of each layer. Messages are counted over all instances, so
    that large graphs weigh more; the share is undefined if there are none. Less is better only at equal faithfulness.

    Registered as a `Metric` with name "edge_kept".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "kept": Quantity("lower", 0.0, 1.0, 0.0, "Share of messages that are kept.")
    }

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        edges = explained.graph.edges_per_graph().double()
        layers = [sum_by_graph(layer, explained.graph) for layer in explained.attribution.kept]
        return {
            MetricKey("kept"): Ratios(torch.stack(layers).sum(0), edges * explained.num_layers),
            **{MetricKey("kept", layer=number): Ratios(kept, edges) for number, kept in enumerate(layers)},
        }


@Metric.register("edge_verification")
class EdgeVerification(EdgeMetric):
    """
    What verification did (`"verify": true` of an interpreter): the share of messages kept and of instances with a changed
    prediction before it, and the number of further passes of an instance. Undefined for decisions that were not verified.

    Registered as a `Metric` with name "edge_verification".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "kept_before_verification": Quantity("lower", 0.0, 1.0, 0.0, "Share of messages kept before verification."),
        "changed_before_verification": Quantity(
            "lower", 0.0, 1.0, 0.0, "Share of instances with a changed prediction before verification."
        ),
        "verification_passes": Quantity("lower", 0.0, math.inf, 0.0, "Further passes of an instance."),
    }

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        verification = explained.attribution.verification
        if verification is None:
            return {}
        kept = sum_by_graph(torch.stack(verification.kept_before), explained.graph)
        return {
            MetricKey("kept_before_verification"): Ratios(
                kept, explained.graph.edges_per_graph().double() * explained.num_layers
            ),
            MetricKey("changed_before_verification"): Ratios.for_mean(verification.changed_before.double()),
            MetricKey("verification_passes"): Ratios.for_mean(verification.num_passes.double()),
        }
