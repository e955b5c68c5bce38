"""Sums and random numbers that know no more than one graph of a batch."""

from typing import List

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.interpreters.per_graph import (
    PerGraphRandom,
    check_number,
    mean_per_graph,
    sum_per_graph,
)


def graph_of(owners: List[int], num_graphs: int) -> Graph:
    """Edges of these graphs, in any order."""
    return Graph(
        edge_index=torch.zeros(2, len(owners), dtype=torch.long),
        edge_type=torch.zeros(len(owners), dtype=torch.long),
        edge_graph=torch.tensor(owners, dtype=torch.long),
        nodes_per_graph=torch.ones(num_graphs, dtype=torch.long),
        num_nodes=num_graphs,
    )


def draws_of(graph: Graph, seed: int) -> List[torch.Tensor]:
    draws = PerGraphRandom(graph, torch.Generator().manual_seed(seed))
    like = torch.zeros(0, dtype=torch.double)
    return [draws.normal(like), draws.uniform(like, (3,)), draws.normal(like, (2,))]


owners_of_edges = st.lists(st.integers(0, 3), max_size=12)


@settings(deadline=None)
@given(owners=owners_of_edges, seed=st.integers(0, 100))
def test_draws_of_a_graph_depend_on_nothing_else_in_the_batch(owners, seed):
    together = draws_of(graph_of(owners, 4), seed)
    assert [tuple(drawn.shape) for drawn in together] == [(len(owners), *size) for size in ((), (3,), (2,))]
    for number in range(4):
        own = torch.tensor([owner == number for owner in owners], dtype=torch.bool)
        alone = draws_of(graph_of([0] * int(own.sum()), 1), seed)
        for of_batch, expected in zip(together, alone):
            assert torch.equal(of_batch[own], expected)


def test_draws_go_on_and_depend_on_the_seed():
    graph = graph_of([0, 0, 1], 2)
    draws = PerGraphRandom(graph, torch.Generator().manual_seed(1))
    first, second = draws.normal(torch.zeros(0)), draws.normal(torch.zeros(0))
    assert not torch.equal(first, second)
    other = PerGraphRandom(graph, torch.Generator().manual_seed(2)).normal(torch.zeros(0))
    assert not torch.equal(first, other)
    of_graphs = draws.uniform_of_graphs(torch.zeros(0), 400)
    assert of_graphs.shape == (2, 400)
    assert 0 <= of_graphs.min() < 0.05 and 0.95 < of_graphs.max() < 1
    assert float(of_graphs.mean()) == pytest.approx(0.5, abs=0.05)


@given(owners=owners_of_edges)
def test_sums_and_means_by_loops(owners):
    graph = graph_of(owners, 4)
    values = torch.arange(len(owners), dtype=torch.double) + 1
    for number in range(4):
        own = [float(value) for value, owner in zip(values, owners) if owner == number]
        assert float(sum_per_graph(values, graph)[number]) == sum(own)
        assert float(mean_per_graph(values, graph)[number]) == pytest.approx(sum(own) / max(1, len(own)))


def test_numbers_out_of_range():
    check_number("it", "size", 0, least=0)
    check_number("it", "size", 0.1, least=0, is_open=True)
    for value, is_open in ((-1, False), (0, True), (float("nan"), False)):
        with pytest.raises(ConfigurationError, match="it: size is .*, expected a number (at least|above) 0"):
            check_number("it", "size", value, least=0, is_open=is_open)
