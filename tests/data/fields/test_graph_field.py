import copy
import logging
import pickle
from collections import Counter, defaultdict
from typing import Dict, Iterable

import numpy as np
import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.data.batch import Batch
from allennlp.data.data_loaders import MultiProcessDataLoader, SimpleDataLoader
from allennlp.data.fields import ListField, MetadataField
from allennlp.nn.util import move_to_device
from hypothesis import given, settings

from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph, relation_index
from tests.test_graph import as_graph, assert_same_graph, edge_lists

LABELS = ["nsubj", "nsubj^-1", "obj", "obj^-1"]


@pytest.fixture(autouse=True)
def nothing_warned_about(monkeypatch) -> None:
    monkeypatch.setattr(GraphField, "_warned_labels", set())
    monkeypatch.setattr(GraphField, "unseen_label_counts", Counter())


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(counter={"edge_labels": {label: 9 - i for i, label in enumerate(LABELS)}})


def sentence() -> GraphField:
    """
    Two edges with one label and one with another between the same nodes, an edge to itself, an isolated node.
    """
    return GraphField(
        4, [(0, 1), (0, 1), (0, 1), (1, 0), (2, 2)], ["obj", "obj", "nsubj", "nsubj^-1", "obj^-1"]
    )


def test_labels_are_counted_with_their_repetitions() -> None:
    counter: Dict[str, Dict[str, int]] = defaultdict(Counter)
    sentence().count_vocab_items(counter)
    assert counter == {"edge_labels": {"obj": 2, "nsubj": 1, "nsubj^-1": 1, "obj^-1": 1}}


def test_labels_are_counted_in_the_namespace_given() -> None:
    counter: Dict[str, Dict[str, int]] = defaultdict(Counter)
    GraphField(2, [(0, 1)], ["MATCH"], namespace="mention_labels").count_vocab_items(counter)
    assert counter == {"mention_labels": {"MATCH": 1}}


def test_indexed_graph(vocabulary: Vocabulary) -> None:
    field = sentence()
    field.index(vocabulary)
    graph = field.as_tensor(field.get_padding_lengths())
    assert graph.edge_index.tolist() == [[0, 0, 0, 1, 2], [1, 1, 1, 0, 2]]
    assert graph.edge_type.tolist() == [relation_index(vocabulary, label) for label in field.labels]
    assert graph.nodes_per_graph.tolist() == [4]
    assert graph.edge_graph.tolist() == [0] * 5


def test_a_field_cannot_become_a_tensor_before_it_is_indexed() -> None:
    with pytest.raises(ConfigurationError, match="index"):
        sentence().as_tensor({})


def test_indexing_again_with_another_vocabulary(vocabulary: Vocabulary) -> None:
    field = sentence()
    field.index(Vocabulary())
    assert set(field.as_tensor({}).edge_type.tolist()) == {UNSEEN_RELATION, UNSEEN_INVERSE_RELATION}
    field.index(vocabulary)
    assert field.as_tensor({}).edge_type.tolist() == [
        relation_index(vocabulary, label) for label in field.labels
    ]


def test_padding_lengths() -> None:
    assert sentence().get_padding_lengths() == {"num_nodes": 4, "num_edges": 5}
    assert len(sentence()) == 4


@given(edge_lists())
@settings(deadline=None, max_examples=50)
def test_any_graph_goes_through_a_field(part) -> None:
    num_nodes, edges = part
    vocabulary = Vocabulary(counter={"edge_labels": {"0": 4, "1": 3, "2": 2, "3": 1}})
    field = GraphField(num_nodes, [edge[:2] for edge in edges], [str(edge[2]) for edge in edges])
    field.index(vocabulary)
    expected = as_graph(
        num_nodes, [(source, target, relation_index(vocabulary, str(kind))) for source, target, kind in edges]
    )
    assert_same_graph(field.as_tensor({}), expected)


@given(edge_lists())
@settings(deadline=None, max_examples=50)
def test_arrays_are_the_same_graph(part) -> None:
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
    counters = []
    for field in (listed, compact):
        counters.append(defaultdict(Counter))
        field.count_vocab_items(counters[-1])
        field.index(vocabulary)
    assert counters[0] == counters[1]
    assert_same_graph(compact.as_tensor({}), listed.as_tensor({}))


def test_the_callers_arrays_are_not_kept() -> None:
    # Few nodes: the smallest integers are what is stored, so that a conversion alone would make no copy.
    edges, labels = np.array([[0, 1]], dtype=np.uint8), np.array([0], dtype=np.uint8)
    field = GraphField(2, edges, labels, label_names=["obj"])
    edges[:] = 7
    labels[:] = 7
    assert field == GraphField(2, [(0, 1)], ["obj"])


@pytest.mark.parametrize(
    "edges, labels, message",
    [
        ([[0, 2]], [0], r"Edge \(0, 2\) leaves the graph"),
        ([[0, 1], [-1, 0]], [0, 0], r"Edge \(-1, 0\) leaves the graph"),
        ([[0, 1]], [1], "Label 1 has no name: label_names has 1"),
        ([[0, 1]], [-1], "Label -1 has no name"),
        ([[0, 1]], [0.0], "integer array of shape .num_edges,.: got an array of float64"),
        ([[0.0, 1.0]], [0], "got an array of float64 and shape .1, 2."),
        ([[0, 1, 1]], [0], "shape .1, 3."),
        ([[0, 1]], [0, 0], "got 1 edges and 2 labels"),
    ],
)
def test_wrong_arrays_are_refused(edges, labels, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GraphField(2, np.array(edges), np.array(labels), label_names=["obj"])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must differ"):
        GraphField(2, np.array([[0, 1]]), np.array([0]), label_names=["obj", "obj"])


@pytest.mark.parametrize("num_nodes", [255, 256, 257, 65536, 65537])
def test_node_numbers_survive_their_storage(num_nodes: int, vocabulary: Vocabulary) -> None:
    field = GraphField(num_nodes, [(num_nodes - 1, 0), (0, num_nodes - 1)], ["obj", "obj^-1"])
    field.index(vocabulary)
    assert field.as_tensor({}).edge_index.tolist() == [[num_nodes - 1, 0], [0, num_nodes - 1]]
    assert field.edges == [(num_nodes - 1, 0), (0, num_nodes - 1)]


def test_a_dense_graph_is_small_and_made_anew(vocabulary: Vocabulary) -> None:
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
    fields = [sentence(), GraphField(0, [], []), GraphField(2, [(1, 0)], ["nsubj"])]
    batch = Batch([Instance({"graph": field}) for field in fields])
    batch.index_instances(vocabulary)
    graph = batch.as_tensor_dict()["graph"]
    assert isinstance(graph, Graph)
    assert graph.nodes_per_graph.tolist() == [4, 0, 2]
    assert graph.edge_index[:, -1].tolist() == [5, 4]
    assert graph.edge_graph.tolist() == [0] * 5 + [2]
    assert batch.get_padding_lengths() == {"graph": {"num_nodes": 4, "num_edges": 5}}


def test_list_field_pads_with_graphs_without_nodes(vocabulary: Vocabulary) -> None:
    first = ListField([sentence(), GraphField(2, [(1, 0)], ["nsubj"])])
    second = ListField([GraphField(1, [], [])])
    batch = Batch([Instance({"graphs": field}) for field in (first, second)])
    batch.index_instances(vocabulary)
    graph = batch.as_tensor_dict()["graphs"]
    assert graph.nodes_per_graph.tolist() == [4, 2, 1, 0]
    assert graph.edge_index[:, -1].tolist() == [5, 4]
    assert graph.num_nodes == 7


def test_empty_field() -> None:
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


def test_edges_given_as_lists_are_the_same_edges() -> None:
    assert GraphField(2, [[0, 1]], ["obj"]) == GraphField(2, [(0, 1)], ["obj"])


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


def test_the_callers_lists_are_not_kept() -> None:
    edges, labels = [(0, 1)], ["obj"]
    field = GraphField(2, edges, labels)
    edges.append((1, 0))
    labels.append("nsubj")
    assert field.edges == [(0, 1)] and field.labels == ["obj"]


def test_human_readable() -> None:
    readable = Instance({"graph": sentence()}).human_readable_dict()["graph"]
    assert readable == {"num_nodes": 4, "edges": sentence().edges, "labels": sentence().labels}
    assert str(sentence()) == "GraphField with 4 nodes and 5 edges in namespace 'edge_labels'."


def test_unseen_labels_are_typed_counted_and_warned_about_once(vocabulary: Vocabulary, caplog) -> None:
    field = GraphField(2, [(0, 1), (0, 1), (1, 0), (0, 1)], ["vocative", "vocative", "vocative^-1", "obj"])
    with caplog.at_level(logging.WARNING):
        field.index(vocabulary)
        copy.deepcopy(field).index(vocabulary)
    assert field.as_tensor({}).edge_type.tolist()[:3] == [
        UNSEEN_RELATION,
        UNSEEN_RELATION,
        UNSEEN_INVERSE_RELATION,
    ]
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2
    assert "Edge label 'vocative' is not in the vocabulary's namespace 'edge_labels'" in warnings[0]
    assert "'vocative^-1'" in warnings[1]
    assert GraphField.unseen_label_counts == {
        ("edge_labels", "vocative"): 4,
        ("edge_labels", "vocative^-1"): 2,
    }


@pytest.mark.parametrize("edge", [(0, 2), (2, 0), (-1, 0)])
def test_an_edge_that_leaves_the_graph_is_refused(edge) -> None:
    with pytest.raises(ConfigurationError, match="leaves the graph: its 2 nodes are numbered 0 to 1"):
        GraphField(2, [edge], ["obj"])


def test_as_many_labels_as_edges() -> None:
    with pytest.raises(ConfigurationError, match="got 1 edges and 0 labels"):
        GraphField(2, [(0, 1)], [])


def test_a_namespace_with_reserved_indices_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'relations' must end in 'labels' or 'tags'"):
        GraphField(2, [(0, 1)], ["obj"], namespace="relations")
    assert GraphField(2, [(0, 1)], ["obj"], namespace="edge_tags")


def test_a_batch_stays_a_graph_when_moved(vocabulary: Vocabulary) -> None:
    batch = Batch([Instance({"graph": sentence()}), Instance({"graph": sentence()})])
    batch.index_instances(vocabulary)
    # AllenNLP returns early where the device is the CPU; `meta` stands for any other device.
    graph = move_to_device(batch.as_tensor_dict(), torch.device("meta"))["graph"]
    assert isinstance(graph, Graph)
    assert {tensor.device.type for tensor in graph[:-1]} == {"meta"}
    assert graph.num_nodes == 8


class GraphsOfManySizes(DatasetReader):
    """Graph number n has n nodes, all of which point to its first one."""

    def _read(self, file_path) -> Iterable[Instance]:
        for size in self.shard_iterable(range(1, 12)):
            yield self.text_to_instance(size)

    def text_to_instance(self, size: int) -> Instance:
        edges = [(node, 0) for node in range(size)]
        labels = [LABELS[node % len(LABELS)] for node in range(size)]
        return Instance({"graph": GraphField(size, edges, labels), "size": MetadataField(size)})


@pytest.mark.parametrize("max_instances_in_memory", [None, 4])
def test_data_loader_with_workers(vocabulary: Vocabulary, max_instances_in_memory) -> None:
    reader = GraphsOfManySizes(
        manual_distributed_sharding=True, manual_multiprocess_sharding=True, max_instances=None
    )
    loader = MultiProcessDataLoader(
        reader,
        "unused",
        batch_size=3,
        num_workers=2,
        max_instances_in_memory=max_instances_in_memory,
        quiet=True,
    )
    loader.index_with(vocabulary)
    seen = []
    for batch in loader:
        graph = batch["graph"]
        assert isinstance(graph, Graph)
        assert graph.nodes_per_graph.tolist() == batch["size"]
        expected = [reader.text_to_instance(size) for size in batch["size"]]
        expected_batch = Batch(expected)
        expected_batch.index_instances(vocabulary)
        assert_same_graph(graph, expected_batch.as_tensor_dict()["graph"])
        seen += batch["size"]
    assert sorted(seen) == list(range(1, 12))


def test_two_epochs_give_the_same_batches(vocabulary: Vocabulary) -> None:
    """The tensors of a field are made once and shared by all batches: nothing may write into them."""
    instances = [Instance({"graph": sentence()}) for _ in range(3)]
    loader = SimpleDataLoader(instances, batch_size=2, vocab=vocabulary)
    first = [batch["graph"] for batch in loader]
    for graph in first:
        graph.edge_type.fill_(0)
        graph.edge_index.fill_(0)
    second = [batch["graph"] for batch in loader]
    for graph in second:
        assert graph.edge_type.tolist()[:5] == [
            relation_index(vocabulary, label) for label in sentence().labels
        ]
        assert graph.edge_index[:, :5].tolist() == [[0, 0, 0, 1, 2], [1, 1, 1, 0, 2]]
