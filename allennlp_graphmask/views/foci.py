"""Explanations of one prediction with different foci, which a page shows together."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Sequence, Tuple

from allennlp_graphmask.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.views.message_table import added_layers


def group_by_prediction(
    explanations: Iterable[Explanation], is_grouped: Callable[[Explanation], bool]
) -> Iterator[List[Explanation]]:
    """
    Yield explanations in their order; those next to each other that explain different parts of one prediction, and for which
    `is_grouped` holds, together.
    """
    group: List[Explanation] = []
    for explanation in explanations:
        if group and not (explain_one_prediction([*group, explanation]) and is_grouped(explanation)):
            yield group
            group = []
        group.append(explanation)
        if explanation.focus is None or not is_grouped(explanation):
            yield group
            group = []
    if group:
        yield group


def explain_one_prediction(explanations: Sequence[Explanation]) -> bool:
    """Return whether these are explanations of different parts of one prediction, made in one way."""
    first, *others = explanations
    foci = [
        explanation.focus and (explanation.focus["kind"], explanation.focus["nodes"]) for explanation in explanations
    ]
    is_repeated = any(focus in foci[:number] for number, focus in enumerate(foci))
    return not is_repeated and all(
        (first.tokens, first.num_layers, _without_threshold(first), first.provenance, first.metadata)
        == (other.tokens, other.num_layers, _without_threshold(other), other.provenance, other.metadata)
        and first.prediction["original"] == other.prediction["original"]
        and list(map(_ends, first.edges)) == list(map(_ends, other.edges))
        for other in others
    )


def _ends(edge: ExplainedEdge) -> Tuple[int, int, str]:
    return edge.source, edge.target, edge.type


class SharedEdges:
    """
    The edges of several explanations of one prediction: what each of them decides about an edge of the first. Edges are found by
    identity, because parallel ones may be equal.
    """

    def __init__(self, explanations: Sequence[Explanation]) -> None:
        edges = zip(*(explanation.edges for explanation in explanations))
        self._same = {id(same[0]): same for same in edges}
        self._added = [added_layers(explanation) for explanation in explanations]

    def decisions(self, edge: ExplainedEdge) -> Tuple[ExplainedEdge, ...]:
        """Return the edge as each explanation has it."""
        return self._same[id(edge)]

    def kept(self, edges: Sequence[ExplainedEdge]) -> List[List[bool]]:
        """Return for each explanation and layer whether it keeps a message of these edges."""
        by_explanation = zip(*map(self.decisions, edges))
        return [[any(kept) for kept in zip(*(edge.kept for edge in same))] for same in by_explanation]

    def added(self, edge: ExplainedEdge) -> List[List[bool]]:
        """Return for each explanation and layer whether verification added the message of this edge."""
        return [
            [layer in added(same) for layer in range(len(same.kept))]
            for same, added in zip(self.decisions(edge), self._added)
        ]


def _without_threshold(explanation: Explanation) -> Dict[str, Any]:
    """Return the interpreter; each kind of focus has a threshold of its own."""
    return {name: value for name, value in explanation.interpreter.items() if name != "threshold"}
