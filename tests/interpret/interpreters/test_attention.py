import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.interpreters import AttentionInterpreter, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.modules import GraphAttention
from allennlp_graphmask.testing.interpreter import assert_is_interpreter
from tests.interpret.toy import TOYS, recorded_layers, toy_batch, toy_target


def attentive_target(kind, vocab, **options):
    torch.manual_seed(3)
    encoder = GraphAttention(vocab, 5, 6, num_heads=2, **options)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    return TOYS[kind](vocab, encoder).eval()


@pytest.mark.parametrize("kind", sorted(TOYS))
@pytest.mark.parametrize("settings", [{}, {"heads": "max", "min_attention_ratio": 0.5}])
def test_it_is_an_interpreter(kind, settings, vocab):
    masked_model = MaskedModel(attentive_target(kind, vocab, average_last_layer=True))
    assert_is_interpreter(
        lambda: Interpreter.from_params(Params({"type": "attention", **settings})),
        masked_model,
        toy_batch(vocab, count=5),
    )


def test_scores_are_the_weights_of_each_layer(vocab):
    target, batch = attentive_target("tagger", vocab), toy_batch(vocab)
    masked_model, graph = MaskedModel(target), batch["graph"]
    for settings, combine in (
        ({"heads": "mean"}, lambda weights: weights.mean(1)),
        ({"heads": "max"}, lambda weights: weights.max(1).values),
    ):
        actual = AttentionInterpreter(**settings).interpret(masked_model, batch)
        assert not torch.equal(actual.scores[0], actual.scores[1])
        for messages, scores, kept in zip(recorded_layers(target, batch), actual.scores, actual.kept):
            torch.testing.assert_close(scores, combine(messages.weights))
            for edge in range(graph.num_edges):
                in_degree = int((graph.targets == graph.targets[edge]).sum())
                assert bool(kept[edge]) == (float(scores[edge]) >= 1 / in_degree - 1e-5)


def test_equal_shares_are_all_kept(vocab):
    """Without rounding deciding about thirds."""
    target = attentive_target("tagger", vocab)
    with torch.no_grad():
        for layer in target.graph_encoder.layers:
            for parameter in (layer.source_attention, layer.target_attention, layer.relation_attention):
                parameter.zero_()
    attribution = AttentionInterpreter().interpret(MaskedModel(target), toy_batch(vocab))
    assert attribution.kept_share() == 1


def test_an_encoder_without_attention_is_refused(vocab):
    masked_model = MaskedModel(toy_target("tagger", vocab))
    with pytest.raises(ConfigurationError, match="layer 0 of SyntacticGcn shows none"):
        AttentionInterpreter().interpret(masked_model, toy_batch(vocab))
