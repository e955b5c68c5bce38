"""Where to cut the scores of an interpreter that ranks messages but does not say which to keep, given graphs whose truth is known."""

from typing import List, NamedTuple, Optional, Sequence

import numpy
import torch

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution


class Cut(NamedTuple):
    """
    A rule for what to keep: the messages with a score above a threshold.

    # Parameters

    relative : `bool`
        Whether scores are first divided by the largest absolute score of their graph, all layers together.
    threshold : `float`
    f1 : `float`
        In percent, where the rule was chosen.
    """

    relative: bool
    threshold: float
    f1: float


def best_cut(attribution: EdgeAttribution, truth: Sequence[Sequence[Optional[bool]]]) -> Cut:
    """
    The rule with the highest F1 against the truth, among all thresholds, for scores as they are and for relative ones. A
    threshold is in the middle between two scores that were seen, or one below the lowest; of equally good ones it is the highest,
    and of equally good rules that for scores as they are.

    # Parameters

    attribution : `EdgeAttribution`
    truth : `Sequence[Sequence[Optional[bool]]]`
        For each layer from the bottom whether each edge matters. Those of which it is not defined (`None`) are left out.

    # Raises

    `ValueError` if no edge matters, or if the truth does not fit the attribution.
    """
    sizes, expected = [len(layer) for layer in truth], [len(layer) for layer in attribution.scores]
    if sizes != expected:
        raise ValueError(f"The truth is that of layers of {sizes} edges, the attribution has {expected}.")
    flat = [value for layer in truth for value in layer]
    defined = numpy.array([value is not None for value in flat])
    matters = numpy.array([bool(value) for value in flat])[defined]
    if not matters.any():
        raise ValueError("No threshold is best: in the graphs that it is chosen on, no edge matters.")
    cuts = []
    for relative in (False, True):
        scores = torch.cat(scores_of(attribution, relative)).numpy()[defined]
        order = numpy.argsort(-scores, kind="stable")
        scores, hits = scores[order], matters[order].cumsum()
        # One place further down than a score there is a lower one, of whose middle messages can be parted.
        below = numpy.append(scores[1:], scores[-1] - 2)
        f1 = 200 * hits / (numpy.arange(1, len(scores) + 1) + matters.sum())
        f1[scores == below] = -1
        best = int(f1.argmax())
        cuts.append(Cut(relative, float(scores[best] + below[best]) / 2, float(f1[best])))
    return max(cuts, key=lambda cut: cut.f1)


def cut_by(cut: Cut, attribution: EdgeAttribution) -> EdgeAttribution:
    """The same attribution, with the decisions of this rule."""
    return EdgeAttribution(
        attribution.graph,
        attribution.scores,
        [layer > cut.threshold for layer in scores_of(attribution, cut.relative)],
        attribution.relation_names,
        replacements=attribution.replacements,
        replacements_per_graph=attribution.replacements_per_graph,
    )


def scores_of(attribution: EdgeAttribution, relative: bool) -> List[torch.Tensor]:
    """
    The scores, or, where `relative`, each divided by the largest absolute score of its graph (scores that are all zero stay
    so). Shape of each: `(num_edges,)`, `torch.double`.
    """
    scores = [layer.double() for layer in attribution.scores]
    if not relative:
        return scores
    owner = attribution.graph.edge_graph
    largest = torch.zeros(attribution.graph.num_graphs, dtype=torch.double)
    for layer in scores:
        largest = largest.scatter_reduce(0, owner, layer.abs(), "amax")
    divisor = torch.where(largest > 0, largest, torch.ones_like(largest)).index_select(0, owner)
    return [layer / divisor for layer in scores]
