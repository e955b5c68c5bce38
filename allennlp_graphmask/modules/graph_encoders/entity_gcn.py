from typing import Iterable, List, Optional

import torch
from allennlp.data import Vocabulary
from torch import nn

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.relational_graph_encoder import RelationalGraphEncoder
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.modules.relation_transform import RelationTransform


class EntityGcnLayer(nn.Module):
    """One layer of `EntityGcn`."""

    def __init__(self, dim: int, num_relations: int) -> None:
        super().__init__()
        self.relation_transform = RelationTransform(num_relations, dim, dim)
        self.self_transform = nn.Linear(dim, dim)
        self.gate = nn.Linear(2 * dim, dim)
        for linear in (self.self_transform, self.gate):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def update(self, node_states: torch.Tensor, states: torch.Tensor, aggregated: torch.Tensor) -> torch.Tensor:
        """
        Compute the new states from those that the layer reads and keeps a part of, the same after dropout, and the
        messages from other nodes, added up. Shape of all: `(num_nodes, dim)`.
        """
        updates = self.self_transform(states) + aggregated
        gates = torch.sigmoid(self.gate(torch.cat([updates, states], dim=-1)))
        return gates * torch.tanh(updates) + (1 - gates) * node_states


@GraphEncoder.register("entity_gcn")
class EntityGcn(RelationalGraphEncoder):
    """
    The gated relational graph convolutional network of [De Cao, Aziz and Titov (2019)](https://arxiv.org/abs/1808.09920),
    section 2.3, with relations normalised one by one as for GraphMask's question answering (Schlichtkrull, De Cao and Titov,
    2021). For every node v

    `u_v = f_s(h_v) + sum_r 1/|N_v^r| sum_{u in N_v^r} f_r(h_u)`

    `a_v = sigmoid(f_a([u_v; h_v]))`

    `h'_v = a_v * tanh(u_v) + (1 - a_v) * h_v`

    where N_v^r are the edges of type r into v, each counted, and f_s, f_a and the f_r are affine. Masking messages changes
    none of the counts. The node's own `f_s(h_v)` is not an edge and is never masked. A relation that training never saw has
    `f_r = 0`: its messages are zero.

    The layers aggregate edge by edge or as a matrix product, see `RelationalGraphEncoder`.

    Registered as a `GraphEncoder` with name "entity_gcn".

    # Parameters

    vocab, input_dim, aggregation, edge_label_namespace
        See `RelationalGraphEncoder`.
    hidden_dim : `int`, optional (default = `None`)
        The size of all states and messages, by default `input_dim`. If it differs, an affine map goes before the first layer,
        because a gated layer gives states of the size that it reads.
    num_layers : `int`, optional (default = `3`)
    share_weights : `bool`, optional (default = `True`)
        Whether all layers have the same weights, as in the paper.
    dropout : `float`, optional (default = `0.0`)
        Probability of dropping an element of the states that a layer computes from; the `h_v` that it keeps is not dropped from.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        hidden_dim: Optional[int] = None,
        *,
        num_layers: int = 3,
        share_weights: bool = True,
        dropout: float = 0.0,
        aggregation: str = "auto",
        edge_label_namespace: str = "edge_labels",
    ) -> None:
        super().__init__(
            vocab,
            input_dim,
            hidden_dim or input_dim,
            num_layers=num_layers,
            dropout=dropout,
            aggregation=aggregation,
            edge_label_namespace=edge_label_namespace,
        )
        self.input_projection: Optional[nn.Linear] = None
        if self._hidden_dim != input_dim:
            self.input_projection = nn.Linear(input_dim, self._hidden_dim)
        # Type checkers do not know what a ModuleList holds.
        self.layers: Iterable[EntityGcnLayer] = nn.ModuleList(  # type: ignore[assignment]
            EntityGcnLayer(self._hidden_dim, len(self._relation_names))
            for _ in range(1 if share_weights else num_layers)
        )

    def get_node_dims(self) -> List[int]:
        # The first layer, too, reads what `input_projection` gives.
        return [self._hidden_dim] * self.num_layers

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        if self.input_projection is not None:
            node_states = self.input_projection(node_states)
        layout = RelationLayout(graph)
        edge_weights = layout.relation_degrees().to(node_states.dtype).reciprocal()  # Shape: (num_edges,)
        layers = list(self.layers)
        for number in range(self.num_layers):
            layer = layers[number % len(layers)]  # one for all if they share weights
            states = self.dropout(node_states)
            aggregated = self.aggregated_messages(number, layer.relation_transform, states, layout, edge_weights)
            node_states = layer.update(node_states, states, aggregated)  # Shape: (num_nodes, hidden_dim)
        return node_states
