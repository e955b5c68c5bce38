"""The assertions accept encoders that are right, and catch encoders that are wrong in one way each."""

import contextlib
import copy
from typing import Dict, List, Tuple, Type

import pytest
import torch

from allennlp_graphmask import testing
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Messages, apply_gate
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
            rows[target] = rows[target] + encoder.weights[layer](states[source]) + encoder.relations[layer].weight[relation]
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


class DependsOnEdgeOrder(SoundEncoder):
    def message(self, layer, states, graph):
        return super().message(layer, states, graph) * torch.arange(graph.num_edges).unsqueeze(-1).to(states)


class DependsOnNodeNumbers(SoundEncoder):
    def update(self, layer, states, aggregated):
        aggregated = aggregated + 0.1 * torch.arange(states.size(0)).unsqueeze(-1).to(states)
        return super().update(layer, states, aggregated)


class DependsOnTheBatch(SoundEncoder):
    def update(self, layer, states, aggregated):
        return super().update(layer, states, aggregated - aggregated.mean(0) if len(aggregated) else aggregated)


class DrawsNoiseInEvaluation(SoundEncoder):
    def update(self, layer, states, aggregated):
        return super().update(layer, states, aggregated + torch.randn_like(aggregated))


class DrawsAndForgetsNoise(SoundEncoder):
    def update(self, layer, states, aggregated):
        torch.randn(1)
        return super().update(layer, states, aggregated)


class DividesByTheDegree(SoundEncoder):
    """Nodes without edges become 0 / 0."""

    def aggregate(self, messages, graph):
        return super().aggregate(messages, graph) / torch.bincount(graph.targets, minlength=graph.num_nodes).unsqueeze(-1)


class FailsWithoutEdges(SoundEncoder):
    def message(self, layer, states, graph):
        values = super().message(layer, states, graph)
        return values - values.max().detach() * 0


class FailsWithoutNodes(SoundEncoder):
    def update(self, layer, states, aggregated):
        assert torch.isfinite(states.max())
        return super().update(layer, states, aggregated)


class KnowsNoUnseenRelations(SoundEncoder):
    """Shifts the types back, so that the reserved ones are negative."""

    def message(self, layer, states, graph):
        if (graph.edge_type < 2).any():
            raise IndexError("index out of range in self")
        return super().message(layer, states, graph)


class DirectionOfUnseenRelationsIsNaN(SoundEncoder):
    def message(self, layer, states, graph):
        return super().message(layer, states, graph).masked_fill((graph.edge_type == 1).unsqueeze(-1), float("nan"))


class ComputesInSinglePrecision(SoundEncoder):
    def aggregate(self, messages, graph):
        return super().aggregate(messages.float(), graph).to(messages.dtype)


class ReturnsSinglePrecision(SoundEncoder):
    def forward(self, node_states, graph):
        return super().forward(node_states, graph).float()


class HasAnotherOutputDim(SoundEncoder):
    def get_output_dim(self) -> int:
        return 7


class HasOtherMessageDims(SoundEncoder):
    def get_message_dims(self) -> List[int]:
        return [6, 12]


class HasOtherNodeDims(SoundEncoder):
    def get_node_dims(self) -> List[int]:
        return [6, 6]


class DeclaresOneLayerOnly(SoundEncoder):
    def get_node_dims(self) -> List[int]:
        return [4]


class NeverShowsItsMessages(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return self.message(layer, states, graph)


class ShowsOneLayerOnly(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return super().masked_messages(layer, states, graph) if layer else self.message(layer, states, graph)


class ShowsItsMessagesTwice(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        super().masked_messages(layer, states, graph)
        return super().masked_messages(layer, states, graph)


class NumbersItsLayersFromTheTop(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return self.intervened_messages(1 - layer, states, graph, lambda: self.message(layer, states, graph))


class ShowsNoMessagesWithoutEdges(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return super().masked_messages(layer, states, graph) if graph.num_edges else states.new_zeros(0, 6)


class AddsEdgesOfItsOwn(SoundEncoder):
    """Adds an edge from every node to itself, so that scores belong to no edge that the reader made."""

    def forward(self, node_states, graph):
        loops = torch.arange(graph.num_nodes)
        return super().forward(
            node_states,
            graph._replace(
                edge_index=torch.cat([graph.edge_index, torch.stack([loops, loops])], dim=1),
                edge_type=torch.cat([graph.edge_type, torch.zeros_like(loops)]),
            ),
        )


class IgnoresTheGate(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        super().masked_messages(layer, states, graph)
        return self.message(layer, states, graph)


class _OwnGate(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        messages = Messages(layer, states, graph, lambda: self.message(layer, states, graph))
        gate = self.intervene(messages)
        return messages.values if gate is None else self.apply(messages.values, gate, graph)


class IgnoresTheReplacement(_OwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(replacement=None), graph)


class IgnoresRelations(_OwnGate):
    """Takes the first relation's replacement for all."""

    def apply(self, values, gate, graph):
        if gate.per_relation:
            gate = gate._replace(replacement=gate.replacement[0], per_relation=False)
        return apply_gate(values, gate, graph)


class InterpolatesInexactly(_OwnGate):
    def apply(self, values, gate, graph):
        if gate.replacement is None or gate.per_relation:
            return apply_gate(values, gate, graph)
        return gate.replacement + gate.scale.unsqueeze(-1).to(values) * (values - gate.replacement)


class RoundsTheGate(_OwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(scale=gate.scale > 0.5), graph)


class DetachesTheGate(_OwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(scale=gate.scale.detach()), graph)


class DetachesTheReplacement(_OwnGate):
    def apply(self, values, gate, graph):
        replacement = None if gate.replacement is None else gate.replacement.detach()
        return apply_gate(values, gate._replace(replacement=replacement), graph)


class LeaksClosedInfinity(_OwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(scale=gate.scale.to(values)), graph)


class RenormalisesByTheGate(_OwnGate):
    """Divides by the number of messages that are kept: closing one edge changes the others."""

    def apply(self, values, gate, graph):
        kept = gate.scale.to(values)
        total = kept.new_zeros(graph.num_nodes).index_add(0, graph.targets, kept)
        count = torch.bincount(graph.targets, minlength=graph.num_nodes)
        return apply_gate(values, gate, graph) * (count / total.clamp(min=1e-3))[graph.targets].unsqueeze(-1)


class ShowsOtherMessages(SoundEncoder):
    """Aggregates something else than it shows."""

    def masked_messages(self, layer, states, graph):
        gate = self.intervene(Messages(layer, states, graph, lambda: self.message(layer, states, graph)))
        return apply_gate(2 * self.message(layer, states, graph), gate, graph)


class DropsDuplicateEdges(SoundFactorisedEncoder):
    """The classic: assigns to the adjacency matrix instead of adding up."""

    def adjacency(self, scale, graph):
        matrix = scale.new_zeros(NUM_RELATIONS, graph.num_nodes, graph.num_nodes)
        return matrix.index_put((graph.edge_type, graph.targets, graph.sources), scale)


class DropsEdgesToItself(SoundEncoder):
    def aggregate(self, messages, graph):
        return super().aggregate(messages * (graph.sources != graph.targets).unsqueeze(-1), graph)


class MergesEdgesOfTwoNodes(SoundEncoder):
    """Keeps one edge of each pair of nodes, whatever their types, the way AllenNLP's `AdjacencyField` would."""

    def aggregate(self, messages, graph):
        pairs = (graph.sources * graph.num_nodes + graph.targets).tolist()
        first = torch.tensor([pair not in pairs[:position] for position, pair in enumerate(pairs)], dtype=torch.bool)
        return super().aggregate(messages * first.unsqueeze(-1), graph)


class KeepsItsMessages(SoundEncoder):
    """What the original implementation does: gates and messages are read from the layers afterwards."""

    def masked_messages(self, layer, states, graph):
        self.last_messages = super().masked_messages(layer, states, graph)
        return self.last_messages


class RemembersTheFirstGraph(SoundEncoder):
    """Caches the degrees of the first batch that has as many nodes."""

    def __init__(self):
        super().__init__()
        self.factor = None

    def forward(self, node_states, graph):
        if self.factor is None:
            self.factor = 1.0 / (1 + graph.num_edges)
        return super().forward(node_states * self.factor, graph)


class AveragesOverItsCalls(SoundEncoder):
    """A running statistic that evaluation mode does not stop."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))

    def update(self, layer, states, aggregated):
        with torch.no_grad():
            self.mean.add_(0.1 * aggregated.sum(0))
        return super().update(layer, states, aggregated)


class LeaksAHook(SoundEncoder):
    def forward(self, node_states, graph):
        self.weights[0].register_forward_hook(lambda module, inputs, output: None)
        return super().forward(node_states, graph)


class KeepsTheGateOfOtherThreads(SoundEncoder):
    """An intervention in an attribute instead of a context variable."""

    gates: Dict[Tuple[int, int], object] = {}

    def intervene(self, messages):
        gate = super().intervene(messages)
        key = (messages.layer, messages.graph.num_edges)
        KeepsTheGateOfOtherThreads.gates[key] = gate or KeepsTheGateOfOtherThreads.gates.get(key)
        return KeepsTheGateOfOtherThreads.gates[key]


@pytest.mark.parametrize(
    "encoder_class, assertion, words",
    [
        (DependsOnEdgeOrder, testing.assert_edge_order_does_not_matter, "order of the edges"),
        (DependsOnNodeNumbers, testing.assert_node_numbers_do_not_matter, "numbering of the nodes"),
        (DependsOnTheBatch, testing.assert_batch_equals_singles, "alone than in a batch"),
        (DependsOnTheBatch, testing.assert_padding_does_not_matter, "other graphs of its batch"),
        (DrawsNoiseInEvaluation, testing.assert_keeps_nothing_between_calls, "two outputs in evaluation mode"),
        (DividesByTheDegree, testing.assert_degenerate_graphs_work, "not finite on a graph without edges"),
        (DependsOnTheBatch, testing.assert_degenerate_graphs_work, "isolated node depends"),
        (FailsWithoutEdges, testing.assert_degenerate_graphs_work, "fails on a graph without edges"),
        (FailsWithoutNodes, testing.assert_degenerate_graphs_work, "fails on a graph without nodes"),
        (KnowsNoUnseenRelations, testing.assert_unseen_relations_work, "fails on relations unseen"),
        (DirectionOfUnseenRelationsIsNaN, testing.assert_unseen_relations_work, "not finite on relations unseen"),
        (HasAnotherOutputDim, testing.assert_degenerate_graphs_work, "get_output_dim"),
        (HasOtherMessageDims, testing.assert_messages_are_as_declared, r"layer 1: the messages have shape \(\d+, 6\)"),
        (HasOtherNodeDims, testing.assert_messages_are_as_declared, "node states have shape|fails while"),
        (DeclaresOneLayerOnly, testing.assert_messages_are_as_declared, "declares 1 node and 2 message sizes"),
        (NeverShowsItsMessages, testing.assert_messages_are_as_declared, r"layers \[\] in one pass"),
        (ShowsOneLayerOnly, testing.assert_messages_are_as_declared, r"layers \[1\] in one pass"),
        (ShowsItsMessagesTwice, testing.assert_messages_are_as_declared, r"layers \[0, 0, 1, 1\] in one pass"),
        (NumbersItsLayersFromTheTop, testing.assert_messages_are_as_declared, r"layers \[1, 0\] in one pass"),
        (ShowsNoMessagesWithoutEdges, testing.assert_messages_are_as_declared, r"layers \[\] in one pass over 0 edges"),
        (AddsEdgesOfItsOwn, testing.assert_messages_are_as_declared, "layer 0: the messages belong to other edges"),
        (IgnoresTheGate, testing.assert_every_edge_counts, "layer 0: replacing the message of edge 0"),
        (IgnoresTheReplacement, testing.assert_gates_are_affine, "layer 0 with every message replaced by itself"),
        (IgnoresRelations, testing.assert_gates_are_affine, "layer 0 with soft gates and a replacement per relation"),
        (InterpolatesInexactly, testing.assert_open_gates_change_nothing, "bitwise"),
        (RoundsTheGate, testing.assert_gates_are_affine, "layer 0 with soft gates"),
        (DetachesTheGate, testing.assert_gates_are_differentiable, "gradient with respect to its scales"),
        (DetachesTheReplacement, testing.assert_gates_are_differentiable, "gradient with respect to its replacement"),
        (LeaksClosedInfinity, testing.assert_closed_messages_may_be_infinite, "state is inf"),
        (RenormalisesByTheGate, testing.assert_gates_are_affine, "layer 0 with every message replaced by itself"),
        (ShowsOtherMessages, testing.assert_gates_are_affine, "layer 0 with every message replaced by itself"),
        (DropsDuplicateEdges, testing.assert_every_edge_counts, r"edge 0 \(0 -> 1, type 4\) changes the output by 0 only"),
        (DropsEdgesToItself, testing.assert_every_edge_counts, r"edge 4 \(1 -> 1, type 0\)"),
        (MergesEdgesOfTwoNodes, testing.assert_every_edge_counts, r"edge 1 \(0 -> 1, type 4\)"),
        (RemembersTheFirstGraph, testing.assert_keeps_nothing_between_calls, "given before"),
        (KeepsTheGateOfOtherThreads, testing.assert_other_threads_are_unaffected, "felt in another"),
    ],
)
def test_each_assertion_catches_its_mistake(encoder_class, assertion, words) -> None:
    torch.manual_seed(0)
    KeepsTheGateOfOtherThreads.gates.clear()
    encoder = encoder_class().double().eval()
    with pytest.raises(AssertionError, match=words) as caught:
        assertion(encoder, NUM_RELATIONS)
    assert encoder_class.__name__ in str(caught.value)


@pytest.mark.parametrize(
    "encoder_class, words",
    [
        (ComputesInSinglePrecision, "it is not the reference"),
        (ReturnsSinglePrecision, "gives torch.float32 for inputs of torch.float64"),
        (DrawsAndForgetsNoise, "random state of PyTorch"),
        (KeepsItsMessages, "last_messages"),
        (AveragesOverItsCalls, "AveragesOverItsCalls.mean"),
        (LeaksAHook, "_forward_hooks"),
    ],
)
def test_the_umbrella_catches_the_rest(encoder_class, words) -> None:
    torch.manual_seed(0)
    with pytest.raises(AssertionError, match=words):
        testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, reference=loop_reference)


def test_the_umbrella_catches_each_mistake() -> None:
    """Whatever one assertion catches, the umbrella catches."""
    sound = {SoundMaxEncoder, SoundAttentionEncoder, SoundFactorisedEncoder, _OwnGate}
    broken: List[Type[SoundEncoder]] = []
    waiting = SoundEncoder.__subclasses__()
    while waiting:
        encoder_class = waiting.pop()
        waiting.extend(encoder_class.__subclasses__())
        if encoder_class not in sound:
            broken.append(encoder_class)
    assert len(broken) > 35
    for encoder_class in broken:
        torch.manual_seed(0)
        KeepsTheGateOfOtherThreads.gates.clear()
        options = {"factorised": True} if issubclass(encoder_class, SoundFactorisedEncoder) else {}
        caught = False
        with contextlib.suppress(AssertionError):
            testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, reference=loop_reference, **options)
            caught = True
        assert not caught, f"{encoder_class.__name__} passes."


def test_something_else_than_an_encoder_is_refused() -> None:
    with pytest.raises(AssertionError, match="Linear is not a GraphEncoder"):
        testing.assert_is_graph_encoder(lambda: torch.nn.Linear(2, 2), NUM_RELATIONS)
