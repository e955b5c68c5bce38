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


def subtree(heads: Sequence[int], token: int) -> List[int]:
    """Return the token and everything below it, in order of position."""
    children: List[List[int]] = [[] for _ in heads]
    for child, head in enumerate(heads):
        if head != ROOT:
            children[head].append(child)
    members = [token]
    for member in members:  # grows on the way
        members.extend(children[member])
    return sorted(members)


def span_head(heads: Sequence[int], tokens: Collection[int]) -> int:
    """Return the head of some tokens, at least one: the first of them whose own head is not among them."""
    return next(token for token in sorted(tokens) if heads[token] not in tokens)


def argument_span(heads: Sequence[int], head: int, predicate: int) -> Tuple[int, int]:
    """
    Find the phrase of an argument with this head: the contiguous part around the head of its subtree, without the branch that
    leads to the predicate. In "the plan that she proposed" the head "plan" of an argument of "proposed" dominates the whole
    relative clause, which is not a part of the argument. Return its start and end (exclusive).
    """
    members = set(subtree(heads, head))
    if predicate in members and predicate != head:
        branch = predicate
        while heads[branch] != head:
            branch = heads[branch]
        members -= set(subtree(heads, branch))
    start, end = head, head + 1
    while start - 1 in members:
        start -= 1
    while end in members:
        end += 1
    return start, end
