"""Both maskers: their formulas edge by edge, what they must not depend on, and their parameters."""

from typing import Any, List

import pytest
import torch

from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph
from allennlp_graphmask.interpret.maskers import BilinearMasker, EdgewiseMasker, Masker
from allennlp_graphmask.modules import Messages
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.testing import example_graphs
from tests.interpret.toy import layer_parameters

NODE_DIMS, MESSAGE_DIMS, NUM_RELATIONS = [4, 6], [6, 5], 5
SPARSE = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
#: Three complete graphs, one of them without nodes, whose relations are often doubled.
DENSE = Graph.disjoint_union(
    [
        Graph.from_edges(
            size,
            [(u, v) for u in range(size) for v in range(size) for _ in range(2)],
            [(u + v * i) % NUM_RELATIONS for u in range(size) for v in range(size) for i in range(2)],
        )
        for size in (6, 0, 4)
    ]
)
KINDS = [BilinearMasker, EdgewiseMasker]


def build(
    kind: Any, node_dims: List[int] = NODE_DIMS, message_dims: List[int] = MESSAGE_DIMS, **options: Any
) -> Masker:
    if kind is BilinearMasker:
        options["num_relations"] = NUM_RELATIONS
    return kind(node_dims, message_dims, **options)


@pytest.fixture
def masker(request) -> Masker:
    torch.manual_seed(0)
    masker = build(request.param).double()
    with torch.no_grad():
        for parameter in masker.gates.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return masker


bilinear = pytest.mark.parametrize("masker", [BilinearMasker], indirect=True)
edgewise = pytest.mark.parametrize("masker", [EdgewiseMasker], indirect=True)
both = pytest.mark.parametrize("masker", KINDS, indirect=True)


def show(masker: Masker, layer: int, states: torch.Tensor, graph: Graph, values: torch.Tensor) -> Messages:
    def compute() -> torch.Tensor:
        assert isinstance(masker, EdgewiseMasker), "The bilinear masker does not look at messages."
        return values

    return Messages(layer, states, graph, compute)


def messages(masker: Masker, layer: int, graph: Graph = SPARSE) -> Messages:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(graph.num_nodes, NODE_DIMS[layer], generator=generator, dtype=torch.float64)
    values = torch.randn(graph.num_edges, MESSAGE_DIMS[layer], generator=generator, dtype=torch.float64)
    return show(masker, layer, states, graph, values)


def normalised(vector: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    variance = ((vector - vector.mean()) ** 2).mean()
    return (vector - vector.mean()) / (variance + norm.eps) ** 0.5 * norm.weight + norm.bias


class TestTheLocation:
    @bilinear
    @pytest.mark.parametrize("graph", [SPARSE, DENSE])
    @pytest.mark.parametrize("layer", [0, 1])
    def test_the_bilinear_formula_edge_by_edge(self, masker, layer, graph) -> None:
        shown = messages(masker, layer, graph)
        gate = masker.gates[layer]
        expected = []
        for (source, target), relation in zip(graph.edge_index.t().tolist(), graph.edge_type.tolist()):
            hidden = normalised(gate.source_projection.weight @ shown.node_states[source], gate.source_norm)
            transformed = gate.relation_transform.weight[relation, 0] @ hidden.clamp(min=0)
            transformed = transformed + gate.relation_transform.bias[relation]
            compared = normalised(gate.target_projection.weight @ shown.node_states[target], gate.target_norm)
            score = (transformed * compared).sum() / NODE_DIMS[layer] ** 0.5
            expected.append(score + gate.relation_bias[relation] + 3.0)
        assert torch.allclose(masker(shown), torch.stack(expected), rtol=0, atol=1e-10)

    @edgewise
    @pytest.mark.parametrize("layer", [0, 1])
    def test_the_edgewise_formula_edge_by_edge(self, masker, layer) -> None:
        shown = messages(masker, layer)
        gate = masker.gates[layer]
        expected = []
        for edge, (source, target) in enumerate(SPARSE.edge_index.t().tolist()):
            hidden = (
                normalised(gate.source_projection.weight @ shown.node_states[source], gate.source_norm)
                + normalised(gate.message_projection.weight @ shown.values[edge], gate.message_norm)
                + normalised(gate.target_projection.weight @ shown.node_states[target], gate.target_norm)
                + gate.hidden_bias
            ) / 3
            expected.append(gate.output.weight[0] @ hidden.clamp(min=0) + gate.output.bias[0] + 3.0)
        assert torch.allclose(masker(shown), torch.stack(expected), rtol=0, atol=1e-10)

    @bilinear
    @pytest.mark.parametrize("graph", [SPARSE, DENSE])
    @pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)])
    def test_both_ways_give_the_same_numbers_and_gradients(self, masker, graph, dtype, tolerance) -> None:
        gate = masker.to(dtype).gates[0]
        results = []
        for scores in (gate._scores_of_cells, gate._scores_of_edges):
            generator = torch.Generator().manual_seed(3)
            sources, targets = (
                torch.randn(graph.num_nodes, 4, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
                for _ in range(2)
            )
            found = scores(sources, targets, RelationLayout(graph))
            weight = torch.randn(graph.num_edges, generator=generator, dtype=torch.float64).to(dtype)
            inputs = [sources, targets, *gate.relation_transform.parameters()]
            results.append([found, *torch.autograd.grad((found * weight).sum(), inputs)])
        for cells, edges in zip(*results):
            allowed = tolerance * max(1.0, float(edges.detach().abs().max()))
            assert torch.allclose(cells, edges, rtol=0, atol=allowed)

    @bilinear
    def test_dense_graphs_are_scored_without_a_vector_for_each_edge(self, masker, monkeypatch) -> None:
        ways: List[str] = []
        gate = masker.gates[0]
        for name in ("_scores_of_cells", "_scores_of_edges"):
            original = getattr(gate, name)

            def noting(*arguments, name=name, original=original):
                ways.append(name)
                return original(*arguments)

            monkeypatch.setattr(gate, name, noting)
        size = 30
        pairs = [(u, v) for u in range(size) for v in range(size)]
        masker(messages(masker, 0, Graph.from_edges(size, pairs, [2] * len(pairs))))
        masker(messages(masker, 0, Graph.from_edges(400, [(i, i + 1) for i in range(399)], [2] * 399)))
        assert ways == ["_scores_of_cells", "_scores_of_edges"]

    @pytest.mark.parametrize("kind, lowest, highest", [(BilinearMasker, 0.2, 1.2), (EdgewiseMasker, 0.1, 0.3)])
    def test_at_the_start_it_is_near_its_bias(self, kind, lowest, highest) -> None:
        # So that training starts with nearly all gates open.
        for seed in range(5):
            graph = Graph.from_edges(50, [(u, v) for u in range(50) for v in range(50)], [2, 3] * 1250)
            generator = torch.Generator().manual_seed(seed)
            states, values = (torch.randn(rows, 64, generator=generator) for rows in (50, 2500))
            locations = []
            for options in ({}, {"location_bias": -2.0}):
                torch.manual_seed(seed)
                masker = build(kind, [64], [64], **options)
                locations.append(masker(show(masker, 0, states, graph, values)))
            assert 2.5 < locations[0].mean() < 3.5 and lowest < locations[0].std() < highest
            assert torch.allclose(locations[1], locations[0] - 5, atol=1e-5)

    def test_unseen_relations_are_kept(self) -> None:
        torch.manual_seed(0)
        masker = build(BilinearMasker).double()
        graph = Graph.from_edges(2, [(0, 1), (1, 0)], [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION])
        assert torch.equal(masker(messages(masker, 0, graph)), torch.full((2,), 3.0, dtype=torch.float64))
        # What training does to the others leaves them alone.
        masker(messages(masker, 0, Graph.from_edges(2, [(0, 1)] * 3, [2, 3, 4]))).sum().backward()
        assert not masker.gates[0].relation_transform.weight.grad[:2].any()
        assert not masker.gates[0].relation_bias.grad[:2].any()

    @both
    @pytest.mark.parametrize("num_nodes", [0, 3])
    def test_no_edges(self, masker, num_nodes) -> None:
        assert masker(messages(masker, 0, Graph.from_edges(num_nodes, [], []))).shape == (0,)

    @both
    @pytest.mark.parametrize("graph", [SPARSE, DENSE])
    def test_gradient(self, masker, graph) -> None:
        shown = messages(masker, 0, graph)
        names = [name for name, _ in masker.gates[0].named_parameters()]

        def location(*values: torch.Tensor) -> torch.Tensor:
            return torch.func.functional_call(masker.gates[0], dict(zip(names, values)), (shown,))

        parameters = tuple(p.detach().clone().requires_grad_() for p in masker.gates[0].parameters())
        assert torch.autograd.gradcheck(location, parameters, fast_mode=True)


class TestParameters:
    @both
    def test_layers_share_none_and_together_have_all(self, masker) -> None:
        first, second = (layer_parameters(masker, layer) for layer in (0, 1))
        everything = [id(parameter) for parameter in first + second]
        assert sorted(everything) == sorted(id(parameter) for parameter in masker.parameters())
        assert any(parameter is masker.baselines[0] for parameter in first)

    @both
    def test_only_a_layers_own_parameters_get_its_gradient(self, masker) -> None:
        masker(messages(masker, 1)).sum().backward()
        own = {id(parameter) for parameter in layer_parameters(masker, 1)}
        with_gradient = {id(parameter) for parameter in masker.parameters() if parameter.grad is not None}
        assert with_gradient == own - {id(masker.baselines[1])}

    @pytest.mark.parametrize("kind", KINDS)
    def test_baselines_have_the_size_of_the_messages(self, kind) -> None:
        masker = build(kind, message_dims=[64, 5])
        assert [tuple(baseline.shape) for baseline in masker.baselines] == [(64,), (5,)]
        largest = float(masker.baselines[0].abs().max().detach())
        assert 0.5 * 64**-0.5 < largest <= 64**-0.5

    def test_sizes_of_the_hidden_layer(self) -> None:
        edgewise, narrow = build(EdgewiseMasker), build(EdgewiseMasker, hidden_dim=7)
        assert [gate.hidden_bias.numel() for gate in edgewise.gates] == MESSAGE_DIMS
        assert [gate.hidden_bias.numel() for gate in narrow.gates] == [7, 7]
        assert [gate.source_norm.weight.numel() for gate in build(BilinearMasker).gates] == NODE_DIMS
        narrow = build(BilinearMasker, hidden_dim=3)
        assert [gate.relation_transform.weight.shape for gate in narrow.gates] == [(5, 1, 3, 3)] * 2

    def test_dropout_is_for_training_only(self) -> None:
        masker = build(BilinearMasker, dropout=0.5).double()
        shown = messages(masker, 0, DENSE)
        assert not torch.equal(masker(shown), masker(shown))
        masker.eval()
        assert torch.equal(masker(shown), masker(shown))

    def test_layers_must_agree(self) -> None:
        with pytest.raises(ValueError, match="node dims for 2 layers and message dims for 1"):
            build(EdgewiseMasker, message_dims=[6])
