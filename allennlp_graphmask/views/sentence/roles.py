"""Semantic roles as a model predicts them, and as the view of a sentence shows them."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from allennlp_graphmask.validation import Integer, Number, String


@dataclass(frozen=True)
class Argument:
    """An argument: the token `head` with its phrase, the tokens from `start` to `end` (exclusive)."""

    role: String
    phrase: String
    head: Optional[Integer] = None
    start: Optional[Integer] = None
    end: Optional[Integer] = None
    probability: Optional[Number] = None


@dataclass(frozen=True)
class Predicate:
    """The predicate with its sense or, if that is not known, its lemma."""

    text: String
    sense: Optional[String] = None
    lemma: Optional[String] = None

    def describe(self) -> str:
        """Return the predicate with what is known of it: `saw (see.01)`."""
        sense = self.sense or self.lemma
        return f"{self.text} ({sense})" if sense else self.text


@dataclass(frozen=True)
class RolePrediction:
    """The arguments of a predicate, as `gcn_srl` predicts them. What else a prediction holds is ignored."""

    predicate: Predicate
    arguments: List[Argument]

    def summarize(self) -> str:
        """Return the arguments in one line."""
        arguments = [f"{argument.role}: {argument.phrase}" for argument in self.arguments]
        return " | ".join(arguments) or "no arguments"


_ADAPTER = TypeAdapter(RolePrediction)


def parse_roles(prediction: Any) -> Optional[RolePrediction]:
    """Return a prediction as semantic roles, or `None` if it is anything else."""
    try:
        return _ADAPTER.validate_python(prediction)
    except ValidationError:
        return None


def compare_arguments(predictions: Sequence[RolePrediction]) -> List[Tuple[Argument, List[str]]]:
    """Return each argument with its probability in every prediction, "none" where it is not predicted."""
    rows: Dict[Tuple[Optional[int], str], Tuple[Argument, List[str]]] = {}
    for column, prediction in enumerate(predictions):
        for argument in prediction.arguments:
            row = rows.setdefault((argument.head, argument.role), (argument, ["none"] * len(predictions)))
            row[1][column] = "yes" if argument.probability is None else f"{argument.probability:.2f}"
    return list(rows.values())
