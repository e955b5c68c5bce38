"""GNNExplainer: closed forms, a twin in plain PyTorch with layers apart, and that of PyTorch Geometric."""

import math
from typing import Any, List

import pytest
import torch
from torch import nn

from allennlp_graphmask.interpret.divergences import PredictionNll
from allennlp_graphmask.interpret.interpreters import GnnExplainer
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.modules.intervention import Gate
from tests.interpret.interpreters.cases import TARGETS, AdamByHand, batch_of, target_of
from tests.interpret.toy import toy_batch, toy_instances, toy_target


def test_gates_start_as_in_the_authors_code(vocab):
    """Normal with mean 1 and the standard deviation sqrt(2 / number of nodes), of each graph by itself."""
    masked_model, batch = MaskedModel(target_of("tagger", vocab)), toy_batch(vocab, count=24)
    graph = batch["graph"]
    draws = []
    for seed in range(60):
        start = GnnExplainer(num_epochs=0, seed=seed).interpret(masked_model, batch)
        assert not torch.equal(start.scores[0], start.scores[1])
        draws.append(torch.stack(start.scores).logit())
    logits = torch.stack(draws)  # Shape: (60, num_layers, num_edges)
    nodes = graph.nodes_per_graph[graph.edge_graph]
    for num_nodes in nodes.unique().tolist():
        own = logits[:, :, nodes == num_nodes]
        assert float(own.mean()) == pytest.approx(1, abs=0.15)
        assert float(own.std()) == pytest.approx(math.sqrt(2 / num_nodes), rel=0.1)


def by_hand(interpreter: GnnExplainer, masked_model: MaskedModel, batch: Any) -> List[torch.Tensor]:
    """One instance, from a constant start, with the loss as it is written in the paper."""
    num_edges, num_layers = batch["graph"].num_edges, masked_model.encoder.num_layers
    unmasked = masked_model.unmasked(batch, "unreported")
    logits = torch.full((num_layers, num_edges), interpreter.initial_mean, dtype=torch.double)
    adam = AdamByHand()
    for _ in range(interpreter.num_epochs):
        logits.requires_grad_()
        gates = 1 / (1 + torch.exp(-logits))
        masked = masked_model.masked(unmasked, [Gate(layer) for layer in gates], "unreported")
        loss = masked_model.divergence(PredictionNll(), unmasked, masked)[0]
        size = gates.sum() if interpreter.size_reduction == "sum" else gates.mean()
        entropy = -(gates * gates.log() + (1 - gates) * (1 - gates).log()).mean()
        loss = loss + interpreter.size_coefficient * size + interpreter.entropy_coefficient * entropy
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = logits.detach() - interpreter.learning_rate * adam.direction(gradient)
    return list(torch.sigmoid(logits))


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_by_hand(reduction, target, vocab):
    model = target_of(target, vocab).double().requires_grad_(False)
    masked_model = MaskedModel(model)
    interpreter = GnnExplainer(
        num_epochs=30,
        size_coefficient=0.2,
        size_reduction=reduction,
        entropy_coefficient=0.3,
        initial_std=0.0,
    )
    for instance in toy_instances(seed=5, count=2):
        batch = batch_of([instance], vocab, torch.double)
        actual = interpreter.interpret(masked_model, batch)
        for layer, expected in enumerate(by_hand(interpreter, masked_model, batch)):
            torch.testing.assert_close(actual.scores[layer], expected, atol=1e-6, rtol=1e-6)


def test_it_agrees_with_pytorch_geometric(vocab, monkeypatch):
    """On one relational layer, where telling layers apart makes no difference, from the same start."""
    pytest.importorskip("torch_geometric")
    from torch_geometric.explain import Explainer, GNNExplainer
    from torch_geometric.nn import FastRGCNConv, MessagePassing

    target = toy_target("classifier", vocab, encoder="rgcn", num_layers=1, encoder_settings={"activation": "tanh"})
    target = target.double()
    (layer,) = target.graph_encoder.layers
    weight = layer.relation_transform.weight.squeeze(1)  # Shape: (num_relations, output_dim, input_dim)

    class Twin(nn.Module):
        """The same model, of their layers; each graph alone."""

        def __init__(self) -> None:
            super().__init__()
            self.convolution = FastRGCNConv(5, 6, weight.size(0), aggr="mean").double()
            with torch.no_grad():
                self.convolution.weight.copy_(weight.transpose(1, 2))
                self.convolution.root.copy_(layer.self_transform.weight.t())
                self.convolution.bias.copy_(layer.self_transform.bias)

        def forward(self, features, edge_index, edge_type):
            states = torch.tanh(target.projection(features))
            pooled = torch.tanh(self.convolution(states, edge_index, edge_type)).sum(0, keepdim=True)
            return target.scorer(pooled)

    class FromTheMean(GNNExplainer):
        def _initialize_masks(self, x, edge_index):
            super()._initialize_masks(x, edge_index)
            self.edge_mask = nn.Parameter(torch.ones(edge_index.size(1), dtype=torch.double))
            # Theirs leaves the first of all epochs without regularisation, until it knows which edges have gradients.
            self.hard_edge_mask = torch.ones(edge_index.size(1), dtype=torch.bool)

    twin = Twin().eval()
    # Where an RGCNConv, its base class, has been built before, PyG would explain by that one's function.
    monkeypatch.setattr(FastRGCNConv, "_orig_propagate", MessagePassing.propagate, raising=False)
    explainer = Explainer(
        twin,
        FromTheMean(epochs=100, lr=0.1, edge_size=0.005, edge_reduction="sum", edge_ent=1.0),
        explanation_type="model",
        edge_mask_type="object",
        model_config={"mode": "multiclass_classification", "task_level": "graph", "return_type": "raw"},
    )
    interpreter = GnnExplainer(initial_std=0.0)
    compared = 0
    for instance in toy_instances(seed=8, count=6):
        batch = batch_of([instance], vocab, torch.double)
        graph = batch["graph"]
        if graph.num_edges == 0:
            continue
        features = batch["features"][0]
        with torch.no_grad():
            ours = target(**batch)["logits"]
            torch.testing.assert_close(twin(features, graph.edge_index, graph.edge_type), ours)
        actual = interpreter.interpret(MaskedModel(target), batch).scores[0]
        expected = explainer(features, graph.edge_index, edge_type=graph.edge_type).edge_mask
        torch.testing.assert_close(actual, expected.detach(), atol=1e-4, rtol=1e-4)
        compared += 1
    assert compared >= 4


def test_the_size_presses_on_gates(vocab):
    masked_model, batch = MaskedModel(target_of("classifier", vocab)), toy_batch(vocab)
    loose, pressed = (
        GnnExplainer(size_coefficient=coefficient).interpret(masked_model, batch) for coefficient in (0.0, 5.0)
    )
    assert pressed.kept_share() < 0.05 < loose.kept_share()
