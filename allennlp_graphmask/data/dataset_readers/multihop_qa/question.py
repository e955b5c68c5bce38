from dataclasses import dataclass
from typing import Any, FrozenSet, Optional, Tuple

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
        Candidates that are not looked for in the supports, such as "no": that word in a text is not an answer.
    coreference : `Any`, optional (default = `None`)
        The question's annotation of coreference, for a `CoreferenceResolver`, which checks it.

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
