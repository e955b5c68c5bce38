from typing import Optional, Sequence

import torch
from torch import nn

from allennlp_graphmask.interpret.maskers.masker import Masker
from allennlp_graphmask.modules.intervention import Messages
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.modules.relation_transform import RelationModule, RelationTransform


class BilinearGate(RelationModule):
    """`BilinearMasker` for one layer."""

    relation_parameters = ("relation_bias",)

    def __init__(
        self, node_dim: int, hidden_dim: int, num_relations: int, location_bias: float, dropout: float
    ) -> None:
        super().__init__()
        self.source_projection = nn.Linear(node_dim, hidden_dim, bias=False)
        self.target_projection = nn.Linear(node_dim, hidden_dim, bias=False)
        for projection in (self.source_projection, self.target_projection):
            nn.init.xavier_uniform_(projection.weight)
        self.source_norm = nn.LayerNorm(hidden_dim)
        self.target_norm = nn.LayerNorm(hidden_dim)
        self.relation_transform = RelationTransform(num_relations, hidden_dim, hidden_dim)
        self.relation_bias = nn.Parameter(torch.zeros(num_relations))
        self.scale = hidden_dim**-0.5
        self.location_bias = location_bias
        self.dropout = nn.Dropout(dropout)

    def forward(self, messages: Messages) -> torch.Tensor:
        layout = RelationLayout(messages.graph)
        sources = self.dropout(torch.relu(self.source_norm(self.source_projection(messages.node_states))))
        # Scaled here, where there are fewer numbers than scores. Shape of both: (num_nodes, hidden_dim)
        targets = self.scale * self.target_norm(self.target_projection(messages.node_states))
        dense = layout.graph.num_edges > 0 and layout.dense_is_cheaper(sources.size(-1))
        scores = self._scores_of_cells if dense else self._scores_of_edges
        bias = self.relation_bias.index_select(0, messages.graph.edge_type)
        return scores(sources, targets, layout) + bias + self.location_bias

    def _scores_of_cells(self, sources: torch.Tensor, targets: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
        """Score all pairs of a target and a source under a relation, then select those of the edges. Shape: `(num_edges,)`."""
        # Shape: (num_nodes * num_present, hidden_dim)
        rows = self.relation_transform.of_all(sources, layout.relations).flatten(0, 1)
        cells = [
            (own_targets @ own_rows.t()).flatten()
            for own_targets, own_rows in zip(targets.split(layout.nodes_per_graph), rows.split(layout.rows_per_graph))
        ]
        return torch.cat(cells).index_select(0, layout.cells)

    def _scores_of_edges(self, sources: torch.Tensor, targets: torch.Tensor, layout: RelationLayout) -> torch.Tensor:
        """Score edge by edge, for graphs with few edges. Shape: `(num_edges,)`."""
        pair_sources, counts, pair_of_edge = layout.pairs
        of_pairs = self.relation_transform.of_pairs(sources.index_select(0, pair_sources), layout.relations, counts)
        of_targets = targets.index_select(0, layout.graph.targets)  # Shape: (num_edges, hidden_dim)
        return (of_pairs.index_select(0, pair_of_edge) * of_targets).sum(-1)


@Masker.register("bilinear")
class BilinearMasker(Masker):
    """
    Compares each edge's source and target by a form of its relation (Schlichtkrull, De Cao and Titov, 2021, whose masker for question
    answering is `<f_r(h_u), h_v>`): for the edge (u, v) of type r

    `a = <U_r ReLU(LN(W1 h_u)) + d_r, LN(W2 h_v)> / sqrt(hidden_dim) + c_r + location_bias`

    with separate parameters for each layer. It does not read the message, which is a function of source and relation in relational
    encoders, so that dense graphs are scored by matrix products, without a vector for each edge.

    For a relation unseen in training U_r, d_r and c_r are zero: `a = location_bias`, and its edges are kept.

    Registered as a `Masker` with name "bilinear".

    # Parameters

    hidden_dim : `int`, optional (default = `None`)
        The size of the vectors that are compared; that of the layer's node states if not given.
    location_bias : `float`, optional (default = `3.0`)
        Opens nearly all gates at the start of training.
    dropout : `float`, optional (default = `0.0`)
        On the hidden layer of the sources, in training.
    """

    def __init__(
        self,
        node_dims: Sequence[int],
        message_dims: Sequence[int],
        num_relations: int,
        *,
        hidden_dim: Optional[int] = None,
        location_bias: float = 3.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(node_dims, message_dims)
        self.gates = nn.ModuleList(
            BilinearGate(node_dim, hidden_dim or node_dim, num_relations, location_bias, dropout)
            for node_dim in node_dims
        )

    def forward(self, messages: Messages) -> torch.Tensor:
        return self.gates[messages.layer](messages)
