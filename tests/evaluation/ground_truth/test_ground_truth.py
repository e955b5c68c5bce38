"""The models do what their proofs say, and a search over all sets finds what is accepted."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.evaluation.ground_truth import GROUND_TRUTHS, is_accepted, kept_messages, ranks_accepted_first
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import (
    AllEdgesInterpreter,
    AttentionInterpreter,
    ErasureSearch,
    LeaveOneEdgeOut,
)
from allennlp_graphmask.modules.intervention import Gate
from allennlp_graphmask.testing.interpreter import assert_is_interpreter

NAMES = sorted(GROUND_TRUTHS)


@pytest.mark.parametrize("sharpness", [1.0, 10.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_model_follows_its_rule(name, sharpness):
    truth = GROUND_TRUTHS[name](sharpness=sharpness)
    batch = truth.batch(200)
    logits = truth.model(**batch)["logits"]
    assert torch.equal(logits.argmax(-1), batch["label"])
    best = logits.topk(2).values
    assert float((best[:, 0] - best[:, 1]).min()) >= sharpness * (1 - 1e-5)
    assert len(set(batch["label"].tolist())) > 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_accepted_is_what_the_search_finds(name):
    truth = GROUND_TRUTHS[name]()
    batch = truth.batch(50, seed=3)
    found = ErasureSearch().minimum_sets(truth.masked_model(), batch)
    for sets, metadata in zip(found, batch["metadata"]):
        assert {one.messages for one in sets} == metadata["accepted"]


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000))
def test_a_set_suffices_if_and_only_if_it_contains_an_accepted_one(name, seed):
    """Sets of any size, which the search does not come to."""
    truth = GROUND_TRUTHS[name]()
    batch, masked_model = truth.batch(8, seed=seed), truth.masked_model()
    unmasked = masked_model.unmasked(batch, "unreported")
    generator = torch.Generator().manual_seed(seed)
    graph = batch["graph"]
    kept = [torch.rand(graph.num_edges, generator=generator) < 0.8 for _ in unmasked.layers]
    with torch.no_grad():
        masked = masked_model.masked(unmasked, [Gate(layer) for layer in kept], "unreported")
    changed = masked_model.changed(unmasked, masked).tolist()
    attribution = EdgeAttribution(graph, [layer.float() for layer in kept], kept, masked_model.relation_names)
    for part, metadata, is_changed in zip(attribution.split(), batch["metadata"], changed):
        suffices = any(one <= kept_messages(part) for one in metadata["accepted"])
        assert suffices != is_changed


@pytest.mark.parametrize("name", NAMES)
def test_graphs_follow_from_the_seed_and_are_small_enough_to_be_searched(name):
    truth = GROUND_TRUTHS[name]()
    first, again, other = (truth.instances(30, seed=seed) for seed in (1, 1, 2))

    def describe(instances):
        return [(one["graph"].edges, one["graph"].labels, one["label"].label) for one in instances]

    state = random.getstate()
    assert describe(first) == describe(again) != describe(other)
    assert random.getstate() == state
    num_layers = truth.model.graph_encoder.num_layers
    assert max(num_layers * len(one["graph"].edges) for one in truth.instances(500)) <= 16


@pytest.mark.parametrize("name", NAMES)
def test_the_place_of_an_edge_gives_nothing_away(name):
    accepted = [one["metadata"].metadata["accepted"] for one in GROUND_TRUTHS[name]().instances(100)]
    edges = {edge for sets in accepted for one in sets for _, edge in one}
    assert {0, 1, 2} <= edges


def build_attribution(batch, kept, scores=None):
    graph = batch["graph"]
    kept = [torch.tensor(layer) for layer in kept]
    return EdgeAttribution(graph, scores or [layer.float() for layer in kept], kept, ["a"] * 5)


def test_checking_an_attribution():
    truth = GROUND_TRUTHS["redundant_pair"]()
    batch = truth.batch(20)
    num_edges = batch["graph"].num_edges
    first_edges = (batch["graph"].edges_per_graph().cumsum(0) - batch["graph"].edges_per_graph()).tolist()
    for choose, expected in ((min, True), (max, True), (None, False)):
        kept = [False] * num_edges
        for first, metadata in zip(first_edges, batch["metadata"]):
            for one in sorted(metadata["accepted"], key=sorted):
                if choose is None or one == choose(metadata["accepted"], key=sorted):
                    for _, edge in one:
                        kept[first + edge] = True
        attribution = build_attribution(batch, [kept])
        is_empty = [metadata["accepted"] == {frozenset()} for metadata in batch["metadata"]]
        assert is_accepted(attribution, batch) == [expected or empty for empty in is_empty]
        # Both of the pair in front of all others: neither leads alone.
        assert ranks_accepted_first(attribution, batch) == [expected or empty for empty in is_empty]
    everything = build_attribution(batch, [[True] * num_edges])
    assert not any(is_accepted(everything, batch))
    nothing = build_attribution(batch, [[False] * num_edges])
    assert is_accepted(nothing, batch) == is_empty


def share(found):
    return sum(found) / len(found)


@pytest.mark.parametrize("name", NAMES)
def test_interpreters_whose_result_is_known(name):
    truth = GROUND_TRUTHS[name]()
    batch, masked_model = truth.batch(40, seed=4), truth.masked_model()
    attribution = assert_is_interpreter(ErasureSearch, masked_model, batch)
    assert all(is_accepted(attribution, batch)) and all(ranks_accepted_first(attribution, batch))
    assert not any(is_accepted(AllEdgesInterpreter().interpret(masked_model, batch), batch))
    one_out = LeaveOneEdgeOut().interpret(masked_model, batch)
    if name == "redundant_pair":
        # It sees nothing in any message of any graph.
        assert not any(layer.any() for layer in one_out.scores)
        assert 0 < share(is_accepted(one_out, batch)) < 0.5
    else:
        assert all(is_accepted(one_out, batch))


def test_attention_is_the_truth_for_the_maximum_and_not_for_the_chain():
    for name, expected in (("maximum", 1.0), ("two_hop_chain", 0.0)):
        truth = GROUND_TRUTHS[name]()
        batch = truth.batch(40)
        attribution = AttentionInterpreter().interpret(truth.masked_model(), batch)
        assert share(is_accepted(attribution, batch)) == expected
