from typing import ClassVar, Dict, List, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.evaluation.metrics.fidelity import POSITIONS, probability_of_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.interpreters import top_fraction_mask
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom


@Metric.register("edge_sufficiency")
class EdgeSufficiency(EdgeMetric):
    """
    Comprehensiveness and sufficiency ([DeYoung et al., 2020](https://arxiv.org/abs/1911.03429), section 4) of the ranking of
    messages by score, whatever the interpreter keeps. With r_k the fraction k of each graph's messages that has the highest
    scores (all layers together) and ŷ the prediction on the whole graph G:

        comprehensiveness at k = p(ŷ | G) - p(ŷ | G without r_k)
        sufficiency at k       = p(ŷ | G) - p(ŷ | G keeping r_k)

    `comprehensiveness` and `sufficiency` without a fraction are their means over the fractions; all are means over instances.
    Messages with equal scores are ranked at random: the order of edges in a file may give away which of them matter, and scores
    that saturate would gain by it.

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
        masked_model, original = explained.masked_model, explained.unmasked.output
        whole = probability_of_prediction(masked_model, original, original, self.positions)
        ranks = ranks_with_random_ties(explained.attribution.scores, explained.graph, explained.random(self.seed))

        def loss(kept: Sequence[torch.Tensor]) -> torch.Tensor:
            """Shape: `(batch_size,)`."""
            output = explained.output_with(kept)
            return whole - probability_of_prediction(masked_model, original, output, self.positions)

        losses: Dict[str, List[torch.Tensor]] = {"comprehensiveness": [], "sufficiency": []}
        for fraction in self.fractions:
            highest = top_fraction_mask(ranks, fraction, explained.graph)
            losses["comprehensiveness"].append(loss([~layer for layer in highest]))
            losses["sufficiency"].append(loss(highest))
        ratios = {}
        for name, values in losses.items():
            ratios[MetricKey(name)] = Ratios.for_mean(torch.stack(values).mean(0))
            for fraction, value in zip(self.fractions, values):
                ratios[MetricKey(name, fraction=fraction)] = Ratios.for_mean(value)
        return ratios


def ranks_with_random_ties(scores: Sequence[torch.Tensor], graph: Graph, random: PerGraphRandom) -> List[torch.Tensor]:
    """
    Rank scores among those of all layers, 0 for the lowest. Equal scores of a graph come in a random order. Shape of each score and
    rank: `(num_edges,)`; ranks are `torch.double`.
    """
    stacked = torch.stack(list(scores))
    flat = stacked.flatten()
    order = random.order(graph.edge_graph.repeat(len(stacked)))
    order = order[torch.argsort(flat[order], stable=True)]
    ranks = torch.empty_like(flat, dtype=torch.double)
    ranks[order] = torch.arange(flat.numel(), dtype=torch.double, device=flat.device)
    return list(ranks.view_as(stacked))
