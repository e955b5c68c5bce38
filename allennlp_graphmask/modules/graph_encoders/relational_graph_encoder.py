from functools import partial
from typing import Any, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import num_relations
from allennlp_graphmask.modules.graph_encoders.stacked_graph_encoder import StackedGraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, apply_gate
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.modules.relation_transform import RelationTransform

_AGGREGATIONS = ("auto", "dense", "edge_list")


class RelationalGraphEncoder(StackedGraphEncoder):
    """
    What encoders share whose messages depend on an edge's source u and relation r only, `f_r(h_u)`, and that add up messages
    with fixed weights: one by one, or as a matrix product that never writes out a vector for each edge. Both give the same
    numbers, and the same gradients.

    For the matrix product, the weights of a graph's edges are the cells of an adjacency matrix with a row for each target and
    a column for each pair of source and relation (see `RelationLayout`). It is multiplied by the matrix of all `f_r(h_u)`. A
    gate's scale multiplies the weight of its edge, and what it takes away from the weights of a target's edges is the
    coefficient of the replacement there. Only a replacement for each edge needs the edges one by one.

    A message that is not finite reaches nobody but the targets of the edges that carry it, and none through a closed boolean
    gate. In the matrix product it makes what it reaches NaN.

    # Parameters

    vocab : `Vocabulary`
    aggregation : `str`, optional (default = `"auto"`)
        `"dense"` (the matrix product), `"edge_list"`, or `"auto"`: for each batch and layer what is estimated to be cheaper.
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
    """

    def __init__(
        self, vocab: Vocabulary, *, aggregation: str = "auto", edge_label_namespace: str = "edge_labels"
    ) -> None:
        super().__init__()
        if aggregation not in _AGGREGATIONS:
            raise ConfigurationError(
                f"aggregation must be one of {', '.join(map(repr, _AGGREGATIONS))}, got {aggregation!r}."
            )
        self.aggregation = aggregation
        self._edge_label_namespace = edge_label_namespace
        self._num_relations = num_relations(vocab, edge_label_namespace)

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """
        Makes room for the relations of a vocabulary that has grown since. AllenNLP calls this when a trained model is to be
        fine-tuned on other data (`Model.extend_embedder_vocab`).
        """
        self._num_relations = num_relations(extended_vocab, self._edge_label_namespace)
        for module in self.modules():
            if isinstance(module, RelationTransform):
                module.extend_relations(self._num_relations)

    def aggregated_messages(
        self,
        layer: int,
        transform: RelationTransform,
        states: torch.Tensor,
        layout: RelationLayout,
        edge_weights: torch.Tensor,
    ) -> torch.Tensor:
        """
        For each node the weighted sum of what interventions leave of the messages that reach it.

        # Parameters

        layer : `int`
            The layer's number, from 0.
        transform : `RelationTransform`
            Computes the messages.
        states : `torch.Tensor`
            Shape: `(num_nodes, node_dim)`.
        layout : `RelationLayout`
            Of the batch.
        edge_weights : `torch.Tensor`
            Shape: `(num_edges,)`.

        # Returns

        `torch.Tensor`
            Shape: `(num_nodes, message_dim)`.
        """
        if not self._is_dense(transform, layout):
            messages = Messages(
                layer, states, layout.graph, partial(_messages_of_pairs, transform, states, layout)
            )
            return _add_up_edges(messages, self.intervene(messages), edge_weights)
        # Shape: (num_nodes * num_present, message_dim)
        rows = transform.of_all(states, layout.relations).flatten(0, 1)
        messages = Messages(layer, states, layout.graph, partial(_messages_of_rows, rows, layout))
        gate = self.intervene(messages)
        if gate is not None and gate.replacement is not None:
            if gate.replacement.dim() == 2 and not (gate.per_relation or gate.per_graph):
                return _add_up_edges(messages, gate, edge_weights)
        return _add_up_cells(rows, gate, layout, edge_weights)

    def _is_dense(self, transform: RelationTransform, layout: RelationLayout) -> bool:
        # Never by what interventions answer, so that gates of one change nothing at all.
        if layout.graph.num_edges == 0 or self.aggregation == "edge_list":
            return False
        return self.aggregation == "dense" or layout.dense_is_cheaper(transform.input_dim)


def _messages_of_pairs(
    transform: RelationTransform, states: torch.Tensor, layout: RelationLayout
) -> torch.Tensor:
    """Shape: `(num_edges, message_dim)`."""
    sources, counts, pair_of_edge = layout.pairs
    of_pairs = transform.of_pairs(states.index_select(0, sources), layout.relations, counts)
    return of_pairs.index_select(0, pair_of_edge)


def _messages_of_rows(rows: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
    """Shape: `(num_edges, message_dim)`."""
    return rows.index_select(0, layout.source_rows)


def _add_up_edges(messages: Messages, gate: Optional[Gate], edge_weights: torch.Tensor) -> torch.Tensor:
    """Edge by edge. Shape: `(num_nodes, message_dim)`."""
    weighted = edge_weights.unsqueeze(-1) * apply_gate(messages.values, gate, messages.graph)
    total = weighted.new_zeros(messages.graph.num_nodes, weighted.size(-1))
    return total.index_add(0, messages.graph.targets, weighted)


def _add_up_cells(
    rows: torch.Tensor, gate: Optional[Gate], layout: RelationLayout, edge_weights: torch.Tensor
) -> torch.Tensor:
    """
    As one matrix product for each graph.

    # Parameters

    rows : `torch.Tensor`
        The message of each pair of source and relation. Shape: `(num_nodes * num_present, message_dim)`.
    gate : `Gate`, optional
        Without a replacement for each edge.
    layout : `RelationLayout`
    edge_weights : `torch.Tensor`
        Shape: `(num_edges,)`.

    # Returns

    `torch.Tensor`
        Shape: `(num_nodes, message_dim)`.
    """
    open_weights = edge_weights
    if gate is not None:
        scale = gate.scale.to(edge_weights.dtype)
        open_weights = edge_weights * scale
    # The sum is finite if all its summands are, unless they are huge: then the careful way gives the same numbers.
    finite = bool(torch.isfinite(rows.detach().sum()))
    total = _times_cells(open_weights, rows if finite else rows.where(rows.isfinite(), 0), layout)
    if not finite:
        carries = gate.scale if gate is not None and gate.scale.dtype == torch.bool else edge_weights != 0
        reached = _times_cells(carries.to(rows.dtype), (~rows.isfinite()).to(rows.dtype), layout) > 0
        total = total.masked_fill(reached, float("nan"))
    if gate is None or gate.replacement is None:
        return total
    closed_weights = edge_weights * (1 - scale)
    graph = layout.graph
    if gate.per_relation:
        closed = closed_weights.new_zeros(graph.num_nodes * layout.num_present)
        closed = closed.index_add(0, layout.target_rows, closed_weights).view(graph.num_nodes, -1)
        return total + closed @ gate.replacement.index_select(0, layout.relations)
    closed = closed_weights.new_zeros(graph.num_nodes).index_add(0, graph.targets, closed_weights)
    replacement = gate.replacement
    if gate.per_graph:
        numbers = torch.arange(graph.num_graphs, device=replacement.device)
        owner = numbers.repeat_interleave(graph.nodes_per_graph, output_size=graph.num_nodes)
        replacement = replacement.index_select(0, owner)  # Shape: (num_nodes, message_dim)
    return total + closed.unsqueeze(-1) * replacement


def _times_cells(edge_values: torch.Tensor, rows: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
    """
    The matrix product of each graph's cells, filled with numbers of its edges, and its rows. Shape:
    `(num_nodes, message_dim)`.
    """
    # Edges that share a cell add up in it.
    cells = edge_values.new_zeros(layout.num_cells).index_add(0, layout.cells, edge_values)
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
