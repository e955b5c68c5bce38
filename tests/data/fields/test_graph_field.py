import copy
import pickle
from collections import Counter, defaultdict

import numpy as np
import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import Instance, Vocabulary
from allennlp.data.batch import Batch
from allennlp.data.fields import ListField
from hypothesis import given, settings

from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph, relation_index
from tests.data.malformed import refused
from tests.models.building import make_batch
from tests.test_graph import as_graph, assert_same_graph, edge_lists

LABELS = ["nsubj", "nsubj^-1", "obj", "obj^-1"]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(counter={"edge_labels": {label: 9 - i for i, label in enumerate(LABELS)}})


def sentence() -> GraphField:
    """Two edges with one label and one with another between the same nodes, an edge to itself, an isolated node."""
    return GraphField(4, [(0, 1), (0, 1), (0, 1), (1, 0), (2, 2)], ["obj", "obj", "nsubj", "nsubj^-1", "obj^-1"])


def pair() -> GraphField:
    return GraphField(2, [(1, 0)], ["nsubj"])


def test_labels_are_counted_with_their_repetitions_in_their_namespace() -> None:
    counter: dict = defaultdict(Counter)
    sentence().count_vocab_items(counter)
    GraphField(2, [(0, 1)], ["MATCH"], namespace="mention_labels").count_vocab_items(counter)
    assert counter == {
        "edge_labels": {"obj": 2, "nsubj": 1, "nsubj^-1": 1, "obj^-1": 1},
        "mention_labels": {"MATCH": 1},
    }


def test_indexed_graph(vocabulary: Vocabulary) -> None:
    field = sentence()
    with pytest.raises(ConfigurationError, match="index"):
        field.as_tensor({})
    field.index(Vocabulary())
    assert set(field.as_tensor({}).edge_type.tolist()) == {UNSEEN_RELATION, UNSEEN_INVERSE_RELATION}
    # Again, with another vocabulary.
    field.index(vocabulary)
    graph = field.as_tensor(field.get_padding_lengths())
    assert graph.edge_index.tolist() == [[0, 0, 0, 1, 2], [1, 1, 1, 0, 2]]
    assert graph.edge_type.tolist() == [relation_index(vocabulary, label) for label in field.labels]
    assert graph.nodes_per_graph.tolist() == [4]
    assert graph.edge_graph.tolist() == [0] * 5


@given(edge_lists())
@settings(deadline=None, max_examples=50)
def test_any_graph_goes_through_a_field_given_as_lists_or_arrays(part) -> None:
    num_nodes, edges = part
    names = ["unused", "0", "1", "2", "3"]
    vocabulary = Vocabulary(counter={"edge_labels": {"0": 4, "1": 3, "2": 2}})
    listed = GraphField(num_nodes, [edge[:2] for edge in edges], [str(edge[2]) for edge in edges])
    compact = GraphField(
        num_nodes,
        np.array([edge[:2] for edge in edges], dtype=np.int32).reshape(-1, 2),
        np.array([names.index(str(edge[2])) for edge in edges], dtype=np.int64),
        label_names=names,
    )
    assert compact == listed and listed == compact
    assert (compact.edges, compact.labels) == (listed.edges, listed.labels)
    assert compact.human_readable_repr() == listed.human_readable_repr()
    assert compact.get_padding_lengths() == listed.get_padding_lengths()
    expected = as_graph(
        num_nodes, [(source, target, relation_index(vocabulary, str(kind))) for source, target, kind in edges]
    )
    counters = []
    for field in (listed, compact):
        counters.append(defaultdict(Counter))
        field.count_vocab_items(counters[-1])
        field.index(vocabulary)
        assert_same_graph(field.as_tensor({}), expected)
    assert counters[0] == counters[1]


def test_what_the_caller_gave_is_not_kept() -> None:
    # Few nodes: the smallest integers are what is stored, so that a conversion alone would make no copy.
    edges, labels = np.array([[0, 1]], dtype=np.uint8), np.array([0], dtype=np.uint8)
    of_arrays = GraphField(2, edges, labels, label_names=["obj"])
    edges[:] = 7
    labels[:] = 7
    pairs, names = [[0, 1]], ["obj"]
    of_lists = GraphField(2, pairs, names)  # type: ignore[arg-type]
    pairs.append([1, 0])
    names.append("nsubj")
    assert of_arrays == of_lists == GraphField(2, [(0, 1)], ["obj"])


@pytest.mark.parametrize(
    "edges, labels, expected",
    [
        ([[0, 2]], [0], "Edge (0, 2) leaves the graph: its 2 nodes are numbered 0 to 1"),
        ([[2, 0]], [0], "Edge (2, 0)"),
        ([[0, 1], [-1, 0]], [0, 0], "Edge (-1, 0)"),
        ([[0, 1]], [1], "Label 1 has no name"),
        ([[0, 1]], [-1], "Label -1 has no name"),
        ([[0, 1]], [0.0], "float64"),
        ([[0.0, 1.0]], [0], "float64 and shape (1, 2)"),
        ([[0, 1, 1]], [0], "shape (1, 3)"),
        ([[0, 1]], [0, 0], "1 edges and 2 labels"),
        ([[0, 1]], [], "1 edges and 0 labels"),
    ],
)
def test_wrong_graphs_are_refused(edges, labels, expected) -> None:
    with refused(expected):
        GraphField(2, np.array(edges), np.array(labels), label_names=["obj"])
    if expected.startswith(("Edge", "1 edges")):
        with refused(expected):
            GraphField(2, edges, ["obj" for _ in labels])


def test_a_name_given_twice_is_refused() -> None:
    with refused("['obj', 'obj']"):
        GraphField(2, np.array([[0, 1]]), np.array([0]), label_names=["obj", "obj"])


@pytest.mark.parametrize("num_nodes", [255, 256, 257, 65536, 65537])
def test_node_numbers_survive_their_storage(num_nodes: int, vocabulary: Vocabulary) -> None:
    field = GraphField(num_nodes, [(num_nodes - 1, 0), (0, num_nodes - 1)], ["obj", "obj^-1"])
    field.index(vocabulary)
    assert field.as_tensor({}).edge_index.tolist() == [[num_nodes - 1, 0], [0, num_nodes - 1]]
    assert field.edges == [(num_nodes - 1, 0), (0, num_nodes - 1)]


def test_a_dense_graph_is_small_and_its_tensors_are_not_kept(vocabulary: Vocabulary) -> None:
    """A data set of graphs with all pairs of nodes as edges must fit into memory."""
    edges = np.argwhere(~np.eye(500, dtype=bool))
    field = GraphField(500, edges, np.arange(len(edges)) % 4, label_names=LABELS)
    field.index(vocabulary)
    graph = field.as_tensor({})
    assert graph.edge_index.T.tolist() == edges.tolist()
    assert graph.edge_type[:4].tolist() == [relation_index(vocabulary, label) for label in LABELS]
    assert field.as_tensor({}) is not graph
    assert len(pickle.dumps(field)) < 5 * len(edges) + 2000


def test_batch_is_the_disjoint_union(vocabulary: Vocabulary) -> None:
    batch = Batch([Instance({"graph": field}) for field in (sentence(), GraphField(0, [], []), pair())])
    batch.index_instances(vocabulary)
    assert batch.get_padding_lengths() == {"graph": {"num_nodes": 4, "num_edges": 5}}
    graph = batch.as_tensor_dict()["graph"]
    assert isinstance(graph, Graph) and graph.num_nodes == 6
    assert graph.nodes_per_graph.tolist() == [4, 0, 2]
    assert graph.edge_index[:, -1].tolist() == [5, 4]
    assert graph.edge_graph.tolist() == [0] * 5 + [2]


def test_list_field_pads_with_graphs_without_nodes(vocabulary: Vocabulary) -> None:
    fields = (ListField([sentence(), pair()]), ListField([GraphField(1, [], [])]))
    graph = make_batch([Instance({"graphs": field}) for field in fields], vocabulary)["graphs"]
    assert graph.nodes_per_graph.tolist() == [4, 2, 1, 0]
    assert graph.edge_index[:, -1].tolist() == [5, 4]
    assert graph.num_nodes == 7
    empty = GraphField(3, [(0, 1)], ["MATCH"], namespace="mention_labels").empty_field()
    assert empty == GraphField(0, [], [], namespace="mention_labels")
    assert empty.as_tensor({}).num_nodes == 0  # without having been indexed


def test_equality_is_that_of_the_symbols(vocabulary: Vocabulary) -> None:
    first, second = sentence(), sentence()
    first.index(vocabulary)
    first.as_tensor({})
    assert first == second  # although one of them holds tensors
    assert first != GraphField(5, first.edges, first.labels)
    assert first != GraphField(4, first.edges[::-1], first.labels)
    assert first != GraphField(4, first.edges, first.labels[::-1])
    assert first != GraphField(4, first.edges, first.labels, namespace="other_labels")
    assert first != "a graph"


def test_copies_are_independent(vocabulary: Vocabulary) -> None:
    field = sentence()
    field.index(vocabulary)
    expected = field.as_tensor({})
    copies = (copy.deepcopy(field), pickle.loads(pickle.dumps(field)), field.duplicate())
    field._edges[:] = 0
    for copied in copies:
        assert copied == sentence()
        assert_same_graph(copied.as_tensor({}), expected)
    assert copies[0].as_tensor({}).edge_index.data_ptr() != expected.edge_index.data_ptr()


def test_human_readable() -> None:
    readable = Instance({"graph": sentence()}).human_readable_dict()["graph"]
    assert readable == {"num_nodes": 4, "edges": sentence().edges, "labels": sentence().labels}
    assert str(sentence()) == "GraphField with 4 nodes and 5 edges in namespace 'edge_labels'."
    assert len(sentence()) == 4
