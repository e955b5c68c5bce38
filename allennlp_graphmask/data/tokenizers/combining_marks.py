"""Combining marks: accents, vowel signs, points. They are characters of their own, but belong to the letter before them."""

import re
import unicodedata
from functools import cache
from typing import Dict, Pattern, Tuple

#: Stands for all marks: a pattern with each of the 2,400 would be slow.
MARK = "\u0300"


def unify_marks(text: str) -> str:
    """Replace every mark by `MARK`. The text keeps its length."""
    if text.isascii():
        return text
    marks, may_be_mark = _find_marks()
    return text.translate(marks) if may_be_mark.search(text) else text


@cache  # built for the first text that needs it: every command imports this module
def _find_marks() -> Tuple[Dict[int, str], Pattern[str]]:
    """Return what every mark is replaced by, and a pattern that finds in most texts without marks that there is none."""
    marks = {
        code: MARK
        for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
        if unicodedata.category(chr(code)).startswith("M")
    }
    # The joiners (ZWNJ, ZWJ) have their place within the words of Indic scripts and of Persian.
    marks.update({0x200C: MARK, 0x200D: MARK})
    # Beyond the first plane any character will do: a set of them would be slow.
    characters = "".join(chr(code) for code in marks if code < 0x10000)
    return marks, re.compile(f"[{characters}\U00010000-\U000e01ef]")
