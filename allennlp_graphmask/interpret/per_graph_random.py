"""Random numbers for the edges of a batch that depend on a seed and on each instance alone."""

import functools
import hashlib
from typing import Any, Dict, Iterator, List, Tuple

import numpy
import torch

from allennlp_graphmask.graph import Graph


class PerGraphRandom:
    """
    Random numbers for the graphs and edges of a batch. Each graph has a generator of its own, seeded by the seed and by the
    content of its instance, and gives its numbers to its edges in the order of source, target and type. So the numbers depend
    neither on the other instances of the batch nor on the order of the edges (parallel edges of one type may exchange theirs),
    and different instances draw independently.

    The content is the graph and, of every tensor in the batch with one row for each instance, the positive entries with their
    places: padding is not among them.

    # Parameters

    graph : `Graph`
    batch : `Dict[str, Any]`
        The inputs of the model.
    seed : `int`
    """

    def __init__(self, graph: Graph, batch: Dict[str, Any], seed: int) -> None:
        self._graph = graph
        self._batch = batch
        self._seed = seed

    # Computed when something is drawn, which most interpreters never do.
    @functools.cached_property
    def _draws(self) -> Tuple[List[int], torch.Tensor, List[torch.Generator]]:
        """
        The number of edges of each graph, the position of each edge among the draws of all graphs, shape `(num_edges,)`, and the
        generator of each graph.
        """
        graph = self._graph
        sources, targets, types, owners, order = (
            tensor.cpu().numpy()
            for tensor in (graph.sources, graph.targets, graph.edge_type, graph.edge_graph, graph.edge_order())
        )
        counts: List[int] = graph.edges_per_graph().tolist()
        positions = torch.from_numpy(numpy.argsort(order, kind="stable"))
        # Node numbers within the graph, so that they do not depend on the batch.
        first_nodes = graph.first_node_of_graph().cpu().numpy()[owners]
        edges = numpy.stack([sources - first_nodes, targets - first_nodes, types], axis=1)[order]
        digests = [hashlib.sha256(f"{self._seed} {nodes}".encode()) for nodes in graph.nodes_per_graph.tolist()]
        for rows, sizes in [(edges, counts), *_instance_entries(self._batch, graph.num_graphs)]:
            for digest, row in zip(digests, numpy.split(rows, numpy.cumsum(sizes)[:-1])):
                digest.update(row.tobytes())
        generators = [
            torch.Generator().manual_seed(int.from_bytes(digest.digest()[:8], "big") >> 1) for digest in digests
        ]
        return counts, positions, generators

    @property
    def _generators(self) -> List[torch.Generator]:
        return self._draws[2]

    def normal(self, like: torch.Tensor, size: Tuple[int, ...] = ()) -> torch.Tensor:
        """
        Draw standard normal numbers of the type and on the device of `like`; equal for single and double precision but for
        rounding. Shape: `(num_edges, *size)`.
        """
        return self._draw_for_edges(torch.randn, like, size)

    def uniform(self, like: torch.Tensor, size: Tuple[int, ...] = ()) -> torch.Tensor:
        """Draw numbers uniform on [0, 1), as `normal` does."""
        return self._draw_for_edges(torch.rand, like, size)

    def uniform_for_graphs(self, like: torch.Tensor, size: int) -> torch.Tensor:
        """Draw numbers for each graph instead of each edge, uniform on [0, 1). Shape: `(num_graphs, size)`."""
        draws = [torch.rand(size, generator=generator) for generator in self._generators]
        return torch.stack(draws).to(like) if draws else like.new_zeros(0, size)

    def order(self, owner: torch.Tensor) -> torch.Tensor:
        """
        Draw an order in which the place of every element (edge, node or message) is taken by a random one of the same graph, from
        the graph of each element to the element that takes each place. Shapes: `(num_elements,)`.
        """
        places = torch.argsort(owner.cpu(), stable=True)
        sizes = torch.bincount(owner.cpu(), minlength=len(self._generators)).tolist()
        drawn = [
            own[torch.randperm(len(own), generator=generator)]
            for own, generator in zip(places.split(sizes), self._generators)
        ]
        order = torch.empty_like(places)
        order[places] = torch.cat(drawn) if drawn else places
        return order.to(owner.device)

    def _draw_for_edges(self, draw: Any, like: torch.Tensor, size: Tuple[int, ...]) -> torch.Tensor:
        counts, positions, generators = self._draws
        if not counts:
            return like.new_zeros(0, *size)
        draws = [draw((count, *size), generator=generator) for count, generator in zip(counts, generators)]
        return torch.cat(draws).index_select(0, positions).to(like)


def _instance_entries(value: Any, num_graphs: int) -> Iterator[Tuple[numpy.ndarray, List[int]]]:
    """
    For each tensor with a row for each instance: its positive entries with their places in the row, instance after instance, and
    how many each instance has. Shape: `(num_entries, num_dimensions)`.
    """
    if isinstance(value, Graph):
        return
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _instance_entries(value[key], num_graphs)
    elif isinstance(value, torch.Tensor) and value.dim() and value.size(0) == num_graphs:
        rows = value.detach().cpu()
        places = (rows > 0).nonzero()
        counts = torch.bincount(places[:, 0], minlength=num_graphs).tolist()
        entries = rows[places.unbind(1)].double().unsqueeze(1)
        yield torch.cat([places[:, 1:].double(), entries], dim=1).numpy(), counts
