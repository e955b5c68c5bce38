"""Models of PyTorch Geometric, explained through its own `Explainer`."""

from typing import Any, Dict

import pytest
import torch
from allennlp.common.checks import ConfigurationError

pytest.importorskip("torch_geometric", reason="needs the extra [pyg]")

from torch_geometric import nn as pyg
from torch_geometric.data import Data
from torch_geometric.explain.metric import fidelity, groundtruth_metrics, unfaithfulness

from allennlp_graphmask.pyg import EdgeInterpreterAlgorithm, GraphMask
from allennlp_graphmask.pyg.propagation import Propagation
from allennlp_graphmask.testing import assert_no_side_effects
from tests.pyg.models import (
    NUM_RELATIONS,
    Network,
    batches,
    build,
    explainer,
    graph,
    initialised,
    inputs,
    predict,
    quick_graphmask,
)

CONVOLUTIONS: Dict[str, Dict[str, Any]] = {
    "ARMAConv": {"num_stacks": 2},
    "FiLMConv": {"num_relations": NUM_RELATIONS},
    "GATConv": {"heads": 2, "concat": False, "edge_dim": 3},
    "GATv2Conv": {"heads": 2, "concat": False},
    "GCNConv": {},
    "GINConv": {},
    "GINEConv": {"edge_dim": 3},
    "GraphConv": {},
    "LEConv": {},
    "RGATConv": {"num_relations": NUM_RELATIONS},
    "RGCNConv": {"num_relations": NUM_RELATIONS},
    "ResGatedGraphConv": {"edge_dim": 3},
    "SAGEConv": {"aggr": "max"},
    "TransformerConv": {"heads": 2, "concat": False},
}
every_convolution = pytest.mark.parametrize("name", CONVOLUTIONS)
LEAVE_ONE_OUT = "leave_one_edge_out"


@every_convolution
def test_each_convolution_is_trained_masked_and_explained(name: str) -> None:
    model, data = build(name, **CONVOLUTIONS[name]), graph()
    algorithm = quick_graphmask()
    explain = explainer(model, algorithm)

    def run() -> None:
        algorithm.fit(model, data)
        explanation = explain(data.x, data.edge_index, index=2, **inputs(model, data))
        assert explanation.validate()
        layers = explanation.edge_mask_per_layer
        assert layers.shape == (data.num_edges, len(explanation.layer_names)) and explanation.edge_mask.shape == (
            data.num_edges,
        )
        assert torch.equal(layers.amax(-1), explanation.edge_mask)
        assert torch.equal(layers > 0.5, explanation.edge_kept_per_layer)
        assert explanation.divergence.shape == explanation.changed.shape == (1,)
        # What is not an edge into the node has no effect in the last layer.
        assert not layers[data.edge_index[1] != 2, -1].any()

    assert_no_side_effects(model, run, predict=lambda: predict(model, data))


@pytest.mark.parametrize("name", ["GATConv", "GCNConv", "GINConv", "GraphConv", "LEConv", "SAGEConv"])
def test_a_dropped_message_is_one_that_pyg_masks(name: str) -> None:
    """Leaving one out against PyG's own masks, which `fidelity` uses."""
    options = {key: value for key, value in CONVOLUTIONS[name].items() if key not in ("aggr", "edge_dim")}
    model, data = build(name, num_layers=1, **options), graph()
    explain = explainer(model, EdgeInterpreterAlgorithm(LEAVE_ONE_OUT))
    found = explain(data.x, data.edge_index).edge_mask
    original = predict(model, data).log_softmax(-1)
    expected = []
    for edge in range(data.num_edges):
        mask = torch.ones(data.num_edges)
        mask[edge] = 0
        without = explain.get_masked_prediction(data.x, data.edge_index, edge_mask=mask).log_softmax(-1)
        expected.append((original.exp() * (original - without)).sum())
    scores = torch.stack(expected)
    if scores.max() > 1:  # mapped to [0, 1]
        scores = (scores - scores.min()) / (scores.max() - scores.min())
    torch.testing.assert_close(found, scores, rtol=1e-3, atol=1e-4)


class Twice(Network):
    """One convolution that is called twice, and jumping knowledge."""

    def forward(self, x: Any, edge_index: Any) -> Any:  # type: ignore[override]
        first, shared = self.convolutions
        states = [first(x, edge_index).relu()]
        for _ in range(2):
            states.append(shared(states[-1], edge_index).relu())
        return self.classifier(torch.cat(states, dim=-1))


def test_each_call_of_a_convolution_is_a_layer() -> None:
    model, data = initialised(Twice(pyg.GraphConv(3, 6), pyg.GraphConv(6, 6))), graph()
    found = explainer(model, EdgeInterpreterAlgorithm(LEAVE_ONE_OUT))(data.x, data.edge_index)
    assert found.layer_names == ["convolutions.0", "convolutions.1", "convolutions.1"]
    assert len({tuple(layer.tolist()) for layer in found.edge_mask_per_layer.unbind(-1)}) == 3


def test_messages_are_matched_with_edges_once_for_all_passes(monkeypatch: Any) -> None:
    model, data = build("GCNConv"), graph()
    explain = explainer(
        model, EdgeInterpreterAlgorithm("integrated_gradients", num_steps=5, completeness_tolerance=None)
    )
    matched = []
    find = Propagation.find_edges
    monkeypatch.setattr(Propagation, "find_edges", lambda self, *args: matched.append(self) or find(self, *args))
    layers = explain(data.x, data.edge_index, index=2).layer_names
    # Once more when the layers are found.
    assert len(matched) == 2 * len(layers)


def test_a_convolution_that_is_not_to_be_explained_is_left_out() -> None:
    model, data = build("GCNConv"), graph()
    model.convolutions[0].explain = False
    found = explainer(model, EdgeInterpreterAlgorithm(LEAVE_ONE_OUT))(data.x, data.edge_index)
    assert found.layer_names == ["convolutions.1"] and model.convolutions[0].explain is False


def connected(algorithm: Any) -> Any:
    """An algorithm without an `Explainer`, which itself calls the model."""
    return explainer(torch.nn.Identity(), algorithm).algorithm


def test_cached_normalisation_is_neither_used_nor_filled() -> None:
    model, data, other = build("GCNConv"), graph(), graph(1)
    for convolution in model.convolutions:
        convolution.cached = True
    algorithm = connected(quick_graphmask())

    def run() -> None:
        algorithm.fit(model, other)
        algorithm(model, other.x, other.edge_index, target=other.y, index=0)

    assert_no_side_effects(model, run)
    assert all(convolution._cached_edge_index is None for convolution in model.convolutions)
    assert_no_side_effects(model, run, predict=lambda: predict(model, data))


@pytest.mark.parametrize("name", ["GATConv", "RGCNConv"])
def test_nothing_is_left_behind_after_ctrl_c_anywhere(name: str) -> None:
    model, data = build(name, **CONVOLUTIONS[name]), graph()
    algorithm = connected(EdgeInterpreterAlgorithm("gradient_x_message"))
    arguments = inputs(model, data)
    assert_no_side_effects(
        model.train(),
        lambda: algorithm(model, data.x, data.edge_index, target=data.y, index=1, **arguments),
        num_random_points=60,
    )


def test_graphs_of_a_batch_are_explained_as_alone() -> None:
    model = build("GraphConv", level="graph")
    algorithm = quick_graphmask()
    explain = explainer(model, algorithm, "graph")
    loader = batches()
    algorithm.fit(model, loader)
    together = explain(loader[0].x, loader[0].edge_index, batch=loader[0].batch)
    assert together.divergence.shape == (3,)
    alone = [
        explain(one.x, one.edge_index, batch=torch.zeros(one.num_nodes, dtype=torch.long))
        for one in loader[0].to_data_list()
    ]
    torch.testing.assert_close(together.edge_mask, torch.cat([one.edge_mask for one in alone]))
    second = explain(loader[0].x, loader[0].edge_index, batch=loader[0].batch, index=1)
    own = loader[0].batch[loader[0].edge_index[0]] == 1
    torch.testing.assert_close(second.edge_mask[own], together.edge_mask[own])
    assert not second.edge_mask[~own].any()


class LinkNetwork(Network):
    """Scores pairs of nodes."""

    def forward(self, x: Any, edge_index: Any, edge_label_index: Any) -> Any:  # type: ignore[override]
        states = super().forward(x, edge_index)
        return (states[edge_label_index[0]] * states[edge_label_index[1]]).sum(-1)


@pytest.mark.parametrize("return_type", ["raw", "probs"])
def test_edges_are_classified_in_two_classes(return_type: str) -> None:
    network = initialised(Network(pyg.GraphConv(3, 6), pyg.GraphConv(6, 6)))
    model = LinkNetwork(*network.convolutions)
    model.classifier = network.classifier
    data = graph()
    pairs = torch.tensor([[0, 1, 2], [3, 4, 5]])
    scores = model.eval()(data.x, data.edge_index, pairs)
    if return_type == "probs":
        model.register_forward_hook(lambda module, inputs, output: output.sigmoid())
    config = {"mode": "binary_classification", "return_type": return_type}
    explain = explainer(model, EdgeInterpreterAlgorithm(LEAVE_ONE_OUT), "edge", model_config=config)
    explanation = explain(data.x, data.edge_index, edge_label_index=pairs, index=1)
    assert scores.shape == (3,) and explanation.validate()
    into = (data.edge_index[1] == 1) | (data.edge_index[1] == 4)
    ranks = explanation.edge_mask_per_layer[:, -1]
    assert ranks[into].any() and len(set(ranks[~into].tolist())) == 1


def test_kinds_of_output_are_alike() -> None:
    model, data = build("GATv2Conv"), graph()
    found = []
    for return_type, change in (("raw", None), ("log_probs", torch.log_softmax), ("probs", torch.softmax)):
        changed = build("GATv2Conv")
        if change is not None:
            changed.register_forward_hook(lambda module, inputs, output, change=change: change(output, -1))
        algorithm = EdgeInterpreterAlgorithm("integrated_gradients", num_steps=5)
        explain = explainer(changed, algorithm, model_config={"return_type": return_type})
        found.append(explain(data.x, data.edge_index, index=3).edge_mask)
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])
    assert torch.equal(explainer(model, algorithm)(data.x, data.edge_index, index=3).edge_mask, found[0])


def test_pygs_metrics_run_on_explanations() -> None:
    model, data = build("GATConv", heads=2, concat=False), graph()
    algorithm = quick_graphmask()
    explain = explainer(model, algorithm)
    algorithm.fit(model, data)
    explanation = explain(data.x, data.edge_index, index=torch.tensor([1, 4]))
    assert all(0 <= value <= 1 for value in fidelity(explain, explanation))
    assert 0 <= unfaithfulness(explain, explanation) <= 1
    hard = explainer(model, algorithm, threshold_config=("hard", 0.5))
    assert torch.equal(
        hard(data.x, data.edge_index, index=torch.tensor([1, 4])).edge_mask.bool(), explanation.edge_kept
    )


def test_pygs_metrics_of_a_known_truth_run_on_explanations() -> None:
    pytest.importorskip("torchmetrics", reason="PyG's groundtruth_metrics needs it")
    model, data = build("GCNConv"), graph()
    explanation = explainer(model, EdgeInterpreterAlgorithm(LEAVE_ONE_OUT))(data.x, data.edge_index, index=1)
    assert 0 <= groundtruth_metrics(explanation.edge_mask, data.edge_index[1] == 1, "auroc") <= 1


@pytest.mark.parametrize(
    "options, named",
    [
        ({"explanation_type": "phenomenon"}, "phenomenon"),
        ({"node_mask_type": "object"}, "node_mask_type"),
        ({"model_config": {"mode": "regression"}}, "regression"),
    ],
)
def test_settings_that_are_not_supported_are_named(options: Any, named: str, caplog: Any) -> None:
    for algorithm in (GraphMask(), EdgeInterpreterAlgorithm("random")):
        with pytest.raises(ValueError, match="does not support"):
            explainer(build("GCNConv"), algorithm, **options)
        assert named in caplog.text


class Pooled(Network):
    """Its second convolution sees another graph."""

    def forward(self, x: Any, edge_index: Any) -> Any:  # type: ignore[override]
        x = self.convolutions[0](x, edge_index)
        return self.classifier(self.convolutions[1](x, edge_index.flip(0)))


class Bipartite(Network):
    """A convolution of two sets of nodes."""

    def forward(self, x: Any, edge_index: Any) -> Any:  # type: ignore[override]
        return self.classifier(self.convolutions[0]((x, x), edge_index))


class NoConvolution(Network):
    """Has none."""

    def forward(self, x: Any, edge_index: Any) -> Any:  # type: ignore[override]
        return self.classifier(x)


@pytest.mark.parametrize(
    "model, words",
    [
        (Pooled(pyg.GraphConv(3, 6), pyg.GraphConv(6, 6)), "GraphConv.*not edges of the graph"),
        (Bipartite(pyg.SAGEConv((3, 3), 6)), "SAGEConv.*bipartite"),
        (NoConvolution(), "NoConvolution"),
        (Network(pyg.GraphConv(3, 6, flow="target_to_source")), "GraphConv.*'target_to_source'"),
        (Network(pyg.GraphConv(3, 6), classes=1), "multiclass"),
    ],
)
def test_models_that_cannot_be_explained_are_refused_by_name(model: Any, words: str) -> None:
    data = graph()
    if words == "multiclass":
        model.register_forward_hook(lambda module, inputs, output: output.squeeze(-1))
    for algorithm in (quick_graphmask(), EdgeInterpreterAlgorithm("random")):
        with pytest.raises(ConfigurationError, match=words):
            explain = explainer(initialised(model), algorithm)
            if isinstance(algorithm, GraphMask):
                algorithm.fit(model, data)
            algorithm(model, data.x, data.edge_index, target=data.y)
        del explain


def test_graphs_that_cannot_be_explained_are_refused_by_name() -> None:
    model, data = build("GCNConv"), graph()
    algorithm = EdgeInterpreterAlgorithm("random")
    explainer(model, algorithm)
    sparse = torch.sparse_coo_tensor(data.edge_index, torch.ones(data.num_edges), (8, 8))
    for x, edge_index, index, words in (
        ({"a": data.x}, data.edge_index, None, "heterogeneous"),
        (data.x, sparse, None, "edge_index"),
        (data.x, data.edge_index, 8, r"\[8\].*8 rows"),
        (data.x, data.edge_index[:, :0], None, "no edges"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            algorithm(model, x, edge_index, target=data.y, index=index)


def test_a_trained_algorithm_can_be_saved(tmp_path: Any) -> None:
    model, data = build("GATConv", heads=2, concat=False), graph()
    algorithm = quick_graphmask()
    explain = explainer(model, algorithm)
    algorithm.fit(model, data)
    torch.save(algorithm, tmp_path / "algorithm.pt")
    loaded = explainer(model, torch.load(tmp_path / "algorithm.pt", weights_only=False))
    expected = explain(data.x, data.edge_index, index=1).edge_mask
    assert torch.equal(loaded(data.x, data.edge_index, index=1).edge_mask, expected)


def test_a_masker_is_for_the_model_that_it_was_trained_for() -> None:
    model, data = build("GCNConv"), graph()
    algorithm = quick_graphmask()
    explain = explainer(model, algorithm)
    with pytest.raises(ConfigurationError, match="fit"):
        explain(data.x, data.edge_index)
    algorithm.fit(model, data)
    with torch.no_grad():
        model.classifier.bias.add_(1.0)
    with pytest.raises(ConfigurationError, match="fit again"):
        explain(data.x, data.edge_index)


def test_nodes_to_train_with_can_be_a_mask_and_must_hear_from_others() -> None:
    model, data = build("GCNConv"), graph()
    isolated = Data(x=torch.cat([data.x, data.x[:2]]), edge_index=data.edge_index)
    mask = torch.zeros(10, dtype=torch.bool)
    mask[[1, 3]] = True
    weights = []
    for index in (torch.tensor([1, 3]), mask):
        algorithm = quick_graphmask()
        explainer(model, algorithm)
        algorithm.fit(model, isolated, index=index)
        weights.append(list(algorithm.graphmask.masker.state_dict().values()))
    assert all(torch.equal(first, second) for first, second in zip(*weights, strict=True))
    for index, words in ((torch.tensor([8, 9]), "no edge.*index"), (torch.zeros(10, dtype=torch.bool), "index")):
        algorithm = quick_graphmask()
        explainer(model, algorithm)
        with pytest.raises(ConfigurationError, match=words):
            algorithm.fit(model, isolated, index=index)


def test_scores_of_one_message_are_numbers() -> None:
    model = initialised(Network(pyg.SimpleConv(aggr="sum"), level="graph"))
    # Without the message of the only edge the other class is predicted, with as much certainty: the divergence is far above one.
    with torch.no_grad():
        model.classifier.weight.copy_(torch.tensor([[100.0, 0.0, 0.0], [-100.0, 0.0, 0.0]]))
        model.classifier.bias.copy_(torch.tensor([-19.0, 19.0]))
    explain = explainer(model, EdgeInterpreterAlgorithm(LEAVE_ONE_OUT), level="graph")
    explanation = explain(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([[0], [1]]))
    assert explanation.edge_mask.tolist() == [1.0]
