"""What the text views share: widths, lines and columns."""

import textwrap
import unicodedata
from typing import Iterable, List, Sequence, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views.wording import format_kept

_LABEL_WIDTH = 12
_MAX_TOKENS = 300
_MAX_TEXT = 100_000
# They join letters or keep them apart, in Persian or in emoji for example, and have no other effect.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def printable(text: str) -> str:
    """Replace control characters, which could move the cursor or colour the terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in _JOINERS else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def shorten(text: str, length: int = 30) -> str:
    """Cut a text to at most `length` characters."""
    return text if len(text) <= length else text[: length - 3] + "..."


def display_width(text: str) -> int:
    """Return the columns of a terminal that a text takes: East Asian wide characters take two, combining ones none."""
    return sum(
        0
        if unicodedata.combining(character) or character in _JOINERS
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def pad(text: str, width: int) -> str:
    """Fill a text with spaces up to this many columns."""
    return text + " " * (width - display_width(text))


def wrap(text: str, width: int, first_indent: str = "", indent: str = "") -> List[str]:
    """Return a text as lines, without the end of a very long one: `textwrap` takes time that grows with the square of a word."""
    return textwrap.wrap(
        shorten(text, _MAX_TEXT), width, initial_indent=first_indent, subsequent_indent=indent, break_on_hyphens=False
    )


def wrap_tokens(tokens: Sequence[str], width: int) -> List[str]:
    """Return the tokens as lines of text, without the end of a very long one."""
    words = list(tokens[:_MAX_TOKENS])
    if len(tokens) > _MAX_TOKENS:
        words.append(f"... ({len(tokens)} tokens)")
    return wrap(" ".join(words), width)


def label_lines(rows: Iterable[Tuple[str, str]], width: int) -> List[str]:
    """Return texts in a column beside their labels."""
    lines = []
    for label, text in rows:
        lines.extend(wrap(text, width, label.ljust(_LABEL_WIDTH), " " * _LABEL_WIDTH))
    return lines


def format_more(number: int, what: str = "more") -> List[str]:
    """Return the line that ends a list from which this many entries are missing, if there are any."""
    return [f"  ... and {number} {what}"] if number > 0 else []


def layer_heading(explanation: Explanation, layer: int) -> str:
    """Return the number of a layer, its place and how much of it is kept."""
    place = ""
    if explanation.num_layers > 1:
        place = {0: ", bottom", explanation.num_layers - 1: ", top"}.get(layer, "")
    kept = len(explanation.kept_edges(layer))
    return f"layer {layer}{place}: kept {format_kept(kept, explanation.num_edges)}"
