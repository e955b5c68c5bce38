import json
import random

import pytest
import torch
from allennlp.common.util import sanitize
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution

NAMES = ["@@UNSEEN@@", "@@UNSEEN@@^-1", "a", "a^-1"]
LAYERS = 2


def random_attribution(seed: int, layers: int = LAYERS) -> EdgeAttribution:
    """Several graphs, some without edges or nodes, whose edges stand in any order."""
    source = random.Random(seed)
    sizes = [source.choice([0, 1, 3, 4]) for _ in range(source.randint(1, 5))]
    edges = []
    first = 0
    for number, size in enumerate(sizes):
        for _ in range(source.choice([0, 1, 6]) if size else 0):
            edges.append((first + source.randrange(size), first + source.randrange(size), number))
        first += size
    source.shuffle(edges)
    graph = Graph(
        edge_index=torch.tensor([edge[:2] for edge in edges], dtype=torch.long).reshape(-1, 2).t().contiguous(),
        edge_type=torch.tensor([source.randrange(len(NAMES)) for _ in edges], dtype=torch.long),
        edge_graph=torch.tensor([edge[2] for edge in edges], dtype=torch.long),
        nodes_per_graph=torch.tensor(sizes),
        num_nodes=first,
    )
    scores = [torch.tensor([source.random() for _ in edges]) for _ in range(layers)]
    return EdgeAttribution(graph, scores, [layer > 0.5 for layer in scores], NAMES)


@given(st.integers(0, 100_000))
@settings(deadline=None, max_examples=60)
def test_split_equals_brute_force(seed) -> None:
    attribution = random_attribution(seed)
    graph = attribution.graph
    parts = attribution.split()
    assert len(parts) == graph.num_graphs
    first = 0
    for number, part in enumerate(parts):
        size = int(graph.nodes_per_graph[number])
        expected = [
            (
                int(graph.edge_index[0, edge]) - first,
                int(graph.edge_index[1, edge]) - first,
                NAMES[int(graph.edge_type[edge])],
                [float(layer[edge]) for layer in attribution.scores],
                [bool(layer[edge]) for layer in attribution.kept],
            )
            for edge in range(graph.num_edges)
            if int(graph.edge_graph[edge]) == number
        ]
        assert [tuple(edge) for edge in part.edges()] == expected
        assert part.graph.num_nodes == size and part.graph.nodes_per_graph.tolist() == [size]
        assert part.graph.num_graphs == 1 and part.graph.edge_graph.tolist() == [0] * len(expected)
        first += size


@given(st.integers(0, 100_000))
@settings(deadline=None, max_examples=60)
def test_kept_share_equals_enumeration(seed) -> None:
    attribution = random_attribution(seed)
    decisions = [kept for edge in attribution.edges() for kept in edge.kept]
    expected = sum(decisions) / len(decisions) if decisions else 1.0
    assert attribution.kept_share() == pytest.approx(expected)


def test_to_json_is_plain_data() -> None:
    attribution = random_attribution(4)
    assert attribution.graph.num_edges > 2
    data = attribution.to_json()
    assert json.loads(json.dumps(data)) == data == sanitize(attribution)
    assert data["num_nodes"] == attribution.graph.num_nodes
    for edge, entry in zip(attribution.edges(), data["edges"], strict=True):
        assert entry == {
            "source": edge.source,
            "target": edge.target,
            "type": edge.relation,
            "score": edge.scores,
            "kept": edge.kept,
        }


def test_it_holds_no_gradients() -> None:
    graph = Graph.from_edges(2, [[0, 1]], [2])
    scores = torch.tensor([0.3], requires_grad=True)
    attribution = EdgeAttribution(graph, [scores * 2], [torch.tensor([True])], NAMES)
    assert not attribution.scores[0].requires_grad


def test_no_layers() -> None:
    attribution = random_attribution(4, layers=0)
    assert attribution.kept_share() == 1.0
    assert all(edge.scores == [] and edge.kept == [] for edge in attribution.edges())


KEPT, ZEROS = torch.tensor([True, False]), torch.zeros(2)


@pytest.mark.parametrize(
    "scores, kept, message",
    [
        ([ZEROS, ZEROS], [KEPT], "for each layer: got 2 and 1"),
        ([ZEROS, torch.zeros(3)], [KEPT] * 2, r"scores of layer 1 have shape \(3,\), expected \(2,\)"),
        ([ZEROS, torch.zeros(2, 1)], [KEPT] * 2, r"scores of layer 1 have shape \(2, 1\), expected \(2,\)"),
        ([ZEROS, torch.zeros(())], [KEPT] * 2, r"scores of layer 1 have shape \(\), expected \(2,\)"),
        ([ZEROS], [torch.ones(3, dtype=torch.bool)], r"kept of layer 0 have shape \(3,\)"),
        ([ZEROS], [torch.tensor([0.3, 1.0])], "kept of layer 0 has type torch.float32, expected torch.bool"),
    ],
)
def test_scores_and_decisions_that_do_not_fit(scores, kept, message) -> None:
    with pytest.raises(ValueError, match=message):
        EdgeAttribution(Graph.from_edges(2, [[0, 1], [1, 0]], [2, 3]), scores, kept, NAMES)


@given(st.integers(0, 100_000))
@settings(deadline=None, max_examples=30)
def test_split_shares_out_replacements(seed) -> None:
    attribution = random_attribution(seed)
    graph = attribution.graph
    for_all, for_each = torch.randn(3), torch.randn(graph.num_edges, 3)
    with_replacements = EdgeAttribution(
        graph, attribution.scores, attribution.kept, NAMES, replacements=[for_all, for_each]
    )
    assert [gate.replacement is None for gate in attribution.gates()] == [True, True]
    for number, part in enumerate(with_replacements.split()):
        assert torch.equal(part.replacements[0], for_all)
        assert torch.equal(part.replacements[1], for_each[graph.edge_graph == number])
        for gate, kept in zip(part.gates(), part.kept):
            assert torch.equal(gate.scale, kept)


@given(st.integers(0, 100_000))
@settings(deadline=None, max_examples=30)
def test_split_shares_out_replacements_of_graphs(seed) -> None:
    attribution = random_attribution(seed)
    graph = attribution.graph
    of_graphs = torch.randn(graph.num_graphs, 3)
    arguments = {"replacements": [of_graphs, None], "replacements_per_graph": True}
    whole = EdgeAttribution(graph, attribution.scores, attribution.kept, NAMES, **arguments)
    assert whole.gates()[0].per_graph
    for number, part in enumerate(whole.split()):
        assert torch.equal(part.replacements[0], of_graphs[number]) and part.replacements[1] is None
        assert not part.gates()[0].per_graph


def test_replacements_are_as_many_as_layers() -> None:
    attribution = random_attribution(0)
    with pytest.raises(ValueError, match="2 layers needs as many replacements, or none: got 1"):
        EdgeAttribution(attribution.graph, attribution.scores, attribution.kept, NAMES, replacements=[torch.zeros(3)])
