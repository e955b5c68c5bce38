"""What a masker can read of an edge beside its states and its message."""

from typing import List, Optional, Sequence

import torch
from allennlp.common import Registrable
from torch import nn

from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import gate_gradients
from allennlp_graphmask.modules.intervention import Messages
from allennlp_graphmask.modules.relation_transform import RelationModule

#: Distances in a text are told apart up to this bucket, in either direction.
_FARTHEST = 10


class MaskerInputs:
    """
    What features are computed from: the pass whose messages are scored, and what is found by further passes, once for all layers.

    # Parameters

    baselines : `Sequence[torch.Tensor]`
        The vectors that replace dropped messages. Shape of each layer's: `(message_dim,)`.
    """

    def __init__(self, masked_model: MaskedModel, unmasked: UnmaskedPass, baselines: Sequence[torch.Tensor]) -> None:
        self.masked_model = masked_model
        self.unmasked = unmasked
        self.baselines = baselines
        self._gradients: Optional[List[torch.Tensor]] = None

    def gradients(self, layer: int) -> torch.Tensor:
        """
        Return how much the log likelihood of the prediction in the focus changes with the gate of each message, at open gates: the
        absolute derivative. Shape: `(num_edges,)`.
        """
        if self._gradients is None:
            self._gradients = [
                found.abs() for found in gate_gradients(self.masked_model, self.unmasked, 1.0, self.baselines)
            ]
        return self._gradients[layer]


class EdgeFeature(RelationModule, Registrable):
    """
    A term of the hidden layer of an `EdgewiseMasker`, of one layer of the graph encoder.

    Features must not show the outcome: what is read of it, such as states above the layer, logits or signed gradients, teaches a
    masker to keep what justifies a prediction (docs/interpreters.md). The absolute gradient at open gates was found not to.

    # Parameters

    node_dim, hidden_dim, num_relations : `int`
        Of the layer's node states, of the masker, and the number of edge types.
    """

    def __init__(self, node_dim: int, hidden_dim: int, num_relations: int) -> None:
        super().__init__()

    def forward(self, messages: Messages, inputs: MaskerInputs) -> torch.Tensor:
        """Return the term for each edge of the layer. Shape: `(num_edges, hidden_dim)`."""
        raise NotImplementedError


@EdgeFeature.register("relation")
class RelationFeature(EdgeFeature):
    """
    A vector for each relation, zero for those that training never saw.

    Registered as an `EdgeFeature` with name "relation".
    """

    relation_parameters = ("vectors",)

    def __init__(self, node_dim: int, hidden_dim: int, num_relations: int) -> None:
        super().__init__(node_dim, hidden_dim, num_relations)
        self.vectors = nn.Parameter(torch.zeros(num_relations, hidden_dim))

    def forward(self, messages: Messages, inputs: MaskerInputs) -> torch.Tensor:
        return self.vectors.index_select(0, messages.graph.edge_type)


@EdgeFeature.register("anchor")
class AnchorFeature(EdgeFeature):
    """
    The state of the node that the prediction is about (`Focus.anchors`), and how far source and target are from it in the order of the
    nodes, as `sign(d) min(10, round(2 log2(|d| + 1)))`. Zero for models without such nodes.

    Registered as an `EdgeFeature` with name "anchor".
    """

    def __init__(self, node_dim: int, hidden_dim: int, num_relations: int) -> None:
        super().__init__(node_dim, hidden_dim, num_relations)
        self.projection = nn.Linear(node_dim, hidden_dim, bias=False)
        self.norm = nn.LayerNorm(hidden_dim)
        self.source_distance, self.target_distance = (nn.Embedding(2 * _FARTHEST + 1, hidden_dim) for _ in range(2))
        for embedding in (self.source_distance, self.target_distance):
            nn.init.zeros_(embedding.weight)

    def forward(self, messages: Messages, inputs: MaskerInputs) -> torch.Tensor:
        graph, anchors = messages.graph, inputs.unmasked.focus.anchors
        if anchors is None:
            return self.source_distance.weight.new_zeros(graph.num_edges, self.norm.normalized_shape[0])
        states = self.norm(self.projection(messages.node_states.index_select(0, anchors)))
        # Shape: (num_edges,)
        owners = anchors.index_select(0, graph.edge_graph)
        return (
            states.index_select(0, graph.edge_graph)
            + self.source_distance(_bucket(graph.sources - owners))
            + self.target_distance(_bucket(graph.targets - owners))
        )


def _bucket(distances: torch.Tensor) -> torch.Tensor:
    size = (2 * (distances.abs().float() + 1).log2()).round().clamp(max=_FARTHEST).long()
    return distances.sign() * size + _FARTHEST


class _NumbersFeature(EdgeFeature):
    """A linear function of numbers of each edge."""

    num_numbers: int

    def __init__(self, node_dim: int, hidden_dim: int, num_relations: int) -> None:
        super().__init__(node_dim, hidden_dim, num_relations)
        self.projection = nn.Linear(self.num_numbers, hidden_dim, bias=False)

    def forward(self, messages: Messages, inputs: MaskerInputs) -> torch.Tensor:
        return self.projection(torch.stack(self.numbers(messages, inputs), dim=-1))

    def numbers(self, messages: Messages, inputs: MaskerInputs) -> List[torch.Tensor]:
        """Return the numbers. Shape of each: `(num_edges,)`."""
        raise NotImplementedError


@EdgeFeature.register("size")
class SizeFeature(_NumbersFeature):
    """
    The logarithms of the number of edges of the graph, and of those into source and target.

    Registered as an `EdgeFeature` with name "size".
    """

    num_numbers = 3

    def numbers(self, messages: Messages, inputs: MaskerInputs) -> List[torch.Tensor]:
        graph = messages.graph
        dtype = messages.node_states.dtype
        degrees = torch.bincount(graph.targets, minlength=graph.num_nodes).to(dtype).log1p()
        edges = graph.edges_per_graph().to(dtype).clamp(min=1).log() / 3
        return [edges[graph.edge_graph], degrees[graph.targets], degrees[graph.sources]]


@EdgeFeature.register("gradient")
class GradientFeature(_NumbersFeature):
    """
    `MaskerInputs.gradients` g on three scales: `log(1 + g)`, `log(1 + 100 g) / 3`, and for predictions that the model is certain of
    `log(g + 1e-5) / 4 + 1.5`. One forward and one backward pass for a batch.

    Registered as an `EdgeFeature` with name "gradient".
    """

    num_numbers = 3

    def numbers(self, messages: Messages, inputs: MaskerInputs) -> List[torch.Tensor]:
        gradients = inputs.gradients(messages.layer).to(messages.node_states.dtype)
        return [gradients.log1p(), (100 * gradients).log1p() / 3, (gradients + 1e-5).log() / 4 + 1.5]
