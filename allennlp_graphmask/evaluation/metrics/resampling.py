"""Intervals over instances by resampling them (Efron, 1979), the same way for every metric."""

from typing import Callable, Dict, Mapping, Optional, Tuple

import numpy
from allennlp.common.checks import ConfigurationError

#: How many numbers of a matrix of resampling counts are in memory at once.
_NUMBERS_AT_ONCE = 2_000_000

#: From the values of ratios, by name, to those of what is computed from them. Undefined values are NaN.
Derive = Callable[[Mapping[str, numpy.ndarray]], Dict[str, numpy.ndarray]]


def divide(numerators: numpy.ndarray, denominators: numpy.ndarray) -> numpy.ndarray:
    """The quotients; NaN where the denominator is zero."""
    undefined = denominators == 0
    return numpy.where(undefined, numpy.nan, numerators / numpy.where(undefined, 1.0, denominators))


def bootstrap(
    ratios: Mapping[str, numpy.ndarray],
    *,
    draws: int = 1000,
    seed: int = 0,
    derive: Optional[Derive] = None,
) -> Dict[str, numpy.ndarray]:
    """
    What the aggregates would be for other samples of as many instances, drawn with replacement. The draws depend on the seed and
    the number of instances alone, so that results for the same instances can be subtracted draw by draw.

    # Parameters

    ratios : `Mapping[str, numpy.ndarray]`
        For each name the numerators and the denominators of the instances; the aggregate is the sum of the former divided by the
        sum of the latter, NaN where that is zero. Shape of each: `(num_instances, 2)`.
    draws : `int`, optional (default = `1000`)
    seed : `int`, optional (default = `0`)
    derive : `Derive`, optional (default = `None`)
        Computes more aggregates from these.

    # Returns

    `Dict[str, numpy.ndarray]`
        Shape of each: `(draws,)`; of length 0 without instances.

    # Raises

    `ConfigurationError` if there are no draws.
    """
    if draws < 1:
        raise ConfigurationError(f"A bootstrap takes {draws} draws, expected at least 1 (1000 is usual).")
    names = list(ratios)
    num_instances = len(ratios[names[0]]) if names else 0
    if not num_instances:
        resampled = {name: numpy.zeros(0) for name in names}
    else:
        stacked = numpy.concatenate(
            [ratios[name] for name in names], axis=1
        )  # Shape: (num_instances, 2 * names)
        generator = numpy.random.default_rng(seed)
        chances = numpy.full(num_instances, 1 / num_instances)
        sums = []
        remaining = draws
        while remaining:
            size = min(remaining, max(1, _NUMBERS_AT_ONCE // num_instances))
            counts = generator.multinomial(num_instances, chances, size=size)
            sums.append(counts.astype(numpy.float64) @ stacked)
            remaining -= size
        totals = numpy.concatenate(sums)  # Shape: (draws, 2 * names)
        resampled = {
            name: divide(totals[:, 2 * number], totals[:, 2 * number + 1])
            for number, name in enumerate(names)
        }
    if derive is not None:
        resampled.update(derive(resampled))
    return resampled


def percentile_interval(resampled: numpy.ndarray, confidence: float = 0.95) -> Optional[Tuple[float, float]]:
    """
    The middle `confidence` of resampled values, those that are undefined left out; `None` if all are.

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
