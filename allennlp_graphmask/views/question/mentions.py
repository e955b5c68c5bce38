"""Mentions: the nodes of a question as places in its supports."""

import re
from collections import Counter
from typing import List, NamedTuple, Sequence, Set, Tuple

from allennlp_graphmask.explanation.schema import ExplainedNode
from allennlp_graphmask.views.question.metadata import QuestionMetadata
from allennlp_graphmask.views.text_layout import printable, shorten


class Mention(NamedTuple):
    """
    A node as the characters `start` to `end` (exclusive) of a support. `number` is that of the node in brackets, or empty if
    the text alone identifies the mention in its support.
    """

    node: int
    support: int
    start: int
    end: int
    text: str
    number: str

    def describe(self) -> str:
        """Return the name of the mention in the text view."""
        return f"support {self.support} '{shorten(self.text)}'{self.number}"


def build_mentions(metadata: QuestionMetadata, nodes: Sequence[ExplainedNode]) -> List[Mention]:
    """Return the mention of every node."""
    places = [(place.support, place.start_char, place.end_char) for place in metadata.nodes]
    texts = [join_lines(node.text) for node in nodes]
    occurrences = Counter((support, text) for (support, _, _), text in zip(places, texts))
    crossing = _find_crossing(places)
    return [
        Mention(node, *place, text, f"[{node}]" if occurrences[place[0], text] > 1 or node in crossing else "")
        for node, (place, text) in enumerate(zip(places, texts))
    ]


def _find_crossing(places: Sequence[Tuple[int, int, int]]) -> Set[int]:
    """Return the mentions that overlap another one without nesting: brackets alone would show them as nested."""
    crossing: Set[int] = set()
    order = sorted(range(len(places)), key=lambda number: places[number])
    for position, number in enumerate(order):
        support, start, end = places[number]
        for other in order[position + 1 :]:
            other_support, other_start, other_end = places[other]
            if other_support != support or other_start >= end:
                break
            if start < other_start and end < other_end:
                crossing.update((number, other))
    return crossing


def join_lines(text: str) -> str:
    """Return a text on one line, without control characters."""
    return printable(re.sub(r"\s+", " ", text)).strip()
