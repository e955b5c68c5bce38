import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.rounding import RELATIVE_ROUNDING, most_probable, rank_with_ties, shared_maximum

OFF = RELATIVE_ROUNDING / 4
INFINITY = float("inf")


@given(st.permutations([0.0, OFF, -OFF]), st.lists(st.floats(-9, 0.9), max_size=3))
def test_equals_share_the_gradient_of_a_maximum(offs, lower):
    values = torch.tensor([[1 + off] for off in offs] + [[other] for other in lower], requires_grad=True)
    owner = torch.zeros(len(values), dtype=torch.long)
    rounding = RELATIVE_ROUNDING * values.detach().abs()
    maximum = shared_maximum(values, owner, 2, rounding=rounding, empty=-5.0)
    assert maximum.flatten().tolist() == pytest.approx([1, -5], abs=1e-5)
    (gradient,) = torch.autograd.grad(maximum[0], values)
    assert gradient.flatten().tolist() == pytest.approx([1 / 3] * 3 + [0] * len(lower))


@given(st.lists(st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=2), min_size=1, max_size=6))
def test_a_maximum_without_ties_is_that_of_torch(rows):
    values = torch.tensor(rows)
    owner = torch.zeros(len(values), dtype=torch.long)
    maximum = shared_maximum(values, owner, 1, rounding=torch.zeros(len(values), 1), empty=0.0)
    torch.testing.assert_close(maximum[0], values.amax(0), rtol=1e-6, atol=0)


def test_an_infinite_maximum():
    values = torch.tensor([[1.0], [INFINITY]])
    owner = torch.zeros(2, dtype=torch.long)
    assert float(shared_maximum(values, owner, 1, rounding=RELATIVE_ROUNDING * values, empty=0.0)) == INFINITY


@pytest.mark.parametrize(
    "logits, expected",
    [
        ([0.0, 3.0, 3.0 + OFF, 2.9], 1),
        ([0.0, OFF], 0),
        ([0.0, 1e-4], 1),
        ([-INFINITY, -INFINITY, 2.0], 2),
        ([1.0, INFINITY], 1),
        ([torch.finfo(torch.float).min] * 2, 0),
    ],
)
def test_the_first_of_equally_probable_classes(logits, expected):
    assert int(most_probable(torch.tensor([logits]))) == expected


def test_ranks_with_ties():
    assert rank_with_ties([2.0, 1.0, 1.0 + 1e-9, 3.0], [1e-6] * 4).tolist() == [1, 0, 0, 2]
    assert rank_with_ties([], []).tolist() == []
