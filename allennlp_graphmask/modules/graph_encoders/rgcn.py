from typing import Iterable, Optional

import torch
from allennlp.data import Vocabulary
from allennlp.nn import Activation
from torch import nn

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.graph_encoders.relational_graph_encoder import RelationalGraphEncoder
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.modules.relation_transform import RelationTransform


class RgcnLayer(nn.Module):
    """The parameters of one layer of `Rgcn`."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        num_relations: int,
        num_bases: Optional[int],
        num_blocks: Optional[int],
    ) -> None:
        super().__init__()
        self.relation_transform = RelationTransform(
            num_relations, input_dim, output_dim, num_bases=num_bases, num_blocks=num_blocks, bias=False
        )
        self.self_transform = nn.Linear(input_dim, output_dim)
        nn.init.xavier_uniform_(self.self_transform.weight)
        nn.init.zeros_(self.self_transform.bias)


@GraphEncoder.register("rgcn")
class Rgcn(RelationalGraphEncoder):
    """
    The relational graph convolutional network of [Schlichtkrull et al. (2018)](https://arxiv.org/abs/1703.06103), equation 2,
    with a bias. For every node v

    `h'_v = ReLU(sum_r 1/|N_v^r| sum_{u in N_v^r} W_r h_u + W_0 h_v + b)`

    where N_v^r are the edges of type r into v, each counted. Masking messages changes none of the counts. The node's own
    `W_0 h_v` is not an edge and is never masked. A relation that training never saw has `W_r = 0`: its messages are zero.

    The layers aggregate edge by edge or as a matrix product, see `RelationalGraphEncoder`.

    Registered as a `GraphEncoder` with name "rgcn".

    # Parameters

    vocab, input_dim, hidden_dim, dropout, aggregation, edge_label_namespace
        See `RelationalGraphEncoder`.
    num_layers : `int`, optional (default = `2`)
    num_bases : `int`, optional (default = `None`)
        Basis decomposition of the W_r, see `RelationTransform`.
    num_blocks : `int`, optional (default = `None`)
        Block-diagonal decomposition of the W_r. Without either, each relation has a matrix of its own.
    normalise : `bool`, optional (default = `True`)
        Whether there is the factor `1/|N_v^r|`. Without it nodes can count their neighbours.
    activation : `Activation`, optional (default = `relu`)
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        hidden_dim: int,
        *,
        num_layers: int = 2,
        num_bases: Optional[int] = None,
        num_blocks: Optional[int] = None,
        normalise: bool = True,
        activation: Optional[Activation] = None,
        dropout: float = 0.0,
        aggregation: str = "auto",
        edge_label_namespace: str = "edge_labels",
    ) -> None:
        super().__init__(
            vocab,
            input_dim,
            hidden_dim,
            num_layers=num_layers,
            dropout=dropout,
            aggregation=aggregation,
            edge_label_namespace=edge_label_namespace,
        )
        self._normalise = normalise
        # Type checkers do not know what a ModuleList holds.
        self.layers: Iterable[RgcnLayer] = nn.ModuleList(  # type: ignore[assignment]
            RgcnLayer(node_dim, hidden_dim, len(self._relation_names), num_bases, num_blocks)
            for node_dim in self.get_node_dims()
        )
        self.activation = activation or nn.ReLU()

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        layout = RelationLayout(graph)
        # Shape: (num_edges,)
        edge_weights = node_states.new_ones(graph.num_edges)
        if self._normalise:
            edge_weights = edge_weights / layout.relation_degrees()
        for number, layer in enumerate(self.layers):
            states = self.dropout(node_states)
            aggregated = self.aggregated_messages(number, layer.relation_transform, states, layout, edge_weights)
            # Shape: (num_nodes, hidden_dim)
            node_states = self.activation(layer.self_transform(states) + aggregated)
        return node_states
