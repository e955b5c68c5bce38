"""Fidelity, sufficiency and unfaithfulness, against passes made by hand on the toy models."""

import math

import numpy
import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.evaluation.metrics import (
    EdgeChanged,
    EdgeFidelity,
    EdgeSufficiency,
    EdgeUnfaithfulness,
    MetricKey,
)
from allennlp_graphmask.evaluation.metrics.sufficiency import random_message_order
from allennlp_graphmask.interpret.interpreters import AllEdgesInterpreter
from allennlp_graphmask.interpret.masked_model import LayerGates, MaskedModel
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.interpret.ranking import top_fraction_mask
from allennlp_graphmask.modules.intervention import Gate, intervening
from tests.evaluation.metrics.conftest import explain
from tests.evaluation.metrics.graphs import build_graph
from tests.interpret.toy import toy_batch, toy_target


def per_instance(metric, explained):
    metric(explained)
    return {key.name: values for key, values in metric.per_instance().items()}


def by_hand(explained, kept=None):
    """
    For each instance the probabilities of its positions' classes, shape `(num_positions, num_classes)`, with the
    kept messages, or all.
    """
    target, batch = explained.masked_model.target, explained.unmasked.batch
    gates = [None] * explained.num_layers
    if kept is not None:
        gates = [Gate(layer, vector) for layer, vector in zip(kept, explained.attribution.replacements)]
    with torch.no_grad(), intervening(explained.masked_model.encoder, LayerGates(gates)):
        output = target(**batch)
    probabilities = output["logits"].double().softmax(-1)
    if probabilities.dim() == 2:
        return [row.unsqueeze(0) for row in probabilities]
    return [row[mask] for row, mask in zip(probabilities, output["mask"])]


def probability(whole, masked, positions="joint"):
    """The probability that all of an instance's predictions are made, or the mean over them."""
    chosen = masked.gather(-1, whole.argmax(-1, keepdim=True))
    return float(chosen.prod() if positions == "joint" else chosen.mean())


@pytest.mark.parametrize("positions", ["joint", "mean"])
def test_fidelity_by_hand(explained, positions):
    metric = EdgeFidelity(positions)
    actual = per_instance(metric, explained)
    whole = by_hand(explained)
    kept = explained.attribution.kept
    parts = {"plus": by_hand(explained, [~layer for layer in kept]), "minus": by_hand(explained, kept)}
    labels = {}
    for name, masked in parts.items():
        pairs = list(zip(whole, masked))
        losses = [probability(one, one, positions) - probability(one, other, positions) for one, other in pairs]
        assert actual[f"fidelity_{name}_probability"] == pytest.approx(losses, abs=1e-5)
        differs = [(before.argmax(-1) != after.argmax(-1)).double() for before, after in pairs]
        changes = [float(one.max() if positions == "joint" else one.mean()) for one in differs]
        assert actual[f"fidelity_{name}_label"] == pytest.approx(changes)
        labels[name] = sum(changes) / len(changes)
    totals = metric.get_metric()
    assert totals["fidelity_plus_label"] == pytest.approx(labels["plus"]) and 0 < labels["plus"] < 1
    plus, minus = labels["plus"], 1 - labels["minus"]
    assert totals["characterization"] == pytest.approx(2 * plus * minus / (plus + minus))


def test_fidelity_of_everything_and_of_nothing(vocab):
    masked_model, batch = MaskedModel(toy_target("classifier", vocab)), toy_batch(vocab)
    everything, nothing = EdgeFidelity(), EdgeFidelity()
    everything(explain(masked_model, batch, AllEdgesInterpreter()))
    nothing(explain(masked_model, batch, AllEdgesInterpreter(top_fraction=0)))
    for kind in ("probability", "label"):
        assert everything.get_metric()[f"fidelity_minus_{kind}"] == nothing.get_metric()[f"fidelity_plus_{kind}"] == 0
    assert nothing.get_metric()["characterization"] == 0


def test_comprehensiveness_and_sufficiency_by_hand(explained):
    fractions = (0.1, 0.5)
    metric = EdgeSufficiency(fractions)
    metric(explained)
    actual = metric.per_instance()
    whole = by_hand(explained)
    expected = {"comprehensiveness": [], "sufficiency": []}
    for fraction in fractions:
        best = top_fraction_mask(explained.attribution.scores, fraction, explained.graph)
        for name, kept in (("comprehensiveness", [~layer for layer in best]), ("sufficiency", best)):
            pairs = zip(whole, by_hand(explained, kept))
            losses = [probability(before, before) - probability(before, after) for before, after in pairs]
            assert actual[MetricKey(name, fraction=fraction)] == pytest.approx(losses, abs=1e-5)
            expected[name].append(losses)
    for name, losses in expected.items():
        assert actual[MetricKey(name)] == pytest.approx(numpy.mean(losses, axis=0), abs=1e-5)
    assert "sufficiency_at_0.1" in metric.get_metric()


def test_equal_scores_are_ranked_at_random():
    graph = build_graph([0, 0, 0], 1)
    scores = [torch.tensor([1.0, 5.0, 1.0]), torch.tensor([1.0, 0.0, 1.0])]
    chosen = torch.zeros(2, 3)
    for seed in range(2000):
        order = random_message_order(graph, 2, PerGraphRandom(graph, {}, seed))
        chosen += torch.stack(top_fraction_mask(scores, 1 / 3, graph, order=order))
    # One of the equals beside the best, each as often.
    assert chosen[0, 1] == 2000 and chosen[1, 1] == 0 and chosen.sum() == 4000
    assert min(chosen[0, 0], chosen[0, 2], chosen[1, 0], chosen[1, 2]) > 400


def test_the_order_of_edges_gives_nothing_away(vocab):
    """Equal scores are ranked by the seed, also where the edges that matter stand first."""
    masked_model, batch = MaskedModel(toy_target("classifier", vocab)), toy_batch(vocab)
    explained = explain(masked_model, batch, AllEdgesInterpreter())
    values = [per_instance(EdgeSufficiency([0.5], seed=seed), explained)["sufficiency"] for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_unfaithfulness_by_hand(explained):
    pairs = list(zip(by_hand(explained), by_hand(explained, explained.attribution.kept)))
    expected = [float((before * (before / after).log()).sum()) for before, after in pairs]
    assert per_instance(EdgeUnfaithfulness(), explained)["unfaithfulness"] == pytest.approx(expected, abs=1e-5)
    saturating = per_instance(EdgeUnfaithfulness(saturating=True), explained)["saturating_unfaithfulness"]
    assert saturating == pytest.approx([1 - math.exp(-value) for value in expected], abs=1e-5)
    assert per_instance(EdgeChanged(), explained)["changed"] == [
        float((before.argmax(-1) != after.argmax(-1)).any()) for before, after in pairs
    ]


@pytest.mark.parametrize(
    "build, place",
    [
        (lambda: EdgeFidelity("median"), "positions is 'median'"),
        (lambda: EdgeSufficiency([]), r"fractions is \[\]"),
        (lambda: EdgeSufficiency([1.5]), r"fractions is \[1.5\]"),
    ],
)
def test_settings_that_make_no_sense(build, place):
    with pytest.raises(ConfigurationError, match=place):
        build()
