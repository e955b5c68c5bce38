"""Arcs: the messages of an explanation along a relation and against it, put together."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from allennlp_graphmask.explanation import ExplainedEdge
from allennlp_graphmask.graph import is_inverse_relation, split_relation
from allennlp_graphmask.views.text_layout import display_width, pad


class Arc(NamedTuple):
    """
    A relation from one node to another (of a dependency tree: from head to dependent), with the edge that carries messages
    along it and the edge of the inverse relation, which carries them against it. One of the two may be `None`.
    """

    source: int
    relation: str
    target: int
    along: Optional[ExplainedEdge]
    against: Optional[ExplainedEdge]

    @property
    def messages(self) -> List[Tuple[str, ExplainedEdge]]:
        """The one or two edges, each with its direction, "along" or "against"."""
        edges = (("along", self.along), ("against", self.against))
        return [(direction, edge) for direction, edge in edges if edge is not None]

    @property
    def kept(self) -> List[bool]:
        """Whether a message is kept, for each layer."""
        return [any(decisions) for decisions in zip(*(edge.kept for _, edge in self.messages))]

    def kept_scores(self, layer: int) -> List[Tuple[str, float]]:
        """Return the kept messages of a layer, as direction ("down": along the arc, "up": against it) and score."""
        names = {"along": "down", "against": "up"}
        return [(names[direction], edge.score[layer]) for direction, edge in self.messages if edge.kept[layer]]


def has_directions(edges: Sequence[ExplainedEdge]) -> bool:
    """Return whether there are inverse relations, so that messages go along an arc or against it."""
    return any(is_inverse_relation(edge.type) for edge in edges)


def build_arcs(edges: Sequence[ExplainedEdge]) -> List[Arc]:
    """
    Put edges together to arcs, in their order. Where two nodes are joined several times by one relation, the first edge of it
    goes with the first of its inverse, and so on.
    """
    arcs: List[Arc] = []
    # The positions of the arcs that still lack an edge, by arc and by whether it is the inverse that they lack.
    incomplete: Dict[Tuple[Tuple[int, str, int], bool], List[int]] = {}
    for edge in edges:
        label, is_inverse = split_relation(edge.type)
        key = (edge.target, label, edge.source) if is_inverse else (edge.source, label, edge.target)
        positions = incomplete.get((key, is_inverse))
        if positions:
            arc = arcs[positions[0]]
            arcs[positions.pop(0)] = arc._replace(against=edge) if is_inverse else arc._replace(along=edge)
        else:
            incomplete.setdefault((key, not is_inverse), []).append(len(arcs))
            arcs.append(Arc(*key, None, edge) if is_inverse else Arc(*key, edge, None))
    return arcs


def format_arcs(arcs: Sequence[Arc], layer: int, names: Sequence[str], width: int, is_directed: bool) -> List[str]:
    """
    Return a line for each arc with a kept message in the layer, in columns where they fit: source, relation, target, and the
    score of each message, if there are inverse relations with its direction.
    """
    lines = []
    arcs = sorted(arcs, key=lambda arc: (arc.target, arc.source))
    rows = [(names[arc.source], f"--{arc.relation}-->", names[arc.target]) for arc in arcs]
    widths = [max(map(display_width, column)) for column in zip(*rows)]
    for arc, row in zip(arcs, rows):
        messages = ", ".join(
            f"{direction if is_directed else ''} {score:.2f}".strip() for direction, score in arc.kept_scores(layer)
        )
        line = f"  {' '.join(map(pad, row, widths))}  {messages}"
        lines.append(line if display_width(line) <= width else f"  {' '.join(row)}  {messages}")
    return lines
