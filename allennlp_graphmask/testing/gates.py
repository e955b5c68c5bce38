"""Assertions about the messages that a `GraphEncoder` shows to interventions, and about the gates that these answer with."""

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Mapping, Optional

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, intervening
from allennlp_graphmask.testing.examples import (
    assert_bitwise_equal,
    assert_close,
    draw_normal,
    example_batch,
    example_graphs,
    example_states,
    largest_difference,
    random_generator,
    run_encoder,
    tolerance_for,
)


def _run_gated(
    encoder: GraphEncoder, states: torch.Tensor, graph: Graph, gates: Mapping[int, Gate], situation: str
) -> torch.Tensor:
    """Run the encoder with gates of some layers."""
    with intervening(encoder, lambda messages: gates.get(messages.layer)):
        return run_encoder(encoder, states, graph, situation)


def _record_messages(encoder: GraphEncoder, states: torch.Tensor, graph: Graph) -> List[Messages]:
    """Return what each layer shows, with its messages computed."""
    record: List[Messages] = []

    def read(messages: Messages) -> None:
        messages.values  # noqa: B018 - computed here, while the encoder runs
        record.append(messages)

    with intervening(encoder, read):
        run_encoder(encoder, states, graph, "while its messages are read")
    return record


def _build_gates(
    encoder: GraphEncoder, layer: int, graph: Graph, num_relations: int, scale: torch.Tensor
) -> Dict[str, Gate]:
    """Build a gate with every form that a replacement can take."""
    generator = random_generator(20 + layer)
    message_dim = encoder.get_message_dims()[layer]
    like = example_states(encoder, graph)

    def draw(*shape: int) -> torch.Tensor:
        return draw_normal(like, *shape, message_dim, generator=generator)

    return {
        "no replacement": Gate(scale),
        "one replacement": Gate(scale, draw()),
        "a replacement per relation": Gate(scale, draw(num_relations), per_relation=True),
        "a replacement per graph": Gate(scale, draw(graph.num_graphs), per_graph=True),
        "a replacement per edge": Gate(scale, draw(graph.num_edges)),
    }


def assert_messages_are_as_declared(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that every layer shows its messages exactly once, in order, for the graph that the encoder reads, and that node states
    and messages have the sizes that the encoder declares; also in training mode and without edges.
    """
    name = type(encoder).__name__
    node_dims, message_dims = encoder.get_node_dims(), encoder.get_message_dims()
    assert len(node_dims) == len(message_dims) == encoder.num_layers, (
        f"{name} has {encoder.num_layers} layers and declares {len(node_dims)} node and {len(message_dims)} message sizes."
    )
    batch = Graph.disjoint_union(example_graphs(num_relations))
    for graph in (batch, Graph.from_edges(2, [], []), Graph.from_edges(0, [], [])):
        for training in (True, False):
            # A copy, so that no flag or running statistic of the encoder itself changes.
            copied = copy.deepcopy(encoder).train(training)
            record = _record_messages(copied, example_states(encoder, graph), graph)
            layers = [messages.layer for messages in record]
            assert layers == list(range(encoder.num_layers)), (
                f"{name} shows the messages of layers {layers} in one pass over {graph.num_edges} edges: each of its "
                f"{encoder.num_layers} layers must show them exactly once, from layer 0 upwards."
            )
            for layer, messages in enumerate(record):
                has_same_edges = torch.equal(messages.graph.edge_index, graph.edge_index)
                assert has_same_edges and torch.equal(messages.graph.edge_type, graph.edge_type), (
                    f"{name}, layer {layer}: the messages belong to other edges than those that the encoder reads."
                )
                for what, actual, declared in (
                    ("node states", messages.node_states.shape, (graph.num_nodes, node_dims[layer])),
                    ("messages", messages.values.shape, (graph.num_edges, message_dims[layer])),
                ):
                    assert tuple(actual) == declared, (
                        f"{name}, layer {layer}: the {what} have shape {tuple(actual)}, declared are {declared}."
                    )


def assert_gates_of_one_change_nothing(encoder: GraphEncoder, num_relations: int, *, factorised: bool = False) -> None:
    """
    Assert that gates of one give bitwise the same output as no gates, whatever the replacement. The output of a `factorised`
    encoder may differ by rounding if each edge, or each graph, has a replacement of its own.
    """
    graph, states, expected = example_batch(encoder, num_relations)
    for dtype in (states.dtype, torch.bool):
        scale = torch.ones(graph.num_edges, dtype=dtype)
        layers = [_build_gates(encoder, layer, graph, num_relations, scale) for layer in range(encoder.num_layers)]
        for form in layers[0]:
            situation = f"with gates of one ({dtype}) and {form}"
            gates = {layer: forms[form] for layer, forms in enumerate(layers)}
            actual = _run_gated(encoder, states, graph, gates, situation)
            may_round = factorised and form in ("a replacement per edge", "a replacement per graph")
            (assert_close if may_round else assert_bitwise_equal)(actual, expected, encoder, situation)


def assert_gates_are_affine(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that each layer aggregates `scale * message + (1 - scale) * replacement`: any gate has the effect of a gate that drops
    all messages and replaces each by this number, computed from the messages that the layer showed. Nothing else in the layer
    (its normalisation, its attention) may change. Boolean gates have to do the same as gates of zero and one.
    """
    graph, states, unmasked = example_batch(encoder, num_relations)
    generator = random_generator(6)
    zeros = torch.zeros(graph.num_edges, dtype=states.dtype)
    for layer, messages in enumerate(_record_messages(encoder, states, graph)):

        def run_with(gate: Gate, situation: str, layer: int = layer) -> torch.Tensor:
            return _run_gated(encoder, states, graph, {layer: gate}, situation)

        what = f"layer {layer} with every message replaced by itself"
        assert_close(run_with(Gate(zeros, messages.values), what), unmasked, encoder, what)
        soft = torch.rand(graph.num_edges, generator=generator, dtype=torch.float64).to(states.dtype)
        hard = soft > 0.5
        scales = {"soft": soft, "zero": zeros, "zero or one": hard.to(states.dtype), "boolean": hard}
        for kind, scale in scales.items():
            for form, gate in _build_gates(encoder, layer, graph, num_relations, scale).items():
                replacement = torch.zeros(()).to(states) if gate.replacement is None else gate.replacement
                if gate.per_relation:
                    replacement = replacement[graph.edge_type]
                if gate.per_graph:
                    replacement = replacement[graph.edge_graph]
                weight = scale.to(states.dtype).unsqueeze(-1)
                mixed = weight * messages.values + (1 - weight) * replacement
                situation = f"layer {layer} with {kind} gates and {form}"
                expected = run_with(Gate(zeros, mixed), f"{situation}, as replacements per edge")
                what = f"{situation} does not aggregate scale * message + (1 - scale) * replacement"
                assert_close(run_with(gate, situation), expected, encoder, what)


def assert_every_edge_counts(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that each edge has a message of its own in every layer: replacing it changes the output, also if other edges, of the
    same or another type, join the same two nodes, and for edges from a node to itself. Of two edges with the same ends and type it
    must not matter which one is replaced.
    """
    name = type(encoder).__name__
    edges = [[0, 1], [0, 1], [0, 1], [1, 0], [1, 1], [0, 0], [2, 2], [1, 2], [2, 0]]
    last = num_relations - 1
    graph = Graph.from_edges(3, edges, [last, last, 0, 1, 0, last, 1, 0, last])
    states = example_states(encoder, graph)
    unmasked = run_encoder(encoder, states, graph, "on a graph with several edges between two nodes")
    for layer, message_dim in enumerate(encoder.get_message_dims()):
        outputs: List[List[torch.Tensor]] = []
        for edge, (source, target) in enumerate(edges):
            scale = torch.ones(graph.num_edges, dtype=states.dtype)
            scale[edge] = 0.0
            outputs.append([])
            # A single replacement may vanish, in a ReLU for example.
            for seed in range(8):
                replacement = 3 * draw_normal(states, message_dim, generator=random_generator(seed))
                situation = f"with one message dropped in layer {layer}"
                outputs[edge].append(_run_gated(encoder, states, graph, {layer: Gate(scale, replacement)}, situation))
            difference = max(largest_difference(output, unmasked) for output in outputs[edge])
            assert difference > 10 * tolerance_for(unmasked), (
                f"{name}, layer {layer}: replacing the message of edge {edge} ({source} -> {target}, type "
                f"{int(graph.edge_type[edge])}) changes the output by {difference:.3g} only: this edge does not count, or its gate "
                "is ignored. Among the graph's edges are two with the same ends and type, and edges from a node to itself."
            )
        what = f"layer {layer}: of two edges with the same ends and type it matters which one is replaced"
        assert_close(outputs[0][0], outputs[1][0], encoder, what)


def assert_dropped_messages_may_be_infinite(encoder: GraphEncoder, num_relations: int) -> None:
    """Assert that a message that a boolean gate drops has no effect, even if it is infinite or not a number."""
    last = num_relations - 1
    graph = Graph.from_edges(4, [[0, 1], [0, 2], [1, 2], [2, 3], [3, 1]], [last, 0, 1, last, 0])
    states = example_states(encoder, graph)
    gates = {
        layer: _build_gates(encoder, layer, graph, num_relations, graph.sources != 0)["one replacement"]
        for layer in range(encoder.num_layers)
    }
    expected = _run_gated(encoder, states, graph, gates, "with boolean gates")[1:]
    for poison in (float("inf"), float("nan")):
        states[0] = poison
        with torch.no_grad(), intervening(encoder, lambda messages: gates[messages.layer]):
            actual = encoder(states, graph)[1:]
        difference = largest_difference(actual, expected)
        assert difference <= tolerance_for(expected), (
            f"{type(encoder).__name__}: a node with state {poison} changes the other nodes by up to {difference:.3g}, although a "
            "boolean gate drops all its messages."
        )


def assert_gates_are_differentiable(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that the gradient with respect to the gates of all layers, their scales and replacements, is that of finite differences
    (in double precision).
    """
    encoder = copy.deepcopy(encoder).double()
    graph, states, output = example_batch(encoder, num_relations)
    generator = random_generator(7)
    weight = draw_normal(states, *output.shape, generator=generator)
    scales = torch.rand(encoder.num_layers, graph.num_edges, generator=generator, dtype=torch.float64)
    dims = encoder.get_message_dims()
    inputs = [scales, *(draw_normal(states, dim, generator=generator) for dim in dims)]
    inputs = [tensor.requires_grad_() for tensor in inputs]

    def objective(scale: torch.Tensor, *replacements: torch.Tensor) -> torch.Tensor:
        with intervening(encoder, lambda messages: Gate(scale[messages.layer], replacements[messages.layer])):
            return (encoder(states, graph) * weight).sum()

    gradients = torch.autograd.grad(objective(*inputs), inputs, allow_unused=True)
    step = 1e-6
    for layer in range(encoder.num_layers):
        for what, position in (("scales", 0), ("replacement", 1 + layer)):
            direction = draw_normal(states, *inputs[position].shape, generator=generator)
            if what == "scales":  # only those of this layer
                direction[torch.arange(encoder.num_layers) != layer] = 0.0
            values = []
            for by in (step, -step):
                moved = list(inputs)
                moved[position] = inputs[position] + by * direction
                with torch.no_grad():
                    values.append(float(objective(*moved)))
            expected = (values[0] - values[1]) / (2 * step)
            gradient = gradients[position]
            actual = 0.0 if gradient is None else float((gradient * direction).sum())
            assert abs(actual - expected) <= 1e-4 * max(1.0, abs(expected)), (
                f"{type(encoder).__name__}, layer {layer}: the gradient with respect to its {what} is {actual:.6g} in some "
                f"direction, finite differences give {expected:.6g}, a difference of {abs(actual - expected):.3g}."
            )


def assert_other_threads_are_unaffected(encoder: GraphEncoder, num_relations: int) -> None:
    """Assert that an intervention in one thread does not change the output in another one, and ends with its context."""
    graph, states, expected = example_batch(encoder, num_relations)

    def drop_all(messages: Messages) -> Optional[Gate]:
        return Gate(torch.zeros(graph.num_edges, dtype=states.dtype))

    # Compared within that thread: products of matrices may differ in the last bit between threads.
    with ThreadPoolExecutor(1) as other_thread:
        before = other_thread.submit(run_encoder, encoder, states, graph, "in another thread").result()
        with intervening(encoder, drop_all):
            run_encoder(encoder, states, graph, "with all messages dropped")
            during = other_thread.submit(
                run_encoder, encoder, states, graph, "in another thread than the one with an intervention"
            ).result()
    assert_bitwise_equal(during, before, encoder, "an intervention in one thread is felt in another")
    after = run_encoder(encoder, states, graph, "after an intervention")
    assert_bitwise_equal(after, expected, encoder, "an intervention is still felt after its context")
