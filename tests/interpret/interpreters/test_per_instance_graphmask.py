"""GraphMask without a masker: the optimisation by hand, what it promises, and planted answers."""

import itertools
import math
from typing import Any, List

import pytest
import torch

from allennlp_graphmask.interpret.divergences import Divergence, PredictionNll, SaturatingKl
from allennlp_graphmask.interpret.hard_concrete import HardConcrete
from allennlp_graphmask.interpret.interpreters import PerInstanceGraphMask
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate
from tests.interpret.interpreters.cases import TARGETS, AdamByHand, batch_of, target_of
from tests.interpret.toy import toy_batch, toy_instances, toy_target


@torch.no_grad()
def divergence_of(masked_model: MaskedModel, unmasked: Any, divergence: Divergence, gates: List[Any]) -> torch.Tensor:
    return masked_model.divergence(divergence, unmasked, masked_model.masked(unmasked, gates, "unreported"))


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("learn_baselines", [True, False])
def test_the_allowance_holds_for_each_instance(learn_baselines, target, vocab):
    masked_model, batch = MaskedModel(target_of(target, vocab)), toy_batch(vocab, count=16)
    interpreter = PerInstanceGraphMask(num_steps=60, learning_rate=0.3, allowance=0.04, learn_baselines=learn_baselines)
    attribution = interpreter.interpret(masked_model, batch)
    unmasked = masked_model.unmasked(batch, "unreported")
    assert divergence_of(masked_model, unmasked, SaturatingKl(), attribution.gates()).max() <= 0.04 + 1e-6
    assert attribution.kept_share() < 1
    for scores, kept in zip(attribution.scores, attribution.kept):
        assert torch.equal(kept, scores > 0.5)


def test_where_no_choice_is_allowed_the_least_wrong_one_is_made(vocab):
    """Even the whole graph violates the constraint, by the model's own uncertainty."""
    masked_model, batch = MaskedModel(target_of("classifier", vocab)), toy_batch(vocab, count=8)
    interpreter = PerInstanceGraphMask(divergence=PredictionNll(), allowance=0.0, num_steps=30)
    attribution = interpreter.interpret(masked_model, batch)
    unmasked = masked_model.unmasked(batch, "unreported")
    divergence = divergence_of(masked_model, unmasked, PredictionNll(), attribution.gates())
    whole = divergence_of(masked_model, unmasked, PredictionNll(), [None, None])
    assert (divergence <= whole + 1e-6).all() and (divergence > 0).all()


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_optimisation_by_hand(two_sided, target, vocab, monkeypatch):
    """One instance and no trial but the last: equations 3 to 5 as they are written."""
    monkeypatch.setattr(PerGraphRandom, "uniform", lambda self, like, size=(): torch.full_like(like, 0.3))
    monkeypatch.setattr(
        PerGraphRandom,
        "uniform_for_graphs",
        lambda self, like, size: torch.linspace(0, 1, size, dtype=torch.double).to(like).unsqueeze(0),
    )
    masked_model = MaskedModel(target_of(target, vocab).double().requires_grad_(False))
    batch = batch_of(toy_instances(seed=5, count=1), vocab, torch.double)
    steps, rates = 40, {"locations": 0.1, "baselines": 0.03, "multiplier": 0.2}
    interpreter = PerInstanceGraphMask(
        num_steps=steps,
        eval_every=steps,
        learning_rate=rates["locations"],
        baseline_learning_rate=rates["baselines"],
        multiplier_learning_rate=rates["multiplier"],
        penalty_scaling=2.0,
        allowance=0.02,
        two_sided=two_sided,
        initial_multiplier=0.4,
        initial_location=1.0,
        gate_distribution=HardConcrete(beta=0.5, gamma=-0.1, zeta=1.1),
    )
    monkeypatch.setattr(
        interpreter,
        "_evaluate",
        lambda masked_model, unmasked, locations, baselines, found: Last(locations, baselines),
    )
    actual = interpreter.interpret(masked_model, batch)
    unmasked = masked_model.unmasked(batch, "unreported")
    num_edges, dims = batch["graph"].num_edges, masked_model.encoder.get_message_dims()
    parameters = [torch.full((len(dims), num_edges), 1.0, dtype=torch.double)]
    parameters += [(2 * torch.linspace(0, 1, dim, dtype=torch.double) - 1) * dim**-0.5 for dim in dims]
    parameters.append(torch.tensor(0.4, dtype=torch.double))
    step_sizes = [rates["locations"]] + [rates["baselines"]] * len(dims) + [rates["multiplier"]]
    optimisers = [AdamByHand() for _ in parameters]
    noise = math.log(0.3) - math.log(0.7)
    for _ in range(steps):
        parameters[-1] = parameters[-1].clamp(-2, 30)
        for parameter in parameters:
            parameter.requires_grad_()
        locations, multiplier = parameters[0], parameters[-1]
        concrete = torch.sigmoid((noise + locations) / 0.5)
        scales = (concrete * 1.2 - 0.1).clamp(0, 1)
        gates = [Gate(scale, baseline) for scale, baseline in zip(scales, parameters[1:-1])]
        masked = masked_model.masked(unmasked, gates, "unreported")
        divergence = masked_model.divergence(SaturatingKl(), unmasked, masked)[0]
        penalty = torch.sigmoid(locations - 0.5 * math.log(0.1 / 1.1)).mean(-1).sum()
        excess = divergence - 0.02
        if not two_sided:
            excess = excess.clamp(min=0)
        loss = 2 * penalty + torch.log1p(multiplier.exp()) * excess
        gradients = list(torch.autograd.grad(loss, parameters))
        gradients[-1] = -gradients[-1]
        for number, gradient in enumerate(gradients):
            change = step_sizes[number] * optimisers[number].direction(gradient)
            parameters[number] = parameters[number].detach() - change
    for layer in range(len(dims)):
        expected = torch.sigmoid(parameters[0][layer] - 0.5 * math.log(0.6 / 0.6))
        torch.testing.assert_close(actual.scores[layer], expected, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(actual.replacements[layer][0], parameters[1 + layer], atol=1e-6, rtol=1e-6)


class Last:
    """In place of the best trial."""

    def __init__(self, locations: Any, baselines: Any) -> None:
        self.locations = [layer.detach().clone() for layer in locations]
        self.baselines = [layer.detach().clone() for layer in baselines]


def test_what_matters_to_nobody_is_dropped(vocab):
    target = toy_target("classifier", vocab)
    with torch.no_grad():
        target.scorer.weight.zero_()
    attribution = PerInstanceGraphMask().interpret(MaskedModel(target), toy_batch(vocab))
    assert attribution.kept_share() == 0


def test_it_is_near_the_best_of_all_choices(vocab):
    """With zeros for dropped messages, on graphs small enough to try every choice of messages."""
    target = toy_target("classifier", vocab, encoder="rgcn", num_layers=1)
    masked_model = MaskedModel(target)
    instances = [instance for instance in toy_instances(seed=2, count=40) if 4 <= len(instance["graph"].edges) <= 6]
    attributions = PerInstanceGraphMask(learn_baselines=False).interpret(masked_model, batch_of(instances, vocab))
    kept, best, total = 0, 0, 0
    for instance, attribution in zip(instances, attributions.split()):
        batch = batch_of([instance], vocab)
        num_edges = batch["graph"].num_edges
        unmasked = masked_model.unmasked(batch, "unreported")
        sizes = []
        for choice in itertools.product([False, True], repeat=num_edges):
            if divergence_of(masked_model, unmasked, SaturatingKl(), [Gate(torch.tensor(choice))]) <= 0.05:
                sizes.append(sum(choice))
        size = int(attribution.kept[0].sum())
        assert size >= min(sizes)
        kept, best, total = kept + size, best + min(sizes), total + num_edges
    assert 0 < best < 0.7 * total
    # A third of the way to keeping everything, at most.
    assert kept - best <= (total - best) / 3
