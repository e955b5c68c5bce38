"""Interpreters that differentiate once, or along a path: closed forms, finite differences, completeness, and captum as a twin."""

import logging
from typing import Any, List

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.interpret.divergences import PredictionNll
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import GradientTimesMessage, IntegratedGradients
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.modules.intervention import Gate
from tests.interpret.interpreters.cases import TARGETS, batch_of, target_of
from tests.interpret.toy import recorded_layers, toy_batch, toy_instances, toy_target, toy_vocabulary


def sums_of_instances(attribution: EdgeAttribution) -> List[float]:
    """For each instance the sum of its scores, all layers together."""
    return [float(torch.stack(part.scores).double().sum()) for part in attribution.split()]


def likelihood(masked_model: MaskedModel, batch: Any, scales: List[Any]) -> torch.Tensor:
    """By the divergence, which has tests of its own."""
    with torch.no_grad():
        unmasked = masked_model.unmasked(batch, "unreported")
        masked = masked_model.masked(unmasked, [Gate(scale) for scale in scales], "unreported")
        return -masked_model.divergence(PredictionNll(), unmasked, masked)


def test_gradient_x_message_in_closed_form(vocab):
    """With one linear layer and a sum over nodes, the logits are linear in the gates."""
    settings = {"activation": "linear", "normalise": False}
    target = toy_target("classifier", vocab, encoder="rgcn", num_layers=1, encoder_settings=settings)
    batch = toy_batch(vocab)
    (messages,) = recorded_layers(target, batch)
    with torch.no_grad():
        probabilities = target(**batch)["logits"].softmax(-1)
        predicted = torch.nn.functional.one_hot(probabilities.argmax(-1), probabilities.size(-1))
        of_logits = messages.values @ target.scorer.weight.t()  # Shape: (num_edges, num_classes)
        expected = ((predicted - probabilities)[messages.graph.edge_graph] * of_logits).sum(-1)
    signed = GradientTimesMessage(signed=True).interpret(MaskedModel(target), batch)
    torch.testing.assert_close(signed.scores[0], expected, atol=1e-5, rtol=1e-5)
    assert (expected > 0.01).any() and (expected < -0.01).any()
    unsigned = GradientTimesMessage().interpret(MaskedModel(target), batch)
    torch.testing.assert_close(unsigned.scores[0], expected.abs(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_gradient_x_message_by_finite_differences(target, vocab):
    masked_model = MaskedModel(target_of(target, vocab).double())
    batch = batch_of(toy_instances(seed=1, count=3), vocab, torch.double)
    graph = batch["graph"]
    actual = GradientTimesMessage(signed=True).interpret(masked_model, batch)
    step = 1e-6
    for layer in range(actual.num_layers):
        for edge in range(graph.num_edges):
            values = []
            for change in (step, -step):
                scales = [torch.ones(graph.num_edges, dtype=torch.double) for _ in actual.scores]
                scales[layer][edge] += change
                values.append(likelihood(masked_model, batch, scales)[graph.edge_graph[edge]])
            assert float(actual.scores[layer][edge]) == pytest.approx(
                float(values[0] - values[1]) / (2 * step), abs=1e-6
            )


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_integrated_gradients_are_complete(target, vocab):
    """Over all layers, they add up to what all messages together do for the prediction."""
    masked_model = MaskedModel(target_of(target, vocab))
    batch = toy_batch(vocab, count=8)
    # Every kink of a ReLU costs precision in proportion to one over the number of steps.
    smooth = target in ("rgcn, dense", "entity_gcn, dense", "entity_gcn, edge by edge")
    interpreter = IntegratedGradients(num_steps=50 if smooth else 2000, signed=True)
    actual = sums_of_instances(interpreter.interpret(masked_model, batch))
    num_edges, num_layers = batch["graph"].num_edges, masked_model.encoder.num_layers
    whole = likelihood(masked_model, batch, [torch.ones(num_edges)] * num_layers)
    nothing = likelihood(masked_model, batch, [torch.zeros(num_edges)] * num_layers)
    assert actual == pytest.approx((whole - nothing).tolist(), abs=1e-3, rel=1e-3)
    assert (whole - nothing).abs().max() > 0.3


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), num_steps=st.integers(12, 40))
def test_integrated_gradients_of_a_smooth_model_are_complete_in_few_steps(seed, num_steps):
    vocab = toy_vocabulary()
    masked_model = MaskedModel(target_of("entity_gcn, dense", vocab).double())
    batch = batch_of(toy_instances(seed, 2), vocab, torch.double)
    actual = IntegratedGradients(num_steps=num_steps, signed=True).interpret(masked_model, batch)
    num_edges = batch["graph"].num_edges
    ends = [likelihood(masked_model, batch, [torch.full((num_edges,), end, dtype=torch.double)] * 3) for end in (1, 0)]
    assert sums_of_instances(actual) == pytest.approx((ends[0] - ends[1]).tolist(), abs=1e-5)


def test_integrated_gradients_are_not_weighted_by_the_step(vocab):
    """
    An implementation that multiplies each step's gradient by its place on the path counts the path's end most; one that adds
    up without weights gives scores that grow with the number of steps.
    """
    masked_model = MaskedModel(target_of("entity_gcn, dense", vocab))
    batch = toy_batch(vocab, count=4)
    few, many = (IntegratedGradients(num_steps=steps, signed=True).interpret(masked_model, batch) for steps in (16, 64))
    for layer in range(few.num_layers):
        torch.testing.assert_close(few.scores[layer], many.scores[layer], atol=1e-5, rtol=1e-4)


def test_too_few_steps_are_warned_about(vocab, caplog):
    masked_model, batch = MaskedModel(target_of("classifier", vocab)), toy_batch(vocab)
    with caplog.at_level(logging.WARNING):
        IntegratedGradients(num_steps=200).interpret(masked_model, batch)
        # Other tests may have made other loggers talk.
        assert "Raise num_steps" not in caplog.text
        IntegratedGradients(num_steps=1).interpret(masked_model, batch)
    assert "Raise num_steps, which is 1." in caplog.text


@pytest.mark.parametrize("target", ["classifier", "entity_gcn, dense"])
def test_integrated_gradients_agree_with_captum(target, vocab):
    attr = pytest.importorskip("captum.attr")
    masked_model = MaskedModel(target_of(target, vocab).double())
    for instance in toy_instances(seed=4, count=3):
        batch = batch_of([instance], vocab, torch.double)
        num_edges, num_layers = batch["graph"].num_edges, masked_model.encoder.num_layers
        if not num_edges:
            continue
        actual = IntegratedGradients(num_steps=10, signed=True, completeness_tolerance=None).interpret(
            masked_model, batch
        )
        unmasked = masked_model.unmasked(batch, "unreported")

        def log_probabilities(rows, unmasked=unmasked, num_layers=num_layers):
            """Rows of gates, all layers in a row."""
            outputs = []
            for row in rows:
                gates = [Gate(scale) for scale in row.chunk(num_layers)]
                outputs.append(masked_model.masked(unmasked, gates, "unreported")["logits"].log_softmax(-1))
            return torch.cat(outputs)

        expected = attr.IntegratedGradients(log_probabilities).attribute(
            torch.ones(1, num_layers * num_edges, dtype=torch.double),
            target=int(unmasked.output["logits"].argmax(-1)),
            n_steps=10,
            method="gausslegendre",
        )
        torch.testing.assert_close(torch.cat(actual.scores), expected[0], atol=1e-4, rtol=1e-4)
