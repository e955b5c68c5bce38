"""
One table: what holds for every registered graph encoder, masker and interpreter, whatever the graph. Graphs are drawn by
hypothesis: with isolated nodes, edges from a node to itself, parallel edges, relations unseen in training, without edges, without
nodes. Its rows are the functions of `PROPERTIES`, its columns all registered names.
"""

import copy
import functools
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import pytest
import torch
from allennlp.common import Lazy
from allennlp.common.plugins import import_plugins
from allennlp.data import Vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, Graph, num_relations
from allennlp_graphmask.interpret.interpreters import Interpreter, interpreter
from allennlp_graphmask.interpret.maskers import Masker
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules import GraphEncoder
from allennlp_graphmask.modules.relation_transform import RelationModule
from tests.interpret.interpreters.cases import build_registered
from tests.interpret.toy import NUM_FEATURES, recorded_layers, toy_batch, toy_graphmask, toy_vocabulary

import_plugins()
NUM_RELATIONS = num_relations(toy_vocabulary())


def registered(base: Any) -> List[str]:
    """The names that this package registers."""
    return [name for name in base.list_available() if base.by_name(name).__module__.startswith("allennlp_graphmask.")]


ENCODER_SETTINGS: Dict[str, Any] = {
    "graph_attention": {"num_heads": 2},
    # One that sees relations.
    "pyg": {"convolution": "GATv2Conv", "parameters": {"heads": 2, "edge_dim": 3, "add_self_loops": False}},
}
ENCODERS, MASKERS, INTERPRETERS = (registered(base) for base in (GraphEncoder, Masker, Interpreter))


class Drawn(NamedTuple):
    """One graph with the features of its nodes."""

    edges: List[Tuple[int, int]]
    types: List[int]
    features: torch.Tensor
    #: Which of the graph's random numbers each edge gets in `SameNumbers`.
    draws: List[int]

    def with_edges(self, order: List[int]) -> "Drawn":
        """The same graph with these of its edges, which may repeat."""
        edges, types = [self.edges[number] for number in order], [self.types[number] for number in order]
        return Drawn(edges, types, self.features, list(range(len(order))))

    def with_nodes(self, features: torch.Tensor) -> "Drawn":
        return self._replace(features=torch.cat([self.features, features]))


@st.composite
def drawn_graphs(draw: Any) -> Drawn:
    # Large ones come first.
    num_nodes, num_edges = (draw(st.sampled_from((4, 3, 2, 1, 0))) for _ in range(2))
    node = st.integers(0, max(num_nodes - 1, 0))
    edge = st.tuples(node, node, st.integers(0, NUM_RELATIONS - 1))
    edges = draw(st.lists(edge, min_size=num_edges, max_size=num_edges)) if num_nodes else []
    if edges and draw(st.booleans()):
        edges = [*edges, edges[0]]
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    features = torch.randn(num_nodes, NUM_FEATURES, generator=generator, dtype=torch.double)
    return Drawn([edge[:2] for edge in edges], [edge[2] for edge in edges], features, list(range(len(edges))))


def batch_of(graphs: List[Drawn], padding: int = 0) -> Dict[str, Any]:
    most = max(len(graph.features) for graph in graphs) + padding
    features = torch.full((len(graphs), most, NUM_FEATURES), torch.nan, dtype=torch.double)
    for row, graph in zip(features, graphs):
        row[: len(graph.features)] = graph.features
    parts = [Graph.from_edges(len(graph.features), graph.edges, graph.types) for graph in graphs]
    return {
        "features": features,
        "graph": Graph.disjoint_union(parts),
        "metadata": [{"draws": graph.draws} for graph in graphs],
    }


class SameNumbers(PerGraphRandom):
    """Random numbers that stay those of an edge when the graph around it changes, given by `Drawn.draws`."""

    @functools.cached_property
    def _draws(self) -> Tuple[List[int], torch.Tensor, List[torch.Generator]]:
        counts, _, generators = super()._draws
        places = [torch.tensor(one["draws"], dtype=torch.long) for one in self._batch["metadata"]]
        first = torch.tensor([0, *counts]).cumsum(0)
        positions = torch.cat([own + start for own, start in zip(places, first)])
        return counts, positions, [generator.manual_seed(self._seed) for generator in generators]


class Found(NamedTuple):
    """What is found for one graph, by edge and by node: scores, decisions and states, those of all layers in a row."""

    scores: torch.Tensor
    kept: torch.Tensor
    nodes: torch.Tensor


class Subject:
    """A registered class on a toy model."""

    def __init__(self, base: Any, name: str, encoder: str, num_layers: int) -> None:
        vocab = toy_vocabulary()
        masker = name if base is Masker else "edgewise"
        target = {
            "encoder": encoder,
            "num_layers": num_layers,
            "encoder_settings": ENCODER_SETTINGS.get(encoder, {}),
        }
        options = {"target": target, "masker": Lazy(Masker.by_name(masker))}
        batch = toy_batch(vocab) if masker == "edgewise" else None
        self.graphmask = toy_graphmask("tagger", vocab, batch, **options).double()
        self.base, self.name = base, name
        for module in self.graphmask.modules():
            if isinstance(module, RelationModule):
                for parameter in module.parameters(recurse=False):
                    with torch.no_grad():
                        parameter.add_(0.3 * torch.randn_like(parameter))
                for part in filter(None, module.relation_parameters):
                    if getattr(module, part) is not None:
                        getattr(module, part).data[:NUM_RESERVED_RELATIONS] = 0  # as training leaves them

    def changed(self, change: Callable[[Any], Any]) -> "Subject":
        """The same with a change of the model."""
        other = copy.copy(self)
        other.graphmask = copy.deepcopy(self.graphmask)
        change(other.graphmask)
        return other

    def find(self, *graphs: Drawn, padding: int = 0) -> List[Found]:
        batch = batch_of(graphs, padding)
        graph, model = batch["graph"], self.graphmask.masked_model
        batch["features"] = batch["features"].to(model.target.scorer.weight.dtype)
        nodes, kept = torch.zeros(graph.num_nodes, 0), torch.zeros(graph.num_edges, 0)
        if self.base is Interpreter:
            # By default it depends on the number of nodes.
            more = {"initial_std": 0.5} if self.name == "gnn_explainer" else {}
            attribution = build_registered(self.name, self.graphmask, **more).interpret(model, batch)
            scores = torch.stack(attribution.scores, 1)
            kept = torch.stack(attribution.kept, 1)
        else:
            layers = recorded_layers(model.target, batch)
            with torch.no_grad():
                if self.base is Masker:
                    scores = torch.stack([self.graphmask.masker(messages) for messages in layers], 1)
                else:
                    scores = torch.cat([messages.values for messages in layers], 1)
                    nodes = model.encoder(model.target.states_below(batch["features"], graph), graph)
        assert scores.isfinite().all() and nodes.isfinite().all()
        sizes, edges = graph.nodes_per_graph.tolist(), graph.edges_per_graph().tolist()
        return [Found(*parts) for parts in zip(scores.split(edges), kept.split(edges), nodes.split(sizes))]


def assert_same(actual: Found, expected: Found, tolerance: float = 1e-7) -> None:
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def by_edge(graph: Drawn, found: Found) -> Found:
    """Sort what is found by edge; parallel edges of one type may exchange."""
    keys = list(zip(graph.edges, graph.types))
    groups = [[number for number, other in enumerate(keys) if other == key] for key in sorted(set(keys))]
    scores, kept = (
        torch.cat([rows[:0], *(rows[group].sort(0).values for group in groups)]) for rows in (found.scores, found.kept)
    )
    return Found(scores, kept, found.nodes)


PROPERTIES: Dict[str, Callable[[Subject, Drawn, Any], None]] = {}


def row(check: Callable[[Subject, Drawn, Any], None]) -> Callable[[Subject, Drawn, Any], None]:
    PROPERTIES[check.__name__] = check
    return check


@row
def edges_may_come_in_any_order(subject: Subject, graph: Drawn, draw: Any) -> None:
    other = graph.with_edges(draw(st.permutations(range(len(graph.edges)))))
    assert_same(by_edge(other, *subject.find(other)), by_edge(graph, *subject.find(graph)))


@row
def nodes_may_have_any_numbers(subject: Subject, graph: Drawn, draw: Any) -> None:
    numbers = draw(st.permutations(range(len(graph.features))))
    features = torch.empty_like(graph.features)
    features[numbers] = graph.features
    other = graph._replace(edges=[(numbers[u], numbers[v]) for u, v in graph.edges], features=features)
    [actual], [expected] = subject.find(other), subject.find(graph)
    assert_same(actual._replace(nodes=actual.nodes[numbers]), expected)


@row
def other_graphs_of_the_batch_do_not_matter(subject: Subject, graph: Drawn, draw: Any) -> None:
    before, after = (draw(st.lists(drawn_graphs(), max_size=2)) for _ in range(2))
    together = subject.find(*before, graph, *after)
    assert_same(together[len(before)], *subject.find(graph))


@row
def padding_does_not_matter(subject: Subject, graph: Drawn, draw: Any) -> None:
    assert_same(*subject.find(graph, padding=draw(st.integers(1, 3))), *subject.find(graph))


@row
def parallel_edges_are_alike(subject: Subject, graph: Drawn, draw: Any) -> None:
    """They exchange what they get when they exchange their random numbers."""
    if not graph.edges:
        return
    number = draw(st.integers(0, len(graph.edges) - 1))
    last = len(graph.edges)
    doubled = graph.with_edges([*range(last), number])
    draws = list(doubled.draws)
    draws[number], draws[last] = draws[last], draws[number]
    [actual], [expected] = subject.find(doubled._replace(draws=draws)), subject.find(doubled)
    assert_same(actual._replace(scores=actual.scores[draws], kept=actual.kept[draws]), expected)


@row
def an_edge_to_itself_is_one_from_an_equal_node(subject: Subject, graph: Drawn, draw: Any) -> None:
    """In one layer: nothing enters the equal node."""
    loops = [number for number, (source, target) in enumerate(graph.edges) if source == target]
    edges, other = list(graph.edges), graph
    for number in loops:
        edges[number] = (len(other.features), edges[number][1])
        other = other.with_nodes(graph.features[edges[number][1]][None])
    [actual], [expected] = subject.find(other._replace(edges=edges)), subject.find(graph)
    assert_same(actual._replace(nodes=actual.nodes[: len(graph.features)]), expected)


@row
def isolated_nodes_do_not_matter(subject: Subject, graph: Drawn, draw: Any) -> None:
    node = torch.tensor([draw(st.tuples(*[st.floats(-2, 2)] * NUM_FEATURES))], dtype=torch.double)
    [actual], [expected] = subject.find(graph.with_nodes(node)), subject.find(graph)
    [alone] = subject.find(Drawn([], [], node, []))
    assert_same(actual, expected._replace(nodes=torch.cat([expected.nodes, alone.nodes])))


def learn_relations(model: Any) -> None:
    """What happens when a trained model gets a vocabulary with two relations more, before it is trained on them."""
    model.vocab.extend_from_vocab(Vocabulary(counter={"edge_labels": {"new": 2, "new^-1": 1}}))
    model.extend_embedder_vocab()


@row
def unseen_relations_are_those_that_will_be_learnt(subject: Subject, graph: Drawn, draw: Any) -> None:
    if graph.edges:
        graph.types[0] = draw(st.integers(0, NUM_RESERVED_RELATIONS - 1))
    types = [NUM_RELATIONS + kind if kind < NUM_RESERVED_RELATIONS else kind for kind in graph.types]
    [expected] = subject.find(graph)
    extended = subject.changed(learn_relations)
    assert_same(*extended.find(graph), expected)
    assert_same(*extended.find(graph._replace(types=types)), expected)


@row
def single_precision_suffices(subject: Subject, graph: Drawn, draw: Any) -> None:
    [single], [expected] = subject.changed(lambda model: model.float()).find(graph), subject.find(graph)
    # Scores of gates are in double precision, in which they rank gates at any threshold.
    is_of_gates = subject.name.startswith("graphmask")
    assert single.scores.dtype == (torch.double if is_of_gates else torch.float)
    assert expected.scores.dtype == torch.double
    torch.testing.assert_close(single.scores.double(), expected.scores, rtol=1e-3, atol=1e-3)


def cells(every_pair: bool) -> List[Any]:
    """All of the table, each masker and interpreter on one encoder, by turns, or on every one."""
    found = []
    for base, names in ((GraphEncoder, ENCODERS), (Masker, MASKERS), (Interpreter, INTERPRETERS)):
        for number, name in enumerate(names):
            encoders = [name] if base is GraphEncoder else ["graph_attention"] if name == "attention" else ENCODERS
            for encoder in encoders if every_pair else [encoders[number % len(encoders)]]:
                for check in PROPERTIES:
                    if (name, check) != ("erasure_search", "parallel_edges_are_alike"):  # it keeps the first of equals
                        found.append(pytest.param(base, name, encoder, check, id=f"{name}-{encoder}-{check}"))
    return found


@functools.cache
def subject_of(base: Any, name: str, encoder: str, num_layers: int) -> Subject:
    return Subject(base, name, encoder, num_layers)


def assert_holds(base: Any, name: str, encoder: str, check: str, monkeypatch: Any, max_examples: int) -> None:
    # Few messages, for the search; and what comes to itself is seen in one layer.
    one_layer = name == "erasure_search" or check == "an_edge_to_itself_is_one_from_an_equal_node"
    subject = subject_of(base, name, encoder, 1 if one_layer else 2)
    if check not in (
        "edges_may_come_in_any_order",
        "other_graphs_of_the_batch_do_not_matter",
        "padding_does_not_matter",
    ):
        # What is drawn depends on the numbers of nodes and types by design, and on what else the graph has.
        monkeypatch.setattr(interpreter, "PerGraphRandom", SameNumbers)

    @settings(max_examples=max_examples)
    @given(graph=drawn_graphs(), data=st.data())
    def hold(graph: Drawn, data: Any) -> None:
        PROPERTIES[check](subject, graph, data.draw)

    hold()


@pytest.mark.parametrize("base,name,encoder,check", cells(every_pair=False))
def test_it_holds(base, name, encoder, check, monkeypatch) -> None:
    assert_holds(base, name, encoder, check, monkeypatch, max_examples=4)


@pytest.mark.reliability
@pytest.mark.parametrize("base,name,encoder,check", cells(every_pair=True))
def test_it_holds_on_every_encoder(base, name, encoder, check, monkeypatch) -> None:
    assert_holds(base, name, encoder, check, monkeypatch, max_examples=10)
