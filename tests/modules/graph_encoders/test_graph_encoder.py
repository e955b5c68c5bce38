"""What the base class does for encoders of third parties."""

import copy

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import num_relations
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
