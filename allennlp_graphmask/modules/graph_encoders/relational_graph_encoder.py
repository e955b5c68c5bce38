from functools import cache, partial
from typing import Optional

import torch
from allennlp.data import Vocabulary

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.modules.graph_encoders.stacked_graph_encoder import StackedGraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, apply_gate
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.modules.relation_transform import RelationTransform


class RelationalGraphEncoder(StackedGraphEncoder):
    """
    The base class of encoders whose messages depend on an edge's source u and relation r only, `f_r(h_u)`, and that add up
    messages with fixed weights: one by one, or as a matrix product that never writes out a vector for each edge. Both give the
    same numbers, and the same gradients.

    For the matrix product, the weights of a graph's edges are the cells of an adjacency matrix with a row for each target and
    a column for each pair of source and relation (see `RelationLayout`). It is multiplied by the matrix of all `f_r(h_u)`. A
    gate's scale multiplies the weight of its edge, and what it takes away from the weights of a target's edges is the
    coefficient of the replacement there. Only a replacement for each edge needs the edges one by one.

    A message that is not finite reaches only the targets of the edges that carry it, and none through a boolean gate that drops
    it. The matrix product sets all components of what it reaches to NaN.

    # Parameters

    vocab, input_dim, hidden_dim, num_layers, dropout, edge_label_namespace
        See `StackedGraphEncoder`.
    aggregation : `str`, in registered encoders optional (default = `"auto"`)
        `"dense"` (the matrix product), `"edge_list"`, or `"auto"`: for each batch and layer what is estimated to be cheaper.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        hidden_dim: int,
        *,
        num_layers: int,
        dropout: float,
        aggregation: str,
        edge_label_namespace: str,
    ) -> None:
        super().__init__(
            vocab,
            input_dim,
            hidden_dim,
            num_layers=num_layers,
            dropout=dropout,
            edge_label_namespace=edge_label_namespace,
        )
        check_choice(type(self).__name__, ("auto", "dense", "edge_list"), aggregation=aggregation)
        self.aggregation = aggregation

    def aggregated_messages(
        self,
        layer: int,
        transform: RelationTransform,
        states: torch.Tensor,
        layout: RelationLayout,
        edge_weights: torch.Tensor,
    ) -> torch.Tensor:
        """
        Return for each node the weighted sum of what interventions leave of the messages that reach it. Shape:
        `(num_nodes, message_dim)`.

        `layer` is numbered from 0, and its `transform` computes messages from the `states`, shape
        `(num_nodes, node_dim)`. Shape of `edge_weights`: `(num_edges,)`.
        """
        if not self._is_dense(transform, layout):
            messages = Messages(layer, states, layout.graph, partial(_messages_of_pairs, transform, states, layout))
            return _add_up_edges(messages, self.intervene(messages), edge_weights)
        compute_rows = cache(lambda: transform.of_all(states, layout.relations).flatten(0, 1))
        messages = Messages(layer, states, layout.graph, lambda: _messages_of_rows(compute_rows(), layout))
        gate = self.intervene(messages)
        rows = messages.shared("rows", compute_rows)  # Shape: (num_nodes * num_present, message_dim)
        if gate is not None and gate.replacement is not None:
            if gate.replacement.dim() == 2 and not (gate.per_relation or gate.per_graph):
                return _add_up_edges(messages, gate, edge_weights)
        return _add_up_cells(rows, gate, layout, edge_weights)

    def _is_dense(self, transform: RelationTransform, layout: RelationLayout) -> bool:
        # Never by what interventions answer, so that gates of one change nothing at all.
        if layout.graph.num_edges == 0 or self.aggregation == "edge_list":
            return False
        return self.aggregation == "dense" or layout.dense_is_cheaper(transform.input_dim)


def _messages_of_pairs(transform: RelationTransform, states: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
    """Shape: `(num_edges, message_dim)`."""
    sources, counts, pair_of_edge = layout.pairs
    of_pairs = transform.of_pairs(states.index_select(0, sources), layout.relations, counts)
    return of_pairs.index_select(0, pair_of_edge)


def _messages_of_rows(rows: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
    """Shape: `(num_edges, message_dim)`."""
    return rows.index_select(0, layout.source_rows)


def _add_up_edges(messages: Messages, gate: Optional[Gate], edge_weights: torch.Tensor) -> torch.Tensor:
    """Aggregate edge by edge. Shape: `(num_nodes, message_dim)`."""
    weighted = edge_weights.unsqueeze(-1) * apply_gate(messages.values, gate, messages.graph)
    return _sum_into(messages.graph.num_nodes, messages.graph.targets, weighted)


def _add_up_cells(
    rows: torch.Tensor, gate: Optional[Gate], layout: RelationLayout, edge_weights: torch.Tensor
) -> torch.Tensor:
    """
    Aggregate by one matrix product for each graph, with a gate without a replacement for each edge. `rows` are the
    messages of each pair of source and relation, shape `(num_nodes * num_present, message_dim)`. Shape:
    `(num_nodes, message_dim)`.
    """
    kept_weights = edge_weights
    if gate is not None:
        scale = gate.scale.to(edge_weights.dtype)
        kept_weights = edge_weights * scale
    # A matrix product would spread what is not finite over the whole graph (0 times infinity): such rows become zero there, and
    # what they reach becomes NaN. No decision is made in Python, for which every layer would have to wait for the GPU.
    # 0, or NaN for a row that is not finite. Shape: (num_nodes * num_present,)
    poison = (rows.detach() * 0).sum(-1)
    finite_rows = rows * (poison == 0).to(rows.dtype).unsqueeze(-1)
    with torch.no_grad():
        finite_rows.nan_to_num_(0.0, 0.0, 0.0)
    reaching = poison.index_select(0, layout.source_rows)  # Shape: (num_edges,)
    if gate is not None and gate.scale.dtype == torch.bool:
        reaching = reaching.where(gate.scale, 0)
    reached = _sum_into(layout.graph.num_nodes, layout.graph.targets, reaching)
    total = _times_cells(kept_weights, finite_rows, layout) + reached.unsqueeze(-1)
    if gate is None or gate.replacement is None:
        return total
    dropped_weights = edge_weights * (1 - scale)
    graph = layout.graph
    if gate.per_relation:
        dropped = _sum_into(graph.num_nodes * layout.num_present, layout.target_rows, dropped_weights)
        return total + dropped.view(graph.num_nodes, -1) @ gate.replacement.index_select(0, layout.relations)
    dropped = _sum_into(graph.num_nodes, graph.targets, dropped_weights)
    replacement = gate.replacement
    if gate.per_graph:
        replacement = graph.repeat_for_nodes(replacement)  # Shape: (num_nodes, message_dim)
    return total + dropped.unsqueeze(-1) * replacement


def _times_cells(edge_values: torch.Tensor, rows: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
    """
    Multiply the matrix of each graph's cells, filled with numbers of its edges, by its rows. Shape: `(num_nodes, message_dim)`.
    """
    # Edges that share a cell add up in it.
    cells = _sum_into(layout.num_cells, layout.cells, edge_values)
    return torch.cat(
        [
            own_cells.view(num_nodes, own_rows.size(0)) @ own_rows
            for num_nodes, own_cells, own_rows in zip(
                layout.nodes_per_graph,
                cells.split(layout.cells_per_graph),
                rows.split(layout.rows_per_graph),
            )
        ]
    )


def _sum_into(size: int, places: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Sum the values of each place, 0 where there is none. Shape: `(size, ...)`."""
    return values.new_zeros(size, *values.shape[1:]).index_add_(0, places, values)
