"""Intervals over instances by resampling them (Efron, 1979), the same way for every metric."""

from typing import Dict, Hashable, Mapping, Optional, Tuple, TypeVar

import numpy
from allennlp.common.checks import ConfigurationError

#: How many numbers of a matrix of resampling counts are in memory at once.
_NUMBERS_AT_ONCE = 2_000_000

Key = TypeVar("Key", bound=Hashable)


def divide(numerators: numpy.ndarray, denominators: numpy.ndarray) -> numpy.ndarray:
    """Return the quotients; NaN where the denominator is zero."""
    undefined = denominators == 0
    return numpy.where(undefined, numpy.nan, numerators / numpy.where(undefined, 1.0, denominators))


def bootstrap(ratios: Mapping[Key, numpy.ndarray], *, draws: int = 1000, seed: int = 0) -> Dict[Key, numpy.ndarray]:
    """
    Compute the aggregates of other samples of the same number of instances, drawn with replacement. The draws depend on the seed
    and the number of instances alone, so that results for the same instances can be subtracted draw by draw.

    `ratios` has for each key the numerators and the denominators of the instances, shape `(num_instances, 2)`; the aggregate is the
    sum of the former divided by the sum of the latter, NaN where that is zero. Shape of each result: `(draws,)`; of length 0
    without instances.

    # Raises

    `ConfigurationError` if there are no draws.
    """
    if draws < 1:
        raise ConfigurationError(f"A bootstrap takes {draws} draws, expected at least 1 (1000 is usual).")
    num_instances = len(next(iter(ratios.values()), ()))
    if not num_instances:
        return {key: numpy.zeros(0) for key in ratios}
    stacked = numpy.concatenate(list(ratios.values()), axis=1)  # Shape: (num_instances, 2 * num_keys)
    generator = numpy.random.default_rng(seed)
    chances = numpy.full(num_instances, 1 / num_instances)
    rows = max(1, _NUMBERS_AT_ONCE // num_instances)
    sums = [
        generator.multinomial(num_instances, chances, size=min(rows, draws - first)).astype(float) @ stacked
        for first in range(0, draws, rows)
    ]
    totals = numpy.concatenate(sums)  # Shape: (draws, 2 * num_keys)
    return {key: divide(*totals[:, 2 * number : 2 * number + 2].T) for number, key in enumerate(ratios)}


def percentile_interval(resampled: numpy.ndarray, confidence: float = 0.95) -> Optional[Tuple[float, float]]:
    """
    Return the middle `confidence` of resampled values, without those that are undefined; `None` if all are.

    # Raises

    `ConfigurationError` if the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ConfigurationError(
            f"The confidence of an interval is {confidence}, expected a number between 0 and 1, such as 0.95."
        )
    defined = resampled[~numpy.isnan(resampled)]
    if not len(defined):
        return None
    lower, upper = numpy.percentile(defined, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(lower), float(upper)
