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
