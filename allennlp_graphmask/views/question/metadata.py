"""The metadata of an explained multi-hop question, checked."""

from typing import Any, List, Optional

from pydantic.dataclasses import dataclass

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.validation import Boolean, Integer, String, validate


@dataclass(frozen=True)
class MentionMetadata:
    """A node as the characters `start_char` to `end_char` (exclusive) of a support."""

    support: Integer
    start_char: Integer
    end_char: Integer
    #: The candidate that the mention stands for; -1 for none.
    candidate: Optional[Integer] = None
    is_subject: Boolean = False
    #: "candidate", "subject" or "coreferent"
    kind: Optional[String] = None


@dataclass(frozen=True)
class QuestionMetadata:
    """The metadata that the view of a question reads (others are ignored); `docs/explanation_format.md` describes them."""

    query: String
    candidates: List[Any]
    supports: List[String]
    nodes: List[MentionMetadata] = ()  # type: ignore[assignment]
    answer: Optional[String] = None
    candidates_found_by: Optional[String] = None
    relation: Optional[String] = None
    subject: Optional[String] = None


def question_metadata(explanation: Explanation) -> QuestionMetadata:
    """Check an explanation of kind `"question"`. Raise an `ExplanationFormatError` naming the field that is wrong."""
    metadata = validate(QuestionMetadata, explanation.metadata, ExplanationFormatError, "metadata")
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
