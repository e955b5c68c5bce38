from typing import ClassVar, Dict, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.edge_metric import (
    EdgeMetric,
    Quantity,
    Ratios,
    check_choice,
    mean_of,
)
from allennlp_graphmask.evaluation.metrics.fidelity import POSITIONS, probability_of_prediction
from allennlp_graphmask.interpret.interpreters import top_fraction_mask


@Metric.register("edge_sufficiency")
class EdgeSufficiency(EdgeMetric):
    """
    Comprehensiveness and sufficiency ([DeYoung et al., 2020](https://arxiv.org/abs/1911.03429), section 4) of the ranking of
    messages by score, whatever the interpreter decides. With r_k the share k of each graph's messages that has the highest
    scores (all layers together) and ŷ the prediction on the whole graph G:

        comprehensiveness_at_k = p(ŷ | G) - p(ŷ | G without r_k)
        sufficiency_at_k       = p(ŷ | G) - p(ŷ | G keeping r_k)

    `comprehensiveness` and `sufficiency` are their means over the shares; all are means over instances. Messages with equal scores
    are ranked at random: the order in which a file has its edges may give away which of them matter, and scores that saturate
    would gain by it.

    Registered as a `Metric` with name "edge_sufficiency".

    # Parameters

    shares : `Sequence[float]`, optional (default = `(0.01, 0.05, 0.1, 0.2, 0.5)`)
        Those of the paper. A share is rounded up to whole messages.
    positions : `str`, optional (default = `"joint"`)
        As in `edge_fidelity`.
    seed : `int`, optional (default = `0`)
        Of the order among equal scores.

    # Raises

    `ConfigurationError` if there is no share, or one is not in [0, 1].
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "comprehensiveness": Quantity(
            "higher", -1.0, 1.0, 1.0, "Probability that the prediction loses without the highest scores."
        ),
        "sufficiency": Quantity(
            "lower", -1.0, 1.0, 0.0, "Probability that the prediction loses with the highest scores only."
        ),
    }

    def __init__(
        self,
        shares: Sequence[float] = (0.01, 0.05, 0.1, 0.2, 0.5),
        positions: str = "joint",
        seed: int = 0,
    ) -> None:
        self.seed = seed
        super().__init__()
        if not shares or not all(0 <= share <= 1 for share in shares):
            raise ConfigurationError(
                f"edge_sufficiency.shares is {list(shares)}, expected at least one number from 0 to 1."
            )
        check_choice("edge_sufficiency.positions", positions, POSITIONS)
        self.shares = list(shares)
        self.positions = positions

    def reset(self) -> None:
        super().reset()
        self._generator = torch.Generator().manual_seed(self.seed)

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        masked_model, original = evaluation.masked_model, evaluation.unmasked.output
        whole = probability_of_prediction(masked_model, original, original, self.positions)
        losses: Dict[str, Dict[str, torch.Tensor]] = {"comprehensiveness": {}, "sufficiency": {}}
        ranks = ranks_with_random_ties(evaluation.attribution.scores, self._generator)
        for share in self.shares:
            chosen = top_fraction_mask(ranks, share, evaluation.graph)
            for name, kept in (
                ("comprehensiveness", [~layer for layer in chosen]),
                ("sufficiency", chosen),
            ):
                left = probability_of_prediction(
                    masked_model, original, evaluation.output_with(kept), self.positions
                )
                losses[name][f"{name}_at_{share:g}"] = whole - left
        ratios = {}
        for name, per_share in losses.items():
            ratios[name] = mean_of(torch.stack(list(per_share.values())).mean(0))
            ratios.update({label: mean_of(loss) for label, loss in per_share.items()})
        return ratios


def ranks_with_random_ties(
    scores: Sequence[torch.Tensor], generator: torch.Generator
) -> Sequence[torch.Tensor]:
    """
    The ranks of scores among those of all layers, 0 for the lowest; equal scores in a random order.

    # Parameters

    scores : `Sequence[torch.Tensor]`
        Shape of each: `(num_edges,)`.
    generator : `torch.Generator`
        On the CPU.

    # Returns

    `Sequence[torch.Tensor]`
        Shape of each: `(num_edges,)`, `torch.double`.
    """
    stacked = torch.stack(list(scores))
    flat = stacked.flatten()
    order = torch.randperm(flat.numel(), generator=generator).to(flat.device)
    order = order[torch.argsort(flat[order], stable=True)]
    ranks = torch.empty_like(flat, dtype=torch.double)
    ranks[order] = torch.arange(flat.numel(), dtype=torch.double, device=flat.device)
    return list(ranks.view_as(stacked))
