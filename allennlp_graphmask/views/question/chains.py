"""Chains of kept messages from the subject of a question to its answer."""

from typing import Collection, Dict, List, NamedTuple, Sequence, Tuple

from allennlp_graphmask.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.views.relation_styles import WEAK_RELATION


class ChainHop(NamedTuple):
    """A kept message: its layer, and its edge with the edge's number in the explanation."""

    layer: int
    number: int
    edge: ExplainedEdge


# What chains are compared by, the smaller the better: weak hops, all hops, the negative of its smallest score.
_Cost = Tuple[int, int, float]
_START: _Cost = (0, 0, float("-inf"))


def find_chains(
    explanation: Explanation, sources: Collection[int], targets: Sequence[int]
) -> Dict[int, List[ChainHop]]:
    """
    Find for each target that can be reached the best chain of kept messages that leads to it from a source. A hop of a lower
    layer comes before one of a higher layer, and each layer has at most one; in between, a node keeps its state. The best chain
    has the fewest hops over `COMPLEMENT`; of these it is the shortest, and of these the one whose smallest score is highest.

    A target that is a source itself has no chain. The chain to the first target that has one comes first, then the others, the
    best first.
    """
    best: Dict[int, Tuple[_Cost, List[ChainHop]]] = {source: (_START, []) for source in sources}
    for layer in range(explanation.num_layers):
        reached = dict(best)
        for number, edge in enumerate(explanation.edges):
            if not edge.kept[layer] or edge.source not in best or edge.source == edge.target:
                continue
            (weak, hops, worst), chain = best[edge.source]
            cost = (weak + (edge.type == WEAK_RELATION), hops + 1, max(worst, -edge.score[layer]))
            if edge.target not in reached or cost < reached[edge.target][0]:
                reached[edge.target] = (cost, [*chain, ChainHop(layer, number, edge)])
        best = reached
    found = [target for target in targets if target in best and target not in sources]
    # The first target is what the others are compared with.
    found[1:] = sorted(found[1:], key=lambda target: best[target][0])
    return {target: best[target][1] for target in found}
