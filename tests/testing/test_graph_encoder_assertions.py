"""The assertions accept encoders that are right, and catch encoders that are wrong in one way each."""

import contextlib
import copy
from typing import Dict, List, Type

import pytest
import torch

from allennlp_graphmask import testing
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from tests.testing import broken_encoders as broken
from tests.testing.encoders import (
    NUM_RELATIONS,
    SoundAttentionEncoder,
    SoundEncoder,
    SoundFactorisedEncoder,
    SoundMaxEncoder,
)


def loop_reference(encoder: SoundEncoder, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    for layer in range(2):
        rows = [encoder.self_weights[layer](states[node]) for node in range(graph.num_nodes)]
        for (source, target), relation in zip(graph.edge_index.t().tolist(), graph.edge_type.tolist()):
            rows[target] = (
                rows[target]
                + encoder.weights[layer](states[source])
                + encoder.relations[layer].weight[relation]
            )
        states = torch.tanh(torch.stack(rows)) if rows else states.new_zeros(0, 6)
    return states


@pytest.mark.parametrize(
    "encoder_class, options",
    [
        (SoundEncoder, {"reference": loop_reference}),
        (SoundMaxEncoder, {}),
        (SoundAttentionEncoder, {"isolates_infinite_messages": False}),
        (SoundFactorisedEncoder, {"factorised": True, "reference": loop_reference}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_sound_encoders_pass(encoder_class: Type[GraphEncoder], options: Dict, seed: int) -> None:
    torch.manual_seed(seed)
    testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, **options)


def test_the_encoder_itself_stays_as_it_is() -> None:
    encoder = SoundEncoder()
    before = copy.deepcopy(encoder.state_dict())
    testing.assert_is_graph_encoder(encoder, NUM_RELATIONS, dtypes=[torch.float64])
    assert encoder.training
    for key, value in encoder.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[key])


@pytest.mark.parametrize(
    "encoder_class, assertion, words",
    [
        (broken.DependsOnEdgeOrder, testing.assert_edge_order_does_not_matter, "order of the edges"),
        (broken.DependsOnNodeNumbers, testing.assert_node_numbers_do_not_matter, "numbering of the nodes"),
        (broken.DependsOnTheBatch, testing.assert_batch_equals_singles, "alone than in a batch"),
        (broken.DependsOnTheBatch, testing.assert_padding_does_not_matter, "other graphs of its batch"),
        (
            broken.DrawsNoiseInEvaluation,
            testing.assert_keeps_nothing_between_calls,
            "two outputs in evaluation mode",
        ),
        (
            broken.DividesByTheDegree,
            testing.assert_degenerate_graphs_work,
            "not finite on a graph without edges",
        ),
        (broken.DependsOnTheBatch, testing.assert_degenerate_graphs_work, "isolated node depends"),
        (broken.FailsWithoutEdges, testing.assert_degenerate_graphs_work, "fails on a graph without edges"),
        (broken.FailsWithoutNodes, testing.assert_degenerate_graphs_work, "fails on a graph without nodes"),
        (broken.KnowsNoUnseenRelations, testing.assert_unseen_relations_work, "fails on relations unseen"),
        (
            broken.DirectionOfUnseenRelationsIsNaN,
            testing.assert_unseen_relations_work,
            "not finite on relations unseen",
        ),
        (broken.HasAnotherOutputDim, testing.assert_degenerate_graphs_work, "get_output_dim"),
        (
            broken.HasOtherMessageDims,
            testing.assert_messages_are_as_declared,
            r"layer 1: the messages have shape \(\d+, 6\)",
        ),
        (
            broken.HasOtherNodeDims,
            testing.assert_messages_are_as_declared,
            "node states have shape|fails while",
        ),
        (
            broken.DeclaresOneLayerOnly,
            testing.assert_messages_are_as_declared,
            "declares 1 node and 2 message sizes",
        ),
        (broken.NeverShowsItsMessages, testing.assert_messages_are_as_declared, r"layers \[\] in one pass"),
        (broken.ShowsOneLayerOnly, testing.assert_messages_are_as_declared, r"layers \[1\] in one pass"),
        (
            broken.ShowsItsMessagesTwice,
            testing.assert_messages_are_as_declared,
            r"layers \[0, 0, 1, 1\] in one pass",
        ),
        (
            broken.NumbersItsLayersFromTheTop,
            testing.assert_messages_are_as_declared,
            r"layers \[1, 0\] in one pass",
        ),
        (
            broken.ShowsNoMessagesWithoutEdges,
            testing.assert_messages_are_as_declared,
            r"layers \[\] in one pass over 0 edges",
        ),
        (
            broken.AddsEdgesOfItsOwn,
            testing.assert_messages_are_as_declared,
            "layer 0: the messages belong to other edges",
        ),
        (broken.IgnoresTheGate, testing.assert_every_edge_counts, "layer 0: replacing the message of edge 0"),
        (
            broken.IgnoresTheReplacement,
            testing.assert_gates_are_affine,
            "layer 0 with every message replaced by itself",
        ),
        (
            broken.IgnoresRelations,
            testing.assert_gates_are_affine,
            "layer 0 with soft gates and a replacement per relation",
        ),
        (broken.InterpolatesInexactly, testing.assert_open_gates_change_nothing, "bitwise"),
        (broken.RoundsTheGate, testing.assert_gates_are_affine, "layer 0 with soft gates"),
        (
            broken.DetachesTheGate,
            testing.assert_gates_are_differentiable,
            "gradient with respect to its scales",
        ),
        (
            broken.DetachesTheReplacement,
            testing.assert_gates_are_differentiable,
            "gradient with respect to its replacement",
        ),
        (broken.LeaksClosedInfinity, testing.assert_closed_messages_may_be_infinite, "state is inf"),
        (
            broken.RenormalisesByTheGate,
            testing.assert_gates_are_affine,
            "layer 0 with every message replaced by itself",
        ),
        (
            broken.ShowsOtherMessages,
            testing.assert_gates_are_affine,
            "layer 0 with every message replaced by itself",
        ),
        (
            broken.DropsDuplicateEdges,
            testing.assert_every_edge_counts,
            r"edge 0 \(0 -> 1, type 4\) changes the output by 0 only",
        ),
        (broken.DropsEdgesToItself, testing.assert_every_edge_counts, r"edge 4 \(1 -> 1, type 0\)"),
        (broken.MergesEdgesOfTwoNodes, testing.assert_every_edge_counts, r"edge 1 \(0 -> 1, type 4\)"),
        (broken.RemembersTheFirstGraph, testing.assert_keeps_nothing_between_calls, "given before"),
        (broken.KeepsTheGateOfOtherThreads, testing.assert_other_threads_are_unaffected, "felt in another"),
    ],
)
def test_each_assertion_catches_its_mistake(encoder_class, assertion, words) -> None:
    torch.manual_seed(0)
    broken.KeepsTheGateOfOtherThreads.gates.clear()
    encoder = encoder_class().double().eval()
    with pytest.raises(AssertionError, match=words) as caught:
        assertion(encoder, NUM_RELATIONS)
    assert encoder_class.__name__ in str(caught.value)


@pytest.mark.parametrize(
    "encoder_class, words",
    [
        (broken.ComputesInSinglePrecision, "it is not the reference"),
        (broken.ReturnsSinglePrecision, "gives torch.float32 for inputs of torch.float64"),
        (broken.DrawsAndForgetsNoise, "random state of PyTorch"),
        (broken.KeepsItsMessages, "last_messages"),
        (broken.AveragesOverItsCalls, "AveragesOverItsCalls.mean"),
        (broken.LeaksAHook, "_forward_hooks"),
    ],
)
def test_the_umbrella_catches_the_rest(encoder_class, words) -> None:
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=words):
        testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, reference=loop_reference)


def test_the_umbrella_catches_each_mistake() -> None:
    """Whatever one assertion catches, the umbrella catches."""
    sound = {
        SoundMaxEncoder,
        SoundAttentionEncoder,
        SoundFactorisedEncoder,
        broken.AppliesItsOwnGate,
    }
    wrong: List[Type[SoundEncoder]] = []
    waiting = SoundEncoder.__subclasses__()
    while waiting:
        encoder_class = waiting.pop()
        waiting.extend(encoder_class.__subclasses__())
        if encoder_class not in sound:
            wrong.append(encoder_class)
    assert len(wrong) > 35
    for encoder_class in wrong:
        torch.manual_seed(0)
        broken.KeepsTheGateOfOtherThreads.gates.clear()
        options = {"factorised": True} if issubclass(encoder_class, SoundFactorisedEncoder) else {}
        caught = False
        with contextlib.suppress(AssertionError):
            testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, reference=loop_reference, **options)
            caught = True
        assert not caught, f"{encoder_class.__name__} passes."


def test_something_else_than_an_encoder_is_refused() -> None:
    with pytest.raises(AssertionError, match="Linear is not a GraphEncoder"):
        testing.assert_is_graph_encoder(lambda: torch.nn.Linear(2, 2), NUM_RELATIONS)
