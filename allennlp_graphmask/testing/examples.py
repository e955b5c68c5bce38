"""What the assertions share: small graphs with every irregularity, random inputs, and comparisons."""

from typing import List, Tuple

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder

#: How far two computations of the same numbers may differ, relative to the largest of them (but at least 1).
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}


def random_generator(seed: int = 0) -> torch.Generator:
    """Return a source of random numbers of its own, so that no assertion changes the global one."""
    return torch.Generator().manual_seed(seed)


def draw_normal(like: torch.Tensor, *shape: int, generator: torch.Generator) -> torch.Tensor:
    """Draw the same numbers for each precision."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(like.dtype)


def example_graphs(num_relations: int, seed: int = 0) -> List[Graph]:
    """
    Build graphs, each a batch of one, with every irregularity that a `GraphEncoder` has to expect: several edges
    between the same two nodes, of the same and of different types, edges from a node to itself, isolated nodes, one
    node, no edges, no nodes. All of the edge types, the reserved ones included, occur.
    """
    # The last of these nodes stays isolated.
    edges = [[0, 1], [0, 1], [0, 1], [1, 0], [2, 2], [2, 3], [3, 2], [3, 0], [1, 3]]
    edge_types = torch.randint(num_relations, (len(edges),), generator=random_generator(seed)).tolist()
    edge_types[1] = edge_types[0]
    edge_types[2] = (edge_types[0] + 1) % num_relations
    # A star through which every relation passes.
    star_edges = [[1 + relation % 3, 0] if relation % 2 else [0, 1 + relation % 3] for relation in range(num_relations)]
    return [
        Graph.from_edges(5, edges, edge_types),
        Graph.from_edges(1, [], []),
        Graph.from_edges(0, [], []),
        Graph.from_edges(3, [], []),
        Graph.from_edges(1, [[0, 0]], edge_types[:1]),
        Graph.from_edges(4, star_edges, list(range(num_relations))),
    ]


def example_states(encoder: GraphEncoder, graph: Graph, seed: int = 0) -> torch.Tensor:
    """Draw states for an encoder's input, of the type of its parameters. Shape: `(num_nodes, input_dim)`."""
    parameters = (parameter for parameter in encoder.parameters() if parameter.is_floating_point())
    shape = (graph.num_nodes, encoder.get_input_dim())
    return draw_normal(next(parameters, torch.zeros(0)), *shape, generator=random_generator(seed))


def example_batch(encoder: GraphEncoder, num_relations: int, seed: int = 0) -> Tuple[Graph, torch.Tensor, torch.Tensor]:
    """Return a batch of all example graphs, states of its nodes, and the encoder's output for them."""
    graph = Graph.disjoint_union(example_graphs(num_relations, seed))
    states = example_states(encoder, graph, seed)
    return graph, states, run_encoder(encoder, states, graph, "on a batch of graphs")


def run_encoder(encoder: GraphEncoder, states: torch.Tensor, graph: Graph, situation: str) -> torch.Tensor:
    """
    Compute the encoder's output without gradients. Assert that its shape and type are right and that it is finite.
    `situation` is what is special about this input, for the message: "on a graph without nodes".
    """
    name = type(encoder).__name__
    try:
        with torch.no_grad():
            output: torch.Tensor = encoder(states, graph)
    except AssertionError:  # of an intervention
        raise
    except Exception as error:
        raise AssertionError(f"{name} fails {situation}: {type(error).__name__}: {error}") from error
    expected_shape = (graph.num_nodes, encoder.get_output_dim())
    assert output.shape == expected_shape, (
        f"{name} gives shape {tuple(output.shape)} instead of (num_nodes, get_output_dim()) = {expected_shape} {situation}."
    )
    assert output.dtype == states.dtype, f"{name} gives {output.dtype} for inputs of {states.dtype} {situation}."
    assert torch.isfinite(output).all(), f"{name} gives numbers that are not finite {situation}."
    return output


def largest_difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the largest absolute difference, infinite where only one of two numbers is finite; 0 for empty tensors."""
    return float((first - second).abs().nan_to_num(nan=float("inf")).max()) if first.numel() else 0.0


def tolerance_for(expected: torch.Tensor) -> float:
    """Return the largest difference that rounding may make."""
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    return TOLERANCES[expected.dtype] * max(1.0, largest)


def assert_close(actual: torch.Tensor, expected: torch.Tensor, encoder: GraphEncoder, what: str) -> None:
    """Assert that two outputs are equal up to rounding."""
    allowed, difference = tolerance_for(expected), largest_difference(actual, expected)
    assert difference <= allowed, (
        f"{type(encoder).__name__}: {what}: the outputs differ by up to {difference:.3g}, allowed is {allowed:.3g}."
    )


def assert_bitwise_equal(actual: torch.Tensor, expected: torch.Tensor, encoder: GraphEncoder, what: str) -> None:
    """Assert that two outputs are the same numbers."""
    assert torch.equal(actual, expected), (
        f"{type(encoder).__name__}: {what}: the outputs differ by up to {largest_difference(actual, expected):.3g}, and should be "
        "bitwise equal."
    )
