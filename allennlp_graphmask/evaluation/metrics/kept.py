from typing import ClassVar, Dict

import torch
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation, sum_by_graph
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, Quantity, Ratios


@Metric.register("edge_kept")
class EdgeKept(EdgeMetric):
    """
    The share of messages that are kept: all layers together and, with `_layer_N`, of each. Messages are counted over all
    instances, so that large graphs weigh more; undefined if there are none. Less is better only at equal faithfulness.

    Registered as a `Metric` with name "edge_kept".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "kept": Quantity("lower", 0.0, 1.0, 0.0, "Share of messages that are kept.")
    }

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        edges = evaluation.graph.edges_per_graph().double()
        layers = [sum_by_graph(layer, evaluation.graph) for layer in evaluation.attribution.kept]
        ratios = {"kept": Ratios(torch.stack(layers).sum(0), edges * evaluation.num_layers)}
        ratios.update({f"kept_layer_{number}": Ratios(layer, edges) for number, layer in enumerate(layers)})
        return ratios
