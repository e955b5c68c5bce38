from itertools import combinations, zip_longest
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checks import check_at_least, check_choice
from allennlp_graphmask.interpret.divergences import Divergence, Kl
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate


class MinimumSet(NamedTuple):
    """
    A smallest set of messages that alone preserve the prediction of a graph, and its divergence from the prediction
    with all.
    """

    #: Pairs of a layer and an edge, the latter numbered within its graph, in the order of the batch.
    messages: FrozenSet[Tuple[int, int]]
    divergence: float


@Interpreter.register("erasure_search")
class ErasureSearch(Interpreter):
    """
    Tries all sets of messages, the smaller ones first, and keeps the first that suffices: the smallest set of messages, over all
    layers, with which the prediction of a graph stays the same when all others are replaced by zeros. Of several such sets it keeps
    the one with the smallest divergence, then the first in the order of layer, source, target and type. A
    message's score is 1 in the set and 0 outside.

    This is the search that amortised maskers approximate ([Schlichtkrull, De Cao and Titov,
    2021](https://arxiv.org/abs/2010.00577), section 3.1). It takes time exponential in the number of messages, up to
    `2 ** max_messages` passes for a batch, and is an oracle for graphs of a handful of edges. Each pass tries one set for
    every graph of the batch that has none yet.

    Registered as an `Interpreter` with name "erasure_search".

    # Parameters

    criterion : `str`, optional (default = `"prediction"`)
        When a set suffices: `"prediction"` (no most probable class of the instance changes) or `"divergence"` (it is at most
        the allowance).
    divergence : `Divergence`, optional (default = `kl`)
        Of the criterion of that name, and for choosing among sets of one size.
    allowance : `float`, optional (default = `0.05`)
        For the criterion `"divergence"`.
    max_messages : `int`, optional (default = `16`)
        The largest number of messages of a graph (its edges times the layers) for which it searches.

    # Raises

    `ConfigurationError` for an unknown criterion, a negative number or, when it explains and before it searches, a graph with too
    many messages.
    """

    def __init__(
        self,
        *,
        criterion: str = "prediction",
        divergence: Optional[Divergence] = None,
        allowance: float = 0.05,
        max_messages: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("erasure_search", ("prediction", "divergence"), criterion=criterion)
        check_at_least("erasure_search", 0, allowance=allowance, max_messages=max_messages)
        self.criterion = criterion
        self.divergence = divergence or Kl()
        self.allowance = allowance
        self.max_messages = max_messages

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        graph = unmasked.graph
        kept = torch.zeros(len(unmasked.layers), graph.num_edges, dtype=torch.bool)
        logit_rounding = masked_model.logit_rounding(unmasked).cpu()
        searched = zip(_edges_of_graphs(unmasked), self._search(masked_model, unmasked), logit_rounding)
        for places, found, off in searched:
            least = torch.tensor(min(one.divergence for one in found))
            highest = float(least + self.divergence.rounding(least, off))
            # Sets are tried in order, so that the first of equals is the first in order.
            best = next(one for one in found if one.divergence <= highest)
            for layer, edge in best.messages:
                kept[layer, places[edge]] = True
        decisions = list(kept.to(graph.edge_index.device))
        scores = [layer.to(messages.node_states) for layer, messages in zip(decisions, unmasked.layers)]
        return LayerScores(scores, kept=decisions)

    def minimum_sets(self, masked_model: MaskedModel, batch: Dict[str, Any]) -> List[List[MinimumSet]]:
        """
        Find all sets of the smallest size that suffices, for each graph of a collated batch; if nothing is needed, the
        empty set. Raise a `ConfigurationError` if a graph has too many messages.
        """
        with masked_model.explaining():
            return self._search(masked_model, masked_model.unmasked(batch))

    def _search(self, masked_model: MaskedModel, unmasked: UnmaskedPass) -> List[List[MinimumSet]]:
        edges_of_graphs = _edges_of_graphs(unmasked)
        num_layers = len(unmasked.layers)
        self._refuse_large_graphs(num_layers, edges_of_graphs)
        num_edges = unmasked.graph.num_edges
        places_of_edges = torch.empty(num_edges, dtype=torch.long)
        places_of_edges[unmasked.graph.edge_order().cpu()] = torch.arange(num_edges)
        # For each graph its messages in the order in which they are tried, and where these are in the flattened gates.
        messages = [
            [
                (layer, edge)
                for layer in range(num_layers)
                for edge in sorted(range(len(edges)), key=lambda edge: int(places_of_edges[edges[edge]]))
            ]
            for edges in edges_of_graphs
        ]
        places = [
            [layer * num_edges + edges[edge] for layer, edge in own] for own, edges in zip(messages, edges_of_graphs)
        ]
        found: List[List[MinimumSet]] = [[] for _ in edges_of_graphs]
        for size in range(max(map(len, messages), default=0) + 1):
            searched = [number for number, sets in enumerate(found) if not sets]
            if not searched:
                break
            # One pass for the first set of every graph, one for the second, and so on.
            for chosen in zip_longest(*(combinations(range(len(messages[number])), size) for number in searched)):
                tried = [(number, choice) for number, choice in zip(searched, chosen) if choice is not None]
                kept = torch.ones(num_layers * num_edges, dtype=torch.bool)
                kept[[place for number, _ in tried for place in places[number]]] = False
                kept[[places[number][one] for number, choice in tried for one in choice]] = True
                divergences, suffices = self._try(masked_model, unmasked, kept.view(num_layers, num_edges))
                for number, choice in tried:
                    # With everything kept nothing has changed, whatever the rounding.
                    if suffices[number] or size == len(messages[number]):
                        members = frozenset(messages[number][one] for one in choice)
                        found[number].append(MinimumSet(members, divergences[number]))
        return found

    def _try(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, kept: torch.Tensor
    ) -> Tuple[List[float], List[bool]]:
        """Return the divergence of each graph and whether the kept messages, `(num_layers, num_edges)`, suffice for it."""
        kept = kept.to(unmasked.graph.edge_index.device)
        with torch.no_grad():
            masked = masked_model.masked(unmasked, [Gate(layer) for layer in kept])
            divergence = masked_model.divergence(self.divergence, unmasked, masked, precise=True)
            if self.criterion == "divergence":
                off = self.divergence.rounding(divergence, masked_model.logit_rounding(unmasked))
                suffices = divergence <= self.allowance + off
            else:
                suffices = ~masked_model.changed(unmasked, masked)
        return divergence.tolist(), suffices.tolist()

    def _refuse_large_graphs(self, num_layers: int, edges_of_graphs: List[List[int]]) -> None:
        largest = max(map(len, edges_of_graphs), default=0)
        if num_layers * largest > self.max_messages:
            raise ConfigurationError(
                f"The largest graph has {num_layers * largest} messages ({largest} edges in {num_layers} layers), and an "
                f"exhaustive search of up to 2 ** {num_layers * largest} sets is begun for at most max_messages = "
                f"{self.max_messages}. Explain smaller graphs, raise max_messages if you have the time, or choose another "
                "interpreter."
            )


def _edges_of_graphs(unmasked: UnmaskedPass) -> List[List[int]]:
    """Return, for each graph, the numbers of its edges in the batch."""
    edges = torch.argsort(unmasked.graph.edge_graph, stable=True)
    return [own.tolist() for own in edges.split(unmasked.graph.edges_per_graph().tolist())]
