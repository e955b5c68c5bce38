"""Sums over the edges of each graph of a batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.interpret.per_graph import mean_per_graph, sum_per_graph
from tests.evaluation.metrics.graphs import build_graph


@given(owners=st.lists(st.integers(0, 3), max_size=12))
def test_sums_and_means_by_loops(owners):
    graph = build_graph(owners, 4)
    values = torch.arange(len(owners), dtype=torch.double) + 1
    for number in range(4):
        own = [float(value) for value, owner in zip(values, owners) if owner == number]
        assert float(sum_per_graph(values, graph)[number]) == sum(own)
        assert float(mean_per_graph(values, graph)[number]) == pytest.approx(sum(own) / max(1, len(own)))
