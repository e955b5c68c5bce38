"""Plain JSON values: from what models and readers give, and from and to text."""

import json
from typing import Any

import numpy

from allennlp_graphmask.validation import StrictJsonDecoder

#: Floats are rounded to this many significant digits when an explanation is built: about what single precision holds. More
#: would only record on which machine, and in a batch with which others, an input was explained.
SIGNIFICANT_DIGITS = 6

_DECODER = StrictJsonDecoder()
# Lists of words and of whole numbers are most of what explanations hold. Their types are compared at C's speed.
_ATOMS = {str, int, bool, type(None)}


class ExplanationFormatError(ValueError):
    """An object is not a valid `Explanation`. The message names the field by its path, such as `edges[3].score[0]`."""


def load_json(line: str) -> Any:
    """
    Parse one JSON value.

    # Raises

    `ExplanationFormatError` if it is not valid JSON, has a number of thousands of digits, is nested too deeply, or an object in it has the
    same key twice.
    """
    try:
        return _DECODER.decode(line)
    except json.JSONDecodeError as error:
        raise ExplanationFormatError(f"Not valid JSON: {error.msg} at column {error.colno}.") from error
    except ValueError as error:
        raise ExplanationFormatError(f"The line cannot be read: {error}.") from error


def dump_json(value: Any, **options: Any) -> str:
    """Return JSON in one line, ASCII without spaces between values. Further options are those of `json.dumps`."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), **options)


def round_number(value: float) -> float:
    """Round to `SIGNIFICANT_DIGITS` significant digits."""
    # Most scores of a trained masker are one of these.
    if value == 1.0 or value == 0.0:
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def round_numbers(values: numpy.ndarray) -> numpy.ndarray:
    """Round finite numbers as `round_number` does. Any shape; the result is in double precision."""
    values = values.astype(float)
    with numpy.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exponent = numpy.floor(numpy.log10(numpy.abs(values)))
        # Between these powers of ten a whole number of this many digits over, or times, a power of ten is the nearest to its decimals.
        shift = numpy.clip(SIGNIFICANT_DIGITS - 1 - exponent, -22, 22)
        power = 10.0 ** numpy.abs(shift)
        digits = numpy.where(shift >= 0, values * power, values / power)
        rounded = numpy.rint(digits)
        result = numpy.where(shift >= 0, rounded / power, rounded * power)
        # What is too small or large for that, or nearly half-way between two decimals.
        exact = (numpy.abs(exponent) > 15) | (numpy.abs(digits - rounded) > 0.4999)
    result = numpy.where(values == 0, values, result)
    for position in numpy.argwhere(exact & (values != 0)):
        result[tuple(position)] = round_number(values[tuple(position)])
    return result


def to_plain_json(value: Any) -> Any:
    """
    Convert tensors, arrays, NumPy numbers, tuples and objects with a `to_json` method to plain JSON values, with floats rounded.
    Unlike AllenNLP's `sanitize`, which writes `None` as the string `"None"`, it keeps `None`.

    # Raises

    `TypeError` for a value without a JSON form.
    """
    # The most frequent types come first: this runs for every number of every explanation.
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, float):
        return round_number(value)
    if isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {str(key): to_plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return list(value) if _ATOMS.issuperset(map(type, value)) else [to_plain_json(item) for item in value]
    if hasattr(value, "to_json"):
        return to_plain_json(value.to_json())
    if hasattr(value, "tolist"):  # tensors, arrays and NumPy's numbers, without importing their libraries
        return to_plain_json(value.tolist())
    raise TypeError(f"A value of type {type(value).__name__} has no JSON form: give it a `to_json` method.")
