from functools import cached_property
from typing import List, Tuple

import torch

from allennlp_graphmask.graph import Graph

#: The cost of an edge in a computation edge by edge, in cells of the dense matrix, each of which is one multiplication and
#: addition of a matrix product: copying, weighting and adding up a vector is bound by memory. Measured on a CPU with
#: `benchmarks/factorised_path.py`.
_CELLS_PER_EDGE = 40


class RelationLayout:
    """
    The places of a batch's edges in one matrix for each graph, with a row for each target and a column for each pair of source
    and relation: its *cells*. Relations that no edge of the batch has get no columns. Several edges with the same ends and type
    share a cell.

    Built for each batch, by encoders that aggregate messages and by maskers that score edges as matrix products.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        edges_per_type = torch.bincount(graph.edge_type)
        #: The types of the batch's edges, in order. Shape: (num_present,)
        self.relations = edges_per_type.nonzero().squeeze(-1)
        place_of_type = torch.zeros_like(edges_per_type)
        place_of_type[self.relations] = torch.arange(self.num_present, device=place_of_type.device)
        #: The place of each edge's type among `relations`. Shape: (num_edges,)
        self.relation_places = place_of_type.index_select(0, graph.edge_type)

    @property
    def num_present(self) -> int:
        """The number of different types that the batch's edges have."""
        return self.relations.numel()

    @cached_property
    def target_rows(self) -> torch.Tensor:
        """
        For each edge the row of its target and relation in a tensor `(num_nodes * num_present, ...)`. Shape:
        `(num_edges,)`.
        """
        return self.graph.targets * self.num_present + self.relation_places

    @cached_property
    def source_rows(self) -> torch.Tensor:
        """The same for its source. Shape: `(num_edges,)`."""
        return self.graph.sources * self.num_present + self.relation_places

    def relation_degrees(self) -> torch.Tensor:
        """Return for each edge the number of edges of its type into its target. Shape: `(num_edges,)`."""
        rows = self.graph.num_nodes * self.num_present
        return torch.bincount(self.target_rows, minlength=rows).index_select(0, self.target_rows)

    # --- Cell by cell

    @cached_property
    def nodes_per_graph(self) -> List[int]:
        return self.graph.nodes_per_graph.tolist()

    @cached_property
    def rows_per_graph(self) -> List[int]:
        """The number of pairs of source and relation, columns of the matrix, of each graph."""
        return [num_nodes * self.num_present for num_nodes in self.nodes_per_graph]

    @cached_property
    def cells_per_graph(self) -> List[int]:
        return [num_nodes * num_nodes * self.num_present for num_nodes in self.nodes_per_graph]

    @property
    def num_cells(self) -> int:
        return sum(self.cells_per_graph)

    @cached_property
    def cells(self) -> torch.Tensor:
        """
        The cell of each edge, where the matrices of all graphs, `(num_nodes, num_nodes * num_present)`, are written one
        after another. Shape: `(num_edges,)`.
        """
        graph = self.graph
        cells_per_graph = graph.nodes_per_graph.square() * self.num_present
        first_cells = cells_per_graph.cumsum(0) - cells_per_graph
        first_nodes = graph.first_node_of_graph()
        # The target's row and the source's column, both counted from the graph's first; from here on one tensor at a time,
        # since there are more edges than anything else. Shape of each: (num_edges,)
        cells = graph.targets - first_nodes.index_select(0, graph.edge_graph)
        cells = cells * (graph.nodes_per_graph * self.num_present).index_select(0, graph.edge_graph)
        cells += self.source_rows
        cells += (first_cells - first_nodes * self.num_present).index_select(0, graph.edge_graph)
        return cells

    # --- Edge by edge

    @cached_property
    def pairs(self) -> Tuple[torch.Tensor, List[int], torch.Tensor]:
        """
        The pairs of source and relation that edges have, ordered by relation: the source of each, shape `(num_pairs,)`; the
        number of pairs of each of `relations`; and for each edge its pair, shape `(num_edges,)`.
        """
        num_nodes = max(1, self.graph.num_nodes)
        keys, pair_of_edge = torch.unique(self.relation_places * num_nodes + self.graph.sources, return_inverse=True)
        counts = torch.bincount(keys // num_nodes, minlength=self.num_present)
        return keys % num_nodes, counts.tolist(), pair_of_edge

    def dense_is_cheaper(self, input_dim: int) -> bool:
        """
        Estimate whether working on all cells is cheaper than working on the edges one by one, if each pair of source and relation
        has first to be transformed from vectors of size `input_dim`.
        """
        num_rows, num_edges = sum(self.rows_per_graph), self.graph.num_edges
        dense = self.num_cells + num_rows * input_dim
        return dense < _CELLS_PER_EDGE * num_edges + min(num_rows, num_edges) * input_dim
