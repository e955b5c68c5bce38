"""The messages of each graph of a batch that have the highest scores."""

from typing import List, Optional, Sequence

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import score_rounding


def top_fraction_mask(
    scores: Sequence[torch.Tensor],
    top_fraction: float,
    graph: Graph,
    rounding: Optional[Sequence[torch.Tensor]] = None,
    order: Optional[torch.Tensor] = None,
) -> List[torch.Tensor]:
    """
    Choose, for each graph of a batch, the fraction of its messages, all layers together, that has the highest scores. Shape of each
    score, of its rounding and of the choice of a layer: `(num_edges,)`; choices are `torch.bool`.

    Rounding is by default `score_rounding`, and the `order` in which messages with equal scores are chosen `message_order`.
    """
    messages_of_graph = len(scores) * graph.edges_per_graph()
    # Rounding noise must not make 0.3 * 10 four messages.
    wanted = torch.ceil(top_fraction * messages_of_graph.double() - 1e-9).long()
    return highest_messages(scores, wanted, graph, rounding, order)


def highest_messages(
    scores: Sequence[torch.Tensor],
    wanted: torch.Tensor,
    graph: Graph,
    rounding: Optional[Sequence[torch.Tensor]] = None,
    order: Optional[torch.Tensor] = None,
) -> List[torch.Tensor]:
    """As `top_fraction_mask`, for a number of messages of each graph. Shape: `(num_graphs,)`."""
    if not scores:
        return []
    flat = torch.cat(list(scores))
    off = torch.cat(list(score_rounding(scores, graph) if rounding is None else rounding))
    owner = graph.edge_graph.repeat(len(scores))
    messages_of_graph = len(scores) * graph.edges_per_graph()
    first = messages_of_graph.cumsum(0) - messages_of_graph

    def rank(order: torch.Tensor) -> torch.Tensor:
        """Return the place of each message in its graph when all are listed in this order."""
        order = order[torch.argsort(owner[order], stable=True)]
        ranks = torch.empty_like(order)
        ranks[order] = torch.arange(len(order), device=order.device) - first[owner[order]]
        return ranks

    # The lowest score that is chosen changes by no more than the scores do. Messages clearly above it are chosen in any case.
    is_last = rank(torch.argsort(flat, descending=True)) == wanted[owner] - 1
    lowest = flat.new_zeros(graph.num_graphs)
    lowest[owner[is_last]] = flat[is_last]
    above_lowest = flat - lowest[owner]
    level = (above_lowest <= off).long() + (above_lowest < -off).long()
    order = message_order(graph, len(scores)) if order is None else order
    chosen = rank(order[torch.argsort(level[order], stable=True)]) < wanted[owner]
    return list(chosen.view(len(scores), graph.num_edges))


def put_first(
    scores: Sequence[torch.Tensor], rounding: Sequence[torch.Tensor], *first: torch.Tensor
) -> List[torch.Tensor]:
    """
    Return scores by which messages of a higher rank go before all others: the rank is how many of `first` have them. Shape of each
    score and its rounding: `(num_edges,)`, of each of `first`: `(num_layers, num_edges)`, `torch.bool`. `torch.double`.
    """
    if not scores:
        return []
    stacked = torch.stack(list(scores)).double()
    span = stacked.max() - stacked.min() + 2 * torch.stack(list(rounding)).max() + 1 if stacked.numel() else 1
    return list(stacked + 2 * span * torch.stack(first).sum(0))


def message_order(graph: Graph, num_layers: int) -> torch.Tensor:
    """
    Return the messages, numbered layer by layer, in the order of layer, source, target and type. Shape: `(num_layers *
    num_edges,)`.
    """
    first_messages = graph.num_edges * torch.arange(num_layers, device=graph.edge_graph.device)
    return (first_messages.unsqueeze(-1) + graph.edge_order()).flatten()
