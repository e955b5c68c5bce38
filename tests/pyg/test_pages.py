"""Explanations of PyG as our own."""

from typing import Any

import pytest
import torch
from allennlp.common.checks import ConfigurationError

pytest.importorskip("torch_geometric", reason="needs the extra [pyg]")

from torch_geometric.explain import GNNExplainer

from allennlp_graphmask.explanation import Explanation
from allennlp_graphmask.pyg import EdgeInterpreterAlgorithm, to_explanation
from tests.pyg.models import NUM_RELATIONS, batches, build, explainer, graph


def test_every_message_that_counts_is_in_it_with_its_nodes() -> None:
    model, data = build("RGCNConv", num_relations=NUM_RELATIONS), graph()
    explain = explainer(model, EdgeInterpreterAlgorithm("leave_one_edge_out", top_fraction=0.2))
    found = explain(data.x, data.edge_index, index=2, edge_type=data.edge_type)
    ours = to_explanation(found, node_names=[f"node {number}" for number in range(8)])
    expected: Any = {
        (f"node {source}", f"node {target}", str(kind), tuple(scores), tuple(kept))
        for source, target, kind, scores, kept in zip(
            *data.edge_index.tolist(),
            data.edge_type.tolist(),
            found.edge_mask_per_layer.tolist(),
            found.edge_kept_per_layer.tolist(),
        )
        if any(scores)
    }
    names = [node.text for node in ours.nodes]
    actual = {(names[edge.source], names[edge.target], edge.type, edge.score, edge.kept) for edge in ours.edges}
    assert actual == expected and expected
    assert ours.focus is not None and [names[node] for node in ours.focus["nodes"]] == ["node 2"]
    assert ours.prediction["original"] == f"class {int(found.target[2])}"
    assert ours.prediction["changed"] == bool(found.changed)
    assert Explanation.from_json_line(ours.to_json_line()) == ours


def test_others_are_refused() -> None:
    model, data = build("GCNConv"), graph()
    foreign = explainer(model, GNNExplainer(epochs=1))(data.x, data.edge_index, index=1)
    several = explainer(build("GCNConv", level="graph"), EdgeInterpreterAlgorithm("random"), "graph")
    batch = batches()[0]
    for found in (foreign, several(batch.x, batch.edge_index, batch=batch.batch)):
        with pytest.raises(ConfigurationError, match="Expected an explanation of one graph"):
            to_explanation(found)


def test_a_graph_as_a_whole() -> None:
    model = build("GCNConv", level="graph")
    data = graph()
    batch = torch.zeros(data.num_nodes, dtype=torch.long)
    explain = explainer(model, EdgeInterpreterAlgorithm("integrated_gradients", num_steps=3), "graph")
    ours = to_explanation(explain(data.x, data.edge_index, batch=batch))
    assert ours.focus is None and ours.num_layers == 2
