"""GraphMask on relational encoders: both maskers, both ways of aggregating, and nothing computed for each edge in vain."""

import copy
from typing import Any, Dict

import pytest
import torch
from allennlp.common import Lazy, Params
from allennlp.models import Model

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.maskers import BilinearMasker, EdgewiseMasker, Masker
from allennlp_graphmask.modules import GraphEncoder
from allennlp_graphmask.testing import assert_no_side_effects
from tests.interpret.graphmask.training import graphmask_config, target_config, train
from tests.interpret.toy import ToyTagger, in_training, toy_batch

ENCODERS: Dict[str, Dict[str, Any]] = {
    "entity_gcn": {"type": "entity_gcn", "input_dim": 6, "num_layers": 2},
    "rgcn": {"type": "rgcn", "input_dim": 6, "hidden_dim": 5, "num_bases": 2},
}
MASKERS = {"bilinear": BilinearMasker, "edgewise": EdgewiseMasker}


def graph_mask(vocab, encoder: str, masker: str, aggregation: str) -> GraphMask:
    torch.manual_seed(3)
    params = Params({**copy.deepcopy(ENCODERS[encoder]), "aggregation": aggregation})
    target = ToyTagger(vocab, GraphEncoder.from_params(params, vocab=vocab)).double().eval()
    with torch.no_grad():
        target.scorer.weight.normal_()
    lazy = Lazy(Masker, params=Params({"type": masker, "location_bias": 0.3}))
    return GraphMask(vocab, target, masker=lazy).double()


def double(batch: Dict[str, Any]) -> Dict[str, Any]:
    return {**batch, "features": batch["features"].double()}


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("masker", sorted(MASKERS))
class TestBothWays:
    def test_training_steps_are_the_same(self, vocab, encoder, masker) -> None:
        results = []
        for aggregation in ("dense", "edge_list"):
            model = in_training(graph_mask(vocab, encoder, masker, aggregation))
            torch.manual_seed(7)
            output = model(**double(toy_batch(vocab)))
            output["loss"].backward()
            parameters = dict(model.masker.named_parameters())
            gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
            assert len(gradients) == len(parameters)
            assert all(parameter.grad is None for parameter in model.target.parameters())
            results.append((output, gradients))
        (dense, dense_gradients), (edge_list, edge_gradients) = results
        for name in ("loss", "divergence"):
            assert torch.allclose(dense[name], edge_list[name], rtol=0, atol=1e-10)
        for name, gradient in dense_gradients.items():
            assert torch.allclose(gradient, edge_gradients[name], rtol=0, atol=1e-10), name
        assert any(gradient.any() for gradient in dense_gradients.values())

    def test_explanations_are_the_same(self, vocab, encoder, masker) -> None:
        results = []
        for aggregation in ("dense", "edge_list"):
            model = graph_mask(vocab, encoder, masker, aggregation).eval()
            with torch.no_grad():
                results.append(model(**double(toy_batch(vocab))))
        dense, edge_list = results
        for first, second in zip(dense["attribution"].scores, edge_list["attribution"].scores):
            assert torch.allclose(first, second, rtol=0, atol=1e-10)
        for first, second in zip(dense["attribution"].kept, edge_list["attribution"].kept):
            assert torch.equal(first, second) and 0 < first.sum() < first.numel()
        assert torch.allclose(dense["masked"]["logits"], edge_list["masked"]["logits"], rtol=0, atol=1e-10)
        assert not torch.allclose(dense["masked"]["logits"], dense["original"]["logits"])

    def test_the_target_stays_as_it_is(self, vocab, encoder, masker) -> None:
        model = graph_mask(vocab, encoder, masker, "dense").eval()
        batch = double(toy_batch(vocab))
        model.measures_controls = False

        def explain() -> None:
            with torch.no_grad():
                model(**batch)

        assert_no_side_effects(model.target, explain, predict=lambda: model.target(**batch)["logits"])


def test_the_bilinear_masker_on_the_dense_way_asks_for_no_messages(vocab, monkeypatch) -> None:
    def must_not_be_called(*_: Any) -> torch.Tensor:
        raise AssertionError("Messages were written out.")

    model = in_training(graph_mask(vocab, "entity_gcn", "bilinear", "dense"))
    module = "allennlp_graphmask.modules.graph_encoders.relational_graph_encoder"
    monkeypatch.setattr(f"{module}._messages_of_rows", must_not_be_called)
    monkeypatch.setattr(f"{module}._messages_of_pairs", must_not_be_called)
    model(**double(toy_batch(vocab)))["loss"].backward()


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_trained_from_configs_and_loaded_again(encoder: str, tmp_path) -> None:
    model = {"type": "toy_tagger", "graph_encoder": ENCODERS[encoder]}
    train(target_config(model, num_epochs=2), tmp_path / "target")
    config = graphmask_config(tmp_path / "target" / "model.tar.gz", masker={"type": "bilinear", "hidden_dim": 4})
    trained = train(config, tmp_path / "graphmask").eval()
    (tmp_path / "target" / "model.tar.gz").unlink()
    loaded = Model.from_archive(str(tmp_path / "graphmask" / "model.tar.gz")).eval()
    assert isinstance(loaded, GraphMask) and isinstance(loaded.masker, BilinearMasker)
    batch = toy_batch(loaded.vocab)
    with torch.no_grad():
        expected, actual = (model(**batch)["attribution"] for model in (trained, loaded))
    for first, second in zip(expected.scores, actual.scores):
        assert torch.equal(first, second)
