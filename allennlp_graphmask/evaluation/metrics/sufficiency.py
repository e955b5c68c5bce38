from typing import ClassVar, Dict, List, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.evaluation.metrics.fidelity import POSITIONS, probability_of_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.interpret.ranking import message_order, top_fraction_mask


@Metric.register("edge_sufficiency")
class EdgeSufficiency(EdgeMetric):
    """
    Comprehensiveness and sufficiency ([DeYoung et al., 2020](https://arxiv.org/abs/1911.03429), section 4) of the ranking of
    messages by score, whatever the interpreter keeps. With r_k the fraction k of each graph's messages that has the highest
    scores (all layers together) and ŷ the prediction on the whole graph G:

        comprehensiveness at k = p(ŷ | G) - p(ŷ | G without r_k)
        sufficiency at k       = p(ŷ | G) - p(ŷ | G keeping r_k)

    `comprehensiveness` and `sufficiency` without a fraction are their means over the fractions; all are means over instances.
    Messages with scores that are equal but for rounding are ranked at random: the order of edges in a file may
    give away which of them matter, and scores that saturate would gain by it.

    Registered as a `Metric` with name "edge_sufficiency".

    # Parameters

    fractions : `Sequence[float]`, optional (default = `(0.01, 0.05, 0.1, 0.2, 0.5)`)
        Those of the paper. A fraction is rounded up to whole messages.
    positions : `str`, optional (default = `"joint"`)
        As in `edge_fidelity`.
    seed : `int`, optional (default = `0`)
        Of the order among equal scores.

    # Raises

    `ConfigurationError` if there is no fraction, or one is not in [0, 1].
    """

    renamed_parameters = {"shares": "fractions"}

    quantities: ClassVar[Dict[str, Quantity]] = {
        "comprehensiveness": Quantity(
            "higher", -1.0, 1.0, 1.0, "Probability that the prediction loses without the highest scores."
        ),
        "sufficiency": Quantity(
            "lower", -1.0, 1.0, 0.0, "Probability that the prediction loses with the highest scores only."
        ),
    }

    def __init__(
        self, fractions: Sequence[float] = (0.01, 0.05, 0.1, 0.2, 0.5), positions: str = "joint", seed: int = 0
    ) -> None:
        super().__init__()
        if not fractions or not all(0 <= fraction <= 1 for fraction in fractions):
            raise ConfigurationError(
                f"edge_sufficiency.fractions is {list(fractions)}, expected at least one number from 0 to 1."
            )
        check_choice("edge_sufficiency", POSITIONS, positions=positions)
        self.fractions = list(fractions)
        self.positions = positions
        self.seed = seed

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        masked_model, unmasked = explained.masked_model, explained.unmasked
        whole = probability_of_prediction(masked_model, unmasked, unmasked.output, self.positions)
        attribution, graph = explained.attribution, explained.graph
        order = random_message_order(graph, explained.num_layers, explained.random(self.seed))

        def loss(kept: Sequence[torch.Tensor]) -> torch.Tensor:
            """Shape: `(batch_size,)`."""
            output = explained.output_with(kept)
            return whole - probability_of_prediction(masked_model, unmasked, output, self.positions)

        losses: Dict[str, List[torch.Tensor]] = {"comprehensiveness": [], "sufficiency": []}
        for fraction in self.fractions:
            highest = top_fraction_mask(attribution.scores, fraction, graph, attribution.rounding, order)
            losses["comprehensiveness"].append(loss([~layer for layer in highest]))
            losses["sufficiency"].append(loss(highest))
        ratios = {}
        for name, values in losses.items():
            ratios[MetricKey(name)] = Ratios.for_mean(torch.stack(values).mean(0))
            for fraction, value in zip(self.fractions, values):
                ratios[MetricKey(name, fraction=fraction)] = Ratios.for_mean(value)
        return ratios


def random_message_order(graph: Graph, num_layers: int, random: PerGraphRandom) -> torch.Tensor:
    """
    Return the messages, numbered layer by layer, in a random order within each graph that does not depend on how edges are listed.
    Shape: `(num_layers * num_edges,)`.
    """
    order = message_order(graph, num_layers)
    return order[random.order(graph.edge_graph.repeat(num_layers)[order])]
