"""Checks of what a predictor is given as JSON."""

from typing import Any, Dict, List, Sequence

from allennlp.common.checks import ConfigurationError


def check_keys(inputs: Dict[str, Any], form: str, required: Sequence[str], optional: Sequence[str]) -> None:
    """
    # Raises

    `ConfigurationError` if a key is missing, or there is one that nobody would read: `predicate` for
    `predicates`, say.
    """
    missing = [key for key in required if key not in inputs]
    if missing:
        raise ConfigurationError(
            f"Input given as {form} lacks {_quoted(missing)}; it needs {_quoted(required)}."
        )
    unknown = [key for key in inputs if key not in required and key not in optional]
    if unknown:
        raise ConfigurationError(
            f"Input given as {form} has {_quoted(unknown)}, which means nothing here; it may have "
            f"{_quoted([*required, *optional])}."
        )


def string_of(inputs: Dict[str, Any], key: str) -> str:
    """The string under a key."""
    value = inputs[key]
    if not isinstance(value, str):
        raise ConfigurationError(f"'{key}' must be a string, got {value!r}.")
    return value


def strings_of(inputs: Dict[str, Any], key: str) -> List[str]:
    """The list of strings under a key."""
    values = inputs[key]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigurationError(f"'{key}' must be a list of strings, got {values!r}.")
    return values


def integers_of(inputs: Dict[str, Any], key: str) -> List[int]:
    """The list of integers under a key."""
    values = inputs[key]
    # bool is an int in Python.
    if not isinstance(values, list) or not all(
        isinstance(value, int) and not isinstance(value, bool) for value in values
    ):
        raise ConfigurationError(f"'{key}' must be a list of integers, got {values!r}.")
    return values


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
