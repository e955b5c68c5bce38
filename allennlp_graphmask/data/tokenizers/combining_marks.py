"""Combining marks: accents, vowel signs, points. They are characters of their own, but belong to the letter before them."""

import re
import unicodedata
from functools import cache
from typing import Dict, Literal, Pattern, Tuple

#: Stands for all marks: a pattern with each of the 2,400 would be slow.
MARK = "\u0300"

#: From how many on the marks of a letter are sorted before normalisation.
_MANY_MARKS = 30


def unify_marks(text: str) -> str:
    """Replace every mark by `MARK`. The text keeps its length."""
    if text.isascii():
        return text
    marks, may_be_mark = _find_marks()
    return text.translate(marks) if may_be_mark.search(text) else text


def normalize(form: Literal["NFC", "NFD"], text: str) -> str:
    """
    Do what `unicodedata.normalize` does. That sorts the marks of a letter by insertion, which would take hours for a million of
    them; so those of letters with many are sorted before.
    """
    if len(text) > _MANY_MARKS:
        decomposed, many_marks = _find_many_marks()
        if many_marks.search(text):
            text = many_marks.sub(
                lambda marks: "".join(sorted(marks[0], key=unicodedata.combining)), text.translate(decomposed)
            )
    return unicodedata.normalize(form, text)


@cache
def _find_many_marks() -> Tuple[Dict[int, str], Pattern[str]]:
    """Return what marks are composed of, and a pattern of many that normalisation sorts."""
    marks = _find_marks()[0]
    decomposed = {code: unicodedata.normalize("NFD", chr(code)) for code in marks}
    sorted_marks = "".join(chr(code) for code, parts in decomposed.items() if any(map(unicodedata.combining, parts)))
    return (
        {code: parts for code, parts in decomposed.items() if parts != chr(code)},
        re.compile(f"[{sorted_marks}]{{{_MANY_MARKS},}}"),
    )


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
