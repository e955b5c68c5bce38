import copy
import pickle
from typing import List, Tuple

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.nn.util import move_to_device
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import (
    NUM_RESERVED_RELATIONS,
    UNSEEN_INVERSE_RELATION,
    UNSEEN_RELATION,
    Graph,
    inverse_relation,
    is_inverse_relation,
    num_relations,
    relation_index,
    relation_name,
    relation_names,
)

NUM_TYPES = 4


@st.composite
def edge_lists(draw) -> Tuple[int, List[Tuple[int, int, int]]]:
    """The number of nodes of a graph, and its edges with their types; repetitions are welcome."""
    num_nodes = draw(st.integers(0, 5))
    node = st.integers(0, max(num_nodes - 1, 0))
    edge = st.tuples(node, node, st.integers(0, NUM_TYPES - 1))
    return num_nodes, draw(st.lists(edge, max_size=8 if num_nodes else 0))


def as_graph(num_nodes: int, edges: List[Tuple[int, int, int]]) -> Graph:
    return Graph.from_edges(num_nodes, [edge[:2] for edge in edges], [edge[2] for edge in edges])


def assert_same_graph(first: Graph, second: Graph) -> None:
    assert first.num_nodes == second.num_nodes
    for name, one, other in zip(Graph._fields[:-1], first[:-1], second[:-1]):
        assert torch.equal(one, other), name
        assert one.dtype == other.dtype == torch.long


@given(st.lists(edge_lists(), min_size=1, max_size=6))
@settings(max_examples=80)
def test_disjoint_union_against_brute_force(parts) -> None:
    union = Graph.disjoint_union([as_graph(*part) for part in parts])
    expected = []
    first_node = 0
    for number, (num_nodes, edges) in enumerate(parts):
        expected += [(first_node + source, first_node + target, kind, number) for source, target, kind in edges]
        first_node += num_nodes
    actual = zip(*union.edge_index.tolist(), union.edge_type.tolist(), union.edge_graph.tolist())
    assert list(actual) == expected
    assert union.num_nodes == first_node == int(union.nodes_per_graph.sum())
    assert union.nodes_per_graph.tolist() == [num_nodes for num_nodes, _ in parts]
    assert union.num_graphs == len(parts)
    assert union.num_edges == len(expected)
    assert union.edges_per_graph().tolist() == [len(edges) for _, edges in parts]
    assert union.sources.tolist() == [edge[0] for edge in expected]
    assert union.targets.tolist() == [edge[1] for edge in expected]
    # The graph of an edge is the graph of its ends.
    graph_of_node = torch.arange(len(parts)).repeat_interleave(union.nodes_per_graph)
    assert torch.equal(graph_of_node[union.sources], union.edge_graph)
    assert torch.equal(graph_of_node[union.targets], union.edge_graph)


@given(st.lists(st.lists(edge_lists(), min_size=1, max_size=3), min_size=1, max_size=3))
@settings(max_examples=50)
def test_union_of_unions_is_the_union_of_all(groups) -> None:
    """What a `ListField` of graphs in a batch comes to."""
    nested = Graph.disjoint_union([Graph.disjoint_union([as_graph(*part) for part in group]) for group in groups])
    flat = Graph.disjoint_union([as_graph(*part) for group in groups for part in group])
    assert_same_graph(nested, flat)


@given(st.lists(edge_lists(), min_size=1, max_size=5), st.integers(0, 3), st.sampled_from([(), (3,), (2, 2)]))
@settings(max_examples=80)
def test_flatten_and_pad_are_inverse(parts, spare: int, inner_shape: Tuple[int, ...]) -> None:
    graph = Graph.disjoint_union([as_graph(*part) for part in parts])
    max_nodes = max(num_nodes for num_nodes, _ in parts) + spare
    flat = torch.randn(graph.num_nodes, *inner_shape)
    padded = graph.pad_nodes(flat, max_nodes)
    assert padded.shape == (len(parts), max_nodes, *inner_shape)
    assert torch.equal(graph.flatten_nodes(padded), flat)
    first = graph.first_node_of_graph().tolist()
    for row, (num_nodes, _) in enumerate(parts):
        assert torch.equal(padded[row, :num_nodes], flat[first[row] : first[row] + num_nodes])
        assert not padded[row, num_nodes:].any()
        assert graph.node_mask(max_nodes)[row].tolist() == [True] * num_nodes + [False] * (max_nodes - num_nodes)
    # And the other way round, but for what the padding held.
    noisy = torch.randn(len(parts), max_nodes, *inner_shape)
    mask = graph.node_mask(max_nodes).reshape(len(parts), max_nodes, *[1] * len(inner_shape))
    assert torch.equal(graph.pad_nodes(graph.flatten_nodes(noisy), max_nodes), noisy * mask)


def test_gradients_flow_through_padding() -> None:
    graph = Graph.disjoint_union([as_graph(2, []), as_graph(0, []), as_graph(3, [])])
    flat = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda states: graph.flatten_nodes(graph.pad_nodes(states, 4) * 2), flat)


def test_nodes_that_do_not_fit_are_refused() -> None:
    graph = Graph.disjoint_union([as_graph(2, []), as_graph(3, [])])
    with pytest.raises(ConfigurationError, match="2 nodes per graph holds 4 of the batch's 5 nodes"):
        graph.flatten_nodes(torch.zeros(2, 2, 7))
    with pytest.raises(ConfigurationError, match="5 rows .* 2 nodes per graph.* 5 nodes, and 4 fit"):
        graph.pad_nodes(torch.zeros(5, 7), 2)
    # These two would be written to every node, and to none.
    with pytest.raises(ConfigurationError, match="1 rows .* 3 nodes per graph"):
        graph.pad_nodes(torch.zeros(1, 7), 3)
    with pytest.raises(ConfigurationError, match="1 rows .* 0 nodes per graph"):
        as_graph(1, []).pad_nodes(torch.zeros(1, 7), 0)


@pytest.mark.parametrize("edge", [(0, 2), (2, 0), (-1, 0), (0, -1)])
def test_an_edge_that_leaves_the_graph_is_refused(edge) -> None:
    with pytest.raises(ConfigurationError, match=r"2 nodes are numbered 0 to 1"):
        Graph.from_edges(2, [edge], [0])


def test_as_many_types_as_edges() -> None:
    with pytest.raises(ConfigurationError, match="got 1 edges and 2 types"):
        Graph.from_edges(2, [(0, 1)], [0, 0])


def test_empty_graphs_have_the_right_shapes() -> None:
    for num_nodes in (0, 3):
        graph = Graph.from_edges(num_nodes, [], [])
        assert graph.edge_index.shape == (2, 0)
        assert graph.edge_index.dtype == graph.edge_type.dtype == graph.edge_graph.dtype == torch.long
        assert graph.edges_per_graph().tolist() == [0]
        assert graph.num_graphs == 1


def test_a_graph_stays_a_graph_when_moved_copied_and_pickled() -> None:
    graph = Graph.disjoint_union([as_graph(2, [(0, 1, 2), (0, 1, 2)]), as_graph(0, [])])
    # AllenNLP returns early where the device is the CPU; `meta` stands for any other device.
    moved = move_to_device({"graph": graph}, torch.device("meta"))["graph"]
    assert isinstance(moved, Graph)
    assert {tensor.device.type for tensor in moved[:-1]} == {"meta"}
    assert moved.num_nodes == 2
    for copied in (copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert isinstance(copied, Graph)
        assert_same_graph(copied, graph)


@given(st.text(max_size=8))
def test_inverse_relation_is_an_involution(label: str) -> None:
    inverse = inverse_relation(label)
    assert inverse_relation(inverse) == label
    assert is_inverse_relation(inverse) != is_inverse_relation(label)


def test_relations_and_their_types() -> None:
    vocabulary = Vocabulary(counter={"edge_labels": {"nsubj": 3, "nsubj^-1": 2, "obj": 1}})
    assert num_relations(vocabulary) == NUM_RESERVED_RELATIONS + 3
    names = relation_names(vocabulary)
    assert names[:2] == ["@@UNSEEN@@", "@@UNSEEN@@^-1"]
    assert sorted(names[2:]) == ["nsubj", "nsubj^-1", "obj"]
    for name in names[2:]:
        assert relation_name(vocabulary, relation_index(vocabulary, name)) == name
    assert relation_index(vocabulary, "dislocated") == UNSEEN_RELATION
    assert relation_index(vocabulary, "dislocated^-1") == UNSEEN_INVERSE_RELATION
    # The reserved types have the direction that their names say.
    assert not is_inverse_relation(relation_name(vocabulary, UNSEEN_RELATION))
    assert is_inverse_relation(relation_name(vocabulary, UNSEEN_INVERSE_RELATION))
    # Names, looked up like any label, are found at their own type.
    assert [relation_index(vocabulary, name) for name in names] == list(range(num_relations(vocabulary)))


def test_a_vocabulary_without_relations() -> None:
    vocabulary = Vocabulary()
    assert num_relations(vocabulary) == NUM_RESERVED_RELATIONS
    assert relation_index(vocabulary, "nsubj") == UNSEEN_RELATION


def test_extending_or_saving_a_vocabulary_keeps_edge_types(tmp_path) -> None:
    vocabulary = Vocabulary(counter={"edge_labels": {"nsubj": 3, "nsubj^-1": 2}})
    before = {name: relation_index(vocabulary, name) for name in relation_names(vocabulary)}
    vocabulary.save_to_files(str(tmp_path / "vocabulary"))
    vocabulary.extend_from_vocab(Vocabulary(counter={"edge_labels": {"aux": 9, "aux^-1": 9}}))
    loaded = Vocabulary.from_files(str(tmp_path / "vocabulary"))
    for name, index in before.items():
        assert relation_index(vocabulary, name) == relation_index(loaded, name) == index
    assert num_relations(vocabulary) == num_relations(loaded) + 2
