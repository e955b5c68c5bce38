"""What holds for every interpreter that can explain any encoder and graphs of any size."""

from typing import Any

import pytest
import torch

from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.modules.graph_encoders import relational_graph_encoder
from allennlp_graphmask.testing.interpreter import assert_is_interpreter
from tests.interpret.interpreters.cases import SETTINGS, TARGETS, batch_of, build, target_of
from tests.interpret.toy import toy_batch, toy_instances

every_interpreter = pytest.mark.parametrize("name", SETTINGS)
every_target = pytest.mark.parametrize("target", TARGETS)


@every_target
@every_interpreter
def test_it_is_an_interpreter(name, target, vocab):
    assert_is_interpreter(lambda: build(name), MaskedModel(target_of(target, vocab)), toy_batch(vocab, count=5))


@every_target
@every_interpreter
def test_graphs_are_explained_apart(name, target, vocab):
    """In double precision, what is said of a graph does not depend on what else is in its batch."""
    masked_model = MaskedModel(target_of(target, vocab).double())
    instances = toy_instances(seed=3, count=5)
    interpreter = build(name, **SETTINGS[name][1])
    together = interpreter.interpret(masked_model, batch_of(instances, vocab, torch.double)).split()
    for instance, of_batch in zip(instances, together, strict=True):
        alone = interpreter.interpret(masked_model, batch_of([instance], vocab, torch.double))
        for layer in range(alone.num_layers):
            torch.testing.assert_close(of_batch.scores[layer], alone.scores[layer], atol=1e-8, rtol=1e-8)
            assert torch.equal(of_batch.kept[layer], alone.kept[layer])


@every_interpreter
def test_a_batch_without_edges(name, vocab):
    batch = batch_of([toy_instances()[3]], vocab)
    assert batch["graph"].num_edges == 0
    attribution = build(name).interpret(MaskedModel(target_of("tagger", vocab)), batch)
    assert attribution.kept_share() == 1 and len(attribution.split()) == 1


@every_interpreter
def test_predictors_run_without_gradients(name, vocab):
    masked_model, batch = MaskedModel(target_of("tagger", vocab)), toy_batch(vocab, count=3)
    expected = build(name).interpret(masked_model, batch)
    with torch.no_grad():
        actual = build(name).interpret(masked_model, batch)
    assert all(torch.equal(*pair) for pair in zip(actual.scores, expected.scores))
    assert any(layer.any() for layer in actual.scores)


@pytest.mark.parametrize("target", ["rgcn, dense", "entity_gcn, dense"])
@pytest.mark.parametrize("name", [name for name in SETTINGS if not name.startswith("information_bottleneck")])
def test_the_dense_path_needs_no_edge_lists(name, target, vocab, monkeypatch):
    masked_model, batch = MaskedModel(target_of(target, vocab)), toy_batch(vocab, count=3)
    expected = build(name).interpret(masked_model, batch)

    def fail(*_: Any) -> None:
        raise AssertionError("A vector for each edge was asked for.")

    for function in ("_messages_of_pairs", "_messages_of_rows", "_add_up_edges"):
        monkeypatch.setattr(relational_graph_encoder, function, fail)
    actual = build(name).interpret(masked_model, batch)
    assert all(torch.equal(*pair) for pair in zip(actual.scores, expected.scores))
