"""Checks of settings that come from configs. Each raises a `ConfigurationError` that names `owner`, the setting and its value."""

import importlib.util
from typing import Any, Sequence

from allennlp.common.checks import ConfigurationError


def check_choice(owner: str, choices: Sequence[Any], **settings: Any) -> None:
    """Check that each setting is one of the choices."""
    for name, value in settings.items():
        if value not in choices:
            raise ConfigurationError(f"{owner}: {name} is {value!r}, expected one of {', '.join(map(repr, choices))}.")


def check_at_least(owner: str, minimum: float, **settings: float) -> None:
    """Check that each setting is a number and not below the minimum."""
    for name, value in settings.items():
        if not value >= minimum:
            raise ConfigurationError(f"{owner}: {name} is {value}, expected at least {minimum:g}.")


def check_above(owner: str, bound: float, **settings: float) -> None:
    """Check that each setting is above the bound."""
    for name, value in settings.items():
        if not value > bound:
            raise ConfigurationError(f"{owner}: {name} is {value}, expected a number above {bound:g}.")


def check_fraction(owner: str, **settings: float) -> None:
    """Check that each setting is from 0 to 1."""
    for name, value in settings.items():
        if not 0 <= value <= 1:
            raise ConfigurationError(f"{owner}: {name} is {value}, expected a number from 0 to 1.")


def check_installed(owner: str, *modules: str) -> None:
    """Check that optional libraries, whose modules have the names of their distributions, are installed."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"{owner} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. Run: pip install "
            f"{' '.join(missing)}"
        )
