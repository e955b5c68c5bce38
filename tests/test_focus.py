import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.focus import reachable_messages, select_instances
from allennlp_graphmask.graph import Graph


@st.composite
def batches_of_graphs(draw):
    graphs = []
    for _ in range(draw(st.integers(1, 4))):
        num_nodes = draw(st.integers(0, 4))
        nodes = st.integers(0, max(num_nodes - 1, 0))
        edges = draw(st.lists(st.tuples(nodes, nodes), max_size=6 if num_nodes else 0))
        graphs.append(Graph.from_edges(num_nodes, edges, draw(st.permutations(range(len(edges))))))
    return graphs


def paths_end_at(graph: Graph, num_layers: int, wanted: set) -> list:
    """By enumeration: which messages begin a path, up through the layers, that ends at a wanted node; states may also stay."""
    found = []
    for layer in range(num_layers):
        reaches = []
        for target in graph.targets.tolist():
            here = {target}
            for _ in range(layer + 1, num_layers):
                here |= {t for s, t in zip(graph.sources.tolist(), graph.targets.tolist()) if s in here}
            reaches.append(bool(here & wanted))
        found.append(reaches)
    return found


class TestReachableMessages:
    @given(batches_of_graphs(), st.integers(1, 3), st.data())
    def test_equal_enumeration_of_paths(self, graphs, num_layers, data) -> None:
        graph = Graph.disjoint_union(graphs)
        nodes = torch.tensor([data.draw(st.booleans()) for _ in range(graph.num_nodes)], dtype=torch.bool)
        wanted = set(nodes.nonzero().squeeze(-1).tolist())
        found = reachable_messages(graph, nodes.clone(), num_layers)
        assert [layer.tolist() for layer in found] == paths_end_at(graph, num_layers, wanted)


class TestSelect:
    @given(batches_of_graphs(), st.data())
    def test_is_the_union_of_the_chosen_graphs(self, graphs, data) -> None:
        chosen = [number for number in range(len(graphs)) if data.draw(st.booleans())]
        numbers = torch.tensor(chosen, dtype=torch.long)
        selected = Graph.disjoint_union(graphs).select(numbers)
        if not chosen:
            assert (selected.num_nodes, selected.num_edges, selected.num_graphs) == (0, 0, 0)
            return
        expected = Graph.disjoint_union([graphs[number] for number in chosen])
        assert selected.num_nodes == expected.num_nodes
        for mine, other in itertools.zip_longest(selected[:4], expected[:4]):
            assert torch.equal(mine, other)

    def test_of_a_batch(self) -> None:
        graphs = [Graph.from_edges(2, [(0, 1)], [number]) for number in range(3)]
        batch = {
            "words": {"tokens": {"tokens": torch.arange(6).view(3, 2)}},
            "graph": Graph.disjoint_union(graphs),
            "metadata": [{"id": number} for number in range(3)],
            "label": torch.tensor([4, 5, 6]),
            "nothing": None,
        }
        selected = select_instances(batch, torch.tensor([0, 2]), 3)
        assert selected["words"]["tokens"]["tokens"].tolist() == [[0, 1], [4, 5]]
        assert selected["graph"].edge_type.tolist() == [0, 2]
        assert [one["id"] for one in selected["metadata"]] == [0, 2]
        assert selected["label"].tolist() == [4, 6] and selected["nothing"] is None

    def test_what_has_no_entry_for_each_instance_is_refused(self) -> None:
        with pytest.raises(TypeError, match="Tensor"):
            select_instances({"all": torch.zeros(5)}, torch.tensor([0]), 3)
