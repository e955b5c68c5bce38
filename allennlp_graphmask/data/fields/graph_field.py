from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data.fields import Field
from allennlp.data.vocabulary import Vocabulary

from allennlp_graphmask.data.fields.label_namespaces import UnseenLabelCounts, check_labels
from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, Graph, relation_index

#: How many edges had a label that their vocabulary does not know.
UNSEEN_EDGE_LABEL_COUNTS = UnseenLabelCounts(
    "Edge label '%s' is not in the vocabulary's namespace '%s': the model never saw it in training. Its edges get the reserved type "
    "for unseen relations."
)

# Larger graphs are turned into tensors (32 bytes an edge) each time they are in a batch: a graph of 250,000 edges in 1 ms. The
# tensors of all such graphs of a data set would not fit into memory.
_MAX_EDGES_OF_CACHED_TENSORS = 4096


class GraphField(Field[Graph]):  # type: ignore[type-var]
    """
    One directed multigraph with labelled edges. Fields of a batch become one `Graph`, their disjoint union.

    AllenNLP's `AdjacencyField` cannot hold such graphs: it makes a dense matrix and refuses two edges between the same
    two nodes. Edge labels that the vocabulary does not know get a reserved edge type
    (`allennlp_graphmask.graph.UNSEEN_RELATION`), with one warning for each vocabulary and label
    (`UNSEEN_EDGE_LABEL_COUNTS`).

    # Parameters

    num_nodes : `int`
    edges : `Union[Sequence[Tuple[int, int]], numpy.ndarray]`
        (source, target) pairs of node numbers, in `0 .. num_nodes - 1`. Shape of an array: `(num_edges, 2)`, integers.
    labels : `Union[Sequence[str], numpy.ndarray]`
        The label of each edge; with `label_names` an array of integers, the numbers of the labels in `label_names`: a graph of
        hundreds of thousands of edges is then made, counted and indexed without a loop over them.
        Shape of an array: `(num_edges,)`.
    namespace : `str`, optional (default = `"edge_labels"`)
        The namespace of the labels. It must be one without padding and unknown entries, which AllenNLP's default
        vocabulary has for names that end in `labels` or `tags`.
    label_names : `Sequence[str]`, optional (default = `None`)
        The names that `labels` gives the numbers of. Names may be unused, but not repeated.

    # Raises

    `ConfigurationError` if an edge leaves the graph, if there are not as many labels as edges, if a label has no name, or if
    the namespace's name does not end in `labels` or `tags`, or if a label would be lost where the vocabulary is saved.
    """

    __slots__ = ["num_nodes", "_edges", "_label_ids", "_label_names", "_namespace", "_edge_types", "_graph"]

    def __init__(
        self,
        num_nodes: int,
        edges: Union[Sequence[Tuple[int, int]], np.ndarray],
        labels: Union[Sequence[str], np.ndarray],
        namespace: str = "edge_labels",
        *,
        label_names: Optional[Sequence[str]] = None,
    ) -> None:
        if len(edges) != len(labels):
            raise ConfigurationError(
                f"A graph needs one label for each edge: got {len(edges)} edges and {len(labels)} labels."
            )
        self.num_nodes = num_nodes
        # Stored in the smallest integers that hold them: a data set of dense graphs has billions of edges.
        # Shape: (num_edges, 2)
        self._edges = _check_edges(edges, num_nodes)
        # Shape: (num_edges,)
        self._label_ids, self._label_names = _number_labels(labels, label_names)
        check_labels(self._label_names, namespace)
        self._namespace = namespace
        # The edge type of each label name. Shape: (num_label_names,)
        self._edge_types: Optional[np.ndarray] = None
        # The tensors of small graphs are made once and shared by every epoch's batches: collating only concatenates.
        self._graph: Optional[Graph] = None

    @property
    def edges(self) -> List[Tuple[int, int]]:
        """The (source, target) pairs, as a new list each time."""
        return [(source, target) for source, target in self._edges.tolist()]

    @property
    def labels(self) -> List[str]:
        """The label of each edge, as a new list each time."""
        return [self._label_names[label] for label in self._label_ids.tolist()]

    def _label_counts(self) -> np.ndarray:
        return np.bincount(self._label_ids, minlength=len(self._label_names))

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        for label, count in zip(self._label_names, self._label_counts().tolist()):
            if count:
                counter[self._namespace][label] += count

    def index(self, vocab: Vocabulary) -> None:
        self._edge_types = np.array(
            [relation_index(vocab, label, self._namespace) for label in self._label_names], dtype=np.int64
        )
        self._graph = None
        for label, edge_type, count in zip(self._label_names, self._edge_types.tolist(), self._label_counts().tolist()):
            if count and edge_type < NUM_RESERVED_RELATIONS:
                UNSEEN_EDGE_LABEL_COUNTS.count(vocab, self._namespace, label, count)

    def get_padding_lengths(self) -> Dict[str, int]:
        # Nothing is padded. The lengths let samplers put graphs of a size together ("graph___num_nodes").
        return {"num_nodes": self.num_nodes, "num_edges": len(self._edges)}

    def as_tensor(self, padding_lengths: Dict[str, int]) -> Graph:
        if self._edge_types is None:
            raise ConfigurationError("You must call .index(vocabulary) on a GraphField before .as_tensor()")
        if self._graph is not None:
            return self._graph
        num_edges = len(self._edges)
        # Shape: (2, num_edges)
        edge_index = torch.from_numpy(np.ascontiguousarray(self._edges.T, dtype=np.int64))
        graph = Graph(
            edge_index=edge_index,
            edge_type=torch.from_numpy(self._edge_types[self._label_ids]),
            edge_graph=torch.zeros(num_edges, dtype=torch.long),
            nodes_per_graph=torch.tensor([self.num_nodes]),
            num_nodes=self.num_nodes,
        )
        if num_edges <= _MAX_EDGES_OF_CACHED_TENSORS:
            self._graph = graph
        return graph

    def batch_tensors(self, tensor_list: List[Graph]) -> Graph:
        return Graph.disjoint_union(tensor_list)

    def empty_field(self) -> "GraphField":
        field = GraphField(0, [], [], self._namespace)
        field._edge_types = np.zeros(0, dtype=np.int64)
        return field

    def human_readable_repr(self) -> Dict[str, Any]:
        return {"num_nodes": self.num_nodes, "edges": self.edges, "labels": self.labels}

    def __len__(self) -> int:
        return self.num_nodes

    def __eq__(self, other: object) -> bool:
        # Field.__eq__ compares all slots; comparing cached tensors has no truth value.
        if not isinstance(other, GraphField):
            return NotImplemented
        if (self.num_nodes, self._namespace) != (other.num_nodes, other._namespace):
            return False
        if not np.array_equal(self._edges, other._edges):
            return False
        if self._label_names == other._label_names:
            return np.array_equal(self._label_ids, other._label_ids)
        return self.labels == other.labels

    def __str__(self) -> str:
        return f"GraphField with {self.num_nodes} nodes and {len(self._edges)} edges in namespace '{self._namespace}'."


def _to_smallest_integers(numbers: np.ndarray, largest: int) -> np.ndarray:
    """Copy to the smallest unsigned integers that hold `largest`."""
    return numbers.astype(np.min_scalar_type(largest))


def _check_edges(edges: Union[Sequence[Tuple[int, int]], np.ndarray], num_nodes: int) -> np.ndarray:
    array = np.asarray(edges) if len(edges) else np.zeros((0, 2), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(
            f"The edges of a graph must be pairs of node numbers, an integer array of shape (num_edges, 2): got an array of "
            f"{array.dtype} and shape {array.shape}."
        )
    if array.size and not 0 <= array.min() <= array.max() < num_nodes:
        outside = ((array < 0) | (array >= num_nodes)).any(axis=1)
        source, target = array[outside.argmax()].tolist()
        raise ConfigurationError(
            f"Edge ({source}, {target}) leaves the graph: its {num_nodes} nodes are numbered 0 to {num_nodes - 1}."
        )
    return _to_smallest_integers(array, num_nodes)


def _number_labels(
    labels: Union[Sequence[str], np.ndarray], label_names: Optional[Sequence[str]]
) -> Tuple[np.ndarray, List[str]]:
    """Return the number of each edge's label, and the names that they number."""
    if label_names is None:
        numbers: Dict[str, int] = {}
        ids = np.array([numbers.setdefault(label, len(numbers)) for label in labels], dtype=np.int64)
        return _to_smallest_integers(ids, len(numbers)), list(numbers)
    array = np.asarray(labels) if len(labels) else np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ConfigurationError(
            "With label_names, the labels of a graph must be their numbers, an integer array of shape (num_edges,): got an array "
            f"of {array.dtype} and shape {array.shape}."
        )
    if len(set(label_names)) != len(label_names):
        raise ConfigurationError(f"label_names must differ from each other, got {list(label_names)}.")
    if array.size and not 0 <= array.min() <= array.max() < len(label_names):
        wrong = array.min() if array.min() < 0 else array.max()
        raise ConfigurationError(
            f"Label {wrong} has no name: label_names has {len(label_names)}, numbered 0 to {len(label_names) - 1}."
        )
    return _to_smallest_integers(array, len(label_names)), list(label_names)
