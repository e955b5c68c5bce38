"""
Where words and the arcs over them go: a geometry without any text or colour, along one axis (the reading direction) and
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
    An arc to be placed: the numbers of two words, and how much room its label needs between them (0: none). Arcs of a word
    with itself are legal.
    """

    source: int
    target: int
    label_room: float


class PlacedArc(NamedTuple):
    """
    Where an arc starts and ends along the axis (`source_at` may be behind `target_at`) and its level, from 1 at the bottom.
    Both are the middle between the arc's two lines.
    """

    source_at: float
    target_at: float
    level: int


class ArcLayout(NamedTuple):
    """The middle and the room of every word, the arcs in the order in which they were given, the length of the whole."""

    centres: List[float]
    slots: List[float]
    arcs: List[PlacedArc]
    length: float
    levels: int


def lay_out_arcs(
    word_rooms: Sequence[float], arcs: Sequence[ArcSpan], *, gap: float, lines_per_arc: int = 2
) -> ArcLayout:
    """
    Places words one after the other and arcs above them.

    The ends of the arcs at a word are put side by side, so that no two lines lie on each other: first those that lead back,
    the shortest first, then those that lead on, the longest first. Arcs that do not cross in the sentence then do not cross
    in the drawing. An arc is one level above all shorter ones that it spans or crosses.

    # Parameters

    word_rooms : `Sequence[float]`
        What every word needs along the axis, in pixels.
    arcs : `Sequence[ArcSpan]`
    gap : `float`
        Between two words.
    lines_per_arc : `int`, optional (default = `2`)
    """
    order = sorted(range(len(arcs)), key=lambda number: (_length(arcs[number]), number))
    ends = _ends_of_words(len(word_rooms), arcs, order)
    pair = PAIR_GAP * (lines_per_arc - 1)
    pitches = [pair + (_END_GAP if len(of_word) <= _CROWDED else _CROWDED_END_GAP) for of_word in ends]
    slots = [max(room, len(of_word) * pitch) for room, of_word, pitch in zip(word_rooms, ends, pitches)]
    offsets: List[Tuple[float, float]] = [(0.0, 0.0)] * len(arcs)
    for of_word, pitch in zip(ends, pitches):
        for place, (number, is_source) in enumerate(of_word):
            offset = (place - (len(of_word) - 1) / 2) * pitch
            first, second = offsets[number]
            offsets[number] = (offset, second) if is_source else (first, offset)
    centres = _centres(slots, arcs, offsets, gap)
    placed: List[PlacedArc] = [PlacedArc(0.0, 0.0, 0)] * len(arcs)
    done: List[Tuple[float, float, int]] = []
    for number in order:
        source_at = centres[arcs[number].source] + offsets[number][0]
        target_at = centres[arcs[number].target] + offsets[number][1]
        low, high = min(source_at, target_at), max(source_at, target_at)
        level = 1 + max((below for start, end, below in done if start <= high and low <= end), default=0)
        done.append((low, high, level))
        placed[number] = PlacedArc(source_at, target_at, level)
    length = centres[-1] + slots[-1] / 2 if centres else 0.0
    return ArcLayout(centres, slots, placed, length, max((arc.level for arc in placed), default=0))


def _length(arc: ArcSpan) -> int:
    return abs(arc.source - arc.target)


def _ends_of_words(
    num_words: int, arcs: Sequence[ArcSpan], order: Sequence[int]
) -> List[List[Tuple[int, bool]]]:
    """For each word the ends at it in the order along the axis, as (arc, whether it is the arc's source)."""
    back: Dict[int, List[Tuple[int, bool]]] = {}
    on: Dict[int, List[Tuple[int, bool]]] = {}
    for number in order:
        source, target = arcs[number].source, arcs[number].target
        (back if target < source else on).setdefault(source, []).append((number, True))
        (on if target < source else back).setdefault(target, []).append((number, False))
    return [[*back.get(word, ()), *reversed(on.get(word, ()))] for word in range(num_words)]


def _centres(
    slots: Sequence[float], arcs: Sequence[ArcSpan], offsets: Sequence[Tuple[float, float]], gap: float
) -> List[float]:
    """As close together as the words and the labels of the arcs allow."""
    ending_at: Dict[int, List[Tuple[int, float]]] = {}
    for arc, (source_offset, target_offset) in zip(arcs, offsets):
        if arc.source != arc.target and arc.label_room > 0:
            first, last = min(arc.source, arc.target), max(arc.source, arc.target)
            inner = (target_offset - source_offset) * (1 if arc.target == last else -1)
            ending_at.setdefault(last, []).append((first, arc.label_room - inner))
    centres: List[float] = []
    for word, slot in enumerate(slots):
        centre = slot / 2 if word == 0 else centres[-1] + slots[word - 1] / 2 + gap + slot / 2
        for first, room in ending_at.get(word, ()):
            centre = max(centre, centres[first] + room)
        centres.append(centre)
    return centres
