"""Paths between the nodes that a prediction joins."""

import heapq
from typing import Any, Collection, Dict, List, Optional, Sequence, Set, Tuple

from allennlp_graphmask.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.graph import split_relation
from allennlp_graphmask.views.relation_styles import WEAK_RELATION


def describe_shape(relations: Sequence[str], is_directed: bool) -> str:
    """
    Return the relations of a path, in their order. If there are inverse relations, an arrow after each label gives the direction:
    down, from head to dependent, or up: `nsubj↑ obj↓`.
    """
    if not is_directed:
        return " ".join(relations)
    return " ".join(f"{label}{'↑' if is_up else '↓'}" for label, is_up in map(split_relation, relations))


class KeptArcs:
    """The arcs of an explanation along which a message is kept, in some layer and one of the two directions."""

    def __init__(self, edges: Sequence[ExplainedEdge]) -> None:
        self._arcs: Set[Tuple[int, int, str]] = {_arc(edge) for edge in edges if any(edge.kept)}

    def count(self, path: Sequence[ExplainedEdge]) -> int:
        """Return on how many arcs of a path a message is kept."""
        return sum(_arc(edge) in self._arcs for edge in path)


def _arc(edge: ExplainedEdge) -> Tuple[int, int, str]:
    first, second = sorted((edge.source, edge.target))
    return first, second, split_relation(edge.type)[0]


def find_shortest_path(
    edges: Sequence[ExplainedEdge], sources: Collection[int], targets: Collection[int], kept: KeptArcs
) -> Optional[List[ExplainedEdge]]:
    """
    Return the path from one of `sources` to one of `targets` with the fewest edges over `COMPLEMENT`, of these the shortest, of several
    one with the most kept arcs, and the first of them in the order of the alphabet and of the nodes; `None` if there is none.
    """
    leaving: Dict[int, List[ExplainedEdge]] = {}
    for edge in edges:
        leaving.setdefault(edge.source, []).append(edge)
    found: Set[int] = set()
    # What paths are compared by, and the number of the entry, which keeps edges from being compared.
    queue: List[Tuple[Tuple[Any, ...], int, int, List[ExplainedEdge]]] = [
        ((0, 0, 0, ()), number, node, []) for number, node in enumerate(sorted(sources))
    ]
    num_entries = len(queue)
    while queue:
        (weak, length, dropped, steps), _, node, path = heapq.heappop(queue)
        if node in targets:
            return path
        if node in found:
            continue
        found.add(node)
        for edge in leaving.get(node, ()):
            if edge.target not in found:
                step = (edge.type, edge.source, edge.target)
                rank = (
                    weak + (edge.type == WEAK_RELATION),
                    length + 1,
                    dropped + 1 - kept.count([edge]),
                    (*steps, step),
                )
                heapq.heappush(queue, (rank, num_entries, edge.target, [*path, edge]))
                num_entries += 1
    return None


def find_reachable(explanation: Explanation) -> List[List[bool]]:
    """Return for each layer and edge whether its message can have an effect on what is explained; see `focus.nodes`."""
    focus = explanation.focus
    nodes = set(range(len(explanation.nodes)) if focus is None else focus["nodes"])
    layers: List[List[bool]] = []
    for _ in range(explanation.num_layers):
        reaches = [edge.target in nodes for edge in explanation.edges]
        layers.append(reaches)
        nodes.update(edge.source for edge, is_read in zip(explanation.edges, reaches) if is_read)
    return layers[::-1]
