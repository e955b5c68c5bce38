"""What any `GraphEncoder` must satisfy, as assertions; `assert_is_graph_encoder` makes them all."""

import copy
from functools import partial
from typing import Callable, Optional, Sequence, Union

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.testing import gates
from allennlp_graphmask.testing.examples import (
    assert_bitwise_equal,
    assert_close,
    draw_normal,
    example_batch,
    example_graphs,
    example_states,
    random_generator,
    run_encoder,
)
from allennlp_graphmask.testing.no_side_effects import assert_no_side_effects

#: A slow computation of an encoder's output from the encoder, the node states and the graph.
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
    Assert everything that a `GraphEncoder` has to satisfy, in evaluation mode on the CPU, in single and double precision.

    # Parameters

    encoder : `Union[GraphEncoder, Callable[[], GraphEncoder]]`
        The encoder, or what makes it. It is copied and not changed.
    num_relations : `int`
        The number of edge types that it was made for, the two reserved ones included: `num_relations(vocab)`.
    reference : `Callable[[GraphEncoder, torch.Tensor, Graph], torch.Tensor]`, optional
        A slow and obvious computation (a loop over the edges) of the encoder's output from the encoder, the node states and the
        graph.
    factorised : `bool`, optional (default = `False`)
        Whether the layers aggregate without writing the messages out. Per-edge replacements are then computed in another way than
        an unmasked pass, and may differ from it by rounding.
    isolates_infinite_messages : `bool`, optional
        Whether a message that is not finite must have no effect once a boolean gate drops it. By default only if not `factorised`;
        set it to `False` for an encoder with a normalisation that depends on the messages (attention).
    randomise_parameters : `bool`, optional (default = `True`)
        Whether to add noise to the parameters of the copy: those that start at zero (usually biases) hide mistakes.
    dtypes : `Sequence[torch.dtype]`, optional
    """
    original = encoder if isinstance(encoder, GraphEncoder) else encoder()
    assert isinstance(original, GraphEncoder), f"{type(original).__name__} is not a GraphEncoder."
    try:
        original.check_contract()
    except ConfigurationError as error:
        raise AssertionError(error.message) from error
    if isolates_infinite_messages is None:
        isolates_infinite_messages = not factorised
    for dtype in dtypes:
        copied = copy.deepcopy(original).cpu().eval().to(dtype)
        if randomise_parameters:
            _add_noise(copied)
        # First, because it needs an encoder that has not run yet.
        assert_keeps_nothing_between_calls(copied, num_relations)
        for assertion in (
            gates.assert_messages_are_as_declared,
            assert_degenerate_graphs_work,
            assert_unseen_relations_work,
            assert_edge_order_does_not_matter,
            assert_node_numbers_do_not_matter,
            assert_batch_equals_singles,
            assert_padding_does_not_matter,
            gates.assert_gates_are_affine,
            gates.assert_every_edge_counts,
            gates.assert_other_threads_are_unaffected,
        ):
            assertion(copied, num_relations)
        if reference is not None:
            assert_equals_reference(copied, num_relations, reference)
        gates.assert_gates_of_one_change_nothing(copied, num_relations, factorised=factorised)
        if isolates_infinite_messages:
            gates.assert_dropped_messages_may_be_infinite(copied, num_relations)
        graph, states, _ = example_batch(copied, num_relations)
        run = partial(copied, states, graph)
        assert_no_side_effects(copied, run, predict=run)
    # Once: it is in double precision whatever the encoder's.
    gates.assert_gates_are_differentiable(copied, num_relations)


def _add_noise(encoder: GraphEncoder) -> None:
    generator = random_generator(13)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.is_floating_point():
                # Divided by the root of the number of summands, so that outputs stay of the size of inputs.
                scale = 0.5 / parameter.size(-1) ** 0.5 if parameter.dim() > 1 else 0.3
                parameter.add_(scale * draw_normal(parameter, *parameter.shape, generator=generator))


def assert_edge_order_does_not_matter(encoder: GraphEncoder, num_relations: int) -> None:
    """Assert that the same edges in another order give the same output."""
    graph, states, expected = example_batch(encoder, num_relations)
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
    """Assert that renumbering the nodes of each graph renumbers the output's rows and changes nothing else."""
    graph, states, output = example_batch(encoder, num_relations)
    generator = random_generator(2)
    # The old number of every new node; nodes stay inside their graph.
    old_numbers = torch.cat(
        [
            first + torch.randperm(count, generator=generator)
            for first, count in zip(graph.first_node_of_graph().tolist(), graph.nodes_per_graph.tolist())
        ]
    )
    relabelled = graph._replace(edge_index=old_numbers.argsort()[graph.edge_index])
    actual = run_encoder(encoder, states[old_numbers], relabelled, "on renumbered nodes")
    assert_close(actual, output[old_numbers], encoder, "the numbering of the nodes matters")


def assert_batch_equals_singles(encoder: GraphEncoder, num_relations: int) -> None:
    """Assert that a graph gives the same output alone and in a batch."""
    _, states, together = example_batch(encoder, num_relations)
    graphs = example_graphs(num_relations)
    sizes = [graph.num_nodes for graph in graphs]
    for number, (graph, own_states, output) in enumerate(zip(graphs, states.split(sizes), together.split(sizes))):
        alone = run_encoder(encoder, own_states, graph, f"on graph {number} alone")
        assert_close(alone, output, encoder, f"graph {number} gives another output alone than in a batch")


def assert_padding_does_not_matter(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that a padded batch can be flattened for the encoder and padded again, whatever the padding holds, and that no graph
    depends on the other graphs of its batch.
    """
    graph, states, expected = example_batch(encoder, num_relations)
    most_nodes = int(graph.nodes_per_graph.max())
    for max_nodes in (most_nodes, most_nodes + 3):
        padded = states.new_full((graph.num_graphs, max_nodes, encoder.get_input_dim()), float("nan"))
        padded[graph.node_mask(max_nodes)] = states
        output = run_encoder(encoder, graph.flatten_nodes(padded), graph, "on a flattened batch")
        padded_output = graph.pad_nodes(output, max_nodes)
        unpadded = graph.flatten_nodes(padded_output)
        assert_bitwise_equal(unpadded, expected, encoder, "padding changes the output")
        assert not padded_output[~graph.node_mask(max_nodes)].any(), "Graph.pad_nodes does not pad with zeros."
    first_nodes = graph.first_node_of_graph().tolist()
    for number, (first, count) in enumerate(zip(first_nodes, graph.nodes_per_graph.tolist())):
        own = slice(first, first + count)
        others = 10 * example_states(encoder, graph, seed=3)
        others[own] = states[own]
        actual = run_encoder(encoder, others, graph, f"on graph {number} among other graphs")
        what = f"graph {number} depends on the other graphs of its batch"
        assert_close(actual[own], expected[own], encoder, what)


def assert_degenerate_graphs_work(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that graphs without edges, of one node, and without nodes work, and that the output of an isolated node depends only on
    its own state.
    """
    no_nodes, one_node = Graph.from_edges(0, [], []), Graph.from_edges(1, [], [])
    for situation, graph in {
        "on a graph without edges": Graph.from_edges(4, [], []),
        "on a graph of one node": one_node,
        "on one node with an edge to itself": Graph.from_edges(1, [[0, 0]], [num_relations - 1]),
        "on a graph without nodes": no_nodes,
        "on a batch of graphs without nodes": Graph.disjoint_union([no_nodes, no_nodes]),
        "on a batch with a first graph without nodes": Graph.disjoint_union(
            [no_nodes, Graph.from_edges(2, [[0, 1]], [0])]
        ),
    }.items():
        run_encoder(encoder, example_states(encoder, graph), graph, situation)
    graph = example_graphs(num_relations)[0]
    states = example_states(encoder, graph)
    isolated = run_encoder(encoder, states, graph, "on a graph with an isolated node")[-1:]
    alone = run_encoder(encoder, states[-1:], one_node, "on a graph of one node")
    assert_close(isolated, alone, encoder, "an isolated node depends on other nodes")


def assert_unseen_relations_work(encoder: GraphEncoder, num_relations: int) -> None:
    """Assert that edges of the two types reserved for relations unseen in training work, alone and among others."""
    for last in (UNSEEN_RELATION, num_relations - 1):
        types = [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION, last]
        graph = Graph.from_edges(3, [[0, 1], [1, 0], [2, 1]], types)
        run_encoder(encoder, example_states(encoder, graph), graph, "on relations unseen in training")


def assert_equals_reference(encoder: GraphEncoder, num_relations: int, reference: Reference) -> None:
    """
    Assert that the encoder gives the numbers of a slow reference, to 1e-5 in single and 1e-10 in double precision.
    """
    graphs = example_graphs(num_relations)
    for seed, graph in enumerate([*graphs, Graph.disjoint_union(graphs)]):
        states = example_states(encoder, graph, seed=seed)
        actual = run_encoder(encoder, states, graph, "on a batch of graphs")
        with torch.no_grad():
            expected = reference(encoder, states, graph).to(states.dtype)
        assert_close(actual, expected, encoder, "it differs from the reference")


def assert_keeps_nothing_between_calls(encoder: GraphEncoder, num_relations: int) -> None:
    """
    Assert that evaluation is deterministic and that no call changes the next one. Best on an encoder that has not run
    before.
    """
    small = example_graphs(num_relations)[-1]
    states = example_states(encoder, small)
    untouched = copy.deepcopy(encoder)
    first = run_encoder(encoder, states, small, "on a small graph")
    again = run_encoder(encoder, states, small, "on the same graph again")
    assert_bitwise_equal(again, first, encoder, "the same input gives two outputs in evaluation mode")
    _, _, after = example_batch(encoder, num_relations, seed=4)
    _, _, fresh = example_batch(untouched, num_relations, seed=4)
    assert_bitwise_equal(after, fresh, encoder, "the output depends on earlier inputs of the encoder")
