"""The benchmark chooses among maskers without looking at the truth."""

import pytest
import torch

from allennlp_graphmask.evaluation.ground_truth import GROUND_TRUTHS
from benchmarks import ground_truth
from benchmarks.ground_truth import choose_graphmask, selection, train_graphmask

NO_TRAINING = {"learning_rate": 0.003, "initial_multiplier": 1.0, "steps": 0}


@pytest.fixture
def truth():
    return GROUND_TRUTHS["exclusive_or"](sharpness=4.0)


def with_bias(graphmask, bias):
    """Moves all gates: those of the output layer's weights are gone, and its bias alone decides."""
    for gate in graphmask.masker.gates:
        torch.nn.init.zeros_(gate.output.weight)
        torch.nn.init.constant_(gate.output.bias, bias - gate.location_bias)
    return graphmask


def test_a_masker_that_changes_predictions_is_worse_than_one_that_keeps_everything(truth):
    untrained = train_graphmask(truth, **NO_TRAINING)
    assert all(not baseline.any() for baseline in untrained.masker.baselines)
    assert selection(with_bias(untrained, 9.0), truth) == 1.0
    # Without messages every prediction is "undecided": an excess of 1 - 0.011 over the bound.
    assert selection(with_bias(untrained, -9.0), truth) == pytest.approx(2 + 1 - 0.011)


@pytest.mark.parametrize("order, expected", [((-9.0, 9.0), 1), ((9.0, -9.0), 0), ((9.0, 9.0), 0)])
def test_the_best_is_chosen_and_the_first_of_equals(truth, monkeypatch, order, expected):
    biases = iter(order)
    monkeypatch.setattr(ground_truth, "SETTINGS", (NO_TRAINING, NO_TRAINING))
    monkeypatch.setattr(
        ground_truth,
        "train_graphmask",
        lambda *args, **kwargs: with_bias(train_graphmask(*args, **kwargs), next(biases)),
    )
    graphmask, chosen, values = choose_graphmask(truth, seed=0)
    assert chosen == expected
    assert values[chosen] == min(values) == 1.0
    kept = graphmask(**truth.batch(20))["attribution"].kept_share()
    assert kept == 1.0
