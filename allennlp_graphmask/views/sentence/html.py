"""The view of a graph whose nodes are the words of one sentence: the sentence with its arcs."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from allennlp_graphmask.explanation.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.views.message_rows import (
    MessageTable,
    kept_classes,
    layers_in_words,
    message_row,
    message_table,
)
from allennlp_graphmask.views.sentence.arc_layout import PAIR_GAP, ArcLayout, ArcSpan, lay_out_arcs
from allennlp_graphmask.views.sentence.arcs import Arc, arcs_of, has_directions
from allennlp_graphmask.views.sentence.text import is_role_prediction, node_names
from allennlp_graphmask.views.text_layout import shortened
from allennlp_graphmask.views.text_widths import is_right_to_left, text_width

_WORD_SIZE = 16.0
_LABEL_SIZE = 11.5
_ROLE_SIZE = 12.0
_MAX_WORD = 40
_MAX_ROLE = 20
# A sentence that would be wider than this, in pixels, is drawn as a column. (The page shrinks a line to 1,100 or scrolls.)
_MAX_WIDTH = 1480.0
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


def is_sentence(explanation: Explanation) -> bool:
    """Whether the nodes are words of the text, each for itself and in order."""
    places = [(node.start, node.end) for node in explanation.nodes]
    return 0 < len(places) == len(explanation.tokens) and all(
        place == (number, number + 1) for number, place in enumerate(places)
    )


def sentence_context(explanation: Explanation, max_edges: int) -> Dict[str, Any]:
    """
    What the template `sentence.html` shows.

    # Parameters

    explanation : `Explanation`
        One for which `is_sentence` is true.
    max_edges : `int`
        At most so many arcs are drawn, and so many kept and so many dropped messages are listed: kept ones first, and those
        with the highest scores before others.
    """
    arcs = arcs_of(explanation)
    drawn = _drawn(arcs, max_edges)
    drawing = _Drawing(explanation, drawn)
    return {
        "drawing": drawing.context(),
        "arcs_left_out": len(arcs) - len(drawn),
        "kept_arcs_left_out": sum(arc.is_kept() for arc in arcs) - sum(arc.is_kept() for arc in drawn),
        "directed": drawing.directed,
        "predicate": _predicate_text(explanation),
        "roles": _role_rows(explanation),
        "table": _table(explanation, arcs, max_edges),
    }


def _drawn(arcs: Sequence[Arc], max_arcs: int) -> List[Arc]:
    if len(arcs) <= max_arcs:
        return list(arcs)
    best = sorted(
        range(len(arcs)),
        key=lambda number: (
            not arcs[number].is_kept(),
            -max(max(edge.score) for edge in arcs[number].edges()),
        ),
    )
    return [arcs[number] for number in sorted(best[:max_arcs])]


def _predicate_text(explanation: Explanation) -> Optional[str]:
    original = explanation.prediction["original"]
    if not is_role_prediction(original):
        return None
    predicate = original["predicate"]
    sense = predicate.get("sense") or predicate.get("lemma")
    return f"{predicate['text']} ({sense})" if sense else str(predicate["text"])


def _role_rows(explanation: Explanation) -> List[Dict[str, Any]]:
    """The predicted arguments, before and after masking, as rows of a table."""
    rows: Dict[Tuple[Any, Any], Dict[str, Any]] = {}
    for column in ("original", "masked"):
        prediction = explanation.prediction[column]
        if not is_role_prediction(prediction):
            continue
        for argument in prediction["arguments"]:
            row = rows.setdefault(
                (argument.get("head"), argument["role"]),
                {"role": argument["role"], "phrase": argument["phrase"], "original": "", "masked": ""},
            )
            probability = argument.get("probability")
            row[column] = f"{probability:.2f}" if isinstance(probability, float) else "yes"
    return list(rows.values())


def _table(explanation: Explanation, arcs: Sequence[Arc], max_rows: int) -> MessageTable:
    names = node_names(explanation)
    directed = has_directions(explanation)
    rows = []
    for arc in sorted(arcs, key=lambda arc: (arc.target, arc.source)):
        for edge in arc.edges():
            direction = ("along" if edge is arc.along else "against") if directed else ""
            rows.append((edge, message_row(edge, names, relation=arc.relation, direction=direction)))
    return message_table(rows, max_rows, len(explanation.kept_edges()), len(explanation.edges))


class _Drawing:
    """
    The sentence as a line, its arcs above it; or, if that would be too wide, as a column with the arcs beside it. Scripts
    that are written from right to left are drawn mirrored.
    """

    def __init__(self, explanation: Explanation, arcs: Sequence[Arc]) -> None:
        self.explanation = explanation
        self.arcs = arcs
        self.directed = has_directions(explanation)
        self.lane_widths: List[float] = []
        self.words = [shortened(token, _MAX_WORD) for token in explanation.tokens]
        self.names = node_names(explanation)
        self.mirrored = is_right_to_left(" ".join(explanation.tokens))
        self.word_widths = [text_width(word, _WORD_SIZE) for word in self.words]
        self.labels = [shortened(arc.relation, 24) for arc in arcs]
        self.label_widths = [text_width(label, _LABEL_SIZE) for label in self.labels]
        self.lanes = self._role_lanes()
        self.predicate = self._predicate_index()
        self.layout = self._line()
        self.vertical = self.layout.length + 2 * _MARGIN > _MAX_WIDTH
        if self.vertical:
            self.layout = self._column()
        self._measure()

    # --- The geometry

    def _line(self) -> ArcLayout:
        rooms = [
            width + (14.0 if word == self.predicate else 0.0) for word, width in enumerate(self.word_widths)
        ]
        for _, marks in self.lanes:
            for mark in marks:
                # A role must find room under its words.
                missing = text_width(mark.role, _ROLE_SIZE) - sum(rooms[mark.first : mark.last + 1])
                rooms[mark.first] += max(0.0, missing)
        spans = [
            ArcSpan(arc.source, arc.target, width + 12 + 2 * _CORNER)
            for arc, width in zip(self.arcs, self.label_widths)
        ]
        return lay_out_arcs(rooms, spans, gap=13.0, lines_per_arc=1 + self.directed)

    def _column(self) -> ArcLayout:
        spans = [ArcSpan(arc.source, arc.target, 0.0) for arc in self.arcs]
        return lay_out_arcs([22.0] * len(self.words), spans, gap=4.0, lines_per_arc=1 + self.directed)

    def _measure(self) -> None:
        if self.vertical:
            self.level_height = 13.0
            roles = [
                max((text_width(mark.role, _ROLE_SIZE) for mark in marks), default=0.0) + 18
                for _, marks in self.lanes
            ]
            # From the margin: the lanes of roles, the words (right-aligned), the labels, the arcs.
            self.lane_widths = roles
            self.lane_starts = [_MARGIN + sum(roles[:number]) for number in range(len(roles))]
            self.words_end = _MARGIN + sum(roles) + max(self.word_widths, default=0.0) + 18
            self.base = self.words_end + 10 + max(self.label_widths, default=0.0) + 8
            self.width = self.base + (self.layout.levels + 1) * self.level_height + 30 + _MARGIN
            self.height = self.layout.length + 2 * _MARGIN + (20 if len(self.lanes) > 1 else 0)
            self.start = _MARGIN + (20 if len(self.lanes) > 1 else 0)
        else:
            self.level_height = 25.0
            self.start = _MARGIN + 2 + (64.0 if len(self.lanes) > 1 else 0.0)
            self.base = _MARGIN + 12 + self.layout.levels * self.level_height
            self.lane_starts = [self.base + 42 + number * _LANE for number in range(len(self.lanes))]
            self.width = max(self.start + self.layout.length + _MARGIN + 2, 320.0)
            self.height = self.base + 40 + len(self.lanes) * _LANE

    def _point(self, along: float, depth: float) -> Tuple[float, float]:
        """A place by how far along the sentence and how far from it towards its arcs it is."""
        along += self.start
        if self.vertical:
            return self._mirror(self.base + depth), along
        return self._mirror(along), self.base - depth

    def _mirror(self, x: float) -> float:
        return self.width - x if self.mirrored else x

    def _path(self, steps: Sequence[Tuple[str, float, float]]) -> str:
        parts = []
        for command, along, depth in steps:
            x, y = self._point(along, depth)
            parts.append(f"{command}{x:.1f} {y:.1f}")
        return " ".join(parts)

    def _bracket(self, begin: float, end: float, depth: float, arrow_at_end: bool) -> Tuple[str, str]:
        """The path of a message's line and that of its arrow head."""
        sign = 1.0 if end >= begin else -1.0
        corner = min(_CORNER, abs(end - begin) / 2)
        steps = [
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
        return self._path(steps), self._path(head) + " Z"

    # --- What is drawn

    def context(self) -> Dict[str, Any]:
        order = sorted(range(len(self.arcs)), key=lambda number: self.arcs[number].is_kept())
        return {
            "width": self.width,
            "height": self.height,
            "vertical": self.vertical,
            "mirrored": self.mirrored,
            "words": [self._word(number) for number in range(len(self.words))],
            "arcs": [self._arc(number) for number in order],
            "lanes": [self._lane(number) for number in range(len(self.lanes))],
        }

    def _word(self, number: int) -> Dict[str, Any]:
        argument = any(mark.first <= number <= mark.last for _, marks in self.lanes for mark in marks)
        kind = "predicate" if number == self.predicate else "argument" if argument else "plain"
        centre = self.layout.centres[number]
        width = self.word_widths[number] + 14
        if self.vertical:
            y = self.start + centre
            x = self._mirror(self.words_end - width / 2)
        else:
            x, y = self._point(centre, -17)
        return {
            "text": self.words[number],
            "full": self.explanation.tokens[number],
            "kind": kind,
            "x": x,
            "y": y,
            "width": width,
        }

    def _arc(self, number: int) -> Dict[str, Any]:
        arc, placed = self.arcs[number], self.layout.arcs[number]
        depth = placed.level * self.level_height
        begin, end = placed.source_at, placed.target_at
        if self.vertical:
            x, y = self._point(end, -(8 + self.label_widths[number] / 2))
        else:
            x, y = self._point((begin + end) / 2, depth)
        # The line along the arc is the outer one.
        half = PAIR_GAP / 2 if self.directed else 0.0
        sign = 1.0 if end >= begin else -1.0
        lines = []
        if arc.along is not None:
            path, head = self._bracket(begin - sign * half, end + sign * half, depth + half, True)
            lines.append(_line("along", arc.along, path, head))
        if arc.against is not None:
            path, head = self._bracket(begin + sign * half, end - sign * half, depth - half, False)
            lines.append(_line("against", arc.against, path, head))
        kept = [any(edge.kept[layer] for edge in arc.edges()) for layer in range(self.explanation.num_layers)]
        hit, _ = self._bracket(begin, end, depth, True)
        return {
            "label": self.labels[number],
            "label_width": self.label_widths[number] + 6,
            "x": x,
            "y": y,
            "lines": lines,
            "hit": hit,
            "classes": kept_classes(kept),
            "kept": any(kept),
            "description": self._description(arc),
        }

    def _description(self, arc: Arc) -> str:
        source, target = self.names[arc.source], self.names[arc.target]
        lines = [f"{arc.relation}: {source} → {target}"]
        if arc.along is not None:
            words = layers_in_words(self.explanation, arc.along)
            lines.append(f"along the arc, {source} to {target}: {words}" if self.directed else words)
        if arc.against is not None:
            lines.append(
                f"against the arc, {target} to {source}: {layers_in_words(self.explanation, arc.against)}"
            )
        return "\n".join(lines)

    # --- Roles

    def _predicate_index(self) -> Optional[int]:
        index = self.explanation.metadata.get("predicate_index")
        is_index = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < len(self.words)
        return index if is_index else None

    def _role_lanes(self) -> List[Tuple[str, List[_Mark]]]:
        """The arguments before masking and, if it changes any, those after it."""
        before = self._marks("original")
        if before is None:
            return []
        after = self._marks("masked")
        alike = after is not None and [mark[:3] for mark in before] == [mark[:3] for mark in after]
        if after is None or alike:
            return [("predicted", before)]
        return [("predicted", before), ("masked", after)]

    def _marks(self, which: str) -> Optional[List[_Mark]]:
        prediction: Any = dict(self.explanation.prediction)[which]
        if not is_role_prediction(prediction):
            return None
        marks = []
        for argument in prediction["arguments"]:
            start, end = argument.get("start"), argument.get("end")
            if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(self.words):
                description = f"{argument['role']}: {argument['phrase']}"
                if isinstance(argument.get("probability"), float):
                    description += f" ({argument['probability']:.2f})"
                marks.append(_Mark(shortened(argument["role"], _MAX_ROLE), start, end - 1, description))
        return marks

    def _lane(self, number: int) -> Dict[str, Any]:
        name, marks = self.lanes[number]
        start = self.lane_starts[number]
        drawn = []
        for mark in marks:
            first, last = self.layout.centres[mark.first], self.layout.centres[mark.last]
            low = self.start + first - self._half(mark.first)
            high = self.start + last + self._half(mark.last)
            middle = (low + high) / 2
            if self.vertical:
                depth = start + self.lane_widths[number] - 10
                path = f"M{self._mirror(depth + 4):.1f} {low:.1f} H{self._mirror(depth):.1f} V{high:.1f} H{self._mirror(depth + 4):.1f}"
                x, y = self._mirror(depth - 7 - text_width(mark.role, _ROLE_SIZE) / 2), middle
            else:
                path = f"M{self._mirror(low):.1f} {start - 6:.1f} V{start - 1:.1f} H{self._mirror(high):.1f} V{start - 6:.1f}"
                x, y = self._mirror(middle), start + 11
            drawn.append({"role": mark.role, "path": path, "x": x, "y": y, "description": mark.description})
        if self.vertical:
            place = {
                "x": self._mirror(start),
                "y": _MARGIN + 2,
                "anchor": "end" if self.mirrored else "start",
            }
        else:
            place = {
                "x": self._mirror(_MARGIN),
                "y": start + 4,
                "anchor": "end" if self.mirrored else "start",
            }
        return {"name": name, "marks": drawn, "shown": len(self.lanes) > 1, **place}

    def _half(self, word: int) -> float:
        return 11.0 if self.vertical else max(self.word_widths[word] / 2, 8.0)


def _line(direction: str, edge: ExplainedEdge, path: str, head: str) -> Dict[str, Any]:
    return {"direction": direction, "classes": kept_classes(edge.kept), "path": path, "head": head}
