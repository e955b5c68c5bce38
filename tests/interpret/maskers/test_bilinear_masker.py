from typing import List

import pytest
import torch

from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph
from allennlp_graphmask.interpret.maskers import BilinearMasker
from allennlp_graphmask.modules import Messages
from allennlp_graphmask.modules.relation_layout import RelationLayout
from allennlp_graphmask.testing import example_graphs

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


@pytest.fixture
def masker() -> BilinearMasker:
    torch.manual_seed(0)
    masker = BilinearMasker(NODE_DIMS, MESSAGE_DIMS, NUM_RELATIONS).double()
    with torch.no_grad():
        for parameter in masker.gates.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return masker


def must_not_be_computed() -> torch.Tensor:
    raise AssertionError("The bilinear masker does not look at messages.")


def messages(layer: int, graph: Graph, seed: int = 1) -> Messages:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(graph.num_nodes, NODE_DIMS[layer], generator=generator, dtype=torch.float64)
    return Messages(layer, states, graph, must_not_be_computed)


def normalised(vector: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    variance = ((vector - vector.mean()) ** 2).mean()
    return (vector - vector.mean()) / (variance + norm.eps) ** 0.5 * norm.weight + norm.bias


class TestTheLocation:
    @pytest.mark.parametrize("graph", [SPARSE, DENSE])
    @pytest.mark.parametrize("layer", [0, 1])
    def test_it_is_the_formula_edge_by_edge(self, masker, layer, graph) -> None:
        shown = messages(layer, graph)
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
        masker(messages(0, Graph.from_edges(size, pairs, [2] * len(pairs))))
        masker(messages(0, Graph.from_edges(400, [(i, i + 1) for i in range(399)], [2] * 399)))
        assert ways == ["_scores_of_cells", "_scores_of_edges"]

    def test_source_target_and_relation_count(self, masker) -> None:
        def location(source: float, relation: int, target: float) -> float:
            states = torch.stack([torch.arange(4.0) ** source, torch.arange(4.0) ** target]).double()
            graph = Graph.from_edges(2, [[0, 1]], [relation])
            return float(masker(Messages(0, states, graph, must_not_be_computed)).detach())

        baseline = location(1, 2, 1)
        assert all(abs(location(*changed) - baseline) > 1e-6 for changed in ((2, 2, 1), (1, 3, 1), (1, 2, 2)))

    def test_at_the_start_it_is_near_its_bias(self) -> None:
        # So that training starts with nearly all gates open.
        for seed in range(5):
            torch.manual_seed(seed)
            graph = Graph.from_edges(50, [(u, v) for u in range(50) for v in range(50)], [2, 3] * 1250)
            states = torch.randn(50, 64)
            locations = BilinearMasker([64], [64], NUM_RELATIONS)(Messages(0, states, graph, must_not_be_computed))
            assert 2.5 < locations.mean() < 3.5 and 0.2 < locations.std() < 1.2
            torch.manual_seed(seed)
            torch.randn(50, 64)
            shifted = BilinearMasker([64], [64], NUM_RELATIONS, location_bias=-2.0)
            assert torch.allclose(shifted(Messages(0, states, graph, must_not_be_computed)), locations - 5, atol=1e-5)

    def test_unseen_relations_are_kept(self) -> None:
        torch.manual_seed(0)
        masker = BilinearMasker(NODE_DIMS, MESSAGE_DIMS, NUM_RELATIONS).double()
        graph = Graph.from_edges(2, [(0, 1), (1, 0)], [UNSEEN_RELATION, UNSEEN_INVERSE_RELATION])
        assert torch.equal(masker(messages(0, graph)), torch.full((2,), 3.0, dtype=torch.float64))
        # What training does to the others leaves them alone.
        masker(messages(0, Graph.from_edges(2, [(0, 1)] * 3, [2, 3, 4]))).sum().backward()
        assert not masker.gates[0].relation_transform.weight.grad[:2].any()
        assert not masker.gates[0].relation_bias.grad[:2].any()

    def test_the_order_of_the_edges_does_not_matter(self, masker) -> None:
        shown = messages(0, SPARSE)
        order = torch.randperm(SPARSE.num_edges, generator=torch.Generator().manual_seed(2))
        shuffled = SPARSE._replace(
            edge_index=SPARSE.edge_index[:, order],
            edge_type=SPARSE.edge_type[order],
            edge_graph=SPARSE.edge_graph[order],
        )
        other = Messages(0, shown.node_states, shuffled, must_not_be_computed)
        assert torch.allclose(masker(other), masker(shown)[order], rtol=0, atol=1e-12)

    def test_other_graphs_of_the_batch_do_not_matter(self, masker) -> None:
        shown = messages(0, SPARSE)
        first = example_graphs(NUM_RELATIONS)[0]
        alone = Messages(0, shown.node_states[:5], first, must_not_be_computed)
        assert torch.allclose(masker(alone), masker(shown)[: first.num_edges], rtol=0, atol=1e-12)

    def test_no_edges(self, masker) -> None:
        for graph in (Graph.from_edges(3, [], []), Graph.from_edges(0, [], [])):
            assert masker(messages(0, graph)).shape == (0,)

    def test_gradient(self, masker) -> None:
        for graph in (SPARSE, DENSE):
            shown = messages(0, graph)
            names = [name for name, _ in masker.gates[0].named_parameters()]

            def location(*values: torch.Tensor, names=names, shown=shown) -> torch.Tensor:
                return torch.func.functional_call(masker.gates[0], dict(zip(names, values)), (shown,))

            parameters = tuple(p.detach().clone().requires_grad_() for p in masker.gates[0].parameters())
            assert torch.autograd.gradcheck(location, parameters, fast_mode=True)


class TestParameters:
    def test_layers_share_none_and_together_have_all(self, masker) -> None:
        first, second = (masker.layer_parameters(layer) for layer in (0, 1))
        everything = [id(parameter) for parameter in first + second]
        assert sorted(everything) == sorted(id(parameter) for parameter in masker.parameters())
        assert any(parameter is masker.baselines[0] for parameter in first)

    def test_only_a_layers_own_parameters_get_its_gradient(self, masker) -> None:
        masker(messages(1, SPARSE)).sum().backward()
        own = {id(parameter) for parameter in masker.layer_parameters(1)}
        with_gradient = {id(parameter) for parameter in masker.parameters() if parameter.grad is not None}
        assert with_gradient == own - {id(masker.baselines[1])}

    def test_sizes(self) -> None:
        masker = BilinearMasker(NODE_DIMS, MESSAGE_DIMS, NUM_RELATIONS)
        assert [tuple(baseline.shape) for baseline in masker.baselines] == [(6,), (5,)]
        assert [gate.source_norm.weight.numel() for gate in masker.gates] == NODE_DIMS
        narrow = BilinearMasker(NODE_DIMS, MESSAGE_DIMS, NUM_RELATIONS, hidden_dim=3)
        assert [gate.relation_transform.weight.shape for gate in narrow.gates] == [(5, 1, 3, 3)] * 2

    def test_dropout_is_for_training_only(self) -> None:
        masker = BilinearMasker(NODE_DIMS, MESSAGE_DIMS, NUM_RELATIONS, dropout=0.5).double()
        shown = messages(0, DENSE)
        assert not torch.equal(masker(shown), masker(shown))
        masker.eval()
        assert torch.equal(masker(shown), masker(shown))
