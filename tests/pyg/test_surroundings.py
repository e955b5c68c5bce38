"""Nodes of a large graph, which are explained in the part of it around them."""

from typing import Any

import pytest
import torch

pytest.importorskip("torch_geometric", reason="needs the extra [pyg]")

from torch_geometric.data import Data

from allennlp_graphmask.pyg import EdgeInterpreterAlgorithm
from tests.pyg.models import (
    NUM_FEATURES,
    NUM_RELATIONS,
    Network,
    build,
    explainer,
    initialised,
    inputs,
    predict,
    quick_graphmask,
)

LENGTH = 40


def line(num_nodes: int) -> Data:
    """The first nodes of a line of nodes."""
    generator = torch.Generator().manual_seed(0)
    num_edges, nodes = 2 * (num_nodes - 1), torch.arange(num_nodes)
    pairs = torch.stack([nodes[:-1], nodes[1:]])
    return Data(
        x=torch.randn(LENGTH, NUM_FEATURES, generator=generator)[:num_nodes],
        edge_index=torch.stack([pairs, pairs.flip(0)], dim=-1).flatten(1),
        edge_type=torch.randint(NUM_RELATIONS, (2 * LENGTH,), generator=generator)[:num_edges],
        edge_attr=torch.randn(2 * LENGTH, 3, generator=generator)[:num_edges],
    )


@pytest.mark.parametrize("index", [2, torch.tensor([3, 0])], ids=["node", "nodes"])
@pytest.mark.parametrize("loops", [False, True], ids=["", "self-loops"])
@pytest.mark.parametrize(
    "name, parameters",
    [("GCNConv", {}), ("GATConv", {"edge_dim": 3}), ("RGCNConv", {"num_relations": NUM_RELATIONS}), ("SAGEConv", {})],
)
def test_what_is_far_away_makes_no_difference(name: str, parameters: Any, loops: bool, index: Any) -> None:
    near, whole = line(12), line(LENGTH)
    model = build(name, **parameters)
    algorithm = quick_graphmask(explain_self_loops=loops)
    explain = explainer(model, algorithm)
    algorithm.fit(model, near)
    one, other = (explain(data.x, data.edge_index, index=index, **inputs(model, data)) for data in (near, whole))
    assert other.validate() and one.edge_mask.any()
    for of_one, of_other in [
        (one.edge_mask_per_layer, other.edge_mask_per_layer),
        (one.edge_kept_per_layer, other.edge_kept_per_layer),
        *([(one.self_loop_mask_per_layer, other.self_loop_mask_per_layer)] if loops else []),
    ]:
        torch.testing.assert_close(of_one, of_other[: len(of_one)])
        assert not of_other[len(of_one) :].any()
    torch.testing.assert_close(one.divergence, other.divergence)


class Centred(Network):
    """A network whose classes depend on all nodes."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        output = super().forward(*args, **kwargs)
        return output - output.mean(0)


def test_a_model_that_reads_the_whole_graph_is_explained_on_it() -> None:
    data = line(LENGTH)
    model = initialised(Centred(*build("GCNConv").convolutions))
    explain = explainer(model, EdgeInterpreterAlgorithm("all_edges", threshold=2.0))
    found = explain(data.x, data.edge_index, index=2)
    nothing = explain.get_masked_prediction(data.x, data.edge_index, edge_mask=torch.zeros(data.num_edges))[2]
    own = predict(model, data)[2]
    expected = 1 - (-(own.softmax(-1) * (own.log_softmax(-1) - nothing.log_softmax(-1))).sum()).exp()
    torch.testing.assert_close(found.divergence[0], expected.detach(), rtol=1e-4, atol=1e-5)
