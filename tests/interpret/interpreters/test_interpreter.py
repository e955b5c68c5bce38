"""The contract of interpreters, and those that are controls or oracles."""

import math
from typing import Any, List

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.focus import whole_prediction
from allennlp_graphmask.interpret.divergences import Kl
from allennlp_graphmask.interpret.interpreters import (
    AllEdgesInterpreter,
    AmortisedGraphMask,
    GradientTimesMessage,
    Interpreter,
    LayerScores,
    LeaveOneEdgeOut,
    RandomInterpreter,
)
from allennlp_graphmask.interpret.masked_model import LayerGates, MaskedModel
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.interpret.ranking import top_fraction_mask
from allennlp_graphmask.modules.intervention import Gate, intervening
from allennlp_graphmask.testing.interpreter import assert_is_interpreter
from tests.evaluation.metrics.graphs import build_graph
from tests.interpret.toy import TOYS, toy_batch, toy_graphmask, toy_target, toy_vocabulary


@pytest.mark.parametrize("kind", sorted(TOYS))
def test_the_amortised_one_says_what_its_model_says(kind, vocab):
    batch = toy_batch(vocab)
    model = toy_graphmask(kind, vocab, batch)
    expected = model(**batch)["attribution"]
    actual = assert_is_interpreter(lambda: AmortisedGraphMask(graphmask=model), model.masked_model, batch)
    for layer in range(expected.num_layers):
        assert torch.equal(actual.scores[layer], expected.scores[layer])
        assert torch.equal(actual.kept[layer], expected.kept[layer])
        assert torch.equal(actual.replacements[layer], model.masker.baselines[layer])
    assert 0.2 < actual.kept_share() < 0.8


def test_the_amortised_one_needs_a_masker():
    with pytest.raises(ConfigurationError, match='give "archive_file"'):
        Interpreter.from_params(Params({"type": "graphmask"}))


def test_leaving_out_one_message_by_hand(vocab):
    target = toy_target("tagger", vocab)
    batch = toy_batch(vocab, count=4)
    graph = batch["graph"]
    actual = LeaveOneEdgeOut().interpret(MaskedModel(target), batch)
    with torch.no_grad():
        original = target(**batch)
        for layer in range(2):
            for edge in range(graph.num_edges):
                scale = torch.ones(graph.num_edges)
                scale[edge] = 0
                gates: List[Any] = [None, None]
                gates[layer] = Gate(scale)
                with intervening(target.graph_encoder, LayerGates(gates)):
                    masked = target(**batch)
                divergence = Kl()(original["logits"], masked["logits"], original["mask"])
                instance = int(graph.edge_graph[edge])
                assert float(actual.scores[layer][edge]) == pytest.approx(float(divergence[instance]), abs=1e-5)
                others = torch.cat([divergence[:instance], divergence[instance + 1 :]])
                assert not others.any()


def test_random_scores_depend_on_the_seed(vocab):
    masked_model, batch = MaskedModel(toy_target("classifier", vocab)), toy_batch(vocab)
    first, second = (RandomInterpreter(seed=seed).interpret(masked_model, batch) for seed in (1, 2))
    assert not torch.equal(first.scores[0], second.scores[0])
    assert not torch.equal(first.scores[0], first.scores[1])


class Given(Interpreter):
    """Says what it is told."""

    default_threshold = 0.25

    def __init__(self, found: LayerScores, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.found = found

    def score(self, masked_model, unmasked, generator) -> LayerScores:
        return self.found


def test_who_decides(vocab):
    batch = toy_batch(vocab)
    num_edges = batch["graph"].num_edges
    masked_model = MaskedModel(toy_target("classifier", vocab))
    scores = [torch.linspace(0, 1, num_edges), torch.linspace(1, 0, num_edges)]
    own = [torch.arange(num_edges) == 0] * 2
    for settings, kept, expected in (
        ({}, None, [layer > 0.25 for layer in scores]),
        ({}, own, own),
        ({"threshold": 0.5}, own, [layer > 0.5 for layer in scores]),
        ({"top_fraction": 0.3}, own, top_fraction_mask(scores, 0.3, batch["graph"])),
    ):
        actual = Given(LayerScores(scores, kept), **settings).interpret(masked_model, batch).kept
        assert all(torch.equal(*pair) for pair in zip(actual, expected))


def test_everything_is_kept(vocab):
    attribution = AllEdgesInterpreter().interpret(MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab))
    assert attribution.kept_share() == 1


@given(st.data())
def test_highest_share_is_that_of_each_graph(data):
    sizes = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    num_layers = data.draw(st.integers(1, 3))
    share = data.draw(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]))
    owner = data.draw(st.permutations([graph for graph, size in enumerate(sizes) for _ in range(size)]))
    layer = st.lists(st.integers(0, 4), min_size=len(owner), max_size=len(owner))
    values = [data.draw(layer) for _ in range(num_layers)]
    graph = build_graph(owner, len(sizes))
    kept = top_fraction_mask([torch.tensor(layer, dtype=torch.float) for layer in values], share, graph)
    for number, size in enumerate(sizes):
        messages = [
            (-values[layer][edge], layer, edge)
            for layer in range(num_layers)
            for edge in range(len(owner))
            if owner[edge] == number
        ]
        best = sorted(messages)[: math.ceil(round(share * size * num_layers, 6))]
        expected = {(layer, edge) for _, layer, edge in best}
        actual = {(layer, edge) for _, layer, edge in messages if kept[layer][edge]}
        assert actual == expected


def first_node(model: Any) -> MaskedModel:
    """Explain what the model predicts for the first node of each graph."""

    def get_foci(focus, batch, output, graph) -> list:
        nodes = torch.zeros(graph.num_nodes, dtype=torch.bool)
        nodes[graph.first_node_of_graph()] = True
        return [whole_prediction(graph.pad_nodes(nodes, output["mask"].size(1)), graph, nodes)]

    model.get_foci = get_foci
    return MaskedModel(model)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("fraction", [0.2, 0.5, 1.0])
def test_a_fraction_is_filled_up_by_messages_that_can_have_an_effect(signed, fraction) -> None:
    vocab = toy_vocabulary()
    masked_model, batch = first_node(toy_target("tagger", vocab)), toy_batch(vocab)
    found = GradientTimesMessage(signed=signed, top_fraction=fraction).interpret(masked_model, batch)
    graph = found.graph
    reachable, kept = (
        sum_per_graph(torch.stack(list(layers)).long().sum(0), graph)
        for layers in (masked_model.unmasked(batch).reachable(), found.kept)
    )
    wanted = torch.ceil(fraction * 2 * graph.edges_per_graph().double() - 1e-9).long()
    assert torch.equal(kept, torch.minimum(wanted, reachable)) and 0 < int(kept.sum()) < int(wanted.sum())


def test_messages_without_effect_are_not_left_out_one_by_one(monkeypatch) -> None:
    vocab = toy_vocabulary()
    masked_model, batch = first_node(toy_target("tagger", vocab)), toy_batch(vocab)
    expected = LeaveOneEdgeOut().interpret(masked_model, batch).scores
    passes = []
    masked = masked_model.masked
    monkeypatch.setattr(masked_model, "masked", lambda *inputs: passes.append(1) or masked(*inputs))
    unmasked = masked_model.unmasked(batch)
    found = LeaveOneEdgeOut().attribute(masked_model, unmasked)
    per_layer = [sum_per_graph(layer.long(), found.graph) for layer in unmasked.reachable()]
    assert len(passes) == sum(int(counts.max()) for counts in per_layer)
    for one, other, reaches in zip(found.scores, expected, unmasked.reachable(), strict=True):
        assert torch.equal(one, other) and bool(one[reaches].any()) and not one[~reaches].any()
