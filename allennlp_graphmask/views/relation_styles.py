"""A colour and a dash pattern for each relation, so that relations differ in grey, and to colour-blind readers, too."""

from typing import Dict, Iterable, NamedTuple

#: Joins the mentions that nothing else joins (see the reader `wikihop`): evidence of how an answer is found that counts little.
WEAK_RELATION = "COMPLEMENT"


class RelationStyle(NamedTuple):
    """The attributes `stroke` and `stroke-dasharray` of SVG."""

    colour: str
    dashes: str


# After Okabe and Ito's palette, dark enough to be read as text on white.
_STYLES = [
    RelationStyle("#0a5fa5", ""),
    RelationStyle("#a63d00", "9 4"),
    RelationStyle("#00704f", "3 3"),
    RelationStyle("#8a3f7a", "12 3 3 3"),
    RelationStyle("#6b5500", "6 2 2 2 2 2"),
    RelationStyle("#a02040", "1 3"),
    RelationStyle("#2f4b66", "16 5"),
]
_WEAK_STYLE = RelationStyle("#666c78", "2 4")


def choose_styles(relations: Iterable[str]) -> Dict[str, RelationStyle]:
    """Return the style of each relation, in alphabetical order. If there are many relations, some share a style."""
    names = sorted(set(relations))
    strong = [name for name in names if name != WEAK_RELATION]
    return {
        name: _WEAK_STYLE if name == WEAK_RELATION else _STYLES[strong.index(name) % len(_STYLES)] for name in names
    }
