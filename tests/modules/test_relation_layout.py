import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.testing import example_graphs

GRAPH = Graph.disjoint_union(example_graphs(6))


def cells_by_loops(graph: Graph) -> list:
    """The cell of each edge when the matrices are written out one after another."""
    relations = sorted(set(graph.edge_type.tolist()))
    sizes = graph.nodes_per_graph.tolist()
    cells = []
    for (source, target), relation, number in zip(
        graph.edge_index.t().tolist(), graph.edge_type.tolist(), graph.edge_graph.tolist()
    ):
        first_node = sum(sizes[:number])
        columns = sizes[number] * len(relations)
        cell = sum(size * size * len(relations) for size in sizes[:number])
        cell += (target - first_node) * columns
        cells.append(cell + (source - first_node) * len(relations) + relations.index(relation))
    return cells


@settings(max_examples=40, derandomize=True)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    num_edges=st.integers(0, 8),
    seed=st.integers(0, 1000),
)
def test_cells(sizes, num_edges, seed) -> None:
    torch.manual_seed(seed)
    graph = Graph.disjoint_union(
        [
            Graph.from_edges(
                size,
                torch.randint(size, (num_edges, 2)).tolist() if size else [],
                (torch.randint(4, (num_edges,)) * 2 if size else torch.zeros(0)).long().tolist(),
            )
            for size in sizes
        ]
    )
    layout = RelationLayout(graph)
    assert layout.cells.tolist() == cells_by_loops(graph)
    assert layout.num_cells == sum(size**2 for size in sizes) * len(set(graph.edge_type.tolist()))
    assert sum(layout.rows_per_graph) == graph.num_nodes * layout.num_present


def test_only_relations_that_occur_have_columns() -> None:
    layout = RelationLayout(Graph.from_edges(3, [(0, 1), (1, 2), (2, 0)], [7, 3, 7]))
    assert layout.relations.tolist() == [3, 7] and layout.num_present == 2
    assert layout.relation_places.tolist() == [1, 0, 1]
    assert layout.target_rows.tolist() == [3, 4, 1] and layout.source_rows.tolist() == [1, 2, 5]


def test_degrees_count_edges_of_the_same_type_into_the_same_node() -> None:
    edges = list(zip(GRAPH.targets.tolist(), GRAPH.edge_type.tolist()))
    assert RelationLayout(GRAPH).relation_degrees().tolist() == [edges.count(edge) for edge in edges]


def test_pairs_are_those_of_the_edges_by_relation() -> None:
    layout = RelationLayout(GRAPH)
    sources, counts, pair_of_edge = layout.pairs
    relations = torch.repeat_interleave(layout.relations, torch.tensor(counts))
    assert torch.equal(sources[pair_of_edge], GRAPH.sources)
    assert torch.equal(relations[pair_of_edge], GRAPH.edge_type)
    assert len(sources) == len(set(zip(GRAPH.sources.tolist(), GRAPH.edge_type.tolist())))


@pytest.mark.parametrize("num_nodes", [0, 3])
def test_no_edges(num_nodes: int) -> None:
    layout = RelationLayout(Graph.from_edges(num_nodes, [], []))
    assert layout.num_present == layout.num_cells == 0
    assert layout.cells.numel() == layout.relation_degrees().numel() == 0
    assert [len(part) for part in layout.pairs] == [0, 0, 0]


def test_density_decides() -> None:
    size = 30
    edges = [(u, v) for u in range(size) for v in range(size)]
    assert RelationLayout(Graph.from_edges(size, edges, [2] * len(edges))).dense_is_cheaper(8)
    chain = Graph.from_edges(400, [(i, i + 1) for i in range(399)], [2] * 399)
    assert not RelationLayout(chain).dense_is_cheaper(8)
    # Transforming all pairs of node and relation is dear if few of them have an edge.
    many_relations = Graph.from_edges(10, [(i, (i + 1) % 10) for i in range(10)], list(range(2, 12)))
    assert not RelationLayout(many_relations).dense_is_cheaper(512)
