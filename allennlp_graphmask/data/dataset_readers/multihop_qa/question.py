from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Optional, Tuple

from allennlp.common.checks import ConfigurationError


@dataclass(frozen=True)
class MultihopQuestion:
    """
    A question with candidates for its answer and the texts that support it.

    # Parameters

    question_id : `str`, optional
        `None` where it has none.
    query : `str`
    candidates : `Tuple[str, ...]`
        At least one. Those that differ only in case or white space are one candidate.
    supports : `Tuple[str, ...]`
        May be none, and may be empty.
    answer : `str`, optional (default = `None`)
        `None` where it is not known, at prediction.
    subjects : `Tuple[str, ...]`, optional (default = `()`)
        What the query asks about: the text that its mentions in the supports have.
    relation : `str`, optional (default = `None`)
        What the query asks of its subject, where the query starts with its name (WikiHop's `place_of_birth`).
    not_mentioned : `FrozenSet[str]`, optional (default = `frozenset()`)
        Candidates that are not looked for in the supports, such as "no": where that word stands it is no answer.
    coreference : `Any`, optional (default = `None`)
        What the question says of coreference, for a `CoreferenceResolver`, which checks it.

    # Raises

    `ConfigurationError` if there is no candidate or the query is empty.
    """

    question_id: Optional[str]
    query: str
    candidates: Tuple[str, ...]
    supports: Tuple[str, ...]
    answer: Optional[str] = None
    subjects: Tuple[str, ...] = ()
    relation: Optional[str] = None
    not_mentioned: FrozenSet[str] = frozenset()
    coreference: Optional[Any] = None

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ConfigurationError("candidates is empty: a question needs at least one to choose from.")
        if not self.query.strip():
            raise ConfigurationError("the query is empty.")


_MISSING = object()
_TYPE_NAMES: Dict[type, str] = {str: "a string", list: "a list", dict: "an object"}


def value_of(content: Dict[str, Any], key: str, kind: type, default: Any = _MISSING) -> Any:
    """
    # Returns

    `Any`
        What a JSON object has under a key; the default, if one is given, where it has nothing or `null`.

    # Raises

    `ConfigurationError` if it has nothing, without a default, or something of another type.
    """
    value = content.get(key)
    if value is None and default is not _MISSING:
        return default
    if key not in content:
        raise ConfigurationError(
            f"the key '{key}' is missing; the keys are {', '.join(map(repr, content)) or 'none'}."
        )
    if not isinstance(value, kind):
        raise ConfigurationError(f"'{key}' is {value!r:.80}, expected {_TYPE_NAMES[kind]}.")
    return value


def strings_of(content: Dict[str, Any], key: str) -> Tuple[str, ...]:
    """As `value_of`, for a list of strings."""
    values = value_of(content, key, list)
    check_strings(values, f"'{key}'")
    return tuple(values)


def check_strings(values: Any, name: str) -> None:
    """Raises a `ConfigurationError` unless all the values are strings."""
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise ConfigurationError(f"{name}[{number}] is {value!r:.80}, expected a string.")
