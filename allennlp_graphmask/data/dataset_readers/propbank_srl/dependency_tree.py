"""Structure that follows from the heads of a dependency tree. Heads are 0-based token positions, -1 for a root."""

from typing import Collection, List, Optional, Sequence, Tuple

#: The head of a root.
ROOT = -1


def find_cycle(heads: Sequence[int]) -> Optional[List[int]]:
    """Return the tokens of a cycle, each followed by its head, or `None` if every token leads to a root."""
    # The token that each token was first reached from. All but those of the present one lead to a root.
    reached_from: List[Optional[int]] = [None] * len(heads)
    for token in range(len(heads)):
        position = token
        while position != ROOT and reached_from[position] is None:
            reached_from[position] = token
            position = heads[position]
        if position != ROOT and reached_from[position] == token:
            cycle = [position]
            while heads[cycle[-1]] != position:
                cycle.append(heads[cycle[-1]])
            return cycle
    return None


def span_head(heads: Sequence[int], tokens: Collection[int]) -> int:
    """Return the head of some tokens, at least one: the first of them whose own head is not among them."""
    return next(token for token in sorted(tokens) if heads[token] not in tokens)


def argument_spans(heads: Sequence[int], arguments: Sequence[int], predicate: int) -> List[Tuple[int, int]]:
    """
    Find the phrases of arguments, given by their heads: the contiguous part around the head of its subtree, without the branch that
    leads to the predicate. In "the plan that she proposed" the head "plan" of an argument of "proposed" dominates the whole
    relative clause, which is not a part of the argument. Return the start and end (exclusive) of each.
    """
    first, end = _depth_first_places(heads)
    branches = {}
    below = predicate
    while heads[below] != ROOT:
        branches[heads[below]] = below
        below = heads[below]

    def span(argument: int) -> Tuple[int, int]:
        branch = branches.get(argument)

        def belongs(token: int) -> bool:
            if not 0 <= token < len(heads) or not first[argument] <= first[token] < end[argument]:
                return False
            return branch is None or not first[branch] <= first[token] < end[branch]

        start, stop = argument, argument + 1
        while belongs(start - 1):
            start -= 1
        while belongs(stop):
            stop += 1
        return start, stop

    return [span(argument) for argument in arguments]


def _depth_first_places(heads: Sequence[int]) -> Tuple[List[int], List[int]]:
    """
    Visit the tokens depth first, each before those below it.

    Return the place of each token on the way, and the one after those of all tokens below it.
    """
    children: List[List[int]] = [[] for _ in heads]
    for child, head in enumerate(heads):
        if head != ROOT:
            children[head].append(child)
    order: List[int] = []
    pending = [token for token, head in enumerate(heads) if head == ROOT]
    while pending:
        token = pending.pop()
        order.append(token)
        pending.extend(children[token])
    first, end = [0] * len(heads), [0] * len(heads)
    for place, token in enumerate(order):
        first[token], end[token] = place, place + 1
    for token in reversed(order):
        if heads[token] != ROOT:
            end[heads[token]] = max(end[heads[token]], end[token])
    return first, end
