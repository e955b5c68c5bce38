"""What the analyses need to know of an explanation beyond its messages: what it joins, what it is labelled, and whether it is right."""

from typing import Any, Dict, List, NamedTuple, Optional, Set

from allennlp_graphmask.explanation import Explanation
from allennlp_graphmask.focus import WHOLE_PREDICTION
from allennlp_graphmask.views import QuestionView
from allennlp_graphmask.views.question.ranking import get_answer
from allennlp_graphmask.views.sentence.roles import RolePrediction, parse_roles

#: The label of an explanation of several roles.
SEVERAL = "several"
UNKNOWN = "unknown"


class Pair(NamedTuple):
    """Two ends that a prediction joins, each as nodes any of which is the end: a predicate and an argument, with its role as label."""

    label: str
    first: List[int]
    second: List[int]
    is_correct: Optional[bool]


class Facts(NamedTuple):
    """
    # Parameters

    task : `str`
        `"semantic roles"`, `"questions"` or `"graphs"`.
    label : `str`
        The role that is explained (`SEVERAL` if there are more), the relation that a question asks for, or the predicted class; empty if
        there is none.
    predicate_class, predicate_tag : `str`
        `"nominal"`, `"verbal"` or `"other"`, and the part of speech of the predicate; empty where there is none.
    correct_before, correct_after : `bool`, optional
        Whether what is explained of the prediction is right, with all messages and with the kept ones alone; `None` where that is not
        known.
    ends : `List[str]`
        What the two ends of each pair are called.
    pairs : `List[Pair]`
    """

    task: str
    label: str = ""
    predicate_class: str = ""
    predicate_tag: str = ""
    correct_before: Optional[bool] = None
    correct_after: Optional[bool] = None
    ends: List[str] = []
    pairs: List[Pair] = []


def get_facts(explanation: Explanation) -> Facts:
    """
    Return the facts of an explanation of any kind.

    # Raises

    `ExplanationFormatError` if the metadata of a question are malformed.
    """
    if explanation.kind == "question":
        return _get_question_facts(explanation)
    roles = parse_roles(explanation.prediction["original"])
    predicate = explanation.metadata.get("predicate_index")
    if roles is not None and isinstance(predicate, int) and 0 <= predicate < len(explanation.nodes):
        return _get_role_facts(explanation, roles, predicate)
    original, masked = (_get_label(explanation.prediction[which]) for which in ("original", "masked"))
    gold = explanation.metadata.get("label")
    return Facts(
        "graphs",
        label=original or "",
        correct_before=_compare(original, gold),
        correct_after=_compare(masked, gold),
    )


def focus_kind(explanation: Explanation) -> str:
    """Return the kind of the focus: `all`, or that of the part of the prediction that is explained."""
    return WHOLE_PREDICTION if explanation.focus is None else explanation.focus["kind"]


def _compare(found: Any, gold: Any) -> Optional[bool]:
    return None if found is None or gold is None else found == gold


def _get_label(prediction: Any) -> Optional[str]:
    label = prediction.get("label") if isinstance(prediction, dict) else None
    return label if isinstance(label, str) else None


# --- Questions


def _get_question_facts(explanation: Explanation) -> Facts:
    view = QuestionView(explanation)
    metadata, prediction = view.metadata, explanation.prediction
    gold = metadata.answer if metadata.answer in metadata.candidates else None
    before, after = (
        None if gold is None or prediction[which] is None else get_answer(prediction[which]) == gold
        for which in ("original", "masked")
    )
    subjects, answers = view.subjects, view.answers
    are_apart = subjects and answers and not set(subjects) & set(answers)
    label = metadata.relation or ""
    return Facts(
        "questions",
        label=label,
        correct_before=before,
        correct_after=after,
        ends=["subject", "answer"],
        pairs=[Pair(label, subjects, answers, before)] if are_apart else [],
    )


# --- Semantic roles


def _get_role_facts(explanation: Explanation, roles: RolePrediction, predicate: int) -> Facts:
    predicted = _roles_by_word(roles)
    masked = parse_roles(explanation.prediction["masked"])
    gold = _get_gold_roles(explanation.metadata.get("roles"))
    explained = _explained_words(explanation, predicted, predicate)
    labels = sorted({predicted[word] for word in explained})
    tags = explanation.metadata.get("parts_of_speech")
    tag = str(tags[predicate]) if isinstance(tags, list) and len(tags) == len(explanation.nodes) else ""
    scope = None if focus_kind(explanation) == WHOLE_PREDICTION else explained
    return Facts(
        "semantic roles",
        label=labels[0] if len(labels) == 1 else SEVERAL if labels else "none",
        predicate_class=classify_tag(tag),
        predicate_tag=tag,
        correct_before=_are_right(predicted, gold, scope),
        correct_after=None if masked is None else _are_right(_roles_by_word(masked), gold, scope),
        ends=["predicate", "argument"],
        pairs=[
            Pair(predicted[word], [predicate], [word], None if gold is None else gold.get(word) == predicted[word])
            for word in sorted(explained - {predicate})
        ],
    )


def _roles_by_word(roles: RolePrediction) -> Dict[int, str]:
    return {argument.head: argument.role for argument in roles.arguments if argument.head is not None}


def _get_gold_roles(roles: Any) -> Optional[Dict[int, str]]:
    """Return the true roles by word: JSON has the words as text."""
    if not isinstance(roles, dict):
        return None
    return {int(word): role for word, role in roles.items()}


def _explained_words(explanation: Explanation, predicted: Dict[int, str], predicate: int) -> Set[int]:
    """Return the words with a role that is explained. The state of the predicate counts for every role, also if it has none itself."""
    if explanation.focus is None:
        return set(predicted)
    found = {word for word in explanation.focus["nodes"] if word in predicted}
    if focus_kind(explanation) == "role" and {predicted[word] for word in found - {predicate}} - {
        predicted.get(predicate)
    }:
        found.discard(predicate)
    return found


def _are_right(found: Dict[int, str], gold: Optional[Dict[int, str]], scope: Optional[Set[int]]) -> Optional[bool]:
    if gold is None:
        return None
    if scope is None:
        return found == gold
    return all(found.get(word) == gold.get(word) for word in scope)


def classify_tag(tag: str) -> str:
    """Return whether a part of speech, of the Penn Treebank or universal, is `nominal`, `verbal` or `other`; empty if there is none."""
    if tag.startswith("NN") or tag in ("NOUN", "PROPN"):
        return "nominal"
    if tag.startswith("VB") or tag in ("VERB", "AUX", "MD"):
        return "verbal"
    return "other" if tag else ""
