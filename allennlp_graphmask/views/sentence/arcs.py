"""The messages of an explanation, those along and against one arc put together."""

from typing import Dict, List, NamedTuple, Optional, Tuple

from allennlp_graphmask.explanation.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.graph import inverse_relation, is_inverse_relation


class Arc(NamedTuple):
    """
    A relation from one node to another (of a dependency tree: from head to dependent), with the edge that carries
    messages along it and the edge of the inverse relation, which carries them against it. One of the two may be `None`.
    """

    source: int
    relation: str
    target: int
    along: Optional[ExplainedEdge]
    against: Optional[ExplainedEdge]

    def edges(self) -> List[ExplainedEdge]:
        """Those that there are, the one along the arc first."""
        return [edge for edge in (self.along, self.against) if edge is not None]

    def is_kept(self) -> bool:
        """Whether a message of it is kept in any layer."""
        return any(any(edge.kept) for edge in self.edges())


def has_directions(explanation: Explanation) -> bool:
    """Whether there are inverse relations, so that every arc has an "along" and an "against"."""
    return any(is_inverse_relation(edge.type) for edge in explanation.edges)


def arcs_of(explanation: Explanation) -> List[Arc]:
    """
    The arcs in the order in which the explanation has them. Where two nodes are joined several times by one relation, the
    first edge of it goes with the first of its inverse, and so on.
    """
    arcs: List[Arc] = []
    # Places in `arcs` of those that still lack an edge, by (arc, which edge it is that they lack).
    waiting: Dict[Tuple[Tuple[int, str, int], bool], List[int]] = {}
    for edge in explanation.edges:
        is_inverse = is_inverse_relation(edge.type)
        key = (
            (edge.target, inverse_relation(edge.type), edge.source)
            if is_inverse
            else (edge.source, edge.type, edge.target)
        )
        places = waiting.get((key, is_inverse))
        if places:
            place = places.pop(0)
            arc = arcs[place]
            arcs[place] = arc._replace(against=edge) if is_inverse else arc._replace(along=edge)
        else:
            waiting.setdefault((key, not is_inverse), []).append(len(arcs))
            arcs.append(Arc(*key, None, edge) if is_inverse else Arc(*key, edge, None))
    return arcs
