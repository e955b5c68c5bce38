import itertools
from typing import ClassVar, Dict, List, Mapping, Sequence, Tuple

import numpy
import torch
from allennlp.training.metrics import Metric
from scipy.stats import rankdata

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import sum_by_graph
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, Quantity, Ratios, mean_of
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution


@Metric.register("edge_agreement")
class EdgeAgreement(EdgeMetric):
    """
    How far several attributions of the same batch (by interpreters that differ in their seed, say) agree on what is kept.

    `kappa` is Fleiss' kappa ([Fleiss, 1971](https://doi.org/10.1037/h0031619)) with messages as subjects, attributions as raters
    and the categories kept and dropped: with P the mean share of pairs of attributions that agree on a message and p the share of
    decisions to keep,

        kappa = (P - Pe) / (1 - Pe),   Pe = p^2 + (1 - p)^2.

    It is 1 for full agreement and 0 for that of chance, and undefined if all keep everything or all keep nothing. `jaccard` is the
    mean over pairs of `|A and B| / |A or B|` of the messages that they keep, the mean over instances; two that keep nothing have 1.
    Both are given for all messages, with `_layer_N` for each layer and with `_relation_NAME` for each relation that occurs.

    Unlike other metrics it is called with the attributions themselves.

    Registered as a `Metric` with name "edge_agreement".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "kappa": Quantity("higher", -1.0, 1.0, 1.0, "Agreement on what is kept beyond chance."),
        "jaccard": Quantity("higher", 0.0, 1.0, 1.0, "Overlap of what two attributions keep."),
    }

    def __call__(self, attributions: Sequence[EdgeAttribution]) -> None:  # type: ignore[override]
        """
        # Parameters

        attributions : `Sequence[EdgeAttribution]`
            At least two, of the same batch.

        # Raises

        `ValueError` if there are fewer, or they are of different batches.
        """
        graph = check_same_graph(attributions)
        decisions = stacked_decisions(attributions)  # Shape: (num_attributions, num_layers, num_edges)
        ratios = self._ratios(decisions, torch.ones_like(decisions[0]), graph, "")
        for layer in range(decisions.size(1)):
            counted = torch.zeros_like(decisions[0])
            counted[layer] = True
            ratios.update(self._ratios(decisions, counted, graph, f"_layer_{layer}"))
        names = attributions[0].relation_names
        for edge_type in graph.edge_type.unique().tolist():
            counted = (graph.edge_type == edge_type).expand_as(decisions[0])
            ratios.update(self._ratios(decisions, counted, graph, f"_relation_{names[edge_type]}"))
        self.add(ratios, graph.num_graphs)

    def _ratios(
        self, decisions: torch.Tensor, counted: torch.Tensor, graph: Graph, suffix: str
    ) -> Dict[str, Ratios]:
        """Of the messages that are counted, shape `(num_layers, num_edges)`."""
        raters = decisions.size(0)
        keeping = decisions.sum(0).double()  # Shape: (num_layers, num_edges)
        dropping = raters - keeping
        agreeing = (keeping * (keeping - 1) + dropping * (dropping - 1)) / (raters * (raters - 1))

        def total(values: torch.Tensor) -> torch.Tensor:
            """Shape: `(num_graphs,)`."""
            return sum_by_graph((values.double() * counted).sum(0), graph)

        messages = total(torch.ones_like(keeping))
        overlaps = []
        for first, second in itertools.combinations(decisions, 2):
            either = total(first | second)
            overlaps.append(torch.where(either == 0, 1.0, total(first & second) / either.clamp(min=1)))
        return {
            f"_agreeing{suffix}": Ratios(total(agreeing), messages),
            f"_keeping{suffix}": Ratios(total(keeping), raters * messages),
            f"jaccard{suffix}": mean_of(torch.stack(overlaps).mean(0), messages > 0),
        }

    def derive(self, values: Mapping[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
        derived = {}
        for name, agreeing in values.items():
            if name.startswith("_agreeing"):
                suffix = name[len("_agreeing") :]
                kept = values[f"_keeping{suffix}"]
                by_chance = kept**2 + (1 - kept) ** 2
                certain = (kept == 0) | (kept == 1)
                kappa = (agreeing - by_chance) / numpy.where(certain, 1.0, 1 - by_chance)
                derived[f"kappa{suffix}"] = numpy.where(certain, numpy.nan, kappa)
        return derived


def check_same_graph(attributions: Sequence[EdgeAttribution]) -> Graph:
    """
    The graph that all attributions are of.

    # Raises

    `ValueError` if there are fewer than two attributions, or they are of different batches.
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


def stacked_decisions(attributions: Sequence[EdgeAttribution]) -> torch.Tensor:
    """Shape: `(num_attributions, num_layers, num_edges)`, `torch.bool`."""
    return torch.stack([torch.stack(attribution.kept) for attribution in attributions])


def consensus_mask(attributions: Sequence[EdgeAttribution]) -> List[torch.Tensor]:
    """
    The messages that more than half of the attributions of a batch keep, for `EdgeAttribution.gates`. Shape of each:
    `(num_edges,)`, `torch.bool`.

    # Raises

    `ValueError` if there are fewer than two attributions, or they are of different batches.
    """
    check_same_graph(attributions)
    decisions = stacked_decisions(attributions)
    return list(2 * decisions.sum(0) > len(attributions))


def similarity(first: EdgeAttribution, second: EdgeAttribution) -> Tuple[Ratios, Ratios]:
    """
    How alike two attributions of the same batch are, instance by instance: Spearman's rank correlation of the scores of all
    messages, undefined where all scores of one of them are equal, and the Jaccard index of what they keep, undefined without
    messages and 1 where both keep nothing.
    """
    graph = check_same_graph([first, second])
    num_layers = first.num_layers
    decisions = stacked_decisions([first, second])
    either = sum_by_graph((decisions[0] | decisions[1]).sum(0), graph)
    both = sum_by_graph((decisions[0] & decisions[1]).sum(0), graph)
    overlap = torch.where(either == 0, 1.0, both / either.clamp(min=1))

    owner = graph.edge_graph.cpu().repeat(num_layers)
    scores = [torch.stack(part.scores).flatten().double().cpu() for part in (first, second)]
    correlation = torch.zeros(graph.num_graphs, dtype=torch.double)
    defined = torch.zeros(graph.num_graphs, dtype=torch.bool)
    for number in range(graph.num_graphs):
        ranks = [torch.as_tensor(rankdata(part[owner == number].numpy())) for part in scores]
        centred = [part - part.mean() for part in ranks if part.numel()]
        scale = centred[0].norm() * centred[1].norm() if centred else torch.zeros(())
        if float(scale):
            correlation[number] = (centred[0] @ centred[1]) / scale
            defined[number] = True
    return mean_of(correlation, defined), mean_of(overlap, graph.edges_per_graph() > 0)
