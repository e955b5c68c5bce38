"""The metadata of an explained multi-hop question, checked."""

from typing import Any, List, Optional

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.schema import Boolean, Integer, String, first_error
from allennlp_graphmask.explanation.serialization import ExplanationFormatError

_CONFIG = ConfigDict(extra="ignore")


@dataclass(frozen=True, config=_CONFIG)
class MentionMetadata:
    """
    The place of a node in the supports.

    # Parameters

    support : `int`
    start_char, end_char : `int`
        Characters of that support; `end_char` is exclusive.
    candidate : `int`, optional
        The candidate that the mention stands for; -1 for none.
    is_subject : `bool`, optional
    kind : `str`, optional
        `"candidate"`, `"subject"` or `"coreferent"`.
    """

    support: Integer
    start_char: Integer
    end_char: Integer
    candidate: Optional[Integer] = None
    is_subject: Boolean = False
    kind: Optional[String] = None


@dataclass(frozen=True, config=_CONFIG)
class QuestionMetadata:
    """
    The metadata that the views of a question read.

    # Parameters

    query : `str`
    candidates : `List[Any]`
    supports : `List[str]`
    nodes : `List[MentionMetadata]`, optional
    answer : `str`, optional
        The true answer, if it is known.
    relation, subject : `str`, optional
        The parts of the query.
    """

    query: String
    candidates: List[Any]
    supports: List[String]
    nodes: List[MentionMetadata] = ()  # type: ignore[assignment]
    answer: Optional[String] = None
    relation: Optional[String] = None
    subject: Optional[String] = None


_ADAPTER = TypeAdapter(QuestionMetadata)


def question_metadata(explanation: Explanation) -> QuestionMetadata:
    """
    Check the metadata of an explanation of kind `"question"`.

    # Raises

    `ExplanationFormatError` naming the field that is wrong.
    """
    try:
        metadata = _ADAPTER.validate_python(explanation.metadata)
    except ValidationError as error:
        raise ExplanationFormatError(f"metadata.{first_error(error)}") from error
    if len(metadata.nodes) != len(explanation.nodes):
        raise ExplanationFormatError(
            f"metadata.nodes has {len(metadata.nodes)} entries, expected {len(explanation.nodes)}: one for each node."
        )
    for number, node in enumerate(metadata.nodes):
        length = len(metadata.supports[node.support]) if 0 <= node.support < len(metadata.supports) else -1
        if not 0 <= node.start_char < node.end_char <= length:
            raise ExplanationFormatError(
                f"metadata.nodes[{number}] is at characters {node.start_char} to {node.end_char} (exclusive) of support "
                f"{node.support}, which is not a part of the {len(metadata.supports)} supports."
            )
    return metadata
