"""
A batch of typed, directed graphs as one disjoint union, and the names of relations.

`Graph` is a `NamedTuple` and not a dataclass because AllenNLP's `move_to_device` descends only into dicts, lists, tuples and
named tuples: the tensors of a dataclass would silently stay on the CPU.
"""

from typing import List, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

#: Appended to the label of an edge to name the inverse relation.
INVERSE_SUFFIX = "^-1"

#: Edge type of a relation that the vocabulary does not know.
UNSEEN_RELATION = 0
#: Edge type of the inverse of a relation that the vocabulary does not know: direction-aware encoders need the direction also of
#: an edge with an unknown label.
UNSEEN_INVERSE_RELATION = 1
#: Edge types below this number are reserved: the type of a known relation is its vocabulary index plus this number. The reserved
#: types come first so that they do not change when a vocabulary is extended.
NUM_RESERVED_RELATIONS = 2

_UNSEEN_NAMES = ("@@UNSEEN@@", "@@UNSEEN@@" + INVERSE_SUFFIX)


def inverse_relation(label: str) -> str:
    """Return the name of the inverse of a relation: `nsubj` becomes `nsubj^-1` and `nsubj^-1` becomes `nsubj`."""
    return label[: -len(INVERSE_SUFFIX)] if is_inverse_relation(label) else label + INVERSE_SUFFIX


def is_inverse_relation(label: str) -> bool:
    """Return whether a relation's name is that of an inverse."""
    return label.endswith(INVERSE_SUFFIX)


def split_relation(name: str) -> Tuple[str, bool]:
    """Return the label of a relation, and whether it is the inverse of the relation with this label."""
    return (inverse_relation(name), True) if is_inverse_relation(name) else (name, False)


def num_relations(vocabulary: Vocabulary, namespace: str = "edge_labels") -> int:
    """Return the number of edge types: the labels of the namespace and the reserved types."""
    return NUM_RESERVED_RELATIONS + vocabulary.get_vocab_size(namespace)


def relation_index(vocabulary: Vocabulary, label: str, namespace: str = "edge_labels") -> int:
    """Return the edge type of a label; that of an unseen relation (of the same direction) if the vocabulary lacks it."""
    index = vocabulary.get_token_to_index_vocabulary(namespace).get(label)
    if index is None:
        return UNSEEN_INVERSE_RELATION if is_inverse_relation(label) else UNSEEN_RELATION
    return NUM_RESERVED_RELATIONS + index


def relation_name(vocabulary: Vocabulary, index: int, namespace: str = "edge_labels") -> str:
    """Return the label of an edge type; unseen relations are called `@@UNSEEN@@` and `@@UNSEEN@@^-1`."""
    if index < NUM_RESERVED_RELATIONS:
        return _UNSEEN_NAMES[index]
    return vocabulary.get_token_from_index(index - NUM_RESERVED_RELATIONS, namespace)


def relation_names(vocabulary: Vocabulary, namespace: str = "edge_labels") -> List[str]:
    """Return the labels of all edge types, in order."""
    return [relation_name(vocabulary, index, namespace) for index in range(num_relations(vocabulary, namespace))]


class Graph(NamedTuple):
    """
    A batch of directed multigraphs with typed edges, as their disjoint union: the nodes of all graphs are numbered
    consecutively. Several edges between the same two nodes, edges from a node to itself, nodes without edges, graphs without
    edges and graphs without nodes are all legal.

    # Parameters

    edge_index : `torch.Tensor`
        Row 0 holds the source and row 1 the target node of every edge, as numbers into the flattened nodes.
        Shape: `(2, num_edges)`, `torch.long`.
    edge_type : `torch.Tensor`
        Shape: `(num_edges,)`, `torch.long`; see `relation_name`.
    edge_graph : `torch.Tensor`
        The graph that every edge belongs to. Shape: `(num_edges,)`, `torch.long`.
    nodes_per_graph : `torch.Tensor`
        Shape: `(num_graphs,)`, `torch.long`.
    num_nodes : `int`
        The sum of `nodes_per_graph`; kept beside it because reading it from a tensor would wait for the GPU.
    """

    edge_index: torch.Tensor
    edge_type: torch.Tensor
    edge_graph: torch.Tensor
    nodes_per_graph: torch.Tensor
    num_nodes: int

    @classmethod
    def from_edges(
        cls,
        num_nodes: int,
        edges: Sequence[Sequence[int]],
        edge_types: Sequence[int],
        *,
        device: Optional[Union[str, torch.device]] = None,
    ) -> "Graph":
        """
        Build one graph from a list of (source, target) pairs.

        # Raises

        `ConfigurationError` if an edge leaves the graph or `edges` and `edge_types` differ in length.
        """
        if len(edges) != len(edge_types):
            raise ConfigurationError(
                f"A graph needs one type for each edge: got {len(edges)} edges and {len(edge_types)} types."
            )
        for source, target in edges:
            if not (0 <= source < num_nodes and 0 <= target < num_nodes):
                raise ConfigurationError(
                    f"Edge ({source}, {target}) leaves the graph: its {num_nodes} nodes are numbered 0 to {num_nodes - 1}."
                )
        num_edges = len(edges)
        edge_index = torch.tensor(edges, dtype=torch.long, device=device).reshape(num_edges, 2)
        return cls(
            edge_index=edge_index.t().contiguous(),
            edge_type=torch.tensor(edge_types, dtype=torch.long, device=device),
            edge_graph=torch.zeros(num_edges, dtype=torch.long, device=device),
            nodes_per_graph=torch.tensor([num_nodes], dtype=torch.long, device=device),
            num_nodes=num_nodes,
        )

    @classmethod
    def disjoint_union(cls, graphs: Sequence["Graph"]) -> "Graph":
        """Return the union of several (batches of) graphs, in order. A union of unions is the union of all their graphs."""
        first_node, first_graph = 0, 0
        edge_indices, edge_graphs = [], []
        for graph in graphs:
            edge_indices.append(graph.edge_index + first_node)
            edge_graphs.append(graph.edge_graph + first_graph)
            first_node += graph.num_nodes
            first_graph += graph.num_graphs
        return cls(
            edge_index=torch.cat(edge_indices, dim=1),
            edge_type=torch.cat([graph.edge_type for graph in graphs]),
            edge_graph=torch.cat(edge_graphs),
            nodes_per_graph=torch.cat([graph.nodes_per_graph for graph in graphs]),
            num_nodes=first_node,
        )

    @property
    def num_edges(self) -> int:
        return self.edge_type.numel()

    @property
    def num_graphs(self) -> int:
        return self.nodes_per_graph.numel()

    @property
    def sources(self) -> torch.Tensor:
        """Shape: `(num_edges,)`."""
        return self.edge_index[0]

    @property
    def targets(self) -> torch.Tensor:
        """Shape: `(num_edges,)`."""
        return self.edge_index[1]

    def first_node_of_graph(self) -> torch.Tensor:
        """Return the number of the first node of every graph. Shape: `(num_graphs,)`."""
        return self.nodes_per_graph.cumsum(0) - self.nodes_per_graph

    def repeat_for_nodes(self, per_graph: torch.Tensor) -> torch.Tensor:
        """Return the row of its graph for every node. Shape: from `(num_graphs, ...)` to `(num_nodes, ...)`."""
        return per_graph.repeat_interleave(self.nodes_per_graph, dim=0, output_size=self.num_nodes)

    def node_mask(self, max_nodes: int) -> torch.Tensor:
        """Return which places of a padded tensor hold a node. Shape: `(num_graphs, max_nodes)`, `torch.bool`."""
        places = torch.arange(max_nodes, device=self.nodes_per_graph.device)
        return places < self.nodes_per_graph.unsqueeze(-1)

    def flatten_nodes(self, padded: torch.Tensor) -> torch.Tensor:
        """
        Flatten one row of nodes per graph, `(num_graphs, max_nodes, ...)`, to `(num_nodes, ...)`.

        # Raises

        `ConfigurationError` if some graph has more than `max_nodes` nodes.
        """
        flat = padded[self.node_mask(padded.size(1))]
        if flat.size(0) != self.num_nodes:
            raise ConfigurationError(
                f"A tensor padded to {padded.size(1)} nodes per graph holds {flat.size(0)} of the batch's "
                f"{self.num_nodes} nodes: a graph and the sequence that its nodes stand for differ in length."
            )
        return flat

    def pad_nodes(self, flat: torch.Tensor, max_nodes: int) -> torch.Tensor:
        """
        Invert `flatten_nodes`: pad `(num_nodes, ...)` with zeros to `(num_graphs, max_nodes, ...)`.

        # Raises

        `ConfigurationError` if there is not one row for each node, or if some graph has more than `max_nodes` nodes.
        """
        places = self.node_mask(max_nodes).nonzero(as_tuple=True)
        # Writing through a mask would write a single row to every node, or to none, without an error.
        if not flat.size(0) == places[0].numel() == self.num_nodes:
            raise ConfigurationError(
                f"{flat.size(0)} rows cannot be padded to {max_nodes} nodes per graph: the batch has {self.num_nodes} nodes, and "
                f"{places[0].numel()} fit."
            )
        padded = flat.new_zeros(self.num_graphs, max_nodes, *flat.shape[1:])
        padded[places] = flat
        return padded

    def edge_order(self) -> torch.Tensor:
        """
        Return the numbers of the edges in the order of source, target and type, which does not depend on how they are listed.
        Shape: `(num_edges,)`.
        """
        order = torch.argsort(self.edge_type, stable=True)
        for nodes in (self.targets, self.sources):
            order = order[torch.argsort(nodes[order], stable=True)]
        return order

    def edges_per_graph(self) -> torch.Tensor:
        """Shape: `(num_graphs,)`."""
        return torch.bincount(self.edge_graph, minlength=self.num_graphs)

    def nodes_of(self, graphs: torch.Tensor) -> torch.Tensor:
        """Return which nodes belong to some of the graphs. Shape: from `(num_chosen,)` to `(num_nodes,)`, `torch.bool`."""
        return self.repeat_for_nodes(self._is_one_of(graphs))

    def edges_of(self, graphs: torch.Tensor) -> torch.Tensor:
        """Return which edges belong to some of the graphs. Shape: from `(num_chosen,)` to `(num_edges,)`, `torch.bool`."""
        return self._is_one_of(graphs)[self.edge_graph]

    def _is_one_of(self, graphs: torch.Tensor) -> torch.Tensor:
        chosen = torch.zeros_like(self.nodes_per_graph, dtype=torch.bool)
        chosen[graphs] = True
        return chosen

    def select(self, graphs: torch.Tensor) -> "Graph":
        """Return a batch of some of the graphs, numbers in ascending order; edges and nodes stay in order."""
        nodes, edges = self.nodes_of(graphs), self.edges_of(graphs)
        new_number = torch.empty_like(self.nodes_per_graph)
        new_number[graphs] = torch.arange(len(graphs), device=graphs.device)
        nodes_per_graph = self.nodes_per_graph[graphs]
        return Graph(
            edge_index=(nodes.cumsum(0) - 1)[self.edge_index[:, edges]],
            edge_type=self.edge_type[edges],
            edge_graph=new_number[self.edge_graph[edges]],
            nodes_per_graph=nodes_per_graph,
            num_nodes=int(nodes_per_graph.sum()),
        )
