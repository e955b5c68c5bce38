"""Graph encoders that are each wrong in one way, and the assertions that catch them."""

from typing import Any, Callable, Dict, List, Tuple, Type

import torch

from allennlp_graphmask import testing
from allennlp_graphmask.modules.intervention import Messages, apply_gate
from tests.testing.encoders import NUM_RELATIONS, SoundEncoder, SoundFactorisedEncoder

#: Each wrong class with an assertion that must fail for it, and a pattern of its message.
CAUGHT: List[Tuple[Type[SoundEncoder], Callable, str]] = []


def caught_by(assertion: Callable, pattern: str) -> Callable:
    def note(encoder_class: Type[SoundEncoder]) -> Type[SoundEncoder]:
        CAUGHT.append((encoder_class, assertion, pattern))
        return encoder_class

    return note


@caught_by(testing.assert_edge_order_does_not_matter, "order of the edges")
class DependsOnEdgeOrder(SoundEncoder):
    def message(self, layer, states, graph):
        return super().message(layer, states, graph) * torch.arange(graph.num_edges).unsqueeze(-1).to(states)


@caught_by(testing.assert_node_numbers_do_not_matter, "numbering of the nodes")
class DependsOnNodeNumbers(SoundEncoder):
    def update(self, layer, states, aggregated):
        aggregated = aggregated + 0.1 * torch.arange(states.size(0)).unsqueeze(-1).to(states)
        return super().update(layer, states, aggregated)


@caught_by(testing.assert_batch_equals_singles, "alone than in a batch")
@caught_by(testing.assert_padding_does_not_matter, "other graphs of its batch")
@caught_by(testing.assert_degenerate_graphs_work, "isolated node depends")
class DependsOnTheBatch(SoundEncoder):
    def update(self, layer, states, aggregated):
        return super().update(layer, states, aggregated - aggregated.mean(0) if len(aggregated) else aggregated)


@caught_by(testing.assert_keeps_nothing_between_calls, "two outputs in evaluation mode")
class DrawsNoiseInEvaluation(SoundEncoder):
    def update(self, layer, states, aggregated):
        return super().update(layer, states, aggregated + torch.randn_like(aggregated))


@caught_by(testing.assert_is_graph_encoder, "random states.PyTorch")
class DrawsAndForgetsNoise(SoundEncoder):
    def update(self, layer, states, aggregated):
        torch.randn(1)
        return super().update(layer, states, aggregated)


@caught_by(testing.assert_degenerate_graphs_work, "not finite on a graph without edges")
class DividesByTheDegree(SoundEncoder):
    """Nodes without edges become 0 / 0."""

    def aggregate(self, messages, graph):
        degrees = torch.bincount(graph.targets, minlength=graph.num_nodes)
        return super().aggregate(messages, graph) / degrees.unsqueeze(-1)


@caught_by(testing.assert_degenerate_graphs_work, "fails on a graph without edges")
class FailsWithoutEdges(SoundEncoder):
    def message(self, layer, states, graph):
        values = super().message(layer, states, graph)
        return values - values.max().detach() * 0


@caught_by(testing.assert_degenerate_graphs_work, "fails on a graph without nodes")
class FailsWithoutNodes(SoundEncoder):
    def update(self, layer, states, aggregated):
        assert torch.isfinite(states.max())
        return super().update(layer, states, aggregated)


@caught_by(testing.assert_unseen_relations_work, "fails on relations unseen")
class KnowsNoUnseenRelations(SoundEncoder):
    """Shifts the types back, so that the reserved ones are negative."""

    def message(self, layer, states, graph):
        if (graph.edge_type < 2).any():
            raise IndexError("index out of range in self")
        return super().message(layer, states, graph)


@caught_by(testing.assert_unseen_relations_work, "not finite on relations unseen")
class DirectionOfUnseenRelationsIsNaN(SoundEncoder):
    def message(self, layer, states, graph):
        return super().message(layer, states, graph).masked_fill((graph.edge_type == 1).unsqueeze(-1), float("nan"))


@caught_by(testing.assert_is_graph_encoder, "differs from the reference")
class ComputesInSinglePrecision(SoundEncoder):
    def aggregate(self, messages, graph):
        return super().aggregate(messages.float(), graph).to(messages.dtype)


@caught_by(testing.assert_is_graph_encoder, "gives torch.float32 for inputs of torch.float64")
class ReturnsSinglePrecision(SoundEncoder):
    def forward(self, node_states, graph):
        return super().forward(node_states, graph).float()


def declares_wrong_sizes(method: str, sizes: Any, assertion: Callable, pattern: str) -> None:
    wrong = type(f"Declares{method}{sizes}", (SoundEncoder,), {method: lambda self: sizes})
    caught_by(assertion, pattern)(wrong)


AS_DECLARED = testing.assert_messages_are_as_declared
declares_wrong_sizes("get_output_dim", 7, testing.assert_degenerate_graphs_work, "get_output_dim")
declares_wrong_sizes("get_message_dims", [6, 12], AS_DECLARED, "layer 1: the messages have shape .*, 6")
declares_wrong_sizes("get_node_dims", [6, 6], AS_DECLARED, "node states have shape|fails while")
declares_wrong_sizes("get_node_dims", [4], AS_DECLARED, "declares 1 node and 2 message sizes")


@caught_by(testing.assert_messages_are_as_declared, r"layers \[\] in one pass")
class NeverShowsItsMessages(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return self.message(layer, states, graph)


@caught_by(testing.assert_messages_are_as_declared, r"layers \[1\] in one pass")
class ShowsOneLayerOnly(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return super().masked_messages(layer, states, graph) if layer else self.message(layer, states, graph)


@caught_by(testing.assert_messages_are_as_declared, r"layers \[0, 0, 1, 1\] in one pass")
class ShowsItsMessagesTwice(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        super().masked_messages(layer, states, graph)
        return super().masked_messages(layer, states, graph)


@caught_by(testing.assert_messages_are_as_declared, r"layers \[1, 0\] in one pass")
class NumbersItsLayersFromTheTop(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return self.intervened_messages(1 - layer, states, graph, lambda: self.message(layer, states, graph))


@caught_by(testing.assert_messages_are_as_declared, r"layers \[\] in one pass over 0 edges")
class ShowsNoMessagesWithoutEdges(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        return super().masked_messages(layer, states, graph) if graph.num_edges else states.new_zeros(0, 6)


@caught_by(testing.assert_messages_are_as_declared, "layer 0: the messages belong to other edges")
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


@caught_by(testing.assert_every_edge_counts, "layer 0: replacing the message of edge 0")
class IgnoresTheGate(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        super().masked_messages(layer, states, graph)
        return self.message(layer, states, graph)


class AppliesItsOwnGate(SoundEncoder):
    def masked_messages(self, layer, states, graph):
        messages = Messages(layer, states, graph, lambda: self.message(layer, states, graph))
        gate = self.intervene(messages)
        return messages.values if gate is None else self.apply(messages.values, gate, graph)


@caught_by(testing.assert_gates_are_affine, "layer 0 with every message replaced by itself")
class IgnoresTheReplacement(AppliesItsOwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(replacement=None), graph)


@caught_by(testing.assert_gates_are_affine, "layer 0 with soft gates and a replacement per relation")
class IgnoresRelations(AppliesItsOwnGate):
    """Takes the first relation's replacement for all."""

    def apply(self, values, gate, graph):
        if gate.per_relation:
            gate = gate._replace(replacement=gate.replacement[0], per_relation=False)
        return apply_gate(values, gate, graph)


@caught_by(testing.assert_gates_of_one_change_nothing, "bitwise")
class InterpolatesInexactly(AppliesItsOwnGate):
    def apply(self, values, gate, graph):
        if gate.replacement is None or gate.per_relation:
            return apply_gate(values, gate, graph)
        return gate.replacement + gate.scale.unsqueeze(-1).to(values) * (values - gate.replacement)


@caught_by(testing.assert_gates_are_affine, "layer 0 with soft gates")
class RoundsTheGate(AppliesItsOwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(scale=gate.scale > 0.5), graph)


@caught_by(testing.assert_gates_are_differentiable, "gradient with respect to its scales")
class DetachesTheGate(AppliesItsOwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(scale=gate.scale.detach()), graph)


@caught_by(testing.assert_gates_are_differentiable, "gradient with respect to its replacement")
class DetachesTheReplacement(AppliesItsOwnGate):
    def apply(self, values, gate, graph):
        replacement = None if gate.replacement is None else gate.replacement.detach()
        return apply_gate(values, gate._replace(replacement=replacement), graph)


@caught_by(testing.assert_dropped_messages_may_be_infinite, "state inf")
class LeaksDroppedInfinity(AppliesItsOwnGate):
    def apply(self, values, gate, graph):
        return apply_gate(values, gate._replace(scale=gate.scale.to(values)), graph)


@caught_by(testing.assert_gates_are_affine, "layer 0 with every message replaced by itself")
class RenormalisesByTheGate(AppliesItsOwnGate):
    """Divides by the number of messages that are kept: dropping one message changes the others."""

    def apply(self, values, gate, graph):
        kept = gate.scale.to(values)
        total = kept.new_zeros(graph.num_nodes).index_add(0, graph.targets, kept)
        count = torch.bincount(graph.targets, minlength=graph.num_nodes)
        return apply_gate(values, gate, graph) * (count / total.clamp(min=1e-3))[graph.targets].unsqueeze(-1)


@caught_by(testing.assert_gates_are_affine, "layer 0 with every message replaced by itself")
class ShowsOtherMessages(SoundEncoder):
    """Aggregates something else than it shows."""

    def masked_messages(self, layer, states, graph):
        gate = self.intervene(Messages(layer, states, graph, lambda: self.message(layer, states, graph)))
        return apply_gate(2 * self.message(layer, states, graph), gate, graph)


@caught_by(testing.assert_every_edge_counts, r"edge 0 \(0 -> 1, type 4\) changes the output by 0 only")
class DropsDuplicateEdges(SoundFactorisedEncoder):
    """The classic: assigns to the adjacency matrix instead of adding up."""

    def adjacency(self, scale, graph):
        matrix = scale.new_zeros(NUM_RELATIONS, graph.num_nodes, graph.num_nodes)
        return matrix.index_put((graph.edge_type, graph.targets, graph.sources), scale)


@caught_by(testing.assert_every_edge_counts, r"edge 4 \(1 -> 1, type 0\)")
class DropsEdgesToItself(SoundEncoder):
    def aggregate(self, messages, graph):
        return super().aggregate(messages * (graph.sources != graph.targets).unsqueeze(-1), graph)


@caught_by(testing.assert_every_edge_counts, r"edge 1 \(0 -> 1, type 4\)")
class MergesEdgesOfTwoNodes(SoundEncoder):
    """
    Keeps one edge of each pair of nodes, whatever their types, the way AllenNLP's `AdjacencyField` would.
    """

    def aggregate(self, messages, graph):
        pairs = (graph.sources * graph.num_nodes + graph.targets).tolist()
        first = torch.tensor([pair not in pairs[:position] for position, pair in enumerate(pairs)], dtype=torch.bool)
        return super().aggregate(messages * first.unsqueeze(-1), graph)


@caught_by(testing.assert_is_graph_encoder, "last_messages")
class KeepsItsMessages(SoundEncoder):
    """What the original implementation does: gates and messages are read from the layers afterwards."""

    def masked_messages(self, layer, states, graph):
        self.last_messages = super().masked_messages(layer, states, graph)
        return self.last_messages


@caught_by(testing.assert_keeps_nothing_between_calls, "earlier inputs")
class RemembersTheFirstGraph(SoundEncoder):
    """Caches the degrees of the first batch that has as many nodes."""

    def __init__(self):
        super().__init__()
        self.factor = None

    def forward(self, node_states, graph):
        if self.factor is None:
            self.factor = 1.0 / (1 + graph.num_edges)
        return super().forward(node_states * self.factor, graph)


@caught_by(testing.assert_is_graph_encoder, "AveragesOverItsCalls.mean")
class AveragesOverItsCalls(SoundEncoder):
    """A running statistic that evaluation mode does not stop."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))

    def update(self, layer, states, aggregated):
        with torch.no_grad():
            self.mean.add_(0.1 * aggregated.sum(0))
        return super().update(layer, states, aggregated)


@caught_by(testing.assert_is_graph_encoder, "_forward_hooks")
class LeaksAHook(SoundEncoder):
    def forward(self, node_states, graph):
        self.weights[0].register_forward_hook(lambda module, inputs, output: None)
        return super().forward(node_states, graph)


@caught_by(testing.assert_other_threads_are_unaffected, "felt in another")
class KeepsTheGateOfOtherThreads(SoundEncoder):
    """An intervention in an attribute instead of a context variable."""

    gates: Dict[Tuple[int, int], object] = {}

    def intervene(self, messages):
        gate = super().intervene(messages)
        key = (messages.layer, messages.graph.num_edges)
        KeepsTheGateOfOtherThreads.gates[key] = gate or KeepsTheGateOfOtherThreads.gates.get(key)
        return KeepsTheGateOfOtherThreads.gates[key]
