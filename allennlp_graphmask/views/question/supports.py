"""The supports of a question as pieces of text, each with the mentions that it is part of."""

from typing import Any, Dict, List, NamedTuple, Sequence

from allennlp_graphmask.views.question.text import Mention

# What is further from any mention than this, in characters, is folded away.
_CONTEXT = 90


class Piece(NamedTuple):
    """Text within the same mentions, from the outermost to the innermost; `folded` if it is far from any."""

    text: str
    mentions: List[Mention]
    folded: bool
    starts: List[Mention]


def pieces_of(text: str, mentions: Sequence[Mention], near: Sequence[Mention]) -> List[Piece]:
    """
    Cuts a support where a mention starts or ends, so that mentions may nest and overlap, and where it gets far from those
    of `near`.
    """
    cuts = {0, len(text)}
    for mention in mentions:
        cuts.update((mention.start, mention.end))
    for start, end in _far_from(text, near):
        cuts.update((start, end))
    places = sorted(cuts)
    folded = _far_from(text, near)
    pieces = []
    for start, end in zip(places, places[1:]):
        within = [mention for mention in mentions if mention.start <= start and end <= mention.end]
        within.sort(key=lambda mention: (mention.start, -mention.end, mention.node))
        pieces.append(
            Piece(
                text[start:end],
                within,
                any(low <= start and end <= high for low, high in folded),
                [mention for mention in within if mention.start == start],
            )
        )
    return pieces


def _far_from(text: str, near: Sequence[Mention]) -> List[Any]:
    """The stretches of text that are far from every mention, ending at spaces."""
    stretches = []
    last = 0
    for mention in [*sorted(near, key=lambda mention: mention.start), None]:
        low = last + _CONTEXT if last else 0
        high = mention.start - _CONTEXT if mention is not None else len(text)
        if high - low > _CONTEXT:
            low = low if low == 0 else text.find(" ", low, high) + 1
            high = high if high == len(text) else text.rfind(" ", low, high) + 1
            if high - low > _CONTEXT // 2 and (low > 0 or last == 0):
                stretches.append((low, high))
        if mention is not None:
            last = max(last, mention.end)
    return stretches


def folded_runs(pieces: Sequence[Piece]) -> List[Dict[str, Any]]:
    """Pieces grouped into runs that are folded and runs that are not."""
    runs: List[Dict[str, Any]] = []
    for piece in pieces:
        if not runs or runs[-1]["folded"] != piece.folded:
            runs.append({"folded": piece.folded, "pieces": []})
        runs[-1]["pieces"].append(piece)
    return runs
