"""The messages of an explanation as a table, and how pages mark what is kept."""

from typing import Callable, Dict, FrozenSet, List, NamedTuple, Sequence, Set, Tuple

from allennlp_graphmask.explanation import ExplainedEdge, Explanation


class MessageRow(NamedTuple):
    """
    The messages of an edge. If there are inverse relations, `direction` is "along" the arc of `relation` or "against" it. In the
    layers `added` verification added them.
    """

    edge: ExplainedEdge
    relation: str
    direction: str = ""
    added: FrozenSet[int] = frozenset()


class MessageTable(NamedTuple):
    """The rows of kept and of dropped messages, and the numbers of messages that are not listed."""

    kept: List[MessageRow]
    dropped: List[MessageRow]
    more_kept: int
    more_dropped: int

    @property
    def has_directions(self) -> bool:
        return any(row.direction for row in (*self.kept, *self.dropped))


def build_message_table(explanation: Explanation, rows: Sequence[MessageRow], max_rows: int) -> MessageTable:
    """Return the first `max_rows` kept and the first `max_rows` dropped messages among `rows`."""
    added = added_layers(explanation)
    kept = [row._replace(added=added(row.edge)) for row in rows if any(row.edge.kept)][:max_rows]
    dropped = [row for row in rows if not any(row.edge.kept)][:max_rows]
    num_kept = len(explanation.kept_edges())
    num_dropped = len(explanation.edges) - num_kept
    return MessageTable(kept, dropped, num_kept - len(kept), num_dropped - len(dropped))


def added_layers(explanation: Explanation) -> Callable[[ExplainedEdge], FrozenSet[int]]:
    """Return a function from an edge of the explanation to the layers in which verification added its message."""
    layers: Dict[int, Set[int]] = {}
    for position, layer in explanation.verification["added"] if explanation.verification else ():
        # By identity: parallel edges may be equal.
        layers.setdefault(id(explanation.edges[position]), set()).add(layer)
    return lambda edge: frozenset(layers.get(id(edge), ()))


def rank_edge(edge: ExplainedEdge) -> Tuple[bool, float]:
    """Return a key for sorting: kept edges first, then those with the highest scores."""
    return not any(edge.kept), -max(edge.score)


def score_name(explanation: Explanation) -> str:
    """Return what a score is called: for GraphMask it is the probability that the gate is open."""
    return "gate" if explanation.interpreter["name"].startswith("graphmask") else "score"


def describe_decisions(edge: ExplainedEdge, score: str) -> str:
    """Return in each layer whether the message is kept and its score, which is called `score`: `kept, gate 0.90`."""
    places = [f"layer {layer} " if len(edge.kept) > 1 else "" for layer in range(len(edge.kept))]
    return "; ".join(
        f"{place}{'kept' if kept else 'dropped'}, {score} {value:.2f}"
        for place, kept, value in zip(places, edge.kept, edge.score)
    )


def kept_classes(kept: Sequence[Sequence[bool]], first_focus: int = 0, letter: str = "k") -> str:
    """
    Return the style classes by which a page's switches of foci and layers find what is kept, from the decisions for each focus and
    layer: `k-any k-0 k1-any k1-1`, or `k-none`.
    """
    names = [
        f"{letter}{focus or ''}-{layer}"
        for focus, layers in enumerate(kept, start=first_focus)
        if any(layers)
        for layer in ("any", *(number for number, is_kept in enumerate(layers) if is_kept))
    ]
    return " ".join(names) or f"{letter}-none"
