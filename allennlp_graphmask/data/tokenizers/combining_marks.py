"""Combining marks: accents, vowel signs, points. They are characters of their own, but belong to the letter before them."""

import re
import unicodedata

#: Stands for all marks: a pattern with each of the 2,400 would be slow.
MARK = "\u0300"

_MARKS = {
    code: MARK
    for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    if unicodedata.category(chr(code)).startswith("M")
}
# The joiners (ZWNJ, ZWJ) have their place within the words of Indic scripts and of Persian.
_MARKS.update({0x200C: MARK, 0x200D: MARK})
# Beyond the first plane any character will do: a set of them would be slow.
_MAY_BE_MARK = re.compile(f"[{''.join(chr(code) for code in _MARKS if code < 0x10000)}\U00010000-\U000e01ef]")


def unify_marks(text: str) -> str:
    """Replace every mark by `MARK`. The text keeps its length."""
    return text if text.isascii() or not _MAY_BE_MARK.search(text) else text.translate(_MARKS)
