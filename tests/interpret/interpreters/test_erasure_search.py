import itertools

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.interpret.divergences import Kl, changed_predictions
from allennlp_graphmask.interpret.interpreters import ErasureSearch, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.testing.interpreter import assert_is_interpreter
from tests.interpret.toy import TOYS, gcn_by_loops, toy_instances, toy_target
from tests.models.building import make_batch


def small_batch(vocab, most_edges=4, count=5, seed=2):
    instances = [one for one in toy_instances(seed, 60) if len(one["graph"].edges) <= most_edges][:count]
    return make_batch(instances, vocab)


@pytest.mark.parametrize("kind", sorted(TOYS))
@pytest.mark.parametrize("settings", [{}, {"criterion": "divergence", "allowance": 0.01}])
def test_it_is_an_interpreter(kind, settings, vocab):
    masked_model = MaskedModel(toy_target(kind, vocab))
    attribution = assert_is_interpreter(
        lambda: Interpreter.from_params(Params({"type": "erasure_search", **settings})),
        masked_model,
        small_batch(vocab, count=4, most_edges=2),
    )
    assert all(torch.equal(*pair) for pair in zip(attribution.kept, map(torch.Tensor.bool, attribution.scores)))


def prediction_by_loops(target, batch, kept):
    """The logits with these gates, computed one edge after another. `kept` holds (layer, edge of the batch)."""
    graph = batch["graph"]
    gates = [[float((layer, edge) in kept) for edge in range(graph.num_edges)] for layer in range(2)]
    states = target.states_below(batch["features"], graph)
    nodes = gcn_by_loops(target.graph_encoder, states, graph, gates, [torch.zeros(6)] * 2)
    return target.scorer(graph.pad_nodes(nodes, batch["features"].size(1)))


@pytest.mark.parametrize("settings", [{}, {"criterion": "divergence"}, {"criterion": "divergence", "allowance": 0.005}])
def test_it_agrees_with_a_search_by_loops(settings, vocab):
    """Every subset of every graph, one pass each, by another implementation of the encoder."""
    target, batch = toy_target("tagger", vocab), small_batch(vocab)
    graph = batch["graph"]
    masked_model, search = MaskedModel(target), ErasureSearch(**settings)
    actual_sets = search.minimum_sets(masked_model, batch)
    attribution = search.interpret(masked_model, batch)
    everything = {(layer, edge) for layer in range(2) for edge in range(graph.num_edges)}
    mask = graph.node_mask(batch["features"].size(1))
    sizes = set()
    with torch.no_grad():
        original = prediction_by_loops(target, batch, everything)
        for number in range(graph.num_graphs):
            edges = (graph.edge_graph == number).nonzero().squeeze(-1).tolist()
            own = [(layer, edge) for layer in range(2) for edge in edges]
            sufficient = []
            for size in range(len(own) + 1):
                for chosen in itertools.combinations(own, size):
                    kept = (everything - set(own)) | set(chosen)
                    masked = prediction_by_loops(target, batch, kept)
                    divergence = float(Kl()(original, masked, mask)[number])
                    if settings:
                        suffices = divergence <= search.allowance
                    else:
                        suffices = not bool(changed_predictions(original, masked, mask)[number])
                    if suffices:
                        sufficient.append((chosen, divergence))
                if sufficient:
                    break
            expected = {frozenset((layer, edges.index(edge)) for layer, edge in one) for one, _ in sufficient}
            assert {one.messages for one in actual_sets[number]} == expected
            best = min(divergence for _, divergence in sufficient)
            winner = next(one for one, divergence in sufficient if divergence < best + 2e-6)
            assert {(layer, edge) for layer, edge in own if attribution.kept[layer][edge]} == set(winner)
            sizes.add(len(winner))
    assert len(sizes) > 1


def test_ties_go_to_the_first(vocab):
    """Of two equal edges the first is kept, if one of them is enough."""
    target = toy_target("tagger", vocab)
    instance = toy_instances()[0]
    instance.fields["graph"] = GraphField(instance["graph"].num_nodes, [(0, 1), (0, 1)], ["a", "a"])
    batch, masked_model = make_batch([instance], vocab), MaskedModel(target)
    found = ErasureSearch().minimum_sets(masked_model, batch)[0]
    for one in found:
        # Swapping the two edges makes another minimum set of equal divergence.
        swapped = frozenset((layer, 1 - edge) for layer, edge in one.messages)
        twin = next(other for other in found if other.messages == swapped)
        assert twin.divergence == pytest.approx(one.divergence, abs=1e-6)
    attribution = ErasureSearch().interpret(masked_model, batch)
    kept = {(layer, edge) for layer in range(2) for edge in range(2) if attribution.kept[layer][edge]}
    least = min(one.divergence for one in found)
    equals = [sorted(one.messages) for one in found if one.divergence <= least + 1e-6]
    assert sorted(kept) == min(equals)


def test_large_graphs_are_refused_before_the_search(vocab, monkeypatch):
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), small_batch(vocab, most_edges=4)
    num_messages = 2 * int(batch["graph"].edges_per_graph().max())
    monkeypatch.setattr(masked_model, "masked", lambda *_: pytest.fail("It has begun to search."))
    with pytest.raises(ConfigurationError, match=f"{num_messages} messages .* max_messages = 3.*Explain smaller"):
        ErasureSearch(max_messages=3).interpret(masked_model, batch)


def test_a_batch_without_edges(vocab):
    batch = small_batch(vocab, most_edges=0, count=2)
    found = ErasureSearch().minimum_sets(MaskedModel(toy_target("tagger", vocab)), batch)
    assert [[one.messages for one in sets] for sets in found] == [[frozenset()], [frozenset()]]
