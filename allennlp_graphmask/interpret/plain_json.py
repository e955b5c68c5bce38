from typing import Any

import numpy
import torch

#: Floats are rounded to so many significant digits when an explanation is built: about what single precision
#: holds. More would only record on which machine, and in a batch with which others, an input was explained.
SIGNIFICANT_DIGITS = 6


#: Lists of words and of numbers of words are most of what explanations hold. Their types are gone through at C's speed.
_ATOMS = {str, int, bool, type(None)}


def holds_only_atoms(values: Any) -> bool:
    """Whether a list (or tuple) has only strings, integers, booleans and `None`, which are their own JSON form."""
    return _ATOMS.issuperset(map(type, values))


def round_number(value: float) -> float:
    """Rounds to `SIGNIFICANT_DIGITS` significant digits."""
    # Most scores of a trained masker are one of these.
    if value == 1.0 or value == 0.0:
        return value
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def copy_json(value: Any) -> Any:
    """A copy of a JSON value, much faster than `copy.deepcopy`, which must expect anything."""
    if isinstance(value, dict):
        return {key: copy_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return value.copy() if holds_only_atoms(value) else [copy_json(item) for item in value]
    return value


def to_plain_json(value: Any) -> Any:
    """
    Turns what models and readers give (tensors, NumPy numbers, tuples, objects with a `to_json` method) into
    what JSON has, and rounds floats once. Unlike AllenNLP's `sanitize`, which writes `None` as the string
    `"None"`, it keeps `None`.

    # Raises

    `TypeError` for a value that has no JSON form.
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
        return list(value) if holds_only_atoms(value) else [to_plain_json(item) for item in value]
    if isinstance(value, torch.Tensor):
        return to_plain_json(value.detach().cpu().tolist())
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return to_plain_json(value.tolist())
    if hasattr(value, "to_json"):
        return to_plain_json(value.to_json())
    raise TypeError(f"A value of type {type(value).__name__} has no JSON form: give it a `to_json` method.")
