from functools import partial
from typing import Any, Iterable

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from torch import nn

from allennlp_graphmask.graph import Graph, is_inverse_relation, relation_names
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.stacked_graph_encoder import StackedGraphEncoder


class SyntacticGcnLayer(nn.Module):
    """
    One layer of `SyntacticGcn`.

    # Parameters

    input_dim, output_dim : `int`
    is_inverse : `torch.Tensor`
        For each relation whether it is walked against its direction. Shape: `(num_relations,)`, `torch.bool`.
    """

    direction: torch.Tensor

    def __init__(self, input_dim: int, output_dim: int, is_inverse: torch.Tensor) -> None:
        super().__init__()
        num_relations = is_inverse.numel()
        self.output_dim = output_dim
        # The weights of the three directions (along an arc, against it, a node to itself) are one matrix, so that all
        # nodes are projected by one matrix product.
        self.projection = nn.Linear(input_dim, 3 * output_dim, bias=False)
        self.gate_projection = nn.Linear(input_dim, 3, bias=False)
        # A relation that training never saw keeps these zeros: it is treated as an arc without a label.
        self.relation_bias = nn.Parameter(torch.zeros(num_relations, output_dim))
        self.relation_gate_bias = nn.Parameter(torch.zeros(num_relations, 1))
        self.self_bias = nn.Parameter(torch.zeros(output_dim))
        self.self_gate_bias = nn.Parameter(torch.zeros(1))
        for weight in self.projection.weight.split(output_dim):
            nn.init.xavier_uniform_(weight)
        # 0 along an arc, 1 against it. It follows from the vocabulary, which an archive holds already.
        self.register_buffer("direction", is_inverse.long(), persistent=False)

    def extend_relations(self, is_inverse: torch.Tensor) -> None:
        """Makes room for relations that were added behind those known so far; they start like an unseen relation."""
        for name in ("relation_bias", "relation_gate_bias"):
            bias = getattr(self, name)
            added = bias.new_zeros(is_inverse.numel() - bias.size(0), bias.size(1))
            setattr(
                self, name, nn.Parameter(torch.cat([bias.detach(), added]), requires_grad=bias.requires_grad)
            )
        self.direction = is_inverse.long().to(self.direction.device)

    def edge_messages(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        """The gated message of every arc. Shape: `(num_edges, output_dim)`."""
        # Only the two directions of arcs. Shape: (2 * num_nodes, output_dim) and (2 * num_nodes, 1), node by node.
        projected = nn.functional.linear(node_states, self.projection.weight[: 2 * self.output_dim])
        gates = nn.functional.linear(node_states, self.gate_projection.weight[:2])
        row = 2 * graph.sources + self.direction.index_select(0, graph.edge_type)  # Shape: (num_edges,)
        content = projected.view(-1, self.output_dim).index_select(0, row)
        content = content + self.relation_bias.index_select(
            0, graph.edge_type
        )  # Shape: (num_edges, output_dim)
        gate = gates.view(-1, 1).index_select(0, row) + self.relation_gate_bias.index_select(
            0, graph.edge_type
        )
        return torch.sigmoid(gate) * content

    def self_messages(self, node_states: torch.Tensor) -> torch.Tensor:
        """The gated message of every node to itself. Shape: `(num_nodes, output_dim)`."""
        content = nn.functional.linear(
            node_states, self.projection.weight[2 * self.output_dim :], self.self_bias
        )
        gate = nn.functional.linear(node_states, self.gate_projection.weight[2:], self.self_gate_bias)
        return torch.sigmoid(gate) * content


@GraphEncoder.register("syntactic_gcn")
class SyntacticGcn(StackedGraphEncoder):
    """
    The graph convolutional network over dependency trees of [Marcheggiani and Titov
    (2017)](https://arxiv.org/abs/1703.04826), equations 3 to 6. For every node v

    `h'_v = ReLU(sum_{(u, l, v)} sigmoid(w_dir(l) . h_u + c_l) (W_dir(l) h_u + b_l) + sigmoid(w_self . h_v + c_self) (W_self h_v + b_self))`

    where the sum goes over the edges into v, l is an edge's label and dir(l) says whether the edge is an arc from head to
    dependent or its inverse (`allennlp_graphmask.graph.inverse_relation`). The graph holds both as edges of their own, so
    that each can be kept or dropped alone. The node's message to itself is no edge and is never masked.

    Registered as a `GraphEncoder` with name "syntactic_gcn".

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP. Tells the relations and their directions.
    input_dim : `int`
    hidden_dim : `int`
        The size of messages and of the states that every layer gives.
    num_layers : `int`, optional (default = `1`)
    dropout : `float`, optional (default = `0.0`)
        Probability of dropping an element of the states that a layer reads.
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
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
        super().__init__()
        if num_layers < 1:
            raise ConfigurationError(
                f"A syntactic_gcn needs at least one layer, got num_layers = {num_layers}."
            )
        self.num_layers = num_layers
        self._input_dim = input_dim
        self._hidden_dim = hidden_dim
        self._edge_label_namespace = edge_label_namespace
        is_inverse = self._inverse_relations(vocab)
        # A ModuleList does not tell type checkers what it holds.
        self.layers: Iterable[SyntacticGcnLayer] = nn.ModuleList(  # type: ignore[assignment]
            SyntacticGcnLayer(node_dim, hidden_dim, is_inverse) for node_dim in self.get_node_dims()
        )
        self.dropout = nn.Dropout(dropout)

    def _inverse_relations(self, vocab: Vocabulary) -> torch.Tensor:
        names = relation_names(vocab, self._edge_label_namespace)
        return torch.tensor([is_inverse_relation(name) for name in names])

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """
        Makes room for the relations of a vocabulary that has grown since. AllenNLP calls this when a trained model is to be
        fine-tuned on other data (`Model.extend_embedder_vocab`).
        """
        is_inverse = self._inverse_relations(extended_vocab)
        for layer in self.layers:
            layer.extend_relations(is_inverse)

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        for number, layer in enumerate(self.layers):
            states = self.dropout(node_states)
            messages = self.intervened_messages(
                number, states, graph, partial(layer.edge_messages, states, graph)
            )
            # Shape: (num_nodes, hidden_dim)
            node_states = torch.relu(layer.self_messages(states).index_add(0, graph.targets, messages))
        return node_states
