import copy

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import (
    UNSEEN_INVERSE_RELATION,
    UNSEEN_RELATION,
    Graph,
    inverse_relation,
    is_inverse_relation,
    num_relations,
    relation_index,
    relation_name,
)
from allennlp_graphmask.modules import Gate, GraphEncoder, SyntacticGcn, intervening
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


def test_dimensions() -> None:
    encoder = SyntacticGcn(VOCABULARY, 5, 7, num_layers=3)
    assert (encoder.get_input_dim(), encoder.get_output_dim(), encoder.num_layers) == (5, 7, 3)
    assert encoder.get_node_dims() == [5, 7, 7]
    assert encoder.get_message_dims() == [7, 7, 7]


def test_gradients() -> None:
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 2, 2, num_layers=2).double()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    graph = Graph.from_edges(3, [(0, 1), (1, 0), (0, 1), (2, 2)], [2, 3, 0, 1])
    states = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    scale = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    replacement = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)

    def masked(states, scale, replacement, *parameters):
        with intervening(encoder, lambda messages: Gate(scale[messages.layer], replacement[messages.layer])):
            return encoder(states, graph)

    assert torch.autograd.gradcheck(masked, (states, scale, replacement, *encoder.parameters()))


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


def test_training_reaches_every_relation_but_the_unseen() -> None:
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 3, 4, num_layers=2)
    known = range(2, NUM_RELATIONS)
    graph = Graph.from_edges(2, [(i % 2, (i + 1) % 2) for i in known], list(known))
    encoder(torch.randn(2, 3), graph).sum().backward()
    for layer in encoder.layers:
        touched = layer.relation_bias.grad.abs().sum(-1) > 0
        assert touched.tolist() == [False, False] + [True] * len(LABELS)


def test_direction_comes_from_the_label() -> None:
    """
    An arc and its inverse are projected by different matrices: swapping a graph's labels changes its states.
    """
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 3, 4)
    states = torch.randn(2, 3)

    def output(label: str) -> torch.Tensor:
        return encoder(states, Graph.from_edges(2, [(0, 1)], [relation_index(VOCABULARY, label)]))

    # All labels start with the same biases, so that only the direction tells them apart.
    assert torch.equal(output("nsubj"), output("obj"))
    assert torch.equal(output("nsubj^-1"), output("obj^-1"))
    for label in ("nsubj", "obj"):
        assert not torch.allclose(output(label), output(inverse_relation(label)))


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 3, 4, dropout=0.5)
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = example_states(encoder, graph)
    assert not torch.equal(encoder(states, graph), encoder(states, graph))
    encoder.eval()
    assert torch.equal(encoder(states, graph), encoder(states, graph))


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


def test_from_params() -> None:
    params = Params({"type": "syntactic_gcn", "input_dim": 3, "hidden_dim": 4, "num_layers": 2})
    encoder = GraphEncoder.from_params(params, vocab=VOCABULARY)
    assert isinstance(encoder, SyntacticGcn)
    assert encoder.layers[0].relation_bias.shape == (NUM_RELATIONS, 4)


def test_another_namespace() -> None:
    vocabulary = Vocabulary(counter={"mention_labels": {"MATCH": 1}})
    encoder = SyntacticGcn(vocabulary, 3, 4, edge_label_namespace="mention_labels")
    assert encoder.layers[0].relation_bias.shape == (3, 4)


def test_no_layers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one layer, got num_layers = 0"):
        SyntacticGcn(VOCABULARY, 3, 4, num_layers=0)


def test_a_state_dict_fits_an_encoder_of_the_same_vocabulary(tmp_path) -> None:
    """What an archive does: the directions follow from the vocabulary's files."""
    torch.manual_seed(0)
    encoder = SyntacticGcn(VOCABULARY, 3, 4).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    VOCABULARY.save_to_files(str(tmp_path / "vocabulary"))
    torch.save(encoder.state_dict(), tmp_path / "weights.th")
    loaded = SyntacticGcn(Vocabulary.from_files(str(tmp_path / "vocabulary")), 3, 4).eval()
    loaded.load_state_dict(torch.load(tmp_path / "weights.th"))
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = example_states(encoder, graph)
    assert torch.equal(loaded(states, graph), encoder(states, graph))


def test_a_copy_is_independent() -> None:
    encoder = SyntacticGcn(VOCABULARY, 3, 4).eval()
    copied = copy.deepcopy(encoder)
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = example_states(encoder, graph)
    expected = encoder(states, graph)
    with intervening(encoder, lambda messages: Gate(torch.zeros(graph.num_edges))):
        assert torch.equal(copied(states, graph), expected)


def test_relations_of_an_extended_vocabulary() -> None:
    """Fine-tuning a trained model on data with other labels, as `Model.from_archive` with a vocabulary does it."""
    torch.manual_seed(0)
    vocabulary = copy.deepcopy(VOCABULARY)
    encoder = SyntacticGcn(vocabulary, 3, 4, num_layers=2).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = example_states(encoder, graph)
    expected = encoder(states, graph)
    other = Vocabulary(counter={"edge_labels": {"aux": 2, "aux^-1": 1}})
    vocabulary.extend_from_vocab(other)
    encoder.layers[0].relation_bias.requires_grad_(False)
    encoder.extend_vocab(vocabulary, extension_pretrained_file=None, model_path="graph_encoder")
    assert torch.equal(encoder(states, graph), expected)
    for layer in encoder.layers:
        assert layer.relation_bias.shape == (NUM_RELATIONS + 2, 4)
        assert (
            not layer.relation_bias[NUM_RELATIONS:].any()
            and not layer.relation_gate_bias[NUM_RELATIONS:].any()
        )
    assert not encoder.layers[0].relation_bias.requires_grad
    assert encoder.layers[1].relation_bias.requires_grad
    assert len(list(encoder.parameters())) == 2 * 6

    def output(edge_type: int) -> torch.Tensor:
        return encoder(states[:2], Graph.from_edges(2, [(0, 1)], [edge_type]))

    # Untrained, a new relation differs from others by its direction only.
    along, against = (relation_index(vocabulary, label) for label in ("aux", "aux^-1"))
    assert along >= NUM_RELATIONS and against >= NUM_RELATIONS
    assert not torch.allclose(output(along), output(against))
    # Twice is once.
    encoder.extend_vocab(vocabulary)
    assert torch.equal(encoder(states, graph), expected)
