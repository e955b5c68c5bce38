"""
Positions of words and of the arcs over them: a geometry without text or colour, along one axis (the reading direction) and
with a height over it, so that a sentence can be drawn as a line or, if it is long, as a column.
"""

from typing import Dict, List, NamedTuple, Sequence, Tuple

# Between the two lines of one arc (messages along and against it), and between the ends of two arcs at one word.
PAIR_GAP = 4.0
_END_GAP = 7.0
_CROWDED_END_GAP = 4.0
# A word with more ends than this has them closer together.
_CROWDED = 8


class ArcSpan(NamedTuple):
    """
    An arc to be placed: the positions of two words in the sentence, and the space that its label needs between them (0: none).
    Arcs of a word with itself are legal.
    """

    source: int
    target: int
    label_space: float


class PlacedArc(NamedTuple):
    """
    The start and end of an arc along the axis (`source_at` may be behind `target_at`) and its level, from 1 at the bottom.
    Both are the middle between the arc's two lines.
    """

    source_at: float
    target_at: float
    level: int


class ArcLayout(NamedTuple):
    """The centre and the size of every word along the axis, the arcs in the given order, and the length of the whole."""

    centres: List[float]
    sizes: List[float]
    arcs: List[PlacedArc]
    length: float
    levels: int


def lay_out_arcs(
    word_sizes: Sequence[float], arcs: Sequence[ArcSpan], *, gap: float, lines_per_arc: int = 2
) -> ArcLayout:
    """
    Place words one after the other and arcs above them.

    The ends of the arcs at a word are put side by side, so that no two lines overlap: first those that lead back, the shortest
    first, then those that lead forward, the longest first. Arcs that do not cross in the sentence then do not cross in the
    drawing. An arc is one level above all shorter ones that it spans or crosses. `word_sizes` is the space that every word needs
    along the axis, and `gap` that between two words, in pixels.
    """
    order = sorted(range(len(arcs)), key=lambda number: abs(arcs[number].source - arcs[number].target))
    ends = _order_ends(len(word_sizes), arcs, order)
    pair = PAIR_GAP * (lines_per_arc - 1)
    pitches = [pair + (_END_GAP if len(at_word) <= _CROWDED else _CROWDED_END_GAP) for at_word in ends]
    sizes = [max(size, len(at_word) * pitch) for size, at_word, pitch in zip(word_sizes, ends, pitches)]
    # By arc and by whether it is the arc's source: how far from the centre of its word the end is.
    offsets = {
        end: (position - (len(at_word) - 1) / 2) * pitch
        for at_word, pitch in zip(ends, pitches)
        for position, end in enumerate(at_word)
    }
    centres = _place_words(sizes, arcs, offsets, gap)
    placed: Dict[int, PlacedArc] = {}
    for number in order:
        source_at = centres[arcs[number].source] + offsets[number, True]
        target_at = centres[arcs[number].target] + offsets[number, False]
        low, high = min(source_at, target_at), max(source_at, target_at)
        below = [other.level for other in placed.values() if min(other[:2]) <= high and low <= max(other[:2])]
        placed[number] = PlacedArc(source_at, target_at, 1 + max(below, default=0))
    return ArcLayout(
        centres,
        sizes,
        [placed[number] for number in range(len(arcs))],
        centres[-1] + sizes[-1] / 2 if centres else 0.0,
        max((arc.level for arc in placed.values()), default=0),
    )


def _order_ends(num_words: int, arcs: Sequence[ArcSpan], order: Sequence[int]) -> List[List[Tuple[int, bool]]]:
    """Return for each word the ends at it in the order along the axis, as (arc, whether it is the arc's source)."""
    back: List[List[Tuple[int, bool]]] = [[] for _ in range(num_words)]
    forward: List[List[Tuple[int, bool]]] = [[] for _ in range(num_words)]
    for number in order:
        source, target, _ = arcs[number]
        (back if target < source else forward)[source].append((number, True))
        (forward if target < source else back)[target].append((number, False))
    return [first + last[::-1] for first, last in zip(back, forward)]


def _place_words(
    sizes: Sequence[float], arcs: Sequence[ArcSpan], offsets: Dict[Tuple[int, bool], float], gap: float
) -> List[float]:
    """Return the centres of the words, as close together as the words and the labels of the arcs allow."""
    # By the later word of an arc: the earlier one, and how far apart their centres must be.
    distances: List[List[Tuple[int, float]]] = [[] for _ in sizes]
    for number, (source, target, label_space) in enumerate(arcs):
        if source != target and label_space > 0:
            inner = offsets[number, target > source] - offsets[number, target < source]
            distances[max(source, target)].append((min(source, target), label_space + inner))
    centres: List[float] = []
    for word, size in enumerate(sizes):
        centre = size / 2 if word == 0 else centres[-1] + sizes[word - 1] / 2 + gap + size / 2
        centres.append(max([centre, *(centres[first] + apart for first, apart in distances[word])]))
    return centres
