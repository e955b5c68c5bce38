"""The answer of a question and its candidates, as `graph_qa` predicts them."""

import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from allennlp_graphmask.explanation.schema import Prediction
from allennlp_graphmask.views.question.mentions import join_lines


class Candidate(NamedTuple):
    """A candidate with its probability before and, if that was measured, after masking."""

    text: str
    before: float
    after: Optional[float]
    is_mentioned: bool


def get_ranking(prediction: Any) -> List[Dict[str, Any]]:
    """Return the candidates of a prediction that ranks them, the best first."""
    ranking = prediction.get("ranking") if isinstance(prediction, dict) else None
    if not isinstance(ranking, list):
        return []
    return [
        entry
        for entry in ranking
        if isinstance(entry, dict)
        and isinstance(entry.get("text"), str)
        and isinstance(entry.get("probability"), (int, float))
        and 0 <= entry["probability"] <= 1
    ]


def get_answer(prediction: Any) -> Any:
    """Return the text of the predicted answer, `None` if there is none."""
    return prediction.get("answer") if isinstance(prediction, dict) else prediction


def format_answer(prediction: Any) -> str:
    """Return the predicted answer with its probability; "none" if there is none."""
    answer = get_answer(prediction)
    if answer is None:
        return "none"
    if not isinstance(answer, str):
        return json.dumps(answer, ensure_ascii=False)
    ranking = get_ranking(prediction)
    return join_lines(answer) + (f" ({ranking[0]['probability']:.2f})" if ranking else "")


def list_candidates(prediction: Prediction, most: int) -> Tuple[List[Candidate], int]:
    """
    Return the best candidates before masking, with the one that is best after it wherever it was, and the number of others.
    """
    before = get_ranking(prediction["original"])
    after = {entry["text"]: float(entry["probability"]) for entry in get_ranking(prediction["masked"])}
    best_after = next(iter(after), None)
    shown = before[:most] + [entry for entry in before[most:] if entry["text"] == best_after]
    candidates = [
        Candidate(
            entry["text"], float(entry["probability"]), after.get(entry["text"]), entry.get("score", 0) is not None
        )
        for entry in shown
    ]
    return candidates, len(before) - len(shown)
