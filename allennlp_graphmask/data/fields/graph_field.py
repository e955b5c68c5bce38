import logging
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.data.fields import Field
from allennlp.data.vocabulary import Vocabulary

from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, Graph, relation_index

logger = logging.getLogger(__name__)


class GraphField(Field[Graph]):  # type: ignore[type-var]
    """
    One directed multigraph with labelled edges. Fields of a batch become one `Graph`, their disjoint union.

    AllenNLP's `AdjacencyField` cannot hold such graphs: it makes a dense matrix and refuses two edges between the same
    two nodes. Edge labels that the vocabulary does not know get a reserved edge type
    (`allennlp_graphmask.graph.UNSEEN_RELATION`), with a warning once for each label.

    # Parameters

    num_nodes : `int`
    edges : `Sequence[Tuple[int, int]]`
        (source, target) pairs of node numbers, in `0 .. num_nodes - 1`.
    labels : `Sequence[str]`
        The label of each edge.
    namespace : `str`, optional (default = `"edge_labels"`)
        The namespace of the labels. It must be one without padding and unknown entries, which AllenNLP's default
        vocabulary has for names that end in `labels` or `tags`.

    # Raises

    `ConfigurationError` if an edge leaves the graph, if there are not as many labels as edges, or if the namespace's
    name does not end in `labels` or `tags`.
    """

    __slots__ = ["num_nodes", "edges", "labels", "_namespace", "_edge_types", "_graph"]

    # Labels already warned about, per namespace: one warning for a label, not one for each edge.
    _warned_labels: Set[Tuple[str, str]] = set()
    #: How many edges had a label unseen in the vocabulary, per (namespace, label).
    unseen_label_counts: Counter = Counter()

    def __init__(
        self,
        num_nodes: int,
        edges: Sequence[Tuple[int, int]],
        labels: Sequence[str],
        namespace: str = "edge_labels",
    ) -> None:
        if len(edges) != len(labels):
            raise ConfigurationError(
                f"A graph needs one label for each edge: got {len(edges)} edges and {len(labels)} labels."
            )
        if not namespace.endswith(("labels", "tags")):
            raise ConfigurationError(
                f"The edge label namespace '{namespace}' must end in 'labels' or 'tags': in other namespaces AllenNLP "
                "reserves indices for padding and unknown tokens, and edge types would be shifted."
            )
        for source, target in edges:
            if not (0 <= source < num_nodes and 0 <= target < num_nodes):
                raise ConfigurationError(
                    f"Edge ({source}, {target}) leaves the graph: its {num_nodes} nodes are numbered 0 to {num_nodes - 1}."
                )
        self.num_nodes = num_nodes
        self.edges: List[Tuple[int, int]] = [(source, target) for source, target in edges]
        self.labels: List[str] = list(labels)
        self._namespace = namespace
        self._edge_types: Optional[List[int]] = None
        # The tensors are made once and shared by every epoch's batches: collating only concatenates.
        self._graph: Optional[Graph] = None

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        for label in self.labels:
            counter[self._namespace][label] += 1

    def index(self, vocab: Vocabulary) -> None:
        self._edge_types = [relation_index(vocab, label, self._namespace) for label in self.labels]
        self._graph = None
        for label, edge_type in zip(self.labels, self._edge_types):
            if edge_type < NUM_RESERVED_RELATIONS:
                self._note_unseen_label(label)

    def _note_unseen_label(self, label: str) -> None:
        key = (self._namespace, label)
        GraphField.unseen_label_counts[key] += 1
        if key not in GraphField._warned_labels:
            GraphField._warned_labels.add(key)
            logger.warning(
                "Edge label '%s' is not in the vocabulary's namespace '%s': the model never saw it in training. Its edges "
                "get the reserved type for unseen relations.",
                label,
                self._namespace,
            )

    def get_padding_lengths(self) -> Dict[str, int]:
        # Nothing is padded. The lengths let samplers put graphs of a size together ("graph___num_nodes").
        return {"num_nodes": self.num_nodes, "num_edges": len(self.edges)}

    def as_tensor(self, padding_lengths: Dict[str, int]) -> Graph:
        if self._edge_types is None:
            raise ConfigurationError("You must call .index(vocabulary) on a GraphField before .as_tensor()")
        if self._graph is None:
            self._graph = Graph.from_edges(self.num_nodes, self.edges, self._edge_types)
        return self._graph

    def batch_tensors(self, tensor_list: List[Graph]) -> Graph:
        return Graph.disjoint_union(tensor_list)

    def empty_field(self) -> "GraphField":
        field = GraphField(0, [], [], self._namespace)
        field._edge_types = []
        return field

    def human_readable_repr(self) -> Dict[str, Any]:
        return {"num_nodes": self.num_nodes, "edges": list(self.edges), "labels": list(self.labels)}

    def __len__(self) -> int:
        return self.num_nodes

    def __eq__(self, other: object) -> bool:
        # Field.__eq__ compares all slots; comparing cached tensors has no truth value.
        if not isinstance(other, GraphField):
            return NotImplemented
        return (self.num_nodes, self.edges, self.labels, self._namespace) == (
            other.num_nodes,
            other.edges,
            other.labels,
            other._namespace,
        )

    def __str__(self) -> str:
        return f"GraphField with {self.num_nodes} nodes and {len(self.edges)} edges in namespace '{self._namespace}'."
