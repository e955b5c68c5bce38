from typing import List, Optional, Sequence

import torch
from torch import nn

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.maskers.edge_features import EdgeFeature, MaskerInputs
from allennlp_graphmask.interpret.maskers.masker import Masker
from allennlp_graphmask.modules.intervention import Messages


class EdgewiseGate(nn.Module):
    """`EdgewiseMasker` for one layer."""

    def __init__(
        self,
        node_dim: int,
        message_dim: int,
        hidden_dim: int,
        location_bias: float,
        dropout: float,
        num_hidden_layers: int,
        features: Sequence[EdgeFeature],
    ) -> None:
        super().__init__()
        self.source_projection = nn.Linear(node_dim, hidden_dim, bias=False)
        self.message_projection = nn.Linear(message_dim, hidden_dim, bias=False)
        self.target_projection = nn.Linear(node_dim, hidden_dim, bias=False)
        # The three matrices together are one layer that reads [h_u; m; h_v]: Glorot's bound for that layer.
        bound = (6 / (2 * node_dim + message_dim + hidden_dim)) ** 0.5
        for projection in (self.source_projection, self.message_projection, self.target_projection):
            nn.init.uniform_(projection.weight, -bound, bound)
        self.source_norm = nn.LayerNorm(hidden_dim)
        self.message_norm = nn.LayerNorm(hidden_dim)
        self.target_norm = nn.LayerNorm(hidden_dim)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))
        self.output = nn.Linear(hidden_dim, 1)
        self.location_bias = location_bias
        self.dropout = nn.Dropout(dropout)
        self.features = nn.ModuleList(features)
        self.further_layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden_dim), nn.Linear(hidden_dim, hidden_dim), nn.ReLU())
            for _ in range(num_hidden_layers - 1)
        )

    def forward(
        self, messages: Messages, inputs: Optional[MaskerInputs] = None, edges: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """Locate the gates of all edges, or of some. Shape of `edges` and of what is returned: `(num_chosen,)`."""

        def chosen(of_edges: torch.Tensor) -> torch.Tensor:
            return of_edges if edges is None else of_edges.index_select(0, edges)

        # A node is the source and target of several edges: it is projected once, then copied to its edges.
        sources = self.source_norm(self.source_projection(messages.node_states))
        targets = self.target_norm(self.target_projection(messages.node_states))  # Shape: (num_nodes, hidden_dim)
        hidden = (
            sources.index_select(0, chosen(messages.graph.sources))
            + self.message_norm(self.message_projection(chosen(messages.values)))
            + targets.index_select(0, chosen(messages.graph.targets))
            + self.hidden_bias
        )  # Shape: (num_chosen, hidden_dim)
        for feature in self.features:
            hidden = hidden + chosen(feature(messages, inputs))
        hidden = torch.relu(hidden / 3)
        for further in self.further_layers:
            hidden = hidden + further(hidden)
        return self.output(self.dropout(hidden)).squeeze(-1) + self.location_bias


@Masker.register("edgewise")
class EdgewiseMasker(Masker):
    """
    Scores each edge by its source, message and target (Schlichtkrull, De Cao and Titov, 2021, equation 8): for the edge (u, v) with
    message m

    `a = w . ReLU((LN(W1 h_u) + LN(W2 m) + LN(W3 h_v) + b) / 3) + c + location_bias`

    with separate parameters for each layer. Beyond the paper, terms for what else is known of an edge can be added to the sum, and
    further hidden layers `h + ReLU(W LN(h) + b)` after the first.

    Registered as a `Masker` with name "edgewise".

    # Parameters

    hidden_dim : `int`, optional (default = `None`)
        The size of the hidden layer; that of the layer's messages if not given.
    location_bias : `float`, optional (default = `3.0`)
        Opens nearly all gates at the start of training.
    dropout : `float`, optional (default = `0.0`)
        On the hidden layer, in training. A masker can overfit: a message that may be dropped on inputs that the explained model was
        trained on may be needed on others.
    num_hidden_layers : `int`, optional (default = `1`)
    features : `Sequence[str]`, optional (default = `()`)
        The registered names of `EdgeFeature`s whose terms are added.
    """

    def __init__(
        self,
        node_dims: Sequence[int],
        message_dims: Sequence[int],
        num_relations: int = 0,
        *,
        hidden_dim: Optional[int] = None,
        location_bias: float = 3.0,
        dropout: float = 0.0,
        num_hidden_layers: int = 1,
        features: Sequence[str] = (),
    ) -> None:
        super().__init__(node_dims, message_dims)
        check_at_least("edgewise", 1, num_hidden_layers=num_hidden_layers)
        self.gates = nn.ModuleList()
        for node_dim, message_dim in zip(node_dims, message_dims):
            size = hidden_dim or message_dim
            terms = [EdgeFeature.by_name(name)(node_dim, size, num_relations) for name in features]
            self.gates.append(
                EdgewiseGate(node_dim, message_dim, size, location_bias, dropout, num_hidden_layers, terms)
            )
        self._has_features = bool(features)

    def forward(self, messages: Messages) -> torch.Tensor:
        if self._has_features:
            raise ValueError("An edgewise masker with features scores all layers of a pass at once: call locate.")
        return self.gates[messages.layer](messages)

    def locate(self, masked_model: MaskedModel, unmasked: UnmaskedPass, first_layer: int = 0) -> List[torch.Tensor]:
        inputs = MaskerInputs(masked_model, unmasked, list(self.baselines))
        found = []
        for messages, reaches in list(zip(unmasked.layers, unmasked.reachable()))[first_layer:]:
            gate = self.gates[messages.layer]
            if bool(reaches.all()):
                found.append(gate(messages, inputs))
                continue
            # The others have no effect: often most of a large graph of which a node is explained.
            located = gate(messages, inputs, reaches.nonzero().squeeze(-1))
            found.append(located.new_full(reaches.shape, float("-inf")).masked_scatter(reaches, located))
        return found
