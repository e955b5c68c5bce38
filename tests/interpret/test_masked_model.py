import copy
from typing import Any, Optional, Tuple

import pytest
import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.training.metrics import Average, CategoricalAccuracy
from torch import nn

from allennlp_graphmask.focus import whole_prediction
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import IntegratedGradients, LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel, MetricSets, find_graph_encoder
from allennlp_graphmask.interpret.maskers import EdgewiseMasker
from allennlp_graphmask.modules import Gate, GraphEncoder, SyntacticGcn
from tests.interpret.toy import ToyClassifier, ToyTaggerInOnePass, toy_batch, toy_target, toy_vocabulary


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.average = Average()


class Measured(Model):
    """Metrics in every place where models keep them, one of them known under two names."""

    def __init__(self) -> None:
        super().__init__(Vocabulary())
        self.alone = Average()
        self.by_name = {"first": Average(), "shared": self.alone, "no metric": 3}
        self.listed = [Average(), "no metric"]
        self.inner = Inner()
        self.others = {"no": "metrics"}

    def forward(self, value: float) -> None:  # type: ignore[override]
        for metric in (self.alone, self.by_name["first"], self.listed[0], self.inner.average):
            metric(value)

    def get_metrics(self, reset: bool = False) -> dict:
        return {
            "shared": self.by_name["shared"].get_metric(),
            "alone": self.alone.get_metric(reset),
            "by_name": self.by_name["first"].get_metric(reset),
            "listed": self.listed[0].get_metric(reset),
            "inner": self.inner.average.get_metric(reset),
        }


NAMES = ("alone", "by_name", "listed", "inner", "shared")


class TestMetricSets:
    def test_passes_come_apart(self) -> None:
        model = Measured()
        sets = MetricSets(model, ["original", "masked"])
        for value in (1.0, 3.0):
            with sets.using("original"):
                model(value)
        with sets.using("masked"):
            model(10.0)
        model(100.0)
        assert sets.get_metrics("original", reset=False) == dict.fromkeys(NAMES, 2.0)
        assert sets.get_metrics("masked", reset=True) == dict.fromkeys(NAMES, 10.0)
        assert sets.get_metrics("masked", reset=False) == dict.fromkeys(NAMES, 0.0)
        assert sets.get_metrics("original", reset=False) == dict.fromkeys(NAMES, 2.0)
        assert model.get_metrics() == dict.fromkeys(NAMES, 100.0)

    def test_the_models_own_come_back_also_after_an_error(self) -> None:
        model = Measured()
        own = [model.alone, model.by_name, model.listed, model.inner.average]
        sets = MetricSets(model, ["masked"])
        for error in (RuntimeError, KeyboardInterrupt):
            with pytest.raises(error), sets.using("masked"):
                assert model.alone is not own[0]
                raise error
            after = [model.alone, model.by_name, model.listed, model.inner.average]
            assert all(first is second for first, second in zip(own, after))

    def test_the_vocabulary_is_not_copied(self) -> None:
        model = Measured()
        model.alone.vocab = model.vocab
        with MetricSets(model, ["masked"]).using("masked"):
            assert model.alone.vocab is model.vocab

    def test_a_model_without_metrics(self) -> None:
        model = Measured()
        del model.alone, model.by_name, model.listed, model.inner.average
        with MetricSets(model, ["masked"]).using("masked"):
            assert model.others == {"no": "metrics"}


class TestFindGraphEncoder:
    @staticmethod
    def model_with(*names: str) -> Model:
        model = Measured()
        for name in names:
            setattr(model.inner, name, SyntacticGcn(model.vocab, 2, 2))
        return model

    def test_the_only_one(self) -> None:
        model = self.model_with("encoder")
        assert find_graph_encoder(model) == ("inner.encoder", model.inner.encoder)

    def test_one_of_several_is_named(self) -> None:
        model = self.model_with("first", "second")
        assert find_graph_encoder(model, "inner.second")[1] is model.inner.second

    @pytest.mark.parametrize(
        "names, wanted, message",
        [
            ([], None, r"Measured .* \[\]"),
            (["first", "second"], None, r"'inner.first', 'inner.second'.*\"encoder\""),
            (["first"], "gcn", r"'gcn'.*\['inner.first'\]"),
        ],
    )
    def test_errors_name_what_there_is(self, names, wanted, message) -> None:
        with pytest.raises(ConfigurationError, match=message):
            find_graph_encoder(self.model_with(*names), wanted)


def test_a_metric_is_recognised_by_its_type() -> None:
    model = Measured()
    model.accuracies = (CategoricalAccuracy(), CategoricalAccuracy(top_k=2))
    own = model.accuracies
    with MetricSets(model, ["masked"]).using("masked"):
        assert model.accuracies is not own and isinstance(model.accuracies, tuple)


class TwoCallsMixin:
    """Runs one encoder twice, or a second one after the first."""

    def __init__(self, vocab: Vocabulary, graph_encoder: GraphEncoder, second: Optional[GraphEncoder] = None) -> None:
        super().__init__(vocab, graph_encoder)
        self.between = nn.Linear(graph_encoder.get_output_dim(), graph_encoder.get_input_dim())
        self.second = second

    def encoded(self, features: Any, graph: Any, node_states: Any) -> torch.Tensor:
        states = self.between(super().encoded(features, graph, node_states))
        return (self.second or self.graph_encoder)(states, graph)


class TwoCalls(TwoCallsMixin, ToyClassifier):
    pass


class TwoCallsTagger(TwoCallsMixin, ToyTaggerInOnePass):
    pass


def two_calls(model: Any = TwoCalls) -> Tuple[Any, Any, Any]:
    """The same function as one encoder called twice, and as two encoders with equal weights."""
    vocabulary = toy_vocabulary()
    encoder = toy_target("classifier", vocabulary).graph_encoder
    torch.manual_seed(3)
    twice = model(vocabulary, encoder).eval()
    both = model(vocabulary, copy.deepcopy(encoder), copy.deepcopy(encoder)).eval()
    both.load_state_dict(twice.state_dict(), strict=False)
    return twice, both, toy_batch(vocabulary)


@pytest.mark.parametrize("interpreter", [LeaveOneEdgeOut(), IntegratedGradients(completeness_tolerance=None)])
def test_each_call_of_an_encoder_is_explained_as_an_encoder_of_its_own(interpreter) -> None:
    twice, both, batch = two_calls()
    found = []
    for call, path in enumerate(("graph_encoder", "second")):
        one, other = (
            interpreter.interpret(MaskedModel(model, encoder=name), batch).scores
            for model, name in ((twice, f"graph_encoder@{call}"), (both, path))
        )
        for first, second in zip(one, other, strict=True):
            torch.testing.assert_close(first, second)
        found.append(torch.stack(one))
    assert not torch.allclose(*found)


def test_which_call_is_explained_must_be_named() -> None:
    twice, _, batch = two_calls()
    with pytest.raises(RuntimeError, match="graph_encoder@0"):
        MaskedModel(twice).unmasked(batch)
    with pytest.raises(RuntimeError, match="0 of its 2 layers in call 2"):
        MaskedModel(twice, encoder="graph_encoder@2").unmasked(batch)
    with pytest.raises(ConfigurationError, match="'graph_encoder@last'"):
        MaskedModel(twice, encoder="graph_encoder@last")


def test_graphmask_on_one_call() -> None:
    twice, _, batch = two_calls()
    model = GraphMask(twice.vocab, twice, encoder="graph_encoder@1", masker=Lazy(EdgewiseMasker)).eval()
    attribution = model(**batch)["attribution"]
    assert [len(scores) for scores in attribution.scores] == [batch["graph"].num_edges] * 2


@pytest.mark.parametrize("name", ["graph_encoder@0", "graph_encoder@1", "graph_encoder", "second"])
def test_messages_below_another_call_or_encoder_can_reach_any_node(name) -> None:
    """Explaining the first node: nothing that has an effect on it counts as without."""
    twice, both, batch = two_calls(TwoCallsTagger)
    model = twice if "@" in name else both

    def get_foci(focus, batch, output, graph) -> list:
        nodes = torch.zeros(graph.num_nodes, dtype=torch.bool)
        nodes[graph.first_node_of_graph()] = True
        return [whole_prediction(graph.pad_nodes(nodes, output["mask"].size(1)), graph, nodes)]

    model.get_foci = get_foci
    masked_model = MaskedModel(model, encoder=name)
    unmasked = masked_model.unmasked(batch)
    masked = masked_model.masked(unmasked, [Gate(layer, None) for layer in unmasked.reachable()])
    logits = [masked_model.logits(output)[unmasked.focus.mask] for output in (unmasked.output, masked)]
    torch.testing.assert_close(*logits)


@pytest.mark.parametrize("kind", ["classifier", "tagger"])
def test_instances_of_another_model_are_named(kind) -> None:
    vocabulary = toy_vocabulary()
    batch = {"tokens": {}, "graph": toy_batch(vocabulary)["graph"]}
    with pytest.raises(ConfigurationError, match="Toy.*tokens, graph.*'features'"):
        MaskedModel(toy_target(kind, vocabulary)).unmasked(batch)


def test_an_error_of_the_model_itself_stays_what_it_is(monkeypatch) -> None:
    vocabulary = toy_vocabulary()
    model = toy_target("classifier", vocabulary)
    monkeypatch.setattr(model.scorer if hasattr(model, "scorer") else model.graph_encoder, "forward", lambda: None)
    with pytest.raises(TypeError):
        MaskedModel(model).unmasked(toy_batch(vocabulary))
