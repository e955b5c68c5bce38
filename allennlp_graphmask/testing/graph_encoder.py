"""What any `GraphEncoder` must satisfy, as assertions; `assert_is_graph_encoder` makes them all."""

import copy
from typing import Callable, Optional, Sequence, Union

import torch

from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.testing import gates
from allennlp_graphmask.testing.examples import (
    TOLERANCES,
    assert_bitwise_equal,
    assert_close,
    example_graphs,
    example_states,
    random_generator,
    run_encoder,
)
from allennlp_graphmask.testing.no_side_effects import assert_no_side_effects

#: A slow way to an encoder's output: given the encoder, the node states and the graph.
Reference = Callable[[GraphEncoder, torch.Tensor, Graph], torch.Tensor]


def assert_is_graph_encoder(
    encoder: Union[GraphEncoder, Callable[[], GraphEncoder]],
    num_relations: int,
    *,
    reference: Optional[Reference] = None,
    factorised: bool = False,
    isolates_infinite_messages: Optional[bool] = None,
    randomise_parameters: bool = True,
    dtypes: Sequence[torch.dtype] = (torch.float32, torch.float64),
) -> None:
    """
    Asserts everything that a `GraphEncoder` has to satisfy, in evaluation mode on the CPU, in single and
    double precision.

    # Parameters

    encoder : `Union[GraphEncoder, Callable[[], GraphEncoder]]`
        The encoder, or what makes it. It is copied and stays as it is.
    num_relations : `int`
        The number of edge types that it was made for, the two reserved ones included: `num_relations(vocab)`.
    reference : `Callable[[GraphEncoder, torch.Tensor, Graph], torch.Tensor]`, optional
        A slow and obvious computation (a loop over the edges) of the encoder's output from the encoder, the
        node states and the graph.
    factorised : `bool`, optional (default = `False`)
        The layers aggregate without writing the messages out. Per-edge replacements then take another way
        than an unmasked pass, and may differ from it by rounding.
    isolates_infinite_messages : `bool`, optional
        Whether a message that is not finite must have no effect once a boolean gate closes it. By default
        only when not `factorised`; say `False` for an encoder whose normalisation depends on what the
        messages say (attention).
    randomise_parameters : `bool`, optional (default = `True`)
        Adds noise to the parameters of the copy, since those that start at zero (biases, usually) hide
        mistakes.
    dtypes : `Sequence[torch.dtype]`, optional
    """
    original = encoder if isinstance(encoder, GraphEncoder) else encoder()
    assert isinstance(original, GraphEncoder), f"{type(original).__name__} is not a GraphEncoder."
    if isolates_infinite_messages is None:
        isolates_infinite_messages = not factorised
    for dtype in dtypes:
        copied = copy.deepcopy(original).cpu().eval().to(dtype)
        if randomise_parameters:
            _add_noise(copied)
        _assert_everything(
            copied,
            num_relations,
            reference,
            factorised=factorised,
            isolates_infinite_messages=isolates_infinite_messages,
        )
    # Once: it is in double precision whatever the encoder's.
    gates.assert_gates_are_differentiable(copied, num_relations)


def _assert_everything(
    encoder: GraphEncoder,
    num_relations: int,
    reference: Optional[Reference],
    *,
    factorised: bool,
    isolates_infinite_messages: bool,
) -> None:
    # First, because it has to see an encoder that has not run yet.
    assert_keeps_nothing_between_calls(encoder, num_relations)
    gates.assert_messages_are_as_declared(encoder, num_relations)
    assert_degenerate_graphs_work(encoder, num_relations)
    assert_unseen_relations_work(encoder, num_relations)
    assert_edge_order_does_not_matter(encoder, num_relations)
    assert_node_numbers_do_not_matter(encoder, num_relations)
    assert_batch_equals_singles(encoder, num_relations)
    assert_padding_does_not_matter(encoder, num_relations)
    if reference is not None:
        assert_equals_reference(encoder, num_relations, reference)
    gates.assert_open_gates_change_nothing(encoder, num_relations, factorised=factorised)
    gates.assert_gates_are_affine(encoder, num_relations)
    gates.assert_every_edge_counts(encoder, num_relations)
    if isolates_infinite_messages:
        gates.assert_closed_messages_may_be_infinite(encoder, num_relations)
    gates.assert_other_threads_are_unaffected(encoder, num_relations)
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    assert_no_side_effects(encoder, lambda: encoder(states, graph), predict=lambda: encoder(states, graph))


def _add_noise(encoder: GraphEncoder) -> None:
    generator = random_generator(13)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.is_floating_point():
                # Divided by the root of the number of summands, so that outputs stay of the size of inputs.
                scale = 0.5 / parameter.size(-1) ** 0.5 if parameter.dim() > 1 else 0.3
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.add_(scale * noise.to(parameter.dtype))


def assert_edge_order_does_not_matter(encoder: GraphEncoder, num_relations: int) -> None:
    """Asserts that the same edges in another order give the same output."""
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    expected = run_encoder(encoder, states, graph, "on a batch of graphs")
    for order in (
        torch.arange(graph.num_edges).flip(0),
        torch.randperm(graph.num_edges, generator=random_generator(1)),
    ):
        reordered = graph._replace(
            edge_index=graph.edge_index[:, order],
            edge_type=graph.edge_type[order],
            edge_graph=graph.edge_graph[order],
        )
        actual = run_encoder(encoder, states, reordered, "on edges in another order")
        assert_close(actual, expected, encoder, "the order of the edges matters")


def assert_node_numbers_do_not_matter(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that renumbering the nodes of each graph renumbers the output's rows and changes nothing else.
    """
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    generator = random_generator(2)
    first_nodes = graph.first_node_of_graph().tolist()
    # The old number of every new node; nodes stay inside their graph.
    old_numbers = torch.cat(
        [
            first + torch.randperm(n, generator=generator)
            for first, n in zip(first_nodes, graph.nodes_per_graph.tolist())
        ]
    )
    new_numbers = old_numbers.argsort()
    relabelled = graph._replace(edge_index=new_numbers[graph.edge_index])
    expected = run_encoder(encoder, states, graph, "on a batch of graphs")[old_numbers]
    actual = run_encoder(encoder, states[old_numbers], relabelled, "on renumbered nodes")
    assert_close(actual, expected, encoder, "the numbering of the nodes matters")


def assert_batch_equals_singles(encoder: GraphEncoder, num_relations: int) -> None:
    """Asserts that a graph gives the same output alone and in a batch."""
    graphs = example_graphs(num_relations)
    union = Graph.disjoint_union(graphs)
    states = example_states(encoder, union)
    together = run_encoder(encoder, states, union, "on a batch of graphs")
    sizes = [graph.num_nodes for graph in graphs]
    for number, (graph, own_states, output) in enumerate(
        zip(graphs, states.split(sizes), together.split(sizes))
    ):
        alone = run_encoder(encoder, own_states, graph, f"on graph {number} alone")
        assert_close(alone, output, encoder, f"graph {number} gives another output alone than in a batch")


def assert_padding_does_not_matter(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that a padded batch goes through the encoder and back, whatever the padding holds, and that no
    graph sees the other graphs of its batch.
    """
    graph = Graph.disjoint_union(example_graphs(num_relations))
    states = example_states(encoder, graph)
    expected = run_encoder(encoder, states, graph, "on a batch of graphs")
    most_nodes = int(graph.nodes_per_graph.max())
    for max_nodes in (most_nodes, most_nodes + 3):
        padded = torch.full(
            (graph.num_graphs, max_nodes, encoder.get_input_dim()), float("nan"), dtype=states.dtype
        )
        padded[graph.node_mask(max_nodes)] = states
        output = run_encoder(encoder, graph.flatten_nodes(padded), graph, "on a flattened batch")
        padded_output = graph.pad_nodes(output, max_nodes)
        assert_bitwise_equal(
            graph.flatten_nodes(padded_output), expected, encoder, "padding changes the output"
        )
        assert not padded_output[~graph.node_mask(max_nodes)].any(), (
            "Graph.pad_nodes pads with other numbers than zero."
        )
    first_nodes = graph.first_node_of_graph().tolist()
    for number, (first, count) in enumerate(zip(first_nodes, graph.nodes_per_graph.tolist())):
        others = 10 * example_states(encoder, graph, seed=3)
        others[first : first + count] = states[first : first + count]
        actual = run_encoder(encoder, others, graph, f"on graph {number} among other graphs")[
            first : first + count
        ]
        what = f"graph {number} depends on the other graphs of its batch"
        assert_close(actual, expected[first : first + count], encoder, what)


def assert_degenerate_graphs_work(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that graphs without edges, of one node, and without nodes work, and that the output of an isolated
    node depends on nothing but its own state.
    """
    situations = {
        "on a graph without edges": Graph.from_edges(4, [], []),
        "on a graph of one node": Graph.from_edges(1, [], []),
        "on one node with an edge to itself": Graph.from_edges(1, [[0, 0]], [num_relations - 1]),
        "on a graph without nodes": Graph.from_edges(0, [], []),
        "on a batch of graphs without nodes": Graph.disjoint_union([Graph.from_edges(0, [], [])] * 2),
        "on a batch whose first graph has no nodes": Graph.disjoint_union(
            [Graph.from_edges(0, [], []), Graph.from_edges(2, [[0, 1]], [0])]
        ),
    }
    for situation, graph in situations.items():
        run_encoder(encoder, example_states(encoder, graph), graph, situation)
    graph = example_graphs(num_relations)[0]
    states = example_states(encoder, graph)
    isolated = run_encoder(encoder, states, graph, "on a graph with an isolated node")[-1:]
    alone = run_encoder(encoder, states[-1:], situations["on a graph of one node"], "on a graph of one node")
    assert_close(isolated, alone, encoder, "an isolated node depends on other nodes")


def assert_unseen_relations_work(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that edges of the two types that are reserved for relations unseen in training work, alone and
    among others.
    """
    for graph in (
        Graph.from_edges(
            3, [[0, 1], [1, 0], [2, 1]], [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION, UNSEEN_RELATION]
        ),
        Graph.from_edges(
            3, [[0, 1], [1, 0], [2, 1]], [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION, num_relations - 1]
        ),
    ):
        run_encoder(encoder, example_states(encoder, graph), graph, "on relations unseen in training")


def assert_equals_reference(encoder: GraphEncoder, num_relations: int, reference: Reference) -> None:
    """
    Asserts that the encoder gives the numbers of a slow reference, to 1e-5 in single and 1e-10 in double
    precision.
    """
    graphs = example_graphs(num_relations)
    for seed, graph in enumerate([*graphs, Graph.disjoint_union(graphs)]):
        states = example_states(encoder, graph, seed=seed)
        actual = run_encoder(encoder, states, graph, "on a batch of graphs")
        with torch.no_grad():
            expected = reference(encoder, states, graph)
        tolerance = TOLERANCES[states.dtype]
        assert_close(
            actual, expected.to(states.dtype), encoder, "it is not the reference", tolerance=tolerance
        )


def assert_keeps_nothing_between_calls(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Asserts that evaluation is deterministic and that no call leaves a trace in the next. Best on an encoder
    that has not run before.
    """
    small, large = (
        example_graphs(num_relations)[-1],
        Graph.disjoint_union(example_graphs(num_relations, seed=4)),
    )
    small_states, large_states = example_states(encoder, small), example_states(encoder, large, seed=5)
    untouched = copy.deepcopy(encoder)
    first = run_encoder(encoder, small_states, small, "on a small graph")
    again = run_encoder(encoder, small_states, small, "on the same graph again")
    assert_bitwise_equal(again, first, encoder, "the same input gives two outputs in evaluation mode")
    after = run_encoder(encoder, large_states, large, "on a second batch")
    fresh = run_encoder(untouched, large_states, large, "on a batch")
    assert_bitwise_equal(after, fresh, encoder, "the output depends on what the encoder was given before")
