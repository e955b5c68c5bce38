"""A colour and a dash pattern for each relation: told apart also in grey and by those who do not see all colours."""

from typing import Dict, Iterable, NamedTuple

from allennlp_graphmask.views.question.chains import WEAK_RELATION


class RelationStyle(NamedTuple):
    """As the attributes `stroke` and `stroke-dasharray` of SVG take them."""

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


def relation_styles(relations: Iterable[str]) -> Dict[str, RelationStyle]:
    """The style of each, in alphabetical order; where there are many, styles are used again."""
    styles = {}
    strong = 0
    for relation in sorted(set(relations)):
        if relation == WEAK_RELATION:
            styles[relation] = _WEAK_STYLE
        else:
            styles[relation] = _STYLES[strong % len(_STYLES)]
            strong += 1
    return styles
