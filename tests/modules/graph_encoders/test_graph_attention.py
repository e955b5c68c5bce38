import pytest
import torch
from allennlp.data import Vocabulary
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph, num_relations
from allennlp_graphmask.modules import Gate, GraphAttention, Messages, intervening
from allennlp_graphmask.modules.graph_encoders.graph_attention import softmax_over_targets
from allennlp_graphmask.testing import assert_is_graph_encoder, example_graphs, example_states

VOCABULARY = Vocabulary(counter={"edge_labels": {"a": 5, "a^-1": 4, "b": 3}})
NUM_RELATIONS = num_relations(VOCABULARY)


def loop_weights(layer, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    """The docstring's e and alpha, one edge and one head after another. Shape: `(num_edges, num_heads)`."""
    matrices = layer.projection.weight.split(layer.head_dim)
    edges = list(zip(*graph.edge_index.tolist(), graph.edge_type.tolist()))
    weights = states.new_zeros(len(edges), layer.num_heads)
    for head, matrix in enumerate(matrices):
        attention = torch.cat([layer.source_attention[head], layer.target_attention[head]])
        energies = []
        for source, target, relation in edges:
            pair = torch.cat([matrix @ states[source], matrix @ states[target]])
            energy = attention @ pair + layer.relation_attention[relation, head]
            energies.append(energy if energy > 0 else layer.leaky_relu.negative_slope * energy)
        for number, (_, target, _) in enumerate(edges):
            total = sum(energy.exp().item() for energy, edge in zip(energies, edges) if edge[1] == target)
            weights[number, head] = energies[number].exp().item() / total
    return weights


def loop_reference(encoder: GraphAttention, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    """The docstring's formula, one edge and one head after another."""
    edges = list(zip(*graph.edge_index.tolist(), graph.edge_type.tolist()))
    for layer in encoder.layers:
        weights = loop_weights(layer, states, graph)
        new_states = []
        for node in range(graph.num_nodes):
            heads = []
            for head, matrix in enumerate(layer.projection.weight.split(layer.head_dim)):
                total = states.new_zeros(layer.head_dim)
                for number, (source, target, relation) in enumerate(edges):
                    if target == node:
                        content = matrix @ states[source]
                        if layer.relation_bias is not None:
                            start = head * layer.head_dim
                            content = content + layer.relation_bias[relation, start : start + layer.head_dim]
                        total = total + weights[number, head] * content
                heads.append(total)
            combined = sum(heads) / len(heads) if layer.averages_heads else torch.cat(heads)
            own = layer.self_transform.weight @ states[node] + layer.self_transform.bias
            new_states.append(encoder.activation(combined + own))
        states = torch.stack(new_states) if new_states else states.new_zeros(0, encoder.get_output_dim())
    return states


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_heads": 3},
        {"num_heads": 2, "average_last_layer": True, "num_layers": 3},
        # Averaged heads need not share hidden_dim.
        {"num_heads": 4, "average_last_layer": True, "num_layers": 1},
        {"relation_messages": False, "negative_slope": 0.5, "attention_dropout": 0.4},
    ],
)
def test_it_is_a_graph_encoder(options) -> None:
    torch.manual_seed(0)
    encoder = GraphAttention(VOCABULARY, 4, 6, dropout=0.3, **options)
    # A message that is not finite makes the attention to it, and so all of its target's, not finite either.
    assert_is_graph_encoder(encoder, NUM_RELATIONS, reference=loop_reference, isolates_infinite_messages=False)


def recorded(encoder: GraphAttention, states: torch.Tensor, graph: Graph) -> list:
    record: list = []
    with intervening(encoder, record.append), torch.no_grad():
        encoder(states, graph)
    return record


def noisy(**options) -> GraphAttention:
    torch.manual_seed(1)
    encoder = GraphAttention(VOCABULARY, 4, 6, num_heads=2, **options)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    return encoder.double().eval()


def test_messages_show_the_weights() -> None:
    encoder = noisy()
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    for layer, messages in zip(encoder.layers, recorded(encoder, example_states(encoder, graph), graph)):
        expected = loop_weights(layer, messages.node_states, graph)
        torch.testing.assert_close(messages.weights, expected, rtol=0, atol=1e-10)
        entered = torch.zeros(graph.num_nodes, 2, dtype=torch.float64).index_add(0, graph.targets, messages.weights)
        has_edges = torch.bincount(graph.targets, minlength=graph.num_nodes) > 0
        torch.testing.assert_close(entered, has_edges.double().unsqueeze(-1).expand(-1, 2))


def test_the_weights_shown_know_no_dropout() -> None:
    encoder = noisy(attention_dropout=0.5).train()
    graph = example_graphs(NUM_RELATIONS)[0]
    messages = recorded(encoder, example_states(encoder, graph), graph)[0]
    assert torch.equal(messages.weights, messages.weights)
    assert (messages.weights > 0).all()
    assert not messages.values.all()


def test_masking_changes_no_weights() -> None:
    """The messages that stay are bitwise what they were, and so is the attention within their layer."""
    encoder = noisy(num_layers=1)
    graph = Graph.from_edges(3, [(0, 2), (1, 2), (2, 2)], [2, 3, 4])
    states = torch.randn(3, 4, dtype=torch.float64)
    unmasked = recorded(encoder, states, graph)[0]
    seen: list = []

    def drop_the_first(messages: Messages) -> Gate:
        seen.append(messages)
        return Gate(torch.tensor([False, True, True]))

    with intervening(encoder, drop_the_first), torch.no_grad():
        output = encoder(states, graph)
    assert torch.equal(seen[0].weights, unmasked.weights)
    layer = next(iter(encoder.layers))
    expected = encoder.activation(layer.self_transform(states[2]) + unmasked.values[1:].sum(0))
    torch.testing.assert_close(output[2], expected)


@given(st.data())
def test_softmax_over_targets(data) -> None:
    num_nodes = data.draw(st.integers(1, 4))
    targets = data.draw(st.lists(st.integers(0, num_nodes - 1), max_size=8))
    numbers = st.floats(-300, 300, width=32)
    energies = torch.tensor([[data.draw(numbers), data.draw(numbers)] for _ in targets], dtype=torch.float64).view(
        -1, 2
    )
    graph = Graph.from_edges(num_nodes, [(0, target) for target in targets], [0] * len(targets))
    actual = softmax_over_targets(energies, graph)
    for node in range(num_nodes):
        entering = [number for number, target in enumerate(targets) if target == node]
        torch.testing.assert_close(actual[entering], energies[entering].softmax(0))
