"""What a masker reads of an edge beside its states and its message."""

import math

import pytest
import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.maskers import EdgeFeature, EdgewiseMasker, MaskerInputs
from allennlp_graphmask.interpret.per_graph import log_likelihood
from allennlp_graphmask.modules.intervention import Gate
from allennlp_graphmask.modules.relation_transform import extend_relations
from tests.interpret.toy import toy_batch, toy_graphmask

FEATURES = sorted(EdgeFeature.list_available())
HIDDEN = 7


@pytest.fixture(scope="module")
def model(vocab):
    return toy_graphmask("tagger", vocab)


@pytest.fixture(scope="module")
def inputs(model, vocab) -> MaskerInputs:
    unmasked = model.masked_model.unmasked(toy_batch(vocab))
    anchors = unmasked.graph.first_node_of_graph() + 1
    unmasked = unmasked._replace(focus=unmasked.focus._replace(anchors=anchors))
    return MaskerInputs(model.masked_model, unmasked, list(model.masker.baselines))


def build(name: str, inputs: MaskerInputs, layer: int) -> EdgeFeature:
    messages = inputs.unmasked.layers[layer]
    torch.manual_seed(3)
    feature = EdgeFeature.by_name(name)(messages.node_states.size(-1), HIDDEN, len(inputs.masked_model.relation_names))
    with torch.no_grad():
        for parameter in feature.parameters():
            parameter.normal_()
    return feature


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("layer", [0, 1])
def test_each_gives_a_term_for_every_edge_and_learns(name, layer, inputs) -> None:
    feature = build(name, inputs, layer)
    term = feature(inputs.unmasked.layers[layer], inputs)
    assert term.shape == (inputs.unmasked.graph.num_edges, HIDDEN) and bool(term.isfinite().all())
    term.square().sum().backward()
    assert all(bool(parameter.grad.any()) for parameter in feature.parameters())


def test_gradients_are_differences_of_the_likelihood(inputs) -> None:
    masked_model, unmasked = inputs.masked_model, inputs.unmasked
    graph, step = unmasked.graph, 1e-3

    def likelihoods(layer: int, edge: int, change: float) -> torch.Tensor:
        gates = [Gate(torch.ones(graph.num_edges), inputs.baselines[number].detach()) for number in range(2)]
        gates[layer].scale[edge] += change
        return log_likelihood(masked_model, unmasked, gates)

    for layer in range(2):
        found = inputs.gradients(layer)
        for edge in range(0, graph.num_edges, 5):
            difference = likelihoods(layer, edge, step) - likelihoods(layer, edge, -step)
            expected = abs(float(difference[graph.edge_graph[edge]])) / (2 * step)
            assert float(found[edge]) == pytest.approx(expected, rel=0.05, abs=2e-3)


def test_numbers_of_sizes_and_gradients(inputs) -> None:
    graph = inputs.unmasked.graph
    messages = inputs.unmasked.layers[0]
    size, gradient = (EdgeFeature.by_name(name)(5, HIDDEN, 4) for name in ("size", "gradient"))
    edges, into_target, into_source = size.numbers(messages, inputs)
    plain, scaled, logarithm = gradient.numbers(messages, inputs)
    for edge in range(graph.num_edges):
        targets = graph.targets.tolist()
        assert float(edges[edge]) == pytest.approx(math.log(int(graph.edges_per_graph()[graph.edge_graph[edge]])) / 3)
        assert float(into_target[edge]) == pytest.approx(math.log1p(targets.count(targets[edge])))
        assert float(into_source[edge]) == pytest.approx(math.log1p(targets.count(int(graph.sources[edge]))))
        g = float(inputs.gradients(0)[edge])
        assert float(scaled[edge]) == pytest.approx(math.log1p(100 * g) / 3, abs=1e-5)
        assert float(plain[edge]) == pytest.approx(math.log1p(g), abs=1e-5)
        assert float(logarithm[edge]) == pytest.approx(math.log(g + 1e-5) / 4 + 1.5, abs=1e-3)


def test_anchors_that_do_not_exist_are_no_term(inputs) -> None:
    without = inputs.unmasked._replace(focus=inputs.unmasked.focus._replace(anchors=None))
    feature = build("anchor", inputs, 0)
    other = MaskerInputs(inputs.masked_model, without, inputs.baselines)
    assert not feature(without.layers[0], other).any()


@pytest.mark.parametrize("distance, bucket", [(0, 10), (1, 12), (-1, 8), (2, 13), (-3, 6), (31, 20), (-1000, 0)])
def test_distances(distance, bucket, inputs) -> None:
    """`10 + sign(d) min(10, round(2 log2(|d| + 1)))`, by the row that is read."""
    feature = build("anchor", inputs, 0)
    with torch.no_grad():
        for parameter in feature.parameters():
            parameter.zero_()
        feature.target_distance.weight[bucket] = 1.0
    graph = Graph.from_edges(1001, [(0, 500 + distance if abs(distance) < 500 else 0)], [2])
    anchor = 500 if abs(distance) < 500 else 1000
    states = torch.zeros(1001, inputs.unmasked.layers[0].node_states.size(-1))
    messages = type("Shown", (), {"graph": graph, "node_states": states, "layer": 0})()
    focus = inputs.unmasked.focus._replace(anchors=torch.tensor([anchor]))
    shown = type("Inputs", (), {"unmasked": inputs.unmasked._replace(focus=focus)})()
    assert bool((feature(messages, shown) == 1).all())


def test_relations_that_are_added_are_zero(inputs) -> None:
    feature = build("relation", inputs, 0)
    before = feature.vectors.clone()
    extend_relations(feature, [*inputs.masked_model.relation_names, "new", "new^-1"])
    assert torch.equal(feature.vectors[: len(before)], before) and not feature.vectors[len(before) :].any()


def test_an_edgewise_masker_with_all_of_them(model, inputs) -> None:
    unmasked = inputs.unmasked
    encoder = model.masked_model.encoder
    settings = {"hidden_dim": HIDDEN, "num_hidden_layers": 2, "location_bias": 0.0, "features": FEATURES}
    masker = EdgewiseMasker(
        encoder.get_node_dims(), encoder.get_message_dims(), len(inputs.masked_model.relation_names), **settings
    )
    first, second = masker.locate(model.masked_model, unmasked)
    assert first.shape == second.shape == (unmasked.graph.num_edges,)
    (alone,) = masker.locate(model.masked_model, unmasked, 1)
    assert torch.equal(alone, second)
    (first.sum() + second.sum()).backward()
    with pytest.raises(ValueError, match="locate"):
        masker(unmasked.layers[0])


def test_only_messages_that_have_an_effect_are_scored(model, inputs) -> None:
    unmasked, encoder = inputs.unmasked, model.masked_model.encoder
    masker = EdgewiseMasker(
        encoder.get_node_dims(), encoder.get_message_dims(), len(inputs.masked_model.relation_names), features=FEATURES
    )
    few = torch.zeros_like(unmasked.focus.nodes)
    few[unmasked.graph.targets[0]] = True
    narrow = unmasked._replace(focus=unmasked.focus._replace(nodes=few))
    layers = zip(masker.locate(model.masked_model, unmasked), masker.locate(model.masked_model, narrow))
    for (whole, found), reaches in zip(layers, narrow.reachable()):
        assert 0 < int(reaches.sum()) < len(reaches)
        torch.testing.assert_close(found[reaches], whole[reaches])
        assert bool((found[~reaches] == float("-inf")).all())
