"""The drawing of a sentence with its arcs and its predicted arguments."""

import dataclasses
import itertools
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from allennlp_graphmask.views.arcs import Arc
from allennlp_graphmask.views.foci import SharedEdges
from allennlp_graphmask.views.message_table import kept_classes
from allennlp_graphmask.views.sentence.arc_layout import PAIR_GAP, ArcLayout, ArcSpan, PlacedArc, lay_out_arcs
from allennlp_graphmask.views.sentence.roles import Argument, RolePrediction
from allennlp_graphmask.views.text_layout import shorten
from allennlp_graphmask.views.text_widths import is_right_to_left, text_width

_WORD_SIZE = 16.0
_LABEL_SIZE = 11.5
_ROLE_SIZE = 12.0
_MAX_WORD = 40
_MAX_LABEL = 24
_MAX_ROLE = 20
# A sentence that would be wider than this, in pixels, is drawn as a column. (The page shrinks a line to the width that it has.)
_MAX_WIDTH = 1480.0
# A wider line gets a column for small screens; a page shrinks this one to what they have.
_SMALL_SCREEN = 360.0
_MARGIN = 14.0
_CORNER = 7.0
_ARROW = 7.0
_LANE = 34.0


class _Mark(NamedTuple):
    """A predicted argument over the words from `first` to `last` (inclusive)."""

    role: str
    first: int
    last: int
    description: str
    #: The style classes of the foci that are about it: ` in-0 in-2`.
    foci: str

    @property
    def width(self) -> float:
        return text_width(self.role, _ROLE_SIZE)


@dataclasses.dataclass
class SentenceDrawing:
    """
    The sentence as a line with its arcs above and its arguments below it; or, if that would be too wide, as a column with the
    arcs beside it. Scripts that are written from right to left are drawn mirrored.
    """

    tokens: Sequence[str]
    #: The arcs to draw.
    arcs: Sequence[Arc]
    #: Whether messages go along arcs and against them.
    is_directed: bool
    #: The token to mark as predicate.
    predicate: Optional[int]
    #: The predicted arguments: none, those before masking, or those before and after it.
    roles: Sequence[RolePrediction]
    #: The arguments that each focus is about, if there is a choice of them.
    explained: Sequence[Sequence[Argument]] = ()
    #: Whether to draw a column whatever the width of the line.
    is_column: bool = False

    def __post_init__(self) -> None:
        self.mirrored = is_right_to_left(" ".join(self.tokens))
        self.words = [shorten(token, _MAX_WORD) for token in self.tokens]
        self.word_widths = [text_width(word, _WORD_SIZE) for word in self.words]
        self.labels = [shorten(arc.relation, _MAX_LABEL) for arc in self.arcs]
        self.label_widths = [text_width(label, _LABEL_SIZE) for label in self.labels]
        self.lanes = [self._build_marks(prediction) for prediction in self.roles]
        if len(self.lanes) == 2 and [mark[:3] for mark in self.lanes[0]] == [mark[:3] for mark in self.lanes[1]]:
            del self.lanes[1]  # masking changes no argument
        self.layout = self._lay_out_line()
        self.vertical = self.is_column or self.layout.length + 2 * _MARGIN > _MAX_WIDTH
        has_lane_names = len(self.lanes) > 1
        if self.vertical:
            spans = [ArcSpan(arc.source, arc.target, 0.0) for arc in self.arcs]
            self.layout = lay_out_arcs([22.0] * len(self.words), spans, gap=4.0, lines_per_arc=1 + self.is_directed)
            self.level_height = 13.0
            # From the margin: the lanes of roles, the words (right-aligned), the labels, the arcs.
            lane_widths = [max((mark.width for mark in lane), default=0.0) + 18 for lane in self.lanes]
            *self.lane_starts, words_start = itertools.accumulate(lane_widths, initial=_MARGIN)
            self.words_end = words_start + max(self.word_widths, default=0.0) + 18
            self.base = self.words_end + 10 + max(self.label_widths, default=0.0) + 8
            self.start = _MARGIN + (20 if has_lane_names else 0)
            self.width = self.base + (self.layout.levels + 1) * self.level_height + 30 + _MARGIN
            self.height = self.start + self.layout.length + _MARGIN
        else:
            self.level_height = 25.0
            self.start = _MARGIN + 2 + (64.0 if has_lane_names else 0.0)
            self.base = _MARGIN + 12 + self.layout.levels * self.level_height
            self.lane_starts = [self.base + 42 + number * _LANE for number in range(len(self.lanes))]
            self.width = max(self.start + self.layout.length + _MARGIN + 2, 320.0)
            self.height = self.base + 40 + len(self.lanes) * _LANE

    def list_sizes(self) -> List["SentenceDrawing"]:
        """Return this drawing and, if it is a line that a small screen would cut off, the same as a column."""
        is_small = self.vertical or self.width <= _SMALL_SCREEN
        return [self] if is_small else [self, dataclasses.replace(self, is_column=True)]

    # --- Geometry

    def _lay_out_line(self) -> ArcLayout:
        sizes = [width + (14.0 if word == self.predicate else 0.0) for word, width in enumerate(self.word_widths)]
        for lane in self.lanes:
            for mark in lane:
                # A role must fit under its words.
                sizes[mark.first] += max(0.0, mark.width - sum(sizes[mark.first : mark.last + 1]))
        spans = [
            ArcSpan(arc.source, arc.target, width + 12 + 2 * _CORNER)
            for arc, width in zip(self.arcs, self.label_widths)
        ]
        return lay_out_arcs(sizes, spans, gap=13.0, lines_per_arc=1 + self.is_directed)

    def _point(self, along: float, depth: float) -> Tuple[float, float]:
        """Return the point at this distance along the sentence and, towards the arcs, from it."""
        along += self.start
        if self.vertical:
            return self._mirror(self.base + depth), along
        return self._mirror(along), self.base - depth

    def _mirror(self, x: float) -> float:
        return self.width - x if self.mirrored else x

    def _path(self, steps: Sequence[Tuple[str, float, float]]) -> str:
        """Return an SVG path from commands with their points as `_point` takes them."""
        points = [(command, *self._point(along, depth)) for command, along, depth in steps]
        return " ".join(f"{command}{x:.1f} {y:.1f}" for command, x, y in points)

    def _bracket(self, begin: float, end: float, depth: float, arrow_at_end: bool) -> Tuple[str, str]:
        """Return the path of a message's line and that of its arrow head."""
        sign = 1.0 if end >= begin else -1.0
        corner = min(_CORNER, abs(end - begin) / 2)
        line = [
            ("M", begin, 0.0 if arrow_at_end else _ARROW - 1),
            ("L", begin, depth - corner),
            ("Q", begin, depth),
            ("", begin + sign * corner, depth),
            ("L", end - sign * corner, depth),
            ("Q", end, depth),
            ("", end, depth - corner),
            ("L", end, _ARROW - 1 if arrow_at_end else 0.0),
        ]
        tip = end if arrow_at_end else begin
        head = [("M", tip, 0.0), ("L", tip - 3.4, _ARROW), ("L", tip + 3.4, _ARROW)]
        return self._path(line), self._path(head) + " Z"

    # --- Words and arcs

    def draw_words(self) -> Iterator[Dict[str, Any]]:
        """Yield the words as the template takes them."""
        for number, (token, text) in enumerate(zip(self.tokens, self.words)):
            marks = [mark for lane in self.lanes for mark in lane if mark.first <= number <= mark.last]
            kind = "predicate" if number == self.predicate else "argument" if marks else "plain"
            foci = "".join(mark.foci for mark in marks)
            width = self.word_widths[number] + 14
            if self.vertical:
                x, y = self._mirror(self.words_end - width / 2), self.start + self.layout.centres[number]
            else:
                x, y = self._point(self.layout.centres[number], -17)
            yield {"token": token, "text": text, "kind": kind, "foci": foci, "x": x, "y": y, "width": width}

    def draw_arcs(self, shared: SharedEdges) -> List[Dict[str, Any]]:
        """
        Return the arcs as the template takes them, those that an explanation keeps after, that is on top of, dropped ones. `shared`
        has the decisions of the explanations.
        """
        kept = [shared.kept([edge for _, edge in arc.messages]) for arc in self.arcs]
        arcs = zip(self.arcs, self.layout.arcs, self.labels, self.label_widths)
        drawn = [{**self._draw_arc(*arc), "classes": kept_classes(of_arc)} for arc, of_arc in zip(arcs, kept)]
        return sorted(drawn, key=lambda item: item["classes"] != "k-none")

    def _draw_arc(self, arc: Arc, placed: PlacedArc, label: str, label_width: float) -> Dict[str, Any]:
        begin, end, level = placed
        depth = level * self.level_height
        if self.vertical:
            x, y = self._point(end, -(8 + label_width / 2))
        else:
            x, y = self._point((begin + end) / 2, depth)
        lines = []
        for direction, edge in arc.messages:
            is_along = direction == "along"
            # The line along the arc is the outer one.
            half = PAIR_GAP / 2 * self.is_directed * (1 if is_along else -1)
            shift = half if end >= begin else -half
            line = self._bracket(begin - shift, end + shift, depth + half, is_along)
            lines.append((direction, edge, *line))
        hit, _ = self._bracket(begin, end, depth, True)
        drawn = {"label": label, "label_width": label_width + 6, "x": x, "y": y}
        return {"arc": arc, "lines": lines, "hit": hit, **drawn}

    # --- Roles

    def _build_marks(self, roles: RolePrediction) -> List[_Mark]:
        marks = []
        for argument in roles.arguments:
            start, end = argument.start, argument.end
            if start is not None and end is not None and 0 <= start < end <= len(self.words):
                description = f"{argument.role}: {argument.phrase}"
                if argument.probability is not None:
                    description += f" ({argument.probability:.2f})"
                foci = "".join(
                    f" in-{number}" for number, of_focus in enumerate(self.explained) if argument in of_focus
                )
                marks.append(_Mark(shorten(argument.role, _MAX_ROLE), start, end - 1, description, foci))
        return marks

    def draw_lanes(self) -> Iterator[Dict[str, Any]]:
        """Yield the lanes of arguments as the template takes them."""
        for name, start, lane in zip(("predicted", "masked"), self.lane_starts, self.lanes):
            x, y = (start, _MARGIN + 2) if self.vertical else (_MARGIN, start + 4)
            widest = max((mark.width for mark in lane), default=0.0)
            marks = [self._draw_mark(mark, start, widest) for mark in lane]
            yield {"name": name, "marks": marks, "x": self._mirror(x), "y": y}

    def _draw_mark(self, mark: _Mark, start: float, widest: float) -> Dict[str, Any]:
        low = self.start + self.layout.centres[mark.first] - self._half(mark.first)
        high = self.start + self.layout.centres[mark.last] + self._half(mark.last)
        middle = (low + high) / 2
        if self.vertical:
            outer = start + widest + 8
            inner_x, outer_x = self._mirror(outer + 4), self._mirror(outer)
            path = f"M{inner_x:.1f} {low:.1f} H{outer_x:.1f} V{high:.1f} H{inner_x:.1f}"
            x, y = self._mirror(outer - 7 - mark.width / 2), middle
        else:
            path = (
                f"M{self._mirror(low):.1f} {start - 6:.1f} V{start - 1:.1f} H{self._mirror(high):.1f} V{start - 6:.1f}"
            )
            x, y = self._mirror(middle), start + 11
        return {"role": mark.role, "path": path, "x": x, "y": y, "description": mark.description, "foci": mark.foci}

    def _half(self, word: int) -> float:
        """Return half the size of a word along the sentence."""
        return 11.0 if self.vertical else max(self.word_widths[word] / 2, 8.0)
