import pytest
import torch
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import (
    UNSEEN_INVERSE_RELATION,
    UNSEEN_RELATION,
    Graph,
    is_inverse_relation,
    num_relations,
    relation_name,
)
from allennlp_graphmask.modules import SyntacticGcn, intervening
from allennlp_graphmask.testing import assert_is_graph_encoder, example_graphs, example_states

LABELS = ["nsubj", "nsubj^-1", "obj", "obj^-1", "nmod:of"]
VOCABULARY = Vocabulary(counter={"edge_labels": {label: 9 - i for i, label in enumerate(LABELS)}})
NUM_RELATIONS = num_relations(VOCABULARY)


def loop_reference(encoder: SyntacticGcn, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    """The docstring's formula, one edge and one number after another."""
    for layer in encoder.layers:
        along, against, to_itself = layer.projection.weight.split(layer.output_dim)
        gate_along, gate_against, gate_to_itself = layer.gate_projection.weight
        new_states = []
        for node in range(graph.num_nodes):
            gate = torch.sigmoid(gate_to_itself @ states[node] + layer.self_gate_bias)
            total = gate * (to_itself @ states[node] + layer.self_bias)
            for edge in range(graph.num_edges):
                source, target = graph.edge_index[:, edge].tolist()
                if target != node:
                    continue
                label = int(graph.edge_type[edge])
                inverse = is_inverse_relation(relation_name(VOCABULARY, label))
                weight, gate_weight = (against, gate_against) if inverse else (along, gate_along)
                gate = torch.sigmoid(gate_weight @ states[source] + layer.relation_gate_bias[label])
                total = total + gate * (weight @ states[source] + layer.relation_bias[label])
            new_states.append(torch.relu(total))
        states = torch.stack(new_states) if new_states else states.new_zeros(0, layer.output_dim)
    return states


@pytest.mark.parametrize("num_layers", [1, 3])
def test_it_is_a_graph_encoder(num_layers: int) -> None:
    torch.manual_seed(num_layers)
    encoder = SyntacticGcn(VOCABULARY, 5, 7, num_layers=num_layers, dropout=0.3)
    assert_is_graph_encoder(encoder, NUM_RELATIONS, reference=loop_reference)


def test_the_unseen_relation_is_an_arc_without_a_label_but_with_a_direction() -> None:
    """Training never touches its bias, which therefore has to be zero."""
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 3, 4)
    graph = Graph.from_edges(2, [(0, 1), (1, 0)], [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION])
    states = torch.randn(2, 3)
    messages = []
    with intervening(encoder, messages.append):
        encoder(states, graph)
    layer = encoder.layers[0]
    along, against, _ = layer.projection.weight.split(4)
    gate_along, gate_against, _ = layer.gate_projection.weight
    expected = torch.stack(
        [
            torch.sigmoid(gate_along @ states[0]) * (along @ states[0]),
            torch.sigmoid(gate_against @ states[1]) * (against @ states[1]),
        ]
    )
    torch.testing.assert_close(messages[0].values, expected)


def test_messages_in_training_are_those_that_are_aggregated() -> None:
    """The dropout that an intervention sees is the dropout of the message: sources and message agree."""
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 3, 4, dropout=0.5)
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    record = []
    with intervening(encoder, record.append):
        output = encoder(example_states(encoder, graph), graph)
    shown = record[0]
    layer = encoder.layers[0]
    torch.testing.assert_close(shown.values, layer.edge_messages(shown.node_states, graph))
    aggregated = layer.self_messages(shown.node_states).index_add(0, graph.targets, shown.values)
    torch.testing.assert_close(output, torch.relu(aggregated))
