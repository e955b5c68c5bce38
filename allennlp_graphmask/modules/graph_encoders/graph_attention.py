from functools import partial
from typing import Iterable, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.nn import Activation
from torch import nn

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.stacked_graph_encoder import StackedGraphEncoder
from allennlp_graphmask.modules.relation_transform import RelationModule


class GraphAttentionLayer(RelationModule):
    """One layer of `GraphAttention`."""

    relation_parameters = ("relation_attention", "relation_bias")

    def __init__(
        self,
        input_dim: int,
        head_dim: int,  # of what each head gives
        num_heads: int,
        num_relations: int,
        *,
        averages_heads: bool,  # else they are concatenated
        relation_messages: bool,  # whether messages have a term of their relation
        negative_slope: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.num_heads = num_heads
        self.averages_heads = averages_heads
        self.projection = nn.Linear(input_dim, num_heads * head_dim, bias=False)
        self.source_attention = nn.Parameter(torch.empty(num_heads, head_dim))
        self.target_attention = nn.Parameter(torch.empty(num_heads, head_dim))
        # A relation that training never saw keeps these zeros: its edges are treated as edges without a label.
        self.relation_attention = nn.Parameter(torch.zeros(num_relations, num_heads))
        self.relation_bias: Optional[nn.Parameter] = None
        if relation_messages:
            self.relation_bias = nn.Parameter(torch.zeros(num_relations, num_heads * head_dim))
        self.self_transform = nn.Linear(input_dim, self.message_dim)
        self.leaky_relu = nn.LeakyReLU(negative_slope)
        self.attention_dropout = nn.Dropout(attention_dropout)
        for weight in (self.projection.weight, self.self_transform.weight):
            nn.init.xavier_uniform_(weight)
        for weight in (self.source_attention, self.target_attention):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.self_transform.bias)

    @property
    def message_dim(self) -> int:
        return self.head_dim if self.averages_heads else self.num_heads * self.head_dim

    def attention_weights(self, states: torch.Tensor, graph: Graph) -> torch.Tensor:
        """
        Return the attention of each edge's target to it, before dropout: for each head the weights of the edges that enter one
        node sum to one. Shape: `(num_edges, num_heads)`.
        """
        return self._compute_weights(self._project(states), graph)

    def edge_messages(self, states: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return what each edge adds to its target, its attention included. Shape: `(num_edges, message_dim)`."""
        projected = self._project(states)
        # Shape: (num_edges, num_heads, 1)
        weights = self.attention_dropout(self._compute_weights(projected, graph)).unsqueeze(-1)
        content = projected.index_select(0, graph.sources)  # Shape: (num_edges, num_heads, head_dim)
        if self.relation_bias is not None:
            bias = self.relation_bias.view(-1, self.num_heads, self.head_dim)
            content = content + bias.index_select(0, graph.edge_type)
        weighted = weights * content
        return weighted.mean(1) if self.averages_heads else weighted.flatten(1)

    def _project(self, states: torch.Tensor) -> torch.Tensor:
        """Shape: `(num_nodes, num_heads, head_dim)`."""
        return self.projection(states).view(-1, self.num_heads, self.head_dim)

    def _compute_weights(self, projected: torch.Tensor, graph: Graph) -> torch.Tensor:
        of_sources = (projected * self.source_attention).sum(-1)  # Shape: (num_nodes, num_heads)
        of_targets = (projected * self.target_attention).sum(-1)  # Shape: (num_nodes, num_heads)
        energies = self.leaky_relu(
            of_sources.index_select(0, graph.sources)
            + of_targets.index_select(0, graph.targets)
            + self.relation_attention.index_select(0, graph.edge_type)
        )  # Shape: (num_edges, num_heads)
        return softmax_over_targets(energies, graph)


@GraphEncoder.register("graph_attention")
class GraphAttention(StackedGraphEncoder):
    """
    The graph attention network of [Velickovic et al. (2018)](https://arxiv.org/abs/1710.10903), equations 1 to 6, for typed
    edges. For every node v and every head k

    `e_uv = LeakyReLU(a_k . [W_k h_u ; W_k h_v] + c_kr)`,
    `alpha_uv = exp(e_uv) / sum of exp(e_u'v) over all edges (u', r', v)`,
    `h'_v = activation(combined over k (sum of alpha_uv (W_k h_u + b_kr) over all edges (u, r, v)) + W_0 h_v + b)`

    where heads are combined by concatenation, or averaged in the last layer. Two things differ from the paper. c_kr and b_kr,
    zero at first, are for the edge's relation r. And a node does not attend to itself: its own `W_0 h_v` is a term beside
    attention, is not an edge and is never masked; an edge of the graph from a node to itself is an ordinary edge.

    The message of an edge is `alpha_uv (W_k h_u + b_kr)` of all its heads. Masking therefore drops messages after attention has
    weighted them: the attention of the other edges does not change. The weights are in `Messages.weights`.

    Registered as a `GraphEncoder` with name "graph_attention".

    # Parameters

    vocab, input_dim, hidden_dim, dropout, edge_label_namespace
        See `StackedGraphEncoder`.
    num_layers : `int`, optional (default = `2`)
    num_heads : `int`, optional (default = `1`)
        In each layer. Where heads are concatenated, each gives `hidden_dim / num_heads` numbers, where they are averaged
        `hidden_dim`.
    average_last_layer : `bool`, optional (default = `False`)
        Whether the heads of the last layer are averaged, as in the paper's equation 6.
    relation_messages : `bool`, optional (default = `True`)
        Whether there is the term b_kr; without it relations only change how much attention an edge gets.
    negative_slope : `float`, optional (default = `0.2`)
        Of the LeakyReLU.
    activation : `Activation`, optional (default = `elu`)
    attention_dropout : `float`, optional (default = `0.0`)
        Probability of dropping an attention weight, after the softmax.

    # Raises

    `ConfigurationError` if there is no layer or no head, or if the number of heads does not divide `hidden_dim`.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        hidden_dim: int,
        *,
        num_layers: int = 2,
        num_heads: int = 1,
        average_last_layer: bool = False,
        relation_messages: bool = True,
        negative_slope: float = 0.2,
        activation: Optional[Activation] = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
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
        check_at_least("GraphAttention", 1, num_heads=num_heads)
        if (num_layers > 1 or not average_last_layer) and hidden_dim % num_heads:
            raise ConfigurationError(
                f"The heads of a layer share its hidden_dim: {hidden_dim} is not a multiple of num_heads = {num_heads}. Change "
                "one of them."
            )
        # Type checkers do not know what a ModuleList holds.
        self.layers: Iterable[GraphAttentionLayer] = nn.ModuleList(  # type: ignore[assignment]
            GraphAttentionLayer(
                node_dim,
                hidden_dim if averages else hidden_dim // num_heads,
                num_heads,
                len(self._relation_names),
                averages_heads=averages,
                relation_messages=relation_messages,
                negative_slope=negative_slope,
                attention_dropout=attention_dropout,
            )
            for node_dim, averages in zip(self.get_node_dims(), [False] * (num_layers - 1) + [average_last_layer])
        )
        self.activation = activation or nn.ELU()

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        for number, layer in enumerate(self.layers):
            states = self.dropout(node_states)
            messages = self.intervened_messages(
                number,
                states,
                graph,
                partial(layer.edge_messages, states, graph),
                partial(layer.attention_weights, states, graph),
            )
            own = layer.self_transform(states)
            # Shape: (num_nodes, hidden_dim). In mixed precision gated messages can be of another type than states.
            node_states = self.activation(own.index_add(0, graph.targets, messages.to(own.dtype)))
        return node_states


def softmax_over_targets(energies: torch.Tensor, graph: Graph) -> torch.Tensor:
    """Compute the softmax over the edges that enter the same node. Shape of both: `(num_edges, num_heads)`."""
    targets = graph.targets.unsqueeze(-1).expand_as(energies)
    zeros = energies.new_zeros(graph.num_nodes, energies.size(-1))
    # The softmax does not depend on what is subtracted, so no gradient has to pass through it.
    highest = zeros.scatter_reduce(0, targets, energies.detach(), "amax", include_self=False)
    exponentials = (energies - highest.index_select(0, graph.targets)).exp()
    totals = zeros.index_add(0, graph.targets, exponentials)
    return exponentials / totals.index_select(0, graph.targets)
