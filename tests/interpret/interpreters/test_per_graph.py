"""Sums over the edges of each graph of a batch."""

from typing import List

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.interpreters.per_graph import mean_per_graph, sum_per_graph


def graph_of(owners: List[int], num_graphs: int) -> Graph:
    """Edges of these graphs, in any order."""
    return Graph(
        edge_index=torch.zeros(2, len(owners), dtype=torch.long),
        edge_type=torch.zeros(len(owners), dtype=torch.long),
        edge_graph=torch.tensor(owners, dtype=torch.long),
        nodes_per_graph=torch.ones(num_graphs, dtype=torch.long),
        num_nodes=num_graphs,
    )


owners_of_edges = st.lists(st.integers(0, 3), max_size=12)


@given(owners=owners_of_edges)
def test_sums_and_means_by_loops(owners):
    graph = graph_of(owners, 4)
    values = torch.arange(len(owners), dtype=torch.double) + 1
    for number in range(4):
        own = [float(value) for value, owner in zip(values, owners) if owner == number]
        assert float(sum_per_graph(values, graph)[number]) == sum(own)
        assert float(mean_per_graph(values, graph)[number]) == pytest.approx(sum(own) / max(1, len(own)))
