"""Small graph encoders that are right, from which the tests derive others that are each wrong in one way."""

from typing import List

import torch
from torch import nn

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Messages, apply_gate

NUM_RELATIONS = 5


class SoundEncoder(GraphEncoder):
    """Sums messages `W h_u + b_r`, in two layers of different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.num_layers = 2
        self.weights = nn.ModuleList([nn.Linear(4, 6), nn.Linear(6, 6)])
        self.self_weights = nn.ModuleList([nn.Linear(4, 6), nn.Linear(6, 6)])
        self.relations = nn.ModuleList([nn.Embedding(NUM_RELATIONS, 6) for _ in range(2)])

    def get_input_dim(self) -> int:
        return 4

    def get_output_dim(self) -> int:
        return 6

    def get_node_dims(self) -> List[int]:
        return [4, 6]

    def get_message_dims(self) -> List[int]:
        return [6, 6]

    def message(self, layer: int, states: torch.Tensor, graph: Graph) -> torch.Tensor:
        return self.weights[layer](states[graph.sources]) + self.relations[layer](graph.edge_type)

    def masked_messages(self, layer: int, states: torch.Tensor, graph: Graph) -> torch.Tensor:
        return self.intervened_messages(layer, states, graph, lambda: self.message(layer, states, graph))

    def aggregate(self, messages: torch.Tensor, graph: Graph) -> torch.Tensor:
        return messages.new_zeros(graph.num_nodes, messages.size(-1)).index_add(0, graph.targets, messages)

    def update(self, layer: int, states: torch.Tensor, aggregated: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.self_weights[layer](states) + aggregated)

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        for layer in range(self.num_layers):
            messages = self.masked_messages(layer, node_states, graph)
            node_states = self.update(layer, node_states, self.aggregate(messages, graph))
        return node_states


class SoundMaxEncoder(SoundEncoder):
    """Takes the elementwise maximum of the messages."""

    def aggregate(self, messages: torch.Tensor, graph: Graph) -> torch.Tensor:
        index = graph.targets.unsqueeze(-1).expand_as(messages)
        zeros = messages.new_zeros(graph.num_nodes, messages.size(-1))
        return zeros.scatter_reduce(0, index, messages, "amax", include_self=False)


class SoundAttentionEncoder(SoundEncoder):
    """Weights messages by a softmax over a node's incoming edges that interventions leave alone."""

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        for layer in range(self.num_layers):
            energy = torch.sigmoid((node_states[graph.sources] * node_states[graph.targets]).sum(-1)).exp()
            total = energy.new_zeros(graph.num_nodes).index_add(0, graph.targets, energy)
            attention = (energy / total[graph.targets]).unsqueeze(-1)
            messages = attention * self.masked_messages(layer, node_states, graph)
            node_states = self.update(layer, node_states, self.aggregate(messages, graph))
        return node_states


class SoundFactorisedEncoder(SoundEncoder):
    """The same numbers as `SoundEncoder` by dense adjacency matrices, without a vector for each edge."""

    def adjacency(self, scale: torch.Tensor, graph: Graph) -> torch.Tensor:
        """
        The summed scales of the edges. Shape: `(num_relations, num_nodes, num_nodes)`, targets before
        sources.
        """
        matrix = scale.new_zeros(NUM_RELATIONS, graph.num_nodes, graph.num_nodes)
        return matrix.index_put((graph.edge_type, graph.targets, graph.sources), scale, accumulate=True)

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        for layer in range(self.num_layers):
            states = node_states
            messages = Messages(
                layer, states, graph, lambda layer=layer, states=states: self.message(layer, states, graph)
            )
            gate = self.intervene(messages)
            replacement = None if gate is None else gate.replacement
            if replacement is not None and replacement.dim() == 2 and not gate.per_relation:
                aggregated = self.aggregate(apply_gate(messages.values, gate, graph), graph)
            else:
                scale = states.new_ones(graph.num_edges) if gate is None else gate.scale.to(states.dtype)
                adjacency = self.adjacency(scale, graph)
                aggregated = adjacency.sum(0) @ self.weights[layer](states)
                aggregated = aggregated + adjacency.sum(2).t() @ self.relations[layer].weight
                if replacement is not None:
                    dropped = self.adjacency(1 - scale, graph).sum(2).t()  # Shape: (num_nodes, num_relations)
                    aggregated = aggregated + dropped @ replacement.expand(NUM_RELATIONS, -1)
            node_states = self.update(layer, node_states, aggregated)
        return node_states
