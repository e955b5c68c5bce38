from typing import List

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import argument_spans, find_cycle
from tests.data.dataset_readers.propbank_srl.conll_text import trees

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ancestors(heads: List[int], token: int) -> List[int]:
    """The token, its head, the head's head and so on to the root."""
    return [token] if heads[token] == -1 else [token, *ancestors(heads, heads[token])]


def below(heads: List[int], token: int) -> List[int]:
    """Brute force: the tokens whose way up to a root leads over `token`."""
    return [other for other in range(len(heads)) if token in ancestors(heads, other)]


def leads_to_root(heads: List[int], token: int) -> bool:
    """Brute force: as many steps as there are tokens lead past the root, if there is no cycle."""
    for _ in heads:
        if token != -1:
            token = heads[token]
    return token == -1


@given(trees())
@SETTINGS
def test_argument_spans_of_random_trees(heads):
    tokens = range(len(heads))
    for predicate in tokens:
        for head, (start, end) in zip(tokens, argument_spans(heads, tokens, predicate), strict=True):
            assert start <= head < end
            # Belongs to the phrase: what is below the head, but not below the head's child that leads to the predicate.
            allowed = {
                token
                for token in below(heads, head)
                if predicate == head
                or predicate not in below(heads, head)
                or not {*ancestors(heads, token)} & {*ancestors(heads, predicate)} - {*ancestors(heads, head)}
            }
            assert set(range(start, end)) <= allowed
            # It cannot be made longer.
            assert start - 1 not in allowed and end not in allowed
            assert (start <= predicate < end) == (predicate == head)


@given(st.lists(st.integers(-1, 6), max_size=7))
@SETTINGS
def test_cycles_of_random_heads(numbers):
    heads = [min(number, len(numbers) - 1) for number in numbers]
    cycle = find_cycle(heads)
    assert (cycle is None) == all(leads_to_root(heads, token) for token in range(len(heads)))
    if cycle is not None:
        assert len(set(cycle)) == len(cycle)
        assert [heads[token] for token in cycle] == [*cycle[1:], cycle[0]]


def test_long_chains_need_no_recursion():
    heads = [-1, *range(3000)]
    assert find_cycle(heads) is None
    heads[0] = 3000
    assert len(find_cycle(heads) or []) == 3001


def test_time_is_linear():
    """Squared, these would be hours."""
    heads = [*range(1, 300_000), -1]
    assert find_cycle(heads) is None
    assert argument_spans(heads, [len(heads) - 1, 0], 0) == [(len(heads) - 1, len(heads)), (0, 1)]
