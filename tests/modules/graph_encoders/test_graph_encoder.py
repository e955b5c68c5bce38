"""What the base class does for encoders of third parties."""

import copy

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import num_relations
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.modules import GraphEncoder
from allennlp_graphmask.testing import assert_is_graph_encoder
from tests.interpret.toy import toy_target, toy_vocabulary
from tests.testing.encoders import NUM_RELATIONS, SoundEncoder


class WithoutRelations(SoundEncoder):
    def message(self, layer, states, graph):
        return self.weights[layer](states[graph.sources])


def vocabulary_of(size: int) -> Vocabulary:
    return Vocabulary(counter={"edge_labels": {f"label {number}": 9 - number for number in range(size - 2)}})


def test_an_encoder_that_cannot_grow_with_the_vocabulary_is_named() -> None:
    encoder = SoundEncoder()
    before = copy.deepcopy(encoder.state_dict())
    encoder.extend_vocab(vocabulary_of(NUM_RELATIONS), extension_pretrained_file=None, model_path="graph_encoder")
    with pytest.raises(ConfigurationError) as raised:
        encoder.extend_vocab(
            vocabulary_of(NUM_RELATIONS + 1), extension_pretrained_file=None, model_path="graph_encoder"
        )
    for named in ("SoundEncoder", "extend_vocab", "'label 3'", str(NUM_RELATIONS + 1)):
        assert named in str(raised.value)
    assert encoder.training and all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_one_without_parameters_for_relations_need_not_grow() -> None:
    WithoutRelations().double().extend_vocab(vocabulary_of(NUM_RELATIONS + 1))


def test_allennlp_asks_when_a_model_gets_another_vocabulary() -> None:
    vocab = toy_vocabulary()
    model = toy_target("classifier", vocab)
    assert num_relations(vocab) > NUM_RELATIONS
    model.graph_encoder = SoundEncoder()
    with pytest.raises(ConfigurationError, match="SoundEncoder"):
        model.extend_embedder_vocab()


class WithoutLayers(SoundEncoder):
    """Its number of layers follows from the sizes of its messages."""

    def __init__(self) -> None:
        super().__init__()
        del self.num_layers


def test_the_number_of_layers_follows_from_the_messages() -> None:
    assert WithoutLayers().num_layers == copy.deepcopy(WithoutLayers()).num_layers == 2
    assert_is_graph_encoder(WithoutLayers(), NUM_RELATIONS)


CONTRACT = ["get_input_dim", "get_output_dim", "get_node_dims", "get_message_dims", "forward"]


def without(*methods: str) -> GraphEncoder:
    return type("Incomplete", (SoundEncoder,), {method: getattr(GraphEncoder, method) for method in methods})()


@pytest.mark.parametrize("missing", [[method] for method in CONTRACT] + [CONTRACT[2:]])
def test_what_is_missing_is_named(missing) -> None:
    encoder = without(*missing)
    with pytest.raises(ConfigurationError) as raised:
        encoder.check_contract()
    with pytest.raises(AssertionError) as asserted:
        assert_is_graph_encoder(encoder, NUM_RELATIONS)
    for message in (str(raised.value), str(asserted.value)):
        assert "Incomplete" in message
        assert [method for method in CONTRACT if f"{method}()" in message] == missing


@pytest.mark.parametrize(
    "method, given",
    [
        ("get_input_dim", None),
        ("get_output_dim", [6]),
        ("get_node_dims", 4),
        ("get_message_dims", []),
        ("get_message_dims", [6, 0]),
        ("get_message_dims", [6, 6, 6]),
        ("get_node_dims", [4]),
    ],
)
def test_sizes_that_do_not_fit_are_named(method, given) -> None:
    encoder = type("Odd", (SoundEncoder,), {method: lambda self: given})()
    with pytest.raises(ConfigurationError) as raised:
        encoder.check_contract()
    assert "Odd" in str(raised.value) and f"{method}()" in str(raised.value)


@pytest.mark.parametrize("method", ["get_node_dims", "get_message_dims"])
def test_a_model_that_does_not_check_is_refused_before_a_masker_is_trained(method) -> None:
    model = toy_target("classifier", toy_vocabulary())
    model.graph_encoder = without(method)
    with pytest.raises(ConfigurationError, match=rf"Incomplete.*{method}\(\)"):
        GraphMask(model.vocab, target=model)
