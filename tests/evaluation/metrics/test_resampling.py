import math

import numpy
import pytest
from allennlp.common.checks import ConfigurationError
from scipy.stats import bootstrap as scipy_bootstrap

from allennlp_graphmask.evaluation.metrics import bootstrap, percentile_interval, resampling


def example(num_instances: int = 40) -> numpy.ndarray:
    generator = numpy.random.default_rng(3)
    denominators = generator.integers(1, 9, num_instances)
    return numpy.stack([generator.binomial(denominators, 0.4), denominators], axis=1).astype(float)


def test_intervals_by_scipy():
    ratios = example()
    lower, upper = percentile_interval(bootstrap({"a": ratios}, draws=20000)["a"]) or (0, 0)
    expected = scipy_bootstrap(
        (ratios[:, 0], ratios[:, 1]),
        lambda numerators, denominators, axis: numerators.sum(axis) / denominators.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20000,
        random_state=1,
    ).confidence_interval
    assert (lower, upper) == (pytest.approx(expected.low, abs=0.005), pytest.approx(expected.high, abs=0.005))


def test_seeds_and_memory(monkeypatch):
    ratios = {"a": example(), "b": example()[::-1]}
    first = bootstrap(ratios, seed=1)
    # The same draws for every key, so that results can be subtracted; and however they are divided.
    assert numpy.array_equal(first["a"], bootstrap({"a": ratios["a"]}, seed=1)["a"])
    monkeypatch.setattr(resampling, "_NUMBERS_AT_ONCE", 50)
    assert numpy.array_equal(first["a"], bootstrap(ratios, seed=1)["a"])
    assert not numpy.array_equal(first["a"], bootstrap(ratios, seed=2)["a"])


def test_undefined_values():
    resampled = bootstrap({"never": numpy.zeros((5, 2)), "constant": numpy.ones((5, 2))})
    assert percentile_interval(resampled["never"]) is None
    assert percentile_interval(resampled["constant"]) == (1.0, 1.0)
    assert percentile_interval(bootstrap({"none": numpy.zeros((0, 2))})["none"]) is None
    assert percentile_interval(numpy.array([math.nan, 1.0])) == (1.0, 1.0)


def test_confidence():
    assert percentile_interval(numpy.arange(101.0), 0.9) == (pytest.approx(5.0), pytest.approx(95.0))
    with pytest.raises(ConfigurationError, match="95"):
        percentile_interval(numpy.arange(101.0), 95)
    with pytest.raises(ConfigurationError, match="0 draws"):
        bootstrap({"a": numpy.ones((5, 2))}, draws=0)
