"""The parts of the text view of a question: candidates, supports and hops."""

import re
from collections import Counter
from typing import Dict, List, Sequence, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.schema import Prediction
from allennlp_graphmask.views.question.chains import ChainHop
from allennlp_graphmask.views.question.mentions import Mention, join_lines
from allennlp_graphmask.views.question.ranking import get_ranking, list_candidates
from allennlp_graphmask.views.text_layout import display_width, format_more, label_lines, pad, shorten, wrap

_MAX_CANDIDATES = 5
_MAX_SUPPORTS = 20
# Longer supports are shown around their mentions, with this many characters on either side, and in the end cut off.
_LONG_SUPPORT = 500
_CONTEXT = 60
_MAX_SUPPORT = 1500


def format_candidates(prediction: Prediction) -> List[str]:
    """Return a heading and the best candidates with their probabilities; nothing if the prediction ranks none."""
    candidates, num_others = list_candidates(prediction, _MAX_CANDIDATES)
    if not candidates:
        return []
    when = " before and after masking" if get_ranking(prediction["masked"]) else ""
    names = [shorten(join_lines(candidate.text)) for candidate in candidates]
    name_width = max(map(display_width, names))
    lines = [f"candidates: probability{when}"]
    for name, candidate in zip(names, candidates):
        after = "" if candidate.after is None else f"  {candidate.after:.2f}"
        probabilities = f"{candidate.before:.2f}{after}" if candidate.is_mentioned else "not mentioned"
        lines.append(f"  {pad(name, name_width)}  {probabilities}")
    return lines + format_more(num_others)


def format_supports(
    explanation: Explanation, supports: Sequence[str], mentions: Sequence[Mention], width: int
) -> List[str]:
    """
    Return the supports that have mentions, each mention in `[[ ]]`, as lines. If there are too many, those touched by most kept
    messages are shown. Supports are numbered from 0, as in the explanation.
    """
    by_support: Dict[int, List[Mention]] = {}
    for mention in mentions:
        by_support.setdefault(mention.support, []).append(mention)
    kept = Counter(
        mentions[node].support
        for edge in explanation.edges
        for node in (edge.source, edge.target)
        for is_kept in edge.kept
        if is_kept
    )
    shown = sorted(sorted(sorted(by_support), key=lambda support: -kept[support])[:_MAX_SUPPORTS])
    rows = [(f"support {support}", _mark_mentions(supports[support], by_support[support])) for support in shown]
    lines = label_lines(rows, width)
    if len(by_support) > len(shown):
        lines.append(f"... and {len(by_support) - len(shown)} supports that fewer kept messages touch")
    if len(supports) > len(by_support):
        lines.append(f"{len(supports) - len(by_support)} of {len(supports)} supports without a mention")
    return lines or ["no supports"]


def _mark_mentions(text: str, mentions: Sequence[Mention]) -> str:
    """Return a support with its mentions in brackets; a long one without what is far from any."""
    marks: List[Tuple[int, int, int, str]] = []
    for mention in mentions:
        # At the same place brackets close before others open, and the inner ones close first and open last.
        marks.append((mention.start, 1, -mention.end, "[["))
        marks.append((mention.end, 0, -mention.start, f"]]{mention.number}"))
    marks.sort()
    places = [0, *(mark[0] for mark in marks), len(text)]
    pieces = [re.sub(r"\s+", " ", text[start:end]) for start, end in zip(places, places[1:])]
    if len(text) > _LONG_SUPPORT:
        last = len(pieces) - 1
        pieces = [_fold_middle(piece, number > 0, number < last) for number, piece in enumerate(pieces)]
    marked = pieces[0] + "".join(mark[3] + piece for mark, piece in zip(marks, pieces[1:]))
    if len(marked) > _MAX_SUPPORT:
        marked = f"{_get_head(marked, _MAX_SUPPORT)} ... ({len(text)} characters)"
    return marked.strip()


def _fold_middle(text: str, is_after_mention: bool, is_before_mention: bool) -> str:
    head = _get_head(text, _CONTEXT) if is_after_mention else ""
    # The last words are the first ones of the reversed text.
    tail = _get_head(text[::-1], _CONTEXT)[::-1] if is_before_mention else ""
    folded = f"{head} ... {tail}"
    return folded if len(folded) < len(text) else text


def _get_head(text: str, length: int) -> str:
    """Return the first characters of a text, if possible whole words."""
    head, _, rest = text[:length].rpartition(" ")
    return head or rest


def format_chain(chain: Sequence[ChainHop], mentions: Sequence[Mention], num_others: int, width: int) -> List[str]:
    """Return a heading and the hops of a chain as lines, and how many chains there are beside it."""
    lines = ["from the subject to the answer: hop, layer and score"]
    for hop in chain:
        source, target = mentions[hop.edge.source], mentions[hop.edge.target]
        line = (
            f"{source.describe()} -{hop.edge.type}-> {target.describe()}  {hop.layer}  {hop.edge.score[hop.layer]:.2f}"
        )
        lines.extend(wrap(line, width, "  ", " " * 6))
    return lines + format_more(num_others, "more, to other mentions of the answer")


def format_hops(
    explanation: Explanation, mentions: Sequence[Mention], layer: int, width: int, max_hops: int
) -> List[str]:
    """
    Return the hops of a layer as lines, the highest score first: the kept messages of one relation between two mentions. If there
    are messages both ways, the scores of those from left to right come first.
    """
    scores: Dict[Tuple[int, str, int], List[float]] = {}
    for edge in explanation.layer(layer):
        if edge.kept:
            # Two equal edges (multigraphs have them) are two messages of one hop.
            scores.setdefault((edge.source, edge.type, edge.target), []).append(edge.score)
    hops = []
    for (source, relation, target), forward in scores.items():
        back = scores.get((target, relation, source), []) if source != target else []
        if not back or source < target:
            arrow = f"{'<-' if back else '-'}{relation}->"
            hops.append((-max(forward + back), source, target, arrow, forward + back))
    lines = []
    for _, source, target, arrow, of_hop in sorted(hops)[:max_hops]:
        numbers = ", ".join(f"{score:.2f}" for score in of_hop)
        line = f"{mentions[source].describe()} {arrow} {mentions[target].describe()}  {numbers}"
        lines.extend(wrap(line, width, "  ", " " * 6))
    return lines + format_more(len(hops) - len(hops[:max_hops]))
