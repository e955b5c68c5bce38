"""Thresholds with a guarantee."""

import math

import numpy
import pytest
import torch
from allennlp.common.checks import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from allennlp_graphmask.interpret.graphmask.calibration import (
    CANDIDATES,
    Outcomes,
    calibrate,
    length_groups,
    measure_outcomes,
    p_value,
    risk_by_group,
    smallest_sample,
)
from allennlp_graphmask.interpret.graphmask.threshold import mask_at_thresholds
from tests.interpret.toy import toy_batch, toy_graphmask

NUMBER = len(CANDIDATES)


def build_outcomes(changed: torch.Tensor, nodes=None, metadata=None) -> Outcomes:
    """`changed` for each instance and candidate; as many messages are kept as candidates are left, and a divergence is half where it changes."""
    size = len(changed)
    return Outcomes(
        changed,
        0.5 * changed.double(),
        torch.arange(NUMBER, 0, -1).expand(size, -1),
        torch.full((size,), NUMBER),
        torch.ones(size, dtype=torch.long) if nodes is None else torch.tensor(nodes),
        metadata or [],
    )


def draw(rates: numpy.ndarray, size: int, seed: int) -> Outcomes:
    """Instances that change from some candidate on, each candidate with its rate."""
    uniform = numpy.random.default_rng(seed).random((size, 1))
    return build_outcomes(torch.from_numpy(uniform < rates))


RATES = numpy.linspace(0, 0.5, NUMBER)


class TestPValue:
    @given(st.integers(1, 400), st.data(), st.floats(0.01, 0.5))
    def test_of_changed_predictions_it_is_the_binomial_tests(self, size, data, bound) -> None:
        count = data.draw(st.integers(0, size))
        expected = binomtest(count, size, bound, alternative="less").pvalue
        assert p_value(count / size, size, bound, is_binary=True) == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("bound", [0.05, 0.2])
    def test_of_means_it_is_small_no_more_often_than_it_claims(self, bound) -> None:
        """Means of numbers from 0 to 1 whose expectation is the bound."""
        generator = numpy.random.default_rng(0)
        means = generator.beta(0.5, 0.5 * (1 - bound) / bound, size=(2000, 150)).mean(1)
        values = numpy.array([p_value(mean, 150, bound, is_binary=False) for mean in means])
        for level in (0.02, 0.1, 0.3):
            assert (values <= level).mean() <= level + 3 * math.sqrt(level * (1 - level) / 2000)
        assert p_value(0.0, 150, bound, is_binary=False) < 0.01


class TestCalibration:
    @pytest.mark.parametrize("risk", ["changed", "divergence"])
    def test_the_risk_exceeds_the_bound_no_more_often_than_allowed(self, risk) -> None:
        bound, confidence, draws = 0.1, 0.8, 400
        true_risk = dict(zip(CANDIDATES.tolist(), RATES if risk == "changed" else RATES / 2))
        found = [
            calibrate(draw(RATES, 200, seed), risk=risk, bound=bound, confidence=confidence) for seed in range(draws)
        ]
        too_high = sum(true_risk[one.threshold] > bound for one in found) / draws
        assert too_high <= 0.2 + 3 * math.sqrt(0.2 * 0.8 / draws)
        # Not by keeping everything.
        assert numpy.mean([true_risk[one.threshold] for one in found]) > bound / 3

    def test_it_stops_at_the_first_candidate_that_fails(self) -> None:
        """Later ones are not tried, however well they do."""
        changed = torch.zeros(100, NUMBER, dtype=torch.bool)
        changed[:30, 40] = True
        found = calibrate(build_outcomes(changed))
        assert found.threshold == CANDIDATES[39] and found.measured == 0
        assert found.kept == pytest.approx((NUMBER - 39) / NUMBER)

    def test_nothing_is_guaranteed_that_fails_with_all_messages(self) -> None:
        half = build_outcomes(torch.ones(200, NUMBER, dtype=torch.bool))
        with pytest.raises(ConfigurationError, match="mean divergence at 0.05 .* 0.5"):
            calibrate(half, risk="divergence", bound=0.05)
        assert calibrate(half, risk="divergence", bound=0.6).threshold == CANDIDATES[-1]

    def test_too_few_instances(self) -> None:
        needed = smallest_sample(0.05, 0.9)
        assert 0.95**needed <= 0.1 < 0.95 ** (needed - 1)
        nothing = torch.zeros(needed, NUMBER, dtype=torch.bool)
        assert calibrate(build_outcomes(nothing)).threshold == CANDIDATES[-1]
        with pytest.raises(ConfigurationError, match=rf"{needed - 1} instances .* {needed}"):
            calibrate(build_outcomes(nothing[1:]))

    @pytest.mark.parametrize("settings", [{"bound": 0}, {"bound": 1}, {"confidence": 0}, {"confidence": 1}])
    def test_bounds_that_nothing_can_keep(self, settings) -> None:
        [(name, value)] = settings.items()
        with pytest.raises(ConfigurationError, match=f"{name} is {value}"):
            calibrate(build_outcomes(torch.zeros(100, NUMBER, dtype=torch.bool)), **settings)

    def test_a_divergence_without_a_bound(self) -> None:
        outcomes = build_outcomes(torch.ones(100, NUMBER, dtype=torch.bool))
        with pytest.raises(ConfigurationError, match="3.*saturating_kl"):
            calibrate(outcomes._replace(divergence=3 * outcomes.divergence * 2), risk="divergence")


@pytest.fixture(scope="module")
def model(vocab):
    return toy_graphmask("tagger", vocab, toy_batch(vocab))


class TestOutcomes:
    def test_they_are_those_of_single_thresholds(self, model, vocab) -> None:
        batch = toy_batch(vocab)
        outcomes = measure_outcomes(model, [batch])
        chosen = [0, 100, 120, 126, 129, 131, 135, 140, NUMBER - 1]
        unmasked = model.masked_model.unmasked(batch)
        kept, changed = mask_at_thresholds(model, unmasked, CANDIDATES[chosen].tolist())
        assert torch.equal(outcomes.kept[:, chosen].T, kept) and torch.equal(outcomes.changed[:, chosen].T, changed)
        assert len(outcomes.kept.sum(0).unique()) > 3
        assert outcomes.kept[:, 0].equal(outcomes.messages) and not outcomes.kept[:, -1].any()
        assert [one["number"] for one in outcomes.metadata] == list(range(len(outcomes.messages)))

    def test_they_do_not_depend_on_batches(self, model, vocab) -> None:
        together = measure_outcomes(model, [toy_batch(vocab, 1, 12)])
        alone = measure_outcomes(model, [toy_batch(vocab, 1, 12)] * 2).select(torch.arange(12, 24))
        for one, other in zip(together[:-1], alone[:-1]):
            assert torch.equal(one, other)

    def test_nothing_to_explain(self, model) -> None:
        with pytest.raises(ConfigurationError, match="'all'"):
            measure_outcomes(model, [])


class TestGroups:
    def test_by_hand(self) -> None:
        changed = torch.zeros(6, NUMBER, dtype=torch.bool)
        changed[[0, 1, 3], 7] = True
        outcomes = build_outcomes(changed)
        found = risk_by_group(outcomes, float(CANDIDATES[7]), ["a", "a", "b", "b", "b", "c"], 0.9)
        assert [(one.group, one.num_instances, one.changed) for one in found] == [
            ("a", 2, 1),
            ("b", 3, 1 / 3),
            ("c", 1, 0),
        ]
        # Clopper and Pearson: with the upper end as the rate, so few changes have one tenth of the probability.
        uppers = {one.group: one.upper for one in found}
        assert uppers["a"] == 1 and 1 - uppers["c"] == pytest.approx(0.1)
        rate = uppers["b"]
        assert (1 - rate) ** 3 + 3 * rate * (1 - rate) ** 2 == pytest.approx(0.1)

    def test_lengths(self) -> None:
        outcomes = build_outcomes(torch.zeros(8, NUMBER, dtype=torch.bool), nodes=[2, 9, 3, 4, 5, 6, 7, 8])
        names = length_groups(outcomes)
        assert names[0] == names[2] == "2 to 3 nodes" and len(set(names)) == 4
