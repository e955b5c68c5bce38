import pytest
import torch
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import Graph, num_relations
from allennlp_graphmask.modules import EntityGcn
from allennlp_graphmask.testing import assert_is_graph_encoder, example_graphs, example_states

VOCABULARY = Vocabulary(counter={"edge_labels": {"DOC": 4, "MATCH": 3, "COREF": 2}})
NUM_RELATIONS = num_relations(VOCABULARY)


def loop_reference(encoder: EntityGcn, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    """The docstring's formula, one edge and one number after another."""
    if encoder.input_projection is not None:
        states = torch.stack(
            [*(encoder.input_projection.weight @ state + encoder.input_projection.bias for state in states)]
            or [states.new_zeros(encoder.get_output_dim())]
        )[: graph.num_nodes]
    edges = list(zip(*graph.edge_index.tolist(), graph.edge_type.tolist()))
    layers = list(encoder.layers)
    for number in range(encoder.num_layers):
        layer = layers[0] if len(layers) == 1 else layers[number]
        new_states = []
        for node in range(graph.num_nodes):
            update = layer.self_transform.weight @ states[node] + layer.self_transform.bias
            for relation in range(NUM_RELATIONS):
                sources = [u for u, v, r in edges if v == node and r == relation]
                for source in sources:
                    message = layer.relation_transform.weight[relation, 0] @ states[source]
                    message = message + layer.relation_transform.bias[relation]
                    update = update + message / len(sources)
            gate = layer.gate.weight @ torch.cat([update, states[node]]) + layer.gate.bias
            gate = 1 / (1 + torch.exp(-gate))
            new_states.append(gate * torch.tanh(update) + (1 - gate) * states[node])
        states = torch.stack(new_states) if new_states else states
    return states


@pytest.mark.parametrize("aggregation", ["auto", "dense", "edge_list"])
@pytest.mark.parametrize("hidden_dim, share_weights", [(None, True), (4, False)])
def test_it_is_a_graph_encoder(aggregation: str, hidden_dim, share_weights: bool) -> None:
    torch.manual_seed(0)
    options = {"num_layers": 2, "share_weights": share_weights, "dropout": 0.3, "aggregation": aggregation}
    encoder = EntityGcn(VOCABULARY, 5, hidden_dim, **options)
    assert_is_graph_encoder(
        encoder,
        NUM_RELATIONS,
        reference=loop_reference,
        factorised=aggregation != "edge_list",
        isolates_infinite_messages=True,
    )


def test_shared_weights_are_those_of_one_layer() -> None:
    def number(**options) -> int:
        return sum(parameter.numel() for parameter in EntityGcn(VOCABULARY, 5, **options).parameters())

    assert number(num_layers=1) == number(num_layers=3)
    assert number(num_layers=3, share_weights=False) == 3 * number(num_layers=1)


def test_dropout_leaves_what_is_kept_whole() -> None:
    encoder = EntityGcn(VOCABULARY, 4, num_layers=1, dropout=0.5)
    for layer in encoder.layers:
        torch.nn.init.constant_(layer.gate.bias, -1e4)  # everything is kept
    graph = example_graphs(NUM_RELATIONS)[0]
    states = example_states(encoder, graph)
    assert torch.equal(encoder(states, graph), states)
    for layer in encoder.layers:
        torch.nn.init.zeros_(layer.gate.bias)
    assert not torch.equal(encoder(states, graph), encoder(states, graph))
