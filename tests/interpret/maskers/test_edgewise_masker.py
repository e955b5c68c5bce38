import pytest
import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.maskers import EdgewiseMasker
from allennlp_graphmask.modules import Messages
from allennlp_graphmask.testing import example_graphs

NODE_DIMS, MESSAGE_DIMS = [4, 6], [6, 5]
GRAPH = Graph.disjoint_union(example_graphs(5))


@pytest.fixture
def masker() -> EdgewiseMasker:
    torch.manual_seed(0)
    masker = EdgewiseMasker(NODE_DIMS, MESSAGE_DIMS).double()
    with torch.no_grad():
        for parameter in masker.gates.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return masker


def messages(layer: int, graph: Graph = GRAPH, seed: int = 1) -> Messages:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(graph.num_nodes, NODE_DIMS[layer], generator=generator, dtype=torch.float64)
    values = torch.randn(graph.num_edges, MESSAGE_DIMS[layer], generator=generator, dtype=torch.float64)
    return Messages(layer, states, graph, lambda: values)


def normalised(vector: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    variance = ((vector - vector.mean()) ** 2).mean()
    return (vector - vector.mean()) / (variance + norm.eps) ** 0.5 * norm.weight + norm.bias


class TestTheLocation:
    @pytest.mark.parametrize("layer", [0, 1])
    def test_it_is_the_formula_edge_by_edge(self, masker, layer) -> None:
        shown = messages(layer)
        gate = masker.gates[layer]
        expected = []
        for edge in range(GRAPH.num_edges):
            source = shown.node_states[int(GRAPH.edge_index[0, edge])]
            target = shown.node_states[int(GRAPH.edge_index[1, edge])]
            hidden = (
                normalised(gate.source_projection.weight @ source, gate.source_norm)
                + normalised(gate.message_projection.weight @ shown.values[edge], gate.message_norm)
                + normalised(gate.target_projection.weight @ target, gate.target_norm)
                + gate.hidden_bias
            ) / 3
            expected.append(gate.output.weight[0] @ hidden.clamp(min=0) + gate.output.bias[0] + 3.0)
        assert torch.allclose(masker(shown), torch.stack(expected), rtol=0, atol=1e-10)

    def test_every_input_counts(self, masker) -> None:
        def location(source: float, message: float, target: float) -> float:
            states = torch.stack([torch.arange(4.0) ** source, torch.arange(4.0) ** target]).double()
            values = (torch.arange(6.0) ** message).double().unsqueeze(0)
            graph = Graph.from_edges(2, [[0, 1]], [2])
            return float(masker(Messages(0, states, graph, lambda: values)).detach())

        baseline = location(1, 1, 1)
        assert all(abs(location(*changed) - baseline) > 1e-6 for changed in ((2, 1, 1), (1, 2, 1), (1, 1, 2)))

    def test_at_the_start_it_is_near_its_bias(self) -> None:
        # So that training starts with nearly all gates open.
        for seed in range(5):
            torch.manual_seed(seed)
            locations = EdgewiseMasker(NODE_DIMS, MESSAGE_DIMS).double()(messages(0))
            assert (locations > 1.5).all() and (locations < 4.5).all()
            torch.manual_seed(seed)
            shifted = EdgewiseMasker(NODE_DIMS, MESSAGE_DIMS, location_bias=-2.0).double()(messages(0))
            assert torch.allclose(shifted, locations - 5)

    def test_the_order_of_the_edges_does_not_matter(self, masker) -> None:
        shown = messages(0)
        order = torch.randperm(GRAPH.num_edges, generator=torch.Generator().manual_seed(2))
        shuffled = GRAPH._replace(
            edge_index=GRAPH.edge_index[:, order],
            edge_type=GRAPH.edge_type[order],
            edge_graph=GRAPH.edge_graph[order],
        )
        other = Messages(0, shown.node_states, shuffled, lambda: shown.values[order])
        assert torch.allclose(masker(other), masker(shown)[order], rtol=0, atol=1e-12)

    def test_other_graphs_of_the_batch_do_not_matter(self, masker) -> None:
        shown = messages(0)
        first = example_graphs(5)[0]
        alone = Messages(0, shown.node_states[:5], first, lambda: shown.values[: first.num_edges])
        assert torch.allclose(masker(alone), masker(shown)[: first.num_edges], rtol=0, atol=1e-12)

    def test_no_edges(self, masker) -> None:
        for graph in (Graph.from_edges(3, [], []), Graph.from_edges(0, [], [])):
            assert masker(messages(0, graph)).shape == (0,)

    def test_gradient(self, masker) -> None:
        shown = messages(0)
        names = [name for name, _ in masker.gates[0].named_parameters()]

        def location(*values: torch.Tensor) -> torch.Tensor:
            return torch.func.functional_call(masker.gates[0], dict(zip(names, values)), (shown,))

        parameters = tuple(p.detach().clone().requires_grad_() for p in masker.gates[0].parameters())
        assert torch.autograd.gradcheck(location, parameters)


class TestParameters:
    def test_layers_share_none_and_together_have_all(self, masker) -> None:
        first, second = (masker.layer_parameters(layer) for layer in (0, 1))
        everything = [id(parameter) for parameter in first + second]
        assert sorted(everything) == sorted(id(parameter) for parameter in masker.parameters())
        assert any(parameter is masker.baselines[0] for parameter in first)

    def test_only_a_layers_own_parameters_get_its_gradient(self, masker) -> None:
        masker(messages(1)).sum().backward()
        own = {id(parameter) for parameter in masker.layer_parameters(1)}
        with_gradient = {id(parameter) for parameter in masker.parameters() if parameter.grad is not None}
        assert with_gradient == own - {id(masker.baselines[1])}

    def test_baselines_have_the_size_of_the_messages(self) -> None:
        masker = EdgewiseMasker([4, 6], [64, 5])
        assert [tuple(baseline.shape) for baseline in masker.baselines] == [(64,), (5,)]
        largest = float(masker.baselines[0].abs().max().detach())
        assert 0.5 * 64**-0.5 < largest <= 64**-0.5

    def test_the_hidden_layer_has_the_size_of_the_messages_by_default(self) -> None:
        assert [gate.hidden_bias.numel() for gate in EdgewiseMasker(NODE_DIMS, MESSAGE_DIMS).gates] == [6, 5]
        assert [gate.hidden_bias.numel() for gate in EdgewiseMasker(NODE_DIMS, MESSAGE_DIMS, hidden_dim=7).gates] == [
            7,
            7,
        ]


def test_layers_must_agree() -> None:
    with pytest.raises(ValueError, match="node dims for 2 layers and message dims for 1"):
        EdgewiseMasker([4, 6], [6])
