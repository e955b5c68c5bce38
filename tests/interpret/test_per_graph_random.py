"""Random numbers of a graph depend on the seed and its instance, and on nothing else."""

from typing import Any, Dict, List, NamedTuple, Tuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom

LIKE = torch.zeros(0, dtype=torch.double)


class OneInstance(NamedTuple):
    num_nodes: int
    edges: List[Tuple[int, int, int]]
    tokens: List[int]


def collate(instances: List[OneInstance], padding: int = 0) -> Tuple[Graph, Dict[str, Any]]:
    graphs = [
        Graph.from_edges(one.num_nodes, [edge[:2] for edge in one.edges], [edge[2] for edge in one.edges])
        for one in instances
    ]
    width = padding + max((len(one.tokens) for one in instances), default=0)
    tokens = torch.zeros(len(instances), width, dtype=torch.long)
    for row, one in zip(tokens, instances):
        row[: len(one.tokens)] = torch.tensor(one.tokens, dtype=torch.long)
    return Graph.disjoint_union(graphs), {"tokens": {"words": {"ids": tokens}}, "graph": None}


def draw(instances: List[OneInstance], seed: int = 0, padding: int = 0) -> List[torch.Tensor]:
    graph, batch = collate(instances, padding)
    random = PerGraphRandom(graph, batch, seed)
    return [random.normal(LIKE), random.uniform(LIKE, (3,)), random.normal(LIKE, (2,))]


@st.composite
def instances(draw_value: Any) -> OneInstance:
    num_nodes = draw_value(st.integers(1, 4))
    node = st.integers(0, num_nodes - 1)
    edges = draw_value(st.lists(st.tuples(node, node, st.integers(0, 2)), max_size=6, unique=True))
    return OneInstance(num_nodes, edges, draw_value(st.lists(st.integers(1, 9), min_size=1, max_size=4)))


@given(st.lists(instances(), min_size=1, max_size=4), st.integers(0, 100), st.integers(0, 3))
def test_the_batch_does_not_matter(batch, seed, padding):
    together = draw(batch, seed, padding)
    first = 0
    for one in batch:
        alone = draw([one], seed)
        for of_batch, expected in zip(together, alone):
            assert torch.equal(of_batch[first : first + len(one.edges)], expected)
        first += len(one.edges)


@given(instances(), st.randoms(use_true_random=False))
def test_the_order_of_the_edges_does_not_matter(one, shuffler):
    order = list(range(len(one.edges)))
    shuffler.shuffle(order)
    shuffled = one._replace(edges=[one.edges[number] for number in order])
    for before, after in zip(draw([one]), draw([shuffled])):
        assert torch.equal(before[order], after)


EDGES = [(0, 1, 0), (1, 2, 1), (2, 0, 1)]


@pytest.mark.parametrize(
    "other",
    [OneInstance(3, EDGES, [1, 2]), OneInstance(4, EDGES, [2, 1]), OneInstance(3, EDGES[::-1][:2], [2, 1])],
)
def test_different_instances_draw_different_numbers(other):
    """Independent ones, so that bootstrap intervals over instances mean what they should."""
    one = OneInstance(3, EDGES, [2, 1])
    drawn = draw([one, other])[0]
    assert len(set(drawn.tolist())) == len(drawn)
    assert torch.equal(draw([one, one])[0][:3], draw([one, one])[0][3:])


def test_draws_continue_and_depend_on_the_seed():
    graph, batch = collate([OneInstance(3, EDGES, [1]), OneInstance(3, EDGES, [2])])
    random = PerGraphRandom(graph, batch, 1)
    first, second = random.normal(LIKE), random.normal(LIKE)
    assert not torch.equal(first, second)
    assert not torch.equal(first, PerGraphRandom(graph, batch, 2).normal(LIKE))
    for_graphs = random.uniform_for_graphs(torch.zeros(0), 400)
    assert for_graphs.shape == (2, 400)
    assert 0 <= for_graphs.min() < 0.05 and 0.95 < for_graphs.max() < 1
    assert float(for_graphs.mean()) == pytest.approx(0.5, abs=0.05)


def test_a_batch_without_graphs():
    graph = Graph.from_edges(0, [], [])._replace(nodes_per_graph=torch.zeros(0, dtype=torch.long))
    random = PerGraphRandom(graph, {}, 0)
    assert random.normal(LIKE).shape == (0,) and random.uniform_for_graphs(LIKE, 3).shape == (0, 3)
