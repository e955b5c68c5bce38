"""The supports of a question as pieces of text, each with the mentions that it is part of."""

import itertools
from typing import List, NamedTuple, Sequence, Tuple

from allennlp_graphmask.views.question.mentions import Mention

# Text that is more than this many characters away from any mention is folded.
_CONTEXT = 90


class Piece(NamedTuple):
    """Text within the same mentions, from the outermost to the innermost, and the mentions that start with it."""

    text: str
    mentions: List[Mention]
    starts: List[Mention]


class Run(NamedTuple):
    """Pieces next to each other that are all folded or all shown."""

    is_folded: bool
    pieces: List[Piece]


def split_support(text: str, mentions: Sequence[Mention], near: Sequence[Mention]) -> List[Run]:
    """
    Split a support where a mention starts or ends, so that mentions may nest and overlap, and where it gets far from those of
    `near`.
    """
    folds = _find_folds(text, near)
    cuts = {0, len(text), *itertools.chain.from_iterable(folds)}
    cuts.update(itertools.chain.from_iterable((mention.start, mention.end) for mention in mentions))
    order = sorted(mentions, key=lambda mention: (mention.start, -mention.end, mention.node))
    runs: List[Run] = []
    for start, end in itertools.pairwise(sorted(cuts)):
        within = [mention for mention in order if mention.start <= start and end <= mention.end]
        piece = Piece(text[start:end], within, [mention for mention in within if mention.start == start])
        is_folded = any(low <= start and end <= high for low, high in folds)
        if not runs or runs[-1].is_folded != is_folded:
            runs.append(Run(is_folded, []))
        runs[-1].pieces.append(piece)
    return runs


def _find_folds(text: str, near: Sequence[Mention]) -> List[Tuple[int, int]]:
    """Return the stretches of text that are far from every mention, ending at spaces."""
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
