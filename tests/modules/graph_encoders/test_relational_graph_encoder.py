"""Both ways of aggregating give the same numbers and gradients, whatever the graph and the gates."""

import copy
from typing import List, Optional, Tuple

import pytest
import torch
from allennlp.data import Vocabulary
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph, num_relations
from allennlp_graphmask.modules import EntityGcn, Gate, Messages, Rgcn, intervening
from allennlp_graphmask.modules.graph_encoders import RelationalGraphEncoder, relational_graph_encoder
from allennlp_graphmask.testing import example_graphs, example_states

VOCABULARY = Vocabulary(counter={"edge_labels": {"a": 4, "b": 3, "c": 2}})
NUM_RELATIONS = num_relations(VOCABULARY)
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}

MAKERS = {
    "entity_gcn": lambda **options: EntityGcn(VOCABULARY, 4, num_layers=2, **options),
    "entity_gcn_separate": lambda **options: EntityGcn(VOCABULARY, 4, 3, num_layers=2, share_weights=False, **options),
    "rgcn": lambda **options: Rgcn(VOCABULARY, 4, 6, **options),
    "rgcn_bases": lambda **options: Rgcn(VOCABULARY, 4, 6, num_bases=2, **options),
    "rgcn_blocks": lambda **options: Rgcn(VOCABULARY, 4, 6, num_blocks=2, **options),
    "rgcn_sum": lambda **options: Rgcn(VOCABULARY, 4, 6, normalise=False, **options),
}


def build(name: str, dtype: torch.dtype, **options) -> RelationalGraphEncoder:
    torch.manual_seed(0)
    encoder = MAKERS[name](**options).eval().to(dtype)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return encoder


def build_both(name: str, dtype: torch.dtype) -> List[RelationalGraphEncoder]:
    return [build(name, dtype, aggregation=aggregation) for aggregation in ("dense", "edge_list")]


@st.composite
def multigraphs(draw) -> Graph:
    """Batches of graphs, some of them empty; edges repeat and are loops often."""
    graphs = []
    for _ in range(draw(st.integers(1, 3))):
        num_nodes = draw(st.integers(0, 5))
        node = st.integers(0, max(0, num_nodes - 1))
        edges = draw(st.lists(st.tuples(node, node), max_size=12)) if num_nodes else []
        types = draw(st.lists(st.integers(0, NUM_RELATIONS - 1), min_size=len(edges), max_size=len(edges)))
        graphs.append(Graph.from_edges(num_nodes, edges, types))
    return Graph.disjoint_union(graphs)


def build_gates(
    form: str, encoder: RelationalGraphEncoder, graph: Graph, dtype: torch.dtype, seed: int
) -> Tuple[List[Optional[Gate]], List[torch.Tensor]]:
    """A gate for each layer, and the tensors in them that have gradients."""
    generator = torch.Generator().manual_seed(seed)
    gates: List[Optional[Gate]] = []
    leaves = []

    def leaf(*shape: int) -> torch.Tensor:
        leaves.append(torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_())
        return leaves[-1]

    for dim in encoder.get_message_dims():
        if form == "none":
            gates.append(None)
            continue
        kind, replacement = form.split(", ")
        scale = leaf(graph.num_edges) if kind == "soft" else torch.rand(graph.num_edges) > 0.5
        rows = {"relation": NUM_RELATIONS, "graph": graph.num_graphs, "edge": graph.num_edges}
        shapes = {"zeros": None, "vector": (dim,), **{name: (number, dim) for name, number in rows.items()}}
        instead = leaf(*shapes[replacement]) if shapes[replacement] else None
        per = {"per_relation": replacement == "relation", "per_graph": replacement == "graph"}
        gates.append(Gate(scale, instead, **per))
    return gates, leaves


REPLACEMENTS = ["zeros", "vector", "relation", "graph", "edge"]
FORMS = ["none"] + [f"{kind}, {replacement}" for kind in ("soft", "boolean") for replacement in REPLACEMENTS]


@settings(max_examples=60, derandomize=True)
@given(
    graph=multigraphs(),
    name=st.sampled_from(sorted(MAKERS)),
    form=st.sampled_from(FORMS),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_both_ways_give_the_same_numbers_and_gradients(graph, name, form, dtype, seed) -> None:
    results = []
    for encoder in build_both(name, dtype):
        torch.manual_seed(seed)
        gates, leaves = build_gates(form, encoder, graph, dtype, seed)
        states = torch.randn(graph.num_nodes, 4, dtype=torch.float64).to(dtype).requires_grad_()
        with intervening(encoder, lambda messages, gates=gates: gates[messages.layer]):
            output = encoder(states, graph)
        weight = torch.randn(output.shape, dtype=torch.float64).to(dtype)
        inputs = [states, *leaves, *encoder.parameters()]
        gradients = torch.autograd.grad((output * weight).sum(), inputs, allow_unused=True)
        results.append([output, *gradients])
    for dense, edge_list in zip(*results):
        assert (dense is None) == (edge_list is None)  # no gradient where nothing depends on a parameter
        if edge_list is not None and edge_list.numel():
            allowed = TOLERANCES[dtype] * max(1.0, float(edge_list.detach().abs().max()))
            assert torch.allclose(dense, edge_list, rtol=0, atol=allowed)


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the number of elements of the largest floating-point tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                self.largest = max(self.largest, tensor.numel())
        return result


def complete_graph(num_nodes: int) -> Graph:
    edges = [(u, v) for u in range(num_nodes) for v in range(num_nodes) if u != v]
    return Graph.from_edges(num_nodes, edges, [2 + (u + v) % 3 for u, v in edges])


@pytest.mark.parametrize("per", ["all", "relation", "graph"])
@pytest.mark.parametrize("finite", [True, False])
def test_the_dense_way_never_writes_out_a_vector_for_each_edge(per: str, finite: bool) -> None:
    encoder = EntityGcn(VOCABULARY, 32, aggregation="dense")
    graph = complete_graph(40)
    states = torch.randn(40, 32)
    states[0, 0] = 1.0 if finite else float("inf")
    scale = torch.rand(graph.num_edges, requires_grad=True)
    shape = {"all": (32,), "relation": (NUM_RELATIONS, 32), "graph": (1, 32)}[per]
    replacement = torch.randn(*shape, requires_grad=True)
    gate = Gate(scale, replacement, per_relation=per == "relation", per_graph=per == "graph")
    with LargestTensor() as measured, intervening(encoder, lambda messages: gate):
        encoder(states, graph).sum().backward()
    assert measured.largest < graph.num_edges * 32 / 4
    encoder.aggregation = "edge_list"
    with LargestTensor() as measured, intervening(encoder, lambda messages: gate):
        encoder(states, graph)
    assert measured.largest >= graph.num_edges * 32


@pytest.mark.parametrize("aggregation", ["dense", "edge_list"])
def test_messages_are_computed_only_when_asked_for(aggregation: str) -> None:
    encoder = EntityGcn(VOCABULARY, 4, aggregation=aggregation)
    graph = complete_graph(5)
    shown: List[Messages] = []
    with intervening(encoder, shown.append):
        encoder(torch.randn(5, 4), graph)
    assert [messages._values is None for messages in shown] == [aggregation == "dense"] * 3


def test_messages_do_not_depend_on_the_way() -> None:
    for name in MAKERS:
        recorded: List[List[Messages]] = []
        for encoder in build_both(name, torch.float64):
            graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
            recorded.append([])
            with intervening(encoder, recorded[-1].append):
                encoder(example_states(encoder, graph), graph)
        for dense, edge_list in zip(*recorded):
            assert torch.allclose(dense.values, edge_list.values, rtol=0, atol=1e-12)


def test_the_choice_is_made_by_density_and_not_by_gates(monkeypatch) -> None:
    encoder = EntityGcn(VOCABULARY, 8, num_layers=1)
    by_matrices, computed = relational_graph_encoder._add_up_cells, []
    monkeypatch.setattr(
        relational_graph_encoder, "_add_up_cells", lambda *given: computed.append(given) or by_matrices(*given)
    )

    def way(graph: Graph, gate: Optional[Gate] = None) -> str:
        computed.clear()
        with intervening(encoder, lambda messages: gate):
            encoder(torch.randn(graph.num_nodes, 8), graph)
        return "dense" if computed else "edge_list"

    dense = complete_graph(30)
    chain = Graph.from_edges(400, [(i, i + 1) for i in range(399)], [2] * 399)
    assert way(dense) == "dense" and way(chain) == "edge_list"
    assert way(Graph.from_edges(3, [], [])) == "edge_list"
    assert way(dense, Gate(torch.zeros(dense.num_edges, dtype=torch.bool))) == "dense"


@pytest.mark.parametrize("name", sorted(MAKERS))
@pytest.mark.parametrize("poison", [float("inf"), float("nan")])
def test_what_is_not_finite_reaches_its_targets_only(name: str, poison: float) -> None:
    """A product of matrices would spread it over the whole graph."""
    graph = Graph.from_edges(5, [(0, 1), (2, 3), (3, 4), (4, 3), (1, 1)], [2, 2, 3, 2, 4])
    for encoder in build_both(name, torch.float64):
        one_layer = copy.deepcopy(encoder)
        one_layer.num_layers = 1
        if isinstance(one_layer, Rgcn):
            one_layer.layers = torch.nn.ModuleList(list(one_layer.layers)[:1])
        states = torch.randn(5, 4, dtype=torch.float64)
        expected = one_layer(states, graph)
        states[0] = poison
        for scale in (None, torch.ones(5, dtype=torch.float64), torch.ones(5, dtype=torch.bool)):
            gate = None if scale is None else Gate(scale)
            with intervening(one_layer, lambda messages, gate=gate: gate):
                output = one_layer(states, graph)
            assert torch.allclose(output[2:], expected[2:], rtol=0, atol=1e-12)
            if poison != poison:
                assert output[1].isnan().all()
        # Dropped, it does not reach them either.
        dropping = Gate(torch.tensor([False, True, True, True, True]), states.new_zeros(()).expand(1))
        with intervening(one_layer, lambda messages, gate=dropping: gate):
            assert one_layer(states, graph)[1:].isfinite().all()


@pytest.mark.parametrize("aggregation", ["dense", "edge_list"])
@pytest.mark.parametrize("state, is_finite", [(1e37, True), (1e39, False)])
def test_messages_that_overflow(aggregation: str, state: float, is_finite: bool) -> None:
    """The sum of all messages overflows in both cases, a message only in the second."""
    encoder = Rgcn(VOCABULARY, 64, 64, num_layers=1, aggregation=aggregation)
    [layer] = encoder.layers
    with torch.no_grad():
        layer.self_transform.weight.zero_()
        layer.relation_transform.weight.copy_(torch.eye(64).expand_as(layer.relation_transform.weight))
    states = torch.zeros(4, 64)
    states[:2] = state / 10
    encoder.layers[0].relation_transform.weight.data.mul_(10)
    output = encoder(states, Graph.from_edges(4, [(0, 2), (2, 3), (3, 1)], [2, 2, 3]))
    assert torch.equal(output[[0, 1, 3]], torch.zeros(3, 64))
    assert bool(output[2].isfinite().all()) == is_finite
    if is_finite:
        torch.testing.assert_close(output[2], torch.full((64,), state))


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_messages_of_unseen_relations_are_zero(name: str) -> None:
    torch.manual_seed(0)
    encoder = MAKERS[name]().eval()
    states = torch.randn(2, 4)
    unseen = Graph.from_edges(2, [(0, 1), (1, 0)], [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION])
    assert torch.equal(encoder(states, unseen), encoder(states, Graph.from_edges(2, [], [])))
