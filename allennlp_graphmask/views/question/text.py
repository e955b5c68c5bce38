"""The text view of an explained multi-hop question."""

import json
import re
import textwrap
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views.question.metadata import question_metadata
from allennlp_graphmask.views.text_layout import (
    display_width,
    labelled_lines,
    layer_heading,
    pad,
    printable,
    result_rows,
    shortened,
)

_MAX_CANDIDATES = 5
_MAX_SUPPORTS = 20
# Longer supports are shown around their mentions, with so many characters on either side, and in the end cut off.
_LONG_SUPPORT = 500
_CONTEXT = 60
_MAX_SUPPORT = 1500


class Mention(NamedTuple):
    """A node as a place in a support. `number` is its own if its text alone would not tell which one is meant, else empty."""

    node: int
    support: int
    start: int
    end: int
    text: str
    number: str

    def name(self) -> str:
        return f"support {self.support} '{shortened(self.text)}'{self.number}"


class _Hop(NamedTuple):
    """The kept messages of one relation between two mentions; `both_ways` if there are some in either direction."""

    source: int
    relation: str
    target: int
    both_ways: bool
    scores: List[float]


def is_question(explanation: Explanation) -> bool:
    """Whether the metadata are those of a multi-hop question, whose nodes are parts of its supports."""
    metadata = explanation.metadata
    supports, nodes = metadata.get("supports"), metadata.get("nodes", [])
    return (
        isinstance(metadata.get("query"), str)
        and isinstance(metadata.get("candidates"), list)
        and isinstance(supports, list)
        and all(isinstance(support, str) for support in supports)
        and isinstance(nodes, list)
        and len(nodes) == len(explanation.nodes)
        and all(_is_part_of_support(node, supports) for node in nodes)
    )


def _is_part_of_support(node: Any, supports: Sequence[str]) -> bool:
    if not isinstance(node, dict):
        return False
    support, start, end = (node.get(key) for key in ("support", "start_char", "end_char"))
    if not (isinstance(support, int) and isinstance(start, int) and isinstance(end, int)):
        return False
    return 0 <= support < len(supports) and 0 <= start < end <= len(supports[support])


def render_question(explanation: Explanation, *, width: int = 88, max_edges: Optional[int] = 60) -> str:
    """
    The text view of an explained question: the answer before and after masking; the best candidates with their
    probabilities; the supports that have mentions, each mention in `[[ ]]`; and for each layer the kept hops, the highest
    score first. Mentions carry the number of their node where their support has the same words several times, or where they
    overlap. A hop whose messages are kept both ways is one line with `<-` and `->`, the score of the message from left to
    right first. Supports are numbered from 0, as in the explanation.

    # Parameters

    explanation : `Explanation`
        One for which `is_question` is true.
    width : `int`, optional (default = `88`)
        In columns.
    max_edges : `int`, optional (default = `60`)
        At most so many hops of a layer are listed. `None` lists all.

    # Returns

    `str`
        Without a line end at its end.
    """
    question_metadata(explanation)
    mentions = mentions_of(explanation)
    lines = _answer_lines(explanation, width)
    lines.extend(_candidate_lines(explanation))
    lines.append("")
    lines.extend(_support_lines(explanation, mentions, width))
    for layer in range(explanation.num_layers):
        lines.append("")
        lines.extend(_layer_lines(explanation, mentions, layer, width, max_edges))
    return "\n".join(line.rstrip() for line in lines)


# --- The answer


def _answer_lines(explanation: Explanation, width: int) -> List[str]:
    metadata = explanation.metadata
    rows = [("question", on_one_line(metadata["query"]))]
    if isinstance(metadata.get("answer"), str):
        rows.append(("true answer", on_one_line(metadata["answer"])))
    return labelled_lines([*rows, *result_rows(explanation, "answer", answer_text)], width)


def answer_text(prediction: Any) -> str:
    """The answer of a prediction with its probability; "none" if it has no answer."""
    answer = prediction.get("answer") if isinstance(prediction, dict) else prediction
    if answer is None:
        return "none"
    if not isinstance(answer, str):
        return json.dumps(answer, ensure_ascii=False)
    ranking = ranking_of(prediction)
    probability = f" ({ranking[0]['probability']:.2f})" if ranking else ""
    return on_one_line(answer) + probability


def ranking_of(prediction: Any) -> List[Dict[str, Any]]:
    """The candidates of a prediction that is a ranking."""
    ranking = prediction.get("ranking") if isinstance(prediction, dict) else None
    if not isinstance(ranking, list):
        return []
    return [
        entry
        for entry in ranking
        if isinstance(entry, dict)
        and isinstance(entry.get("text"), str)
        and isinstance(entry.get("probability"), (int, float))
    ]


def _candidate_lines(explanation: Explanation) -> List[str]:
    before = ranking_of(explanation.prediction["original"])
    after = ranking_of(explanation.prediction["masked"])
    if not before:
        return []
    shown = before[:_MAX_CANDIDATES]
    # An answer that masking has changed is shown wherever it was.
    shown += [entry for entry in before[_MAX_CANDIDATES:] if after and entry["text"] == after[0]["text"]]
    after_masking = {entry["text"]: entry for entry in after}
    names = [shortened(on_one_line(entry["text"])) for entry in shown]
    name_width = max(map(display_width, names))
    lines = ["", "candidates: probability before and after masking" if after else "candidates: probability"]
    for name, entry in zip(names, shown):
        parts = [f"{entry['probability']:.2f}"]
        if entry["text"] in after_masking:
            parts.append(f"{after_masking[entry['text']]['probability']:.2f}")
        if entry.get("score", 0) is None:
            parts = ["not mentioned"]
        lines.append(f"  {pad(name, name_width)}  {'  '.join(parts)}")
    if len(before) > len(shown):
        lines.append(f"  ... and {len(before) - len(shown)} more")
    return lines


# --- The supports


def mentions_of(explanation: Explanation) -> List[Mention]:
    """The nodes of a question as places in its supports."""
    details = explanation.metadata.get("nodes", [])
    places = [(detail["support"], detail["start_char"], detail["end_char"]) for detail in details]
    texts = [on_one_line(node.text) for node in explanation.nodes]
    occurrences = Counter((support, text) for (support, _, _), text in zip(places, texts))
    overlapping = _overlapping(places)
    return [
        Mention(
            number,
            *place,
            text,
            f"[{number}]" if occurrences[place[0], text] > 1 or number in overlapping else "",
        )
        for number, (place, text) in enumerate(zip(places, texts))
    ]


def _overlapping(places: Sequence[Tuple[int, int, int]]) -> List[int]:
    """The mentions that overlap another one of which they are no part: their brackets alone would be read as nested."""
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
    return sorted(crossing)


def _support_lines(explanation: Explanation, mentions: Sequence[Mention], width: int) -> List[str]:
    supports: List[str] = explanation.metadata["supports"]
    by_support: Dict[int, List[Mention]] = {}
    for mention in mentions:
        by_support.setdefault(mention.support, []).append(mention)
    shown = sorted(by_support)
    if len(shown) > _MAX_SUPPORTS:
        kept = Counter(
            mentions[node].support
            for edge in explanation.edges
            for node in (edge.source, edge.target)
            for is_kept in edge.kept
            if is_kept
        )
        shown = sorted(sorted(shown, key=lambda support: -kept[support])[:_MAX_SUPPORTS])
    rows = [(f"support {support}", _marked(supports[support], by_support[support])) for support in shown]
    lines = labelled_lines(rows, width)
    if len(by_support) > len(shown):
        lines.append(f"... and {len(by_support) - len(shown)} supports that fewer kept messages touch")
    if len(supports) > len(by_support):
        lines.append(f"{len(supports) - len(by_support)} of {len(supports)} supports without a mention")
    return lines or ["no supports"]


def _marked(text: str, mentions: Sequence[Mention]) -> str:
    """The text with its mentions in brackets; a long one without what is far from any."""
    marks: List[Tuple[int, int, int, str]] = []
    for mention in mentions:
        # At the same place brackets close before others open, and the inner ones close first and open last.
        marks.append((mention.start, 1, -mention.end, "[["))
        marks.append((mention.end, 0, -mention.start, f"]]{mention.number}"))
    marks.sort()
    places = [0, *(mark[0] for mark in marks), len(text)]
    pieces = [on_one_line(text[start:end], strip=False) for start, end in zip(places, places[1:])]
    if len(text) > _LONG_SUPPORT:
        last = len(pieces) - 1
        pieces = [_without_middle(piece, number > 0, number < last) for number, piece in enumerate(pieces)]
    marked = pieces[0] + "".join(mark[3] + piece for mark, piece in zip(marks, pieces[1:]))
    if len(marked) > _MAX_SUPPORT:
        marked = f"{_head(marked, _MAX_SUPPORT)} ... ({len(text)} characters)"
    return marked.strip()


def _without_middle(text: str, after_mention: bool, before_mention: bool) -> str:
    head = _head(text, _CONTEXT) if after_mention else ""
    tail = _tail(text, _CONTEXT) if before_mention else ""
    shorter = f"{head} ... {tail}"
    return shorter if len(shorter) < len(text) else text


def _head(text: str, length: int) -> str:
    head, _, rest = text[:length].rpartition(" ")
    return head or rest


def _tail(text: str, length: int) -> str:
    rest, _, tail = text[-length:].partition(" ")
    return tail or rest


def on_one_line(text: str, strip: bool = True) -> str:
    text = printable(re.sub(r"\s+", " ", text))
    return text.strip() if strip else text


# --- The hops


def _kept_hops(explanation: Explanation, layer: int) -> List[_Hop]:
    scores: Dict[Tuple[int, str, int], List[float]] = {}
    for edge in explanation.layer(layer):
        if edge.kept:
            # Two equal edges (multigraphs have them) are two messages of one hop.
            scores.setdefault((edge.source, edge.type, edge.target), []).append(edge.score)
    hops = []
    for (source, relation, target), of_hop in scores.items():
        back = scores.get((target, relation, source)) if source != target else None
        if back is None:
            hops.append(_Hop(source, relation, target, False, of_hop))
        elif source < target:
            hops.append(_Hop(source, relation, target, True, of_hop + back))
    hops.sort(key=lambda hop: (-max(hop.scores), hop.source, hop.target, hop.relation))
    return hops


def _layer_lines(
    explanation: Explanation, mentions: Sequence[Mention], layer: int, width: int, max_edges: Optional[int]
) -> List[str]:
    lines = [layer_heading(explanation, layer)]
    hops = _kept_hops(explanation, layer)
    for hop in hops[:max_edges]:
        arrow = f"{'<-' if hop.both_ways else '-'}{printable(hop.relation)}->"
        scores = ", ".join(f"{score:.2f}" for score in hop.scores)
        line = f"{mentions[hop.source].name()} {arrow} {mentions[hop.target].name()}  {scores}"
        lines.extend(
            textwrap.wrap(line, width, initial_indent="  ", subsequent_indent=" " * 6, break_on_hyphens=False)
        )
    if max_edges is not None and len(hops) > max_edges:
        lines.append(f"  ... and {len(hops) - max_edges} more")
    return lines
