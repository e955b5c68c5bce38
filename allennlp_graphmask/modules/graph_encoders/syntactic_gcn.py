from functools import partial
from typing import Iterable, List

import torch
from allennlp.data import Vocabulary
from torch import nn

from allennlp_graphmask.graph import Graph, is_inverse_relation
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.stacked_graph_encoder import StackedGraphEncoder
from allennlp_graphmask.modules.intervention import Messages, apply_gate
from allennlp_graphmask.modules.relation_transform import RelationModule


class SyntacticGcnLayer(RelationModule):
    """One layer of `SyntacticGcn`, for relations of these names."""

    direction: torch.Tensor
    relation_parameters = ("relation_bias", "relation_gate_bias")

    def __init__(self, input_dim: int, output_dim: int, names: List[str]) -> None:
        super().__init__()
        self.output_dim = output_dim
        # The weights of the three directions (along an arc, against it, a node to itself) are one matrix, so that all
        # nodes are projected by one matrix product.
        self.projection = nn.Linear(input_dim, 3 * output_dim, bias=False)
        self.gate_projection = nn.Linear(input_dim, 3, bias=False)
        # A relation that training never saw keeps these zeros: it is treated as an arc without a label.
        self.relation_bias = nn.Parameter(torch.zeros(len(names), output_dim))
        self.relation_gate_bias = nn.Parameter(torch.zeros(len(names), 1))
        self.self_bias = nn.Parameter(torch.zeros(output_dim))
        self.self_gate_bias = nn.Parameter(torch.zeros(1))
        for weight in self.projection.weight.split(output_dim):
            nn.init.xavier_uniform_(weight)
        # It follows from the vocabulary, which an archive holds already.
        self.register_buffer("direction", _find_directions(names), persistent=False)

    def extend_relations(self, names: List[str]) -> None:
        super().extend_relations(names)
        self.direction = _find_directions(names).to(self.direction.device)

    def edge_messages(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return the gated message of every arc. Shape: `(num_edges, output_dim)`."""
        # Only the two directions of arcs. Shape: (2 * num_nodes, output_dim) and (2 * num_nodes, 1), node by node.
        projected = nn.functional.linear(node_states, self.projection.weight[: 2 * self.output_dim])
        gates = nn.functional.linear(node_states, self.gate_projection.weight[:2])
        relations = graph.edge_type
        row = 2 * graph.sources + self.direction.index_select(0, relations)  # Shape: (num_edges,)
        content = projected.view(-1, self.output_dim).index_select(0, row)  # Shape: (num_edges, output_dim)
        content = content + self.relation_bias.index_select(0, relations)
        gate = gates.view(-1, 1).index_select(0, row) + self.relation_gate_bias.index_select(0, relations)
        return torch.sigmoid(gate) * content

    def self_messages(self, node_states: torch.Tensor) -> torch.Tensor:
        """Return the gated message of every node to itself. Shape: `(num_nodes, output_dim)`."""
        content = nn.functional.linear(node_states, self.projection.weight[2 * self.output_dim :], self.self_bias)
        gate = nn.functional.linear(node_states, self.gate_projection.weight[2:], self.self_gate_bias)
        return torch.sigmoid(gate) * content


def _find_directions(names: List[str]) -> torch.Tensor:
    """Return 0 for a relation along its arcs, 1 for an inverse. Shape: `(num_relations,)`, `torch.long`."""
    return torch.tensor([int(is_inverse_relation(name)) for name in names])


@GraphEncoder.register("syntactic_gcn")
class SyntacticGcn(StackedGraphEncoder):
    """
    The graph convolutional network over dependency trees of [Marcheggiani and Titov
    (2017)](https://arxiv.org/abs/1703.04826), equations 3 to 6. For every node v

    `h'_v = ReLU(sum_{(u, l, v)} sigmoid(w_dir(l) . h_u + c_l) (W_dir(l) h_u + b_l) + sigmoid(w_self . h_v + c_self) (W_self h_v + b_self))`

    where the sum goes over the edges into v, l is an edge's label and dir(l) is its direction: the edge is an arc from head to
    dependent or its inverse (`allennlp_graphmask.graph.inverse_relation`). The graph holds both as edges of their own, so
    that each can be kept or dropped alone. The node's message to itself is not an edge and is never masked.

    Registered as a `GraphEncoder` with name "syntactic_gcn".

    # Parameters

    vocab, input_dim, hidden_dim, dropout, edge_label_namespace
        See `StackedGraphEncoder`. The relations' names give their directions.
    num_layers : `int`, optional (default = `1`)
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        hidden_dim: int,
        *,
        num_layers: int = 1,
        dropout: float = 0.0,
        edge_label_namespace: str = "edge_labels",
    ) -> None:
        super().__init__(
            vocab,
            input_dim,
            hidden_dim,
            num_layers=num_layers,
            dropout=dropout,
            edge_label_namespace=edge_label_namespace,
        )
        # Type checkers do not know what a ModuleList holds.
        self.layers: Iterable[SyntacticGcnLayer] = nn.ModuleList(  # type: ignore[assignment]
            SyntacticGcnLayer(node_dim, hidden_dim, self._relation_names) for node_dim in self.get_node_dims()
        )

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        for number, layer in enumerate(self.layers):
            states = self.dropout(node_states)
            messages = Messages(number, states, graph, partial(layer.edge_messages, states, graph))
            gate = self.intervene(messages)
            gated = apply_gate(messages.values, gate, graph)
            own = messages.shared("self", partial(layer.self_messages, states))
            # Shape: (num_nodes, hidden_dim). In mixed precision gated messages can be of another type than states.
            node_states = own.index_add(0, graph.targets, gated.to(own.dtype)).relu_()
        return node_states
