"""How wide a text will be in a browser, estimated without one: drawings are laid out before any font is known."""

import unicodedata

# Widths in thousandths of the font size, of Arial and the fonts made to its measure; `_WIDER` for what a browser may
# take instead (DejaVu Sans, say). A drawing that is a little too wide looks well, one that is too narrow does not.
_NARROW = dict.fromkeys("ijl'|", 222) | dict.fromkeys('It.,:;!/\\ ()[]f-r"`', 333)
_WIDE = dict.fromkeys("mMW@%", 889) | dict.fromkeys("wABCDEGHKNOPQRSUVXY&", 722)
_ADVANCES = {**_NARROW, **_WIDE}
_USUAL = 556
_UNKNOWN = 640
_FULL = 1000
_WIDER = 1.12


def text_width(text: str, font_size: float) -> float:
    """
    In pixels. Chinese, Japanese and Korean characters and pictographs count as one font size, combining characters as
    nothing.
    """
    thousandths = 0
    for character in text:
        if character in _ADVANCES:
            thousandths += _ADVANCES[character]
        elif character.isascii():
            thousandths += _USUAL
        elif unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Cf"):
            continue
        elif unicodedata.east_asian_width(character) in "WF" or unicodedata.category(character) == "So":
            thousandths += _FULL
        else:
            thousandths += _UNKNOWN
    return thousandths / 1000 * font_size * _WIDER


def is_right_to_left(text: str) -> bool:
    """Whether more of its letters belong to scripts that are written from right to left than to others."""
    directions = [unicodedata.bidirectional(character) for character in text]
    return sum(direction in ("R", "AL") for direction in directions) > directions.count("L")
