"""The widths of texts in a browser, estimated without one: drawings are laid out before any font is known."""

import unicodedata

# Widths in thousandths of the font size, of Arial and the fonts made to its measure; `_WIDER` for what a browser may
# take instead (DejaVu Sans, say). A drawing that is a little too wide looks good, one that is too narrow does not.
_NARROW = dict.fromkeys("ijl'|", 222) | dict.fromkeys('It.,:;!/\\ ()[]f-r"`', 333)
_WIDE = dict.fromkeys("mMW@%", 889) | dict.fromkeys("wABCDEGHKNOPQRSUVXY&", 722)
_ADVANCES = {**_NARROW, **_WIDE}
_USUAL = 556
_UNKNOWN = 640
_FULL = 1000
_WIDER = 1.12


def text_width(text: str, font_size: float) -> float:
    """
    Return the width in pixels. East Asian wide characters and pictographs count as one font size, combining characters as
    nothing.
    """
    return sum(map(_advance, text)) / 1000 * font_size * _WIDER


def _advance(character: str) -> int:
    if character in _ADVANCES or character.isascii():
        return _ADVANCES.get(character, _USUAL)
    category = unicodedata.category(character)
    if unicodedata.combining(character) or category in ("Mn", "Cf"):
        return 0
    return _FULL if unicodedata.east_asian_width(character) in "WF" or category == "So" else _UNKNOWN


def is_right_to_left(text: str) -> bool:
    """Return whether more of its letters belong to scripts that are written from right to left than to others."""
    directions = [unicodedata.bidirectional(character) for character in text]
    return sum(direction in ("R", "AL") for direction in directions) > directions.count("L")
