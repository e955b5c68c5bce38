"""What the text views share."""

import textwrap
import unicodedata
from typing import Any, Callable, Iterable, List, Mapping, Tuple

from allennlp_graphmask.explanation.explanation import Explanation

_LABEL_WIDTH = 12
# They join letters or keep them apart, in Persian or in pictographs for example, and do nothing else.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def printable(text: str) -> str:
    """Without control characters, which could move the cursor or colour the terminal."""
    return "".join(
        character if character.isprintable() or character in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def shortened(text: str, length: int = 30) -> str:
    """At most `length` characters of it."""
    return text if len(text) <= length else text[: length - 3] + "..."


def display_width(text: str) -> int:
    """In columns of a terminal: Chinese, Japanese and Korean characters take two, combining ones none."""
    return sum(
        0
        if unicodedata.combining(character) or character in _JOINERS
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def pad(text: str, width: int) -> str:
    """With spaces up to so many columns."""
    return text + " " * (width - display_width(text))


def count_of_messages(kept: int, total: int) -> str:
    """How many messages are kept."""
    return f"{kept} of {total} messages" + (f", {100 * kept / total:.0f} %" if total else "")


def layer_heading(explanation: Explanation, layer: int) -> str:
    """Which layer it is and how much of it is kept."""
    place = ""
    if explanation.num_layers > 1:
        place = {0: ", bottom", explanation.num_layers - 1: ", top"}.get(layer, "")
    kept = len(explanation.kept_edges(layer))
    return f"layer {layer}{place}: kept {count_of_messages(kept, len(explanation.edges))}"


def labelled_lines(rows: Iterable[Tuple[str, str]], width: int) -> List[str]:
    """Texts in a column beside their labels."""
    lines = []
    for label, text in rows:
        lines.extend(
            textwrap.wrap(
                printable(text),
                width,
                initial_indent=label.ljust(_LABEL_WIDTH),
                subsequent_indent=" " * _LABEL_WIDTH,
                break_on_hyphens=False,
            )
        )
    return lines


def result_rows(explanation: Explanation, name: str, text_of: Callable[[Any], str]) -> List[Tuple[str, str]]:
    """
    The prediction (under `name`) before and after masking, the divergence between the two, the constraint and what is kept, as
    labels and texts.
    """
    original, masked = explanation.prediction["original"], explanation.prediction["masked"]
    changed = explanation.prediction["changed"]
    before, after = text_of(original), text_of(masked)
    if changed is None and masked is None:
        after = "not measured"
    elif changed is False:
        after = "unchanged" if masked is None or after == before else f"unchanged: {after}"
    elif changed:
        after = f"CHANGED: {after}"
    rows = [(name, before), ("masked", after)]
    if explanation.divergence is not None:
        rows.append(
            ("divergence", f"{explanation.divergence['value']:.4g} ({explanation.divergence['name']})")
        )
    if explanation.constraint is not None:
        rows.append(("constraint", _constraint_text(explanation.constraint)))
    total = len(explanation.edges) * explanation.num_layers
    kept = sum(sum(edge.kept) for edge in explanation.edges)
    rows.append(("kept", f"{count_of_messages(kept, total)} ({explanation.interpreter['name']})"))
    return rows


def _constraint_text(constraint: Mapping[str, Any]) -> str:
    answers = {True: "yes", False: "no", None: "not known"}
    return (
        f"{constraint['kind']} at most {constraint['bound']:g}; met here: {answers[constraint['met']]}, "
        f"in training: {answers[constraint['met_in_training']]}"
    )
