"""What the layers of a `GraphEncoder` owe to interventions, as assertions."""

import copy
import threading
from typing import Dict, List, Optional

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, intervening
from allennlp_graphmask.testing.examples import (
    assert_bitwise_equal,
    assert_close,
    dtype_of,
    example_graphs,
    example_states,
    largest_difference,
    random_generator,
    run_encoder,
    tolerance_for,
)


def _masked(
    encoder: GraphEncoder, states: torch.Tensor, graph: Graph, gates: Dict[int, Gate], situation: str
) -> torch.Tensor:
    """The encoder's output with the gates of some layers."""
    with intervening(encoder, lambda messages: gates.get(messages.layer)):
        return run_encoder(encoder, states, graph, situation)


def _recorded(encoder: GraphEncoder, states: torch.Tensor, graph: Graph) -> List[Messages]:
    """What each layer shows, with its messages computed."""
    record: List[Messages] = []

    def look(messages: Messages) -> Optional[Gate]:
        messages.values  # noqa: B018 - computed here, while the encoder runs
        record.append(messages)
        return None

    with intervening(encoder, look):
        run_encoder(encoder, states, graph, "while its messages are looked at")
    return record


def _replacements(encoder: GraphEncoder, layer: int, graph: Graph, num_relations: int) -> Dict[str, Gate]:
    """Every form that a replacement can take, with scales that are still to be set."""
    generator = random_generator(20 + layer)
    message_dim = encoder.get_message_dims()[layer]
    scale = torch.zeros(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, message_dim, generator=generator, dtype=torch.float64).to(
            dtype_of(encoder)
        )

    return {
        "no replacement": Gate(scale),
        "one replacement": Gate(scale, draw()),
        "a replacement per relation": Gate(scale, draw(num_relations), per_relation=True),
        "a replacement per graph": Gate(scale, draw(graph.num_graphs), per_graph=True),
        "a replacement per edge": Gate(scale, draw(graph.num_edges)),
    }


def assert_messages_are_as_declared(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that every layer shows its messages exactly once, in order, for the graph that it was given, and
    that node states, messages and output have the sizes that the encoder declares; also in training mode and
    without edges.
    """
    name = type(encoder).__name__
    node_dims, message_dims = encoder.get_node_dims(), encoder.get_message_dims()
    assert len(node_dims) == len(message_dims) == encoder.num_layers, (
        f"{name} has {encoder.num_layers} layers and declares {len(node_dims)} node and {len(message_dims)} "
        "message sizes."
    )
    batch = Graph.disjoint_union(example_graphs(num_relations))
    for graph in (batch, Graph.from_edges(2, [], []), Graph.from_edges(0, [], [])):
        for training in (True, False):
            # A copy, so that no flag or running statistic of the encoder itself changes.
            record = _recorded(copy.deepcopy(encoder).train(training), example_states(encoder, graph), graph)
            layers = [messages.layer for messages in record]
            assert layers == list(range(encoder.num_layers)), (
                f"{name} shows the messages of layers {layers} in one pass over {graph.num_edges} edges: "
                f"each of its {encoder.num_layers} layers must show them exactly once, from layer 0 upwards."
            )
            for layer, messages in enumerate(record):
                same_edges = torch.equal(messages.graph.edge_index, graph.edge_index)
                assert same_edges and torch.equal(messages.graph.edge_type, graph.edge_type), (
                    f"{name}, layer {layer}: the messages belong to other edges than those that the "
                    "encoder was given."
                )
                for what, actual, declared in (
                    ("node states", messages.node_states.shape, (graph.num_nodes, node_dims[layer])),
                    ("messages", messages.values.shape, (graph.num_edges, message_dims[layer])),
                ):
                    assert tuple(actual) == declared, (
                        f"{name}, layer {layer}: the {what} have shape {tuple(actual)}, declared are "
                        f"{declared}."
                    )


def assert_open_gates_change_nothing(
    encoder: GraphEncoder, num_relations: int, *, factorised: bool = False
) -> None:
    """
    Asserts that gates of one give bitwise the same output as no gates, whatever the replacement; that of a
    `factorised` encoder may differ by rounding when each edge, or each graph, has a replacement of its own.
    """
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    expected = run_encoder(encoder, states, graph, "on a batch of graphs")
    forms = [_replacements(encoder, layer, graph, num_relations) for layer in range(encoder.num_layers)]
    for form in forms[0]:
        for scale in (
            torch.ones(graph.num_edges, dtype=states.dtype),
            torch.ones(graph.num_edges, dtype=torch.bool),
        ):
            situation = f"with gates of one ({scale.dtype}) and {form}"
            gates = {layer: gate[form]._replace(scale=scale) for layer, gate in enumerate(forms)}
            actual = _masked(encoder, states, graph, gates, situation)
            if factorised and form in ("a replacement per edge", "a replacement per graph"):
                assert_close(actual, expected, encoder, situation)
            else:
                assert_bitwise_equal(actual, expected, encoder, situation)


def assert_gates_are_affine(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that each layer aggregates `scale * message + (1 - scale) * replacement`: any gate has the effect
    of a closed gate whose per-edge replacements are these numbers, computed from the messages that the layer
    showed. Nothing else about the layer (its normalisation, its attention) may change, so that this holds
    whatever it does with them. Boolean gates have to do the same as gates of zero and one.
    """
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    unmasked = run_encoder(encoder, states, graph, "on a batch of graphs")
    generator = random_generator(6)
    closed = torch.zeros(graph.num_edges, dtype=states.dtype)
    for layer, messages in enumerate(_recorded(encoder, states, graph)):

        def aggregating(values: torch.Tensor, layer: int = layer) -> torch.Tensor:
            return _masked(
                encoder, states, graph, {layer: Gate(closed, values)}, f"with layer {layer} replaced"
            )

        what = f"layer {layer} with every message replaced by itself"
        assert_close(aggregating(messages.values), unmasked, encoder, what)
        soft = torch.rand(graph.num_edges, generator=generator, dtype=torch.float64).to(states.dtype)
        hard = soft > 0.5
        for form, gate in _replacements(encoder, layer, graph, num_relations).items():
            replacement = torch.zeros(()).to(states) if gate.replacement is None else gate.replacement
            if gate.per_relation:
                replacement = replacement[graph.edge_type]
            if gate.per_graph:
                replacement = replacement[graph.edge_graph]
            for kind, scale, number in (
                ("soft", soft, soft),
                ("closed", closed, closed),
                ("zero or one", hard.to(states.dtype), hard.to(states.dtype)),
                ("boolean", hard, hard.to(states.dtype)),
            ):
                situation = f"layer {layer} with {kind} gates and {form}"
                mixed = number.unsqueeze(-1) * messages.values + (1 - number.unsqueeze(-1)) * replacement
                actual = _masked(encoder, states, graph, {layer: gate._replace(scale=scale)}, situation)
                what = f"{situation} does not aggregate scale * message + (1 - scale) * replacement"
                assert_close(actual, aggregating(mixed), encoder, what)


def assert_every_edge_counts(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that each edge has a message of its own in every layer: replacing it changes the output, also
    where other edges, of the same or another type, join the same two nodes, and for edges from a node to
    itself; and that of two edges with the same ends and type it does not matter which one is replaced.
    """
    name = type(encoder).__name__
    edges = [[0, 1], [0, 1], [0, 1], [1, 0], [1, 1], [0, 0], [2, 2], [1, 2], [2, 0]]
    first_type = num_relations - 1
    graph = Graph.from_edges(3, edges, [first_type, first_type, 0, 1, 0, first_type, 1, 0, first_type])
    states = example_states(encoder, graph)
    unmasked = run_encoder(encoder, states, graph, "on a graph with several edges between two nodes")
    noise = 10 * tolerance_for(unmasked)
    for layer in range(encoder.num_layers):
        twins = []
        for edge, (source, target) in enumerate(edges):
            scale = torch.ones(graph.num_edges, dtype=states.dtype)
            scale[edge] = 0.0
            difference = 0.0
            # A single replacement may vanish, in a ReLU say.
            for seed in range(8):
                replacement = torch.randn(
                    encoder.get_message_dims()[layer], generator=random_generator(seed), dtype=torch.float64
                )
                gate = Gate(scale, 3 * replacement.to(states.dtype))
                output = _masked(
                    encoder, states, graph, {layer: gate}, f"with one edge closed in layer {layer}"
                )
                difference = max(difference, largest_difference(output, unmasked))
                if edge < 2 and seed == 0:
                    twins.append(output)
            assert difference > noise, (
                f"{name}, layer {layer}: replacing the message of edge {edge} ({source} -> {target}, type "
                f"{int(graph.edge_type[edge])}) changes the output by {difference:.3g} only: this edge does "
                "not count, or its gate is ignored. Among the graph's edges are two with the same ends and "
                "type, and edges from a node to itself."
            )
        what = f"layer {layer}: of two edges with the same ends and type it matters which one is replaced"
        assert_close(twins[0], twins[1], encoder, what)


def assert_closed_messages_may_be_infinite(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that what a closed message holds, infinity and NaN included, has no effect when the gate is
    boolean.
    """
    name = type(encoder).__name__
    last = num_relations - 1
    graph = Graph.from_edges(4, [[0, 1], [0, 2], [1, 2], [2, 3], [3, 1]], [last, 0, 1, last, 0])
    states = example_states(encoder, graph)
    keep = graph.sources != 0
    gates = {
        layer: _replacements(encoder, layer, graph, num_relations)["one replacement"]._replace(scale=keep)
        for layer in range(encoder.num_layers)
    }
    expected = _masked(encoder, states, graph, gates, "with boolean gates")[1:]
    for poison in (float("inf"), float("nan")):
        poisoned = states.clone()
        poisoned[0] = poison
        with torch.no_grad(), intervening(encoder, lambda messages: gates[messages.layer]):
            actual = encoder(poisoned, graph)[1:]
        difference = largest_difference(actual, expected)
        assert difference <= tolerance_for(expected), (
            f"{name}: a node whose state is {poison}, all of whose messages are closed by a boolean gate, "
            f"changes the other nodes by up to {difference:.3g}."
        )


def assert_gates_are_differentiable(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that the gradient with respect to the gates of all layers, their scales and replacements, is that
    of finite differences (in double precision).
    """
    encoder = copy.deepcopy(encoder).double()
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    generator = random_generator(7)
    weight = torch.randn(graph.num_nodes, encoder.get_output_dim(), generator=generator, dtype=torch.float64)
    scales = torch.rand(
        encoder.num_layers, graph.num_edges, generator=generator, dtype=torch.float64
    ).requires_grad_()
    replacements = [
        torch.randn(dim, generator=generator, dtype=torch.float64).requires_grad_()
        for dim in encoder.get_message_dims()
    ]

    def objective(scale: torch.Tensor, replacement: List[torch.Tensor]) -> torch.Tensor:
        with intervening(encoder, lambda messages: Gate(scale[messages.layer], replacement[messages.layer])):
            return (encoder(states, graph) * weight).sum()

    inputs = [scales, *replacements]
    gradients = torch.autograd.grad(objective(scales, replacements), inputs, allow_unused=True)
    step = 1e-6
    for layer in range(encoder.num_layers):
        for what, position in (("scales", 0), ("replacement", 1 + layer)):
            direction = torch.randn(inputs[position].shape, generator=generator, dtype=torch.float64)
            if position == 0:  # only this layer's scales
                direction[torch.arange(encoder.num_layers) != layer] = 0.0
            values = []
            for by in (step, -step):
                moved = list(inputs)
                moved[position] = inputs[position] + by * direction
                with torch.no_grad():
                    values.append(float(objective(moved[0], moved[1:])))
            expected = (values[0] - values[1]) / (2 * step)
            gradient = gradients[position]
            actual = 0.0 if gradient is None else float((gradient * direction).sum())
            assert abs(actual - expected) <= 1e-4 * max(1.0, abs(expected)), (
                f"{type(encoder).__name__}, layer {layer}: the gradient with respect to its {what} is "
                f"{actual:.6g} in some direction where finite differences give {expected:.6g}, a difference "
                f"of {abs(actual - expected):.3g}."
            )


def assert_other_threads_are_unaffected(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that an intervention in one thread leaves the encoder alone in another one, and ends with its
    context.
    """
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    expected = run_encoder(encoder, states, graph, "on a batch of graphs")
    outputs: List[torch.Tensor] = []
    closed = torch.zeros(graph.num_edges, dtype=states.dtype)

    def in_other_thread() -> None:
        outputs.append(run_encoder(encoder, states, graph, "in another thread"))

    with intervening(encoder, lambda messages: Gate(closed)):
        run_encoder(encoder, states, graph, "with all gates closed")
        thread = threading.Thread(target=in_other_thread)
        thread.start()
        thread.join()
    assert outputs, f"{type(encoder).__name__} fails in another thread than the one with an intervention."
    assert_bitwise_equal(outputs[0], expected, encoder, "an intervention in one thread is felt in another")
    after = run_encoder(encoder, states, graph, "after an intervention")
    assert_bitwise_equal(after, expected, encoder, "an intervention is still felt after its context")
