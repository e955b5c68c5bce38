"""
What holds for every interpreter on graphs drawn by hypothesis: with isolated nodes, edges from a node to itself, parallel edges,
relations unseen in training, without edges, without nodes.
"""

from typing import Any, Dict, List, NamedTuple, Tuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from tests.interpret.interpreters.test_every_interpreter import SETTINGS, build
from tests.interpret.toy import NUM_FEATURES, toy_batch, toy_graphmask

ENCODERS: Dict[str, Dict[str, Any]] = {
    "entity_gcn": {},
    "graph_attention": {"num_heads": 2},
    "rgcn": {},
    "syntactic_gcn": {},
}
#: Without random numbers and without optimisation, which enlarges rounding.
EXACT = ["all_edges", "leave_one_edge_out", "gradient_x_message", "integrated_gradients", "attention", "graphmask"]
NAMES = [*(name for name in SETTINGS if "," not in name), "attention", "erasure_search", "graphmask"]


def pairs(names: List[str]) -> Any:
    """Every interpreter with one encoder, by turns; the other pairs are long."""
    cases = []
    for number, name in enumerate(names):
        encoders = ["graph_attention"] if name == "attention" else list(ENCODERS)
        for encoder in encoders:
            is_short = encoder == encoders[number % len(encoders)]
            cases.append(pytest.param(name, encoder, marks=[] if is_short else pytest.mark.reliability))
    return pytest.mark.parametrize("name,encoder", cases)


class Drawn(NamedTuple):
    """One graph with the features of its nodes."""

    edges: List[Tuple[int, int]]
    types: List[int]
    features: torch.Tensor


@st.composite
def drawn_graphs(draw: Any) -> Drawn:
    num_nodes = draw(st.integers(0, 4))
    node = st.integers(0, max(num_nodes - 1, 0))
    # The first two types are those of unseen relations.
    edges = draw(st.lists(st.tuples(node, node, st.integers(0, 5)), max_size=4 if num_nodes else 0))
    if edges and draw(st.booleans()):
        edges = [*edges, edges[0]]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    features = torch.randn(num_nodes, NUM_FEATURES, generator=generator, dtype=torch.double)
    return Drawn([edge[:2] for edge in edges], [edge[2] for edge in edges], features)


def batch_of(graphs: List[Drawn], padding: int = 0) -> Dict[str, Any]:
    most = max(len(graph.features) for graph in graphs) + padding
    features = torch.zeros(len(graphs), most, NUM_FEATURES, dtype=torch.double)
    for row, graph in zip(features, graphs):
        row[: len(graph.features)] = graph.features
    parts = [Graph.from_edges(len(graph.features), graph.edges, graph.types) for graph in graphs]
    return {"features": features, "graph": Graph.disjoint_union(parts)}


def shuffled(graph: Drawn, order: Any) -> Drawn:
    edges = list(zip(graph.edges, graph.types))
    order.shuffle(edges)
    return graph._replace(edges=[edge for edge, _ in edges], types=[kind for _, kind in edges])


def renumbered(graph: Drawn, order: Any) -> Tuple[Drawn, List[int]]:
    """The graph, and the new number of each of its nodes."""
    numbers = list(range(len(graph.features)))
    order.shuffle(numbers)
    features = torch.empty_like(graph.features)
    features[numbers] = graph.features
    return Drawn([(numbers[u], numbers[v]) for u, v in graph.edges], graph.types, features), numbers


def interpreter_and_model(name: str, encoder: str, vocab: Any) -> Tuple[Interpreter, MaskedModel]:
    # Few messages, for the search.
    target = {
        "encoder": encoder,
        "num_layers": 1 if name == "erasure_search" else 2,
        "encoder_settings": ENCODERS[encoder],
    }
    graphmask = toy_graphmask("tagger", vocab, toy_batch(vocab), target=target).double()
    if name == "graphmask":
        return AmortisedGraphMask(graphmask=graphmask), graphmask.masked_model
    if name in ("attention", "erasure_search"):
        return Interpreter.by_name(name)(), graphmask.masked_model
    return build(name), graphmask.masked_model


Row = Tuple[Tuple[int, int, int, int], float, bool]


def rows(attribution: EdgeAttribution) -> List[List[Row]]:
    """The messages of each graph in an order of their own; of parallel ones the one with the lower score goes first."""
    return [
        sorted(
            ((layer, *edge), score, kept)
            for layer in range(part.num_layers)
            for *edge, score, kept in zip(
                part.graph.sources.tolist(),
                part.graph.targets.tolist(),
                part.graph.edge_type.tolist(),
                part.scores[layer].tolist(),
                part.kept[layer].tolist(),
            )
        )
        for part in attribution.split()
    ]


def assert_same(actual: List[Row], expected: List[Row], tolerance: float = 1e-7) -> None:
    assert [row[0] for row in actual] == [row[0] for row in expected]
    assert [row[1] for row in actual] == pytest.approx([row[1] for row in expected], rel=tolerance, abs=tolerance)


@pairs(NAMES)
def test_neither_the_batch_nor_padding_nor_the_order_of_edges_matters(name, encoder, vocab) -> None:
    interpreter, model = interpreter_and_model(name, encoder, vocab)

    @settings(max_examples=3)
    @given(graphs=st.lists(drawn_graphs(), min_size=1, max_size=3), padding=st.integers(0, 2), order=st.randoms())
    def check(graphs: List[Drawn], padding: int, order: Any) -> None:
        together = rows(interpreter.interpret(model, batch_of(graphs, padding)))
        for graph, actual in zip(graphs, together, strict=True):
            [alone] = rows(interpreter.interpret(model, batch_of([shuffled(graph, order)])))
            assert_same(actual, alone)
            assert sorted(row[::2] for row in actual) == sorted(row[::2] for row in alone)

    check()


@pairs(EXACT)
def test_numbers_of_nodes_and_precision_do_not_matter(name, encoder, vocab) -> None:
    interpreter, model = interpreter_and_model(name, encoder, vocab)

    @settings(max_examples=3)
    @given(graph=drawn_graphs(), order=st.randoms())
    def check(graph: Drawn, order: Any) -> None:
        other, numbers = renumbered(graph, order)
        [expected] = rows(interpreter.interpret(model, batch_of([graph])))
        [actual] = rows(interpreter.interpret(model, batch_of([other])))
        moved = sorted(((l, numbers[u], numbers[v], kind), *rest) for (l, u, v, kind), *rest in expected)
        assert_same(actual, moved)
        batch = batch_of([graph])
        owner = interpreter.graphmask if isinstance(interpreter, AmortisedGraphMask) else model.target
        owner.float()
        try:
            [single] = rows(interpreter.interpret(model, {**batch, "features": batch["features"].float()}))
        finally:
            owner.double()
        assert_same(single, expected, 1e-3)

    check()
