import itertools
from typing import Any, ClassVar, Dict, List, Mapping, Sequence, Tuple

import numpy
import torch
from allennlp.training.metrics import Metric
from scipy.stats import spearmanr

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import sum_by_graph
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.rounding import rank_with_ties


@Metric.register("edge_agreement")
class EdgeAgreement(EdgeMetric):
    """
    The agreement of several attributions of the same batch (by interpreters that differ in their seed, for example) on what is
    kept.

    `kappa` is Fleiss' kappa ([Fleiss, 1971](https://doi.org/10.1037/h0031619)) with messages as subjects, attributions as raters
    and the categories kept and dropped: with P the mean share of pairs of attributions that agree on a message and p the share of
    decisions to keep,

        kappa = (P - Pe) / (1 - Pe),   Pe = p^2 + (1 - p)^2.

    It is 1 for full agreement and 0 for that of chance, and undefined if all keep everything or all keep nothing. `jaccard` is the
    mean over pairs of `|A and B| / |A or B|` of the messages that they keep, the mean over instances; two that keep nothing have 1.
    Both are given for all messages, for each layer and for each relation that occurs.

    Unlike other metrics it is called with the attributions themselves.

    Registered as a `Metric` with name "edge_agreement".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "kappa": Quantity("higher", -1.0, 1.0, 1.0, "Agreement on what is kept beyond chance."),
        "jaccard": Quantity("higher", 0.0, 1.0, 1.0, "Overlap of what two attributions keep."),
    }

    def __call__(self, attributions: Sequence[EdgeAttribution]) -> None:  # type: ignore[override]
        """
        Count attributions of the same batch. Raise a `ValueError` if there are fewer than two, or they are of different
        batches.
        """
        graph = check_same_graph(attributions)
        decisions = stack_decisions(attributions)  # Shape: (num_attributions, num_layers, num_edges)
        everything = torch.ones_like(decisions[0])
        ratios = _compute_ratios(decisions, everything, graph)
        for layer in range(decisions.size(1)):
            counted = torch.zeros_like(everything)
            counted[layer] = True
            ratios.update(_compute_ratios(decisions, counted, graph, layer=layer))
        for edge_type in graph.edge_type.unique().tolist():
            relation = attributions[0].relation_names[edge_type]
            counted = (graph.edge_type == edge_type).expand_as(everything)
            ratios.update(_compute_ratios(decisions, counted, graph, relation=relation))
        self.add(ratios, graph.num_graphs)

    def derive(self, values: Mapping[MetricKey, numpy.ndarray]) -> Dict[MetricKey, numpy.ndarray]:
        derived = {}
        for key, agreeing in values.items():
            if key.quantity == "agreeing":
                kept = values[key._replace(quantity="keeping")]
                by_chance = kept**2 + (1 - kept) ** 2
                certain = (kept == 0) | (kept == 1)
                kappa = (agreeing - by_chance) / numpy.where(certain, 1.0, 1 - by_chance)
                derived[key._replace(quantity="kappa")] = numpy.where(certain, numpy.nan, kappa)
        return derived


def _compute_ratios(
    decisions: torch.Tensor, counted: torch.Tensor, graph: Graph, **part: Any
) -> Dict[MetricKey, Ratios]:
    """Compute the ratios of the messages that are counted, shape `(num_layers, num_edges)`."""
    raters = decisions.size(0)
    keeping = decisions.sum(0).double()  # Shape: (num_layers, num_edges)
    dropping = raters - keeping
    agreeing = (keeping * (keeping - 1) + dropping * (dropping - 1)) / (raters * (raters - 1))

    def total(values: torch.Tensor) -> torch.Tensor:
        """Shape: `(num_graphs,)`."""
        return sum_by_graph(values * counted, graph)

    messages = total(torch.ones_like(keeping))
    overlaps = [
        _jaccard(total(first & second), total(first | second)) for first, second in itertools.combinations(decisions, 2)
    ]
    return {
        MetricKey("agreeing", **part): Ratios(total(agreeing), messages),
        MetricKey("keeping", **part): Ratios(total(keeping), raters * messages),
        MetricKey("jaccard", **part): Ratios.for_mean(torch.stack(overlaps).mean(0), messages > 0),
    }


def _jaccard(both: torch.Tensor, either: torch.Tensor) -> torch.Tensor:
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))


def check_same_graph(attributions: Sequence[EdgeAttribution]) -> Graph:
    """
    Return the graph that all attributions are of. Raise a `ValueError` if there are fewer than two attributions, or
    they are of different batches.
    """
    if len(attributions) < 2:
        raise ValueError(f"{len(attributions)} attributions cannot agree, expected at least 2.")
    first = attributions[0]
    for number, other in enumerate(attributions[1:], start=1):
        if (
            not torch.equal(first.graph.edge_index, other.graph.edge_index)
            or not torch.equal(first.graph.edge_type, other.graph.edge_type)
            or first.num_layers != other.num_layers
        ):
            raise ValueError(f"Attribution {number} is of other graphs or layers than attribution 0.")
    return first.graph


def stack_decisions(attributions: Sequence[EdgeAttribution]) -> torch.Tensor:
    """Stack what is kept. Shape: `(num_attributions, num_layers, num_edges)`, `torch.bool`."""
    return torch.stack([torch.stack(attribution.kept) for attribution in attributions])


def consensus_mask(attributions: Sequence[EdgeAttribution]) -> List[torch.Tensor]:
    """
    Return the messages that more than half of the attributions of a batch keep, for `EdgeAttribution.gates`. Shape of each:
    `(num_edges,)`, `torch.bool`.

    # Raises

    `ValueError` if there are fewer than two attributions, or they are of different batches.
    """
    check_same_graph(attributions)
    return list(2 * stack_decisions(attributions).sum(0) > len(attributions))


def similarity(first: EdgeAttribution, second: EdgeAttribution) -> Tuple[Ratios, Ratios]:
    """
    Compare two attributions of the same batch, instance by instance: Spearman's rank correlation of the scores of all messages,
    undefined where all scores of one of them are equal but for rounding, and the Jaccard index of what they keep,
    undefined without messages and 1 where both keep nothing.
    """
    graph = check_same_graph([first, second])
    one, other = stack_decisions([first, second])
    overlap = _jaccard(sum_by_graph(one & other, graph), sum_by_graph(one | other, graph))

    owner = graph.edge_graph.cpu().repeat(first.num_layers)
    # Shape: (2, 2, num_messages)
    scores = torch.stack(
        [torch.stack([torch.cat(one.scores), torch.cat(one.rounding)]) for one in (first, second)]
    ).cpu()
    correlation = torch.full((graph.num_graphs,), torch.nan, dtype=torch.double)
    for number in range(graph.num_graphs):
        ranks = [rank_with_ties(*own.numpy()) for own in scores[:, :, owner == number]]
        if all(row.any() for row in ranks):
            correlation[number] = float(spearmanr(*ranks).statistic)
    return (
        Ratios.for_mean(correlation, ~correlation.isnan()),
        Ratios.for_mean(overlap, graph.edges_per_graph() > 0),
    )
