"""Self-loops that convolutions of PyTorch Geometric add."""

import copy
from typing import Any

import pytest
import torch

pytest.importorskip("torch_geometric", reason="needs the extra [pyg]")

from torch_geometric.data import Batch, Data

from allennlp_graphmask.pyg import EdgeInterpreterAlgorithm
from tests.pyg.models import build, explainer, graph, predict, quick_graphmask


@pytest.mark.parametrize("name", ["GCNConv", "GATConv"])
def test_self_loops_that_a_convolution_adds_stay(name: str) -> None:
    """With all edges dropped a node still has its own message, in training too; the graph's own self-loop has given way to it."""
    model, data = build(name), graph()
    data.edge_index = torch.cat([data.edge_index, torch.tensor([[1], [1]])], dim=1)
    algorithm = EdgeInterpreterAlgorithm("all_edges", threshold=2.0)
    explanation = explainer(model, algorithm)(data.x, data.edge_index)
    assert not explanation.edge_kept.any()
    without = explainer(model, algorithm).get_masked_prediction(
        data.x, data.edge_index, edge_mask=torch.zeros(data.num_edges)
    )
    own = predict(model, data)
    expected = 1 - (-(own.softmax(-1) * (own.log_softmax(-1) - without.log_softmax(-1))).sum()).exp()
    torch.testing.assert_close(explanation.divergence[0], expected.detach(), rtol=1e-4, atol=1e-5)
    scores = explainer(model, EdgeInterpreterAlgorithm("integrated_gradients", signed=False, num_steps=3))(
        data.x, data.edge_index
    )
    assert not scores.edge_mask[-1]


@pytest.mark.parametrize("name", ["GCNConv", "GATConv"])
@pytest.mark.parametrize("kind", ["leave_one_edge_out", "graphmask"])
def test_self_loops_are_explained_as_edges_that_the_graph_has(name: str, kind: str) -> None:
    """The twin has the same weights and adds none, and its graph has them."""
    model, data = build(name), graph()
    twin = copy.deepcopy(model)
    for convolution in twin.convolutions:
        convolution.add_self_loops = False
    loops = torch.arange(data.num_nodes).expand(2, -1)
    edge_index = torch.cat([data.edge_index, loops], dim=1)
    torch.testing.assert_close(predict(twin, Data(x=data.x, edge_index=edge_index)), predict(model, data))
    found = []
    for explained, edges, explain_self_loops in ((model, data.edge_index, True), (twin, edge_index, False)):
        if kind == "graphmask":
            algorithm: Any = quick_graphmask(explain_self_loops=explain_self_loops, masker={"type": "edgewise"})
        else:
            algorithm = EdgeInterpreterAlgorithm(kind, explain_self_loops=explain_self_loops)
        explain = explainer(explained, algorithm)
        if kind == "graphmask":
            algorithm.fit(explained, Data(x=data.x, edge_index=edges))
        found.append(explain(data.x, edges, index=2))
    own, of_twin = found
    assert own.validate() and own.edge_mask.shape == (data.num_edges,)
    num_edges = data.num_edges
    if kind == "graphmask":  # loops have a relation of their own, and nodes are drawn in another order
        assert own.self_loop_kept_per_layer.shape == of_twin.edge_kept_per_layer[num_edges:].shape
        return
    for mask, loop_mask in (
        ("edge_mask_per_layer", "self_loop_mask_per_layer"),
        ("edge_kept_per_layer", "self_loop_kept_per_layer"),
    ):
        both = torch.cat([own[mask], own[loop_mask]])
        torch.testing.assert_close(both, of_twin[mask])
    assert own.self_loop_mask_per_layer.amax() > 0 and "self_loop_mask_per_layer" not in of_twin


def test_self_loops_of_several_graphs() -> None:
    model, batch = build("GCNConv", level="graph"), Batch.from_data_list([graph(), graph(1)])
    algorithm = EdgeInterpreterAlgorithm("leave_one_edge_out", explain_self_loops=True)
    both = explainer(model, algorithm, level="graph")(batch.x, batch.edge_index, batch=batch.batch)
    loops, edges = [], []
    for data in batch.to_data_list():
        alone = explainer(model, algorithm, level="graph")(
            data.x, data.edge_index, batch=torch.zeros(data.num_nodes, dtype=torch.long)
        )
        loops.append(alone.self_loop_kept_per_layer)
        edges.append(alone.edge_kept_per_layer)
    assert torch.equal(both.self_loop_kept_per_layer, torch.cat(loops))
    assert torch.equal(both.edge_kept_per_layer, torch.cat(edges))
