from dataclasses import dataclass
from typing import Any, FrozenSet, Optional, Tuple

from allennlp.common.checks import ConfigurationError


@dataclass(frozen=True)
class MultihopQuestion:
    """
    A question with candidates for its answer and the texts that support it.

    # Raises

    `ConfigurationError` if there is no candidate or the query is empty.
    """

    #: `None` where it has none.
    question_id: Optional[str]
    query: str
    #: At least one. Those that differ only in case, in how accents are written, or in white space are one candidate.
    candidates: Tuple[str, ...]
    #: May be none, and may be empty.
    supports: Tuple[str, ...]
    #: `None` where it is not known, at prediction.
    answer: Optional[str] = None
    #: What the query asks about: the text that its mentions in the supports have.
    subjects: Tuple[str, ...] = ()
    #: What the query asks of its subject, where the query starts with its name (WikiHop's `place_of_birth`).
    relation: Optional[str] = None
    #: Candidates that are not looked for in the supports, such as "no": that word in a text is not an answer.
    not_mentioned: FrozenSet[str] = frozenset()
    #: In words what found the candidates, where the question was asked without any.
    candidates_found_by: Optional[str] = None
    #: The question's annotation of coreference, for a `CoreferenceResolver`, which checks it.
    coreference: Optional[Any] = None

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ConfigurationError("candidates is empty: a question needs at least one to choose from.")
        if not self.query.strip():
            raise ConfigurationError("the query is empty.")
