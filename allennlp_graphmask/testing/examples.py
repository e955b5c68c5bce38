"""What the assertions share: small graphs with every irregularity, random inputs, and comparisons."""

from typing import List, Optional

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder

#: How far two ways to the same numbers may differ, relative to the largest of them (but at least 1).
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}


def random_generator(seed: int = 0) -> torch.Generator:
    """A source of random numbers of its own, so that no assertion touches the global one."""
    return torch.Generator().manual_seed(seed)


def example_graphs(num_relations: int, seed: int = 0) -> List[Graph]:
    """
    Graphs with every irregularity that a `GraphEncoder` has to expect: several edges between the same two
    nodes, of the same and of different types, edges from a node to itself, isolated nodes, one node, no
    edges, no nodes.

    # Parameters

    num_relations : `int`
        The number of edge types, the reserved ones included. All of them occur.
    seed : `int`, optional (default = `0`)

    # Returns

    `List[Graph]`
        Each a batch of one.
    """
    generator = random_generator(seed)
    # The last of these nodes stays isolated.
    edges = [[0, 1], [0, 1], [0, 1], [1, 0], [2, 2], [2, 3], [3, 2], [3, 0], [1, 3]]
    edge_types = torch.randint(num_relations, (len(edges),), generator=generator).tolist()
    edge_types[1] = edge_types[0]
    edge_types[2] = (edge_types[0] + 1) % num_relations
    # A star through which every relation passes.
    star_edges = [
        [1 + relation % 3, 0] if relation % 2 else [0, 1 + relation % 3] for relation in range(num_relations)
    ]
    return [
        Graph.from_edges(5, edges, edge_types),
        Graph.from_edges(1, [], []),
        Graph.from_edges(0, [], []),
        Graph.from_edges(3, [], []),
        Graph.from_edges(1, [[0, 0]], edge_types[:1]),
        Graph.from_edges(4, star_edges, list(range(num_relations))),
    ]


def dtype_of(encoder: GraphEncoder) -> torch.dtype:
    """The type of an encoder's parameters; the default type if it has none."""
    return next((p.dtype for p in encoder.parameters() if p.is_floating_point()), torch.get_default_dtype())


def example_states(encoder: GraphEncoder, graph: Graph, seed: int = 0) -> torch.Tensor:
    """Random states for an encoder's input. Shape: `(num_nodes, input_dim)`."""
    # Drawn in one type whatever the encoder's, so that both precisions are tested on the same numbers.
    states = torch.randn(
        graph.num_nodes, encoder.get_input_dim(), generator=random_generator(seed), dtype=torch.float64
    )
    return states.to(dtype_of(encoder))


def run_encoder(encoder: GraphEncoder, states: torch.Tensor, graph: Graph, situation: str) -> torch.Tensor:
    """
    The encoder's output, without gradients, once its shape, type and finiteness have been checked.

    # Parameters

    situation : `str`
        What is special about this input, for the message: "on a graph without nodes".
    """
    name = type(encoder).__name__
    try:
        with torch.no_grad():
            output = encoder(states, graph)
    except AssertionError:  # of the intervention that looks on
        raise
    except Exception as error:
        raise AssertionError(f"{name} fails {situation}: {type(error).__name__}: {error}") from error
    expected_shape = (graph.num_nodes, encoder.get_output_dim())
    assert output.shape == expected_shape, (
        f"{name} gives shape {tuple(output.shape)} instead of (num_nodes, get_output_dim()) = "
        f"{expected_shape} {situation}."
    )
    assert output.dtype == states.dtype, (
        f"{name} gives {output.dtype} for inputs of {states.dtype} {situation}."
    )
    assert torch.isfinite(output).all(), f"{name} gives numbers that are not finite {situation}."
    return output


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """
    The largest absolute difference, infinite where only one of two numbers is finite; 0 for empty tensors.
    """
    if first.numel() == 0:
        return 0.0
    return float((first - second).abs().nan_to_num(nan=float("inf")).max())


def tolerance_for(expected: torch.Tensor, tolerance: Optional[float] = None) -> float:
    """The largest difference that rounding may make."""
    relative = TOLERANCES[expected.dtype] if tolerance is None else tolerance
    return relative * max(1.0, float(expected.abs().max())) if expected.numel() else relative


def assert_close(
    actual: torch.Tensor,
    expected: torch.Tensor,
    encoder: GraphEncoder,
    what: str,
    *,
    tolerance: Optional[float] = None,
) -> None:
    """Asserts that two outputs are equal up to rounding."""
    allowed = tolerance_for(expected, tolerance)
    difference = largest_difference(actual, expected)
    assert difference <= allowed, (
        f"{type(encoder).__name__}: {what}: the outputs differ by up to {difference:.3g}, allowed is "
        f"{allowed:.3g}."
    )


def assert_bitwise_equal(
    actual: torch.Tensor, expected: torch.Tensor, encoder: GraphEncoder, what: str
) -> None:
    """Asserts that two outputs are the same numbers."""
    assert torch.equal(actual, expected), (
        f"{type(encoder).__name__}: {what}: the outputs differ by up to "
        f"{largest_difference(actual, expected):.3g}, and should be bitwise equal."
    )
