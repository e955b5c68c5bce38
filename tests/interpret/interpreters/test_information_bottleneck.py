"""The information bottleneck: closed forms of its parts, and the optimisation by hand."""

from typing import Any, List

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.interpret.divergences import PredictionNll
from allennlp_graphmask.interpret.interpreters import InformationBottleneck
from allennlp_graphmask.interpret.interpreters.information_bottleneck import capacity, statistics_per_graph
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate
from tests.interpret.interpreters.cases import TARGETS, AdamByHand, batch_of, target_of
from tests.interpret.toy import recorded_layers, toy_batch, toy_instances, toy_target, toy_vocabulary


@settings(max_examples=60, deadline=None)
@given(
    logit=st.floats(-20, 20),
    value=st.floats(-5, 5),
    mean=st.floats(-5, 5),
    std=st.floats(0.01, 5),
)
def test_capacity_is_the_divergence_between_two_normal_distributions(logit, value, mean, std):
    tensors = [torch.tensor([number], dtype=torch.double) for number in (logit, value, mean)]
    deviation = torch.tensor([std], dtype=torch.double)
    passing, noisy = torch.sigmoid(tensors[0]), torch.sigmoid(-tensors[0])
    left = torch.distributions.Normal(passing * tensors[1] + noisy * tensors[2], noisy * deviation)
    expected = torch.distributions.kl_divergence(left, torch.distributions.Normal(tensors[2], deviation))
    actual = capacity(tensors[0], tensors[1].unsqueeze(-1), tensors[2], deviation)
    torch.testing.assert_close(actual[0], expected, atol=1e-8, rtol=1e-6)


def test_capacity_has_a_gradient_where_a_gate_is_open_or_closed_but_for_rounding():
    logits = torch.tensor([60.0, -60.0], requires_grad=True)
    values = torch.tensor([[1.0], [1.0]])
    actual = capacity(logits, values, torch.zeros(1), torch.ones(1))
    actual.sum().backward()
    assert actual.flatten().tolist() == pytest.approx([60, 0], abs=1e-6)
    assert logits.grad is not None and logits.grad.tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_noise_has_the_standard_deviation_of_messages_and_not_their_variance(vocab, monkeypatch):
    """The original code of GraphMask's comparison gives the variance where the distribution expects a standard deviation."""
    masked_model = MaskedModel(toy_target("classifier", vocab))
    batch = toy_batch(vocab, count=6)
    seen: List[torch.Tensor] = []
    masked = masked_model.masked

    def note(unmasked: Any, gates: List[Gate], *rest: Any) -> Any:
        seen.append(torch.stack([gate.replacement for gate in gates]))
        return masked(unmasked, gates, *rest)

    monkeypatch.setattr(masked_model, "masked", note)
    InformationBottleneck(num_steps=1, samples_per_step=1000).interpret(masked_model, batch)
    noise = torch.stack(seen)  # Shape: (1000, num_layers, num_edges, message_dim)
    graph = batch["graph"]
    for number, layer in enumerate(recorded_layers(masked_model.target, batch)):
        for owner in range(graph.num_graphs):
            own = graph.edge_graph == owner
            if not own.any():
                continue
            messages, drawn = layer.values[own], noise[:, number, own]
            expected = messages.std(0, correction=0).clamp(min=0.01)  # Shape: (message_dim,)
            torch.testing.assert_close(drawn.std(0), expected.expand_as(messages), atol=0.003, rtol=0.12)
            torch.testing.assert_close(
                drawn.mean(0), messages.mean(0).expand_as(messages), atol=float(0.2 * expected.max()), rtol=0
            )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 100))
def test_statistics_of_each_graph(seed, scale):
    vocab = toy_vocabulary()
    graph = toy_batch(vocab, seed, 6)["graph"]
    values = scale * torch.randn(graph.num_edges, 3, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    actual = statistics_per_graph(values, graph, 1e-3)
    for owner in range(graph.num_graphs):
        own = values[graph.edge_graph == owner]
        if len(own):
            torch.testing.assert_close(actual.mean[owner], own.mean(0))
            torch.testing.assert_close(actual.std[owner], own.std(0, correction=0).clamp(min=1e-3))


def test_statistics_of_data(vocab):
    masked_model = MaskedModel(target_of("tagger", vocab))
    batches = [toy_batch(vocab, seed, 6) for seed in (1, 2, 3)]
    layers = [recorded_layers(masked_model.target, batch) for batch in batches]
    interpreter = InformationBottleneck(num_steps=1, samples_per_step=1)
    interpreter.collect_statistics(masked_model, batches)
    attribution = interpreter.interpret(masked_model, batches[0])
    statistics = interpreter.statistics(masked_model.unmasked(batches[0], "unreported"))
    for number in range(2):
        values = torch.cat([batch[number].values for batch in layers])
        for row in range(6):
            torch.testing.assert_close(statistics[number].mean[row], values.mean(0))
            torch.testing.assert_close(statistics[number].std[row], values.std(0, correction=0).clamp(min=0.01))
        assert torch.equal(attribution.replacements[number], statistics[number].mean)
    with pytest.raises(ValueError, match="no message"):
        interpreter.collect_statistics(masked_model, [batch_of([toy_instances()[3]], vocab)])


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_the_optimisation_by_hand(target, vocab, monkeypatch):
    """One instance, noise at its mean: the objective by torch.distributions."""
    monkeypatch.setattr(PerGraphRandom, "normal", lambda self, like, size=(): torch.zeros_like(like))
    masked_model = MaskedModel(target_of(target, vocab).double().requires_grad_(False))
    batch = batch_of(toy_instances(seed=5, count=1), vocab, torch.double)
    interpreter = InformationBottleneck(
        beta=0.3, num_steps=12, samples_per_step=2, learning_rate=0.5, initial_logit=2.0
    )
    actual = interpreter.interpret(masked_model, batch)
    unmasked = masked_model.unmasked(batch, "unreported")
    values = [layer.values for layer in unmasked.layers]
    means = [layer.mean(0, keepdim=True) for layer in values]
    deviations = [layer.std(0, keepdim=True, correction=0).clamp(min=0.01) for layer in values]
    logits = torch.full((len(values), batch["graph"].num_edges), 2.0, dtype=torch.double)
    adam = AdamByHand()
    for _ in range(12):
        logits.requires_grad_()
        passing = torch.sigmoid(logits)
        gates = [Gate(scale, mean.expand_as(layer)) for scale, mean, layer in zip(passing, means, values)]
        masked = masked_model.masked(unmasked, gates, "unreported")
        loss = masked_model.divergence(PredictionNll(), unmasked, masked)[0]
        for scale, layer, mean, deviation in zip(passing.unsqueeze(-1), values, means, deviations):
            left = torch.distributions.Normal(
                scale * layer + (1 - scale) * mean, ((1 - scale) * deviation).expand_as(layer)
            )
            right = torch.distributions.Normal(mean, deviation)
            loss = loss + 0.3 * torch.distributions.kl_divergence(left, right).mean()
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = logits.detach() - 0.5 * adam.direction(gradient)
    torch.testing.assert_close(torch.stack(actual.scores), torch.sigmoid(logits), atol=1e-7, rtol=1e-7)


def test_what_matters_to_nobody_is_closed_and_without_a_price_everything_is_open(vocab):
    target = toy_target("classifier", vocab)
    batch = toy_batch(vocab)
    assert InformationBottleneck(beta=0.0).interpret(MaskedModel(target), batch).kept_share() > 0.6
    with torch.no_grad():
        target.scorer.weight.zero_()
    attribution = InformationBottleneck(num_steps=20).interpret(MaskedModel(target), batch)
    assert attribution.kept_share() == 0


def test_information_and_gate_are_of_the_same_gates(vocab):
    masked_model, batch = MaskedModel(target_of("tagger", vocab)), toy_batch(vocab)
    passing, information = (
        InformationBottleneck(score=score, num_steps=4).interpret(masked_model, batch)
        for score in ("gate", "information")
    )
    statistics = InformationBottleneck().statistics(masked_model.unmasked(batch, "unreported"))
    for number, layer in enumerate(recorded_layers(masked_model.target, batch)):
        owner = batch["graph"].edge_graph
        expected = capacity(
            passing.scores[number].double().logit(),
            layer.values.double(),
            statistics[number].mean[owner],
            statistics[number].std[owner],
        ).sum(-1)
        torch.testing.assert_close(information.scores[number].double(), expected, atol=1e-4, rtol=1e-3)
        assert torch.equal(passing.kept[number], information.kept[number])
