import math
from typing import Callable

import pytest
import torch
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.interpret.divergences import (
    Divergence,
    Kl,
    MarginHinge,
    PredictionNll,
    SaturatingKl,
    changed_predictions,
)
from allennlp_graphmask.rounding import RELATIVE_ROUNDING

DIVERGENCES = [Kl(), SaturatingKl(), PredictionNll(), MarginHinge(), MarginHinge(0.3)]
BATCH, LENGTH, CLASSES = 4, 5, 3


def name_of(divergence: Divergence) -> str:
    return f"{divergence.name}{getattr(divergence, 'margin', '')}"


def random_logits(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(*(shape or (BATCH, LENGTH, CLASSES)), generator=generator, dtype=torch.float64)


def position_mask() -> torch.Tensor:
    return torch.arange(LENGTH) < torch.tensor([5, 3, 1, 4]).unsqueeze(-1)


def masks(kind: str, seed: int) -> tuple:
    """A mask, and which classes of which positions exist, in the logits' shape."""
    exists = torch.ones(BATCH, LENGTH, CLASSES, dtype=torch.bool)
    if kind == "none":
        return None, exists
    if kind == "positions":
        return position_mask(), exists & position_mask().unsqueeze(-1)
    exists = torch.rand(exists.shape, generator=torch.Generator().manual_seed(seed)) < 0.6
    exists[0, 0] = False  # a position without any class does not count
    return exists, exists


def every_mask(test: Callable) -> Callable:
    test = pytest.mark.parametrize("seed", range(5))(test)
    return pytest.mark.parametrize("kind", ["none", "positions", "classes"])(test)


def by_hand(divergence: Divergence, original: list, masked: list) -> float:
    """The divergence of one position, given the logits of the classes that exist."""
    p = torch.distributions.Categorical(logits=torch.tensor(original, dtype=torch.float64))
    q = torch.distributions.Categorical(logits=torch.tensor(masked, dtype=torch.float64))
    if isinstance(divergence, Kl):
        return float(torch.distributions.kl_divergence(p, q))
    predicted = max(range(len(original)), key=lambda index: original[index])
    log_q = [math.log(probability) for probability in q.probs.tolist()]
    if isinstance(divergence, PredictionNll):
        return -log_q[predicted]
    others = [value for index, value in enumerate(log_q) if index != predicted]
    if not others:
        return 0.0
    return max(0.0, 1 - (log_q[predicted] - max(others)) / divergence.margin)


def by_loops(divergence: Divergence, original: torch.Tensor, masked: torch.Tensor, exists: torch.Tensor) -> list:
    """For each instance, over a class mask of the logits' shape `(batch_size, length, num_classes)`."""
    results = []
    for instance in range(original.size(0)):
        total = 0.0
        for position in range(original.size(1)):
            classes = exists[instance, position].nonzero().flatten().tolist()
            if classes:
                total += by_hand(
                    divergence,
                    [float(original[instance, position, index]) for index in classes],
                    [float(masked[instance, position, index]) for index in classes],
                )
        results.append(1 - math.exp(-total) if isinstance(divergence, SaturatingKl) else total)
    return results


@pytest.mark.parametrize("divergence", DIVERGENCES, ids=name_of)
class TestEveryDivergence:
    def test_one_distribution_per_instance(self, divergence) -> None:
        original, masked = random_logits(0, 6, CLASSES), random_logits(1, 6, CLASSES)
        everything = torch.ones(6, 1, CLASSES, dtype=torch.bool)
        expected = by_loops(divergence, original.unsqueeze(1), masked.unsqueeze(1), everything)
        assert divergence(original, masked).tolist() == pytest.approx(expected, abs=1e-10)

    @every_mask
    def test_many_distributions(self, divergence, kind, seed) -> None:
        original, masked = random_logits(4 + seed), random_logits(50 + seed)
        mask, exists = masks(kind, seed)
        expected = pytest.approx(by_loops(divergence, original, masked, exists), abs=1e-10)
        assert divergence(original, masked, mask).tolist() == expected
        if mask is not None:
            assert divergence(original, masked, mask.long()).tolist() == expected

    @pytest.mark.parametrize("garbage", [1e30, float("inf"), float("-inf"), float("nan")])
    @pytest.mark.parametrize("kind", ["positions", "classes"])
    def test_padding_does_not_matter(self, divergence, garbage, kind) -> None:
        original, masked = random_logits(5), random_logits(6)
        exists = position_mask().unsqueeze(-1).repeat(1, 1, CLASSES)
        if kind == "classes":
            exists[..., 2] = False
        mask = position_mask() if kind == "positions" else exists
        clean, dirty = (
            (o.clone().requires_grad_(), m.clone().requires_grad_())
            for o, m in (
                (original, masked),
                (original.masked_fill(~exists, garbage), masked.masked_fill(~exists, garbage)),
            )
        )
        values = [divergence(o, m, mask) for o, m in (clean, dirty)]
        assert torch.equal(*values)
        for value in values:
            value.sum().backward()
        assert torch.equal(clean[1].grad, dirty[1].grad)
        assert torch.isfinite(dirty[1].grad).all() and (dirty[1].grad[~exists] == 0).all()

    def test_gradient(self, divergence) -> None:
        original, masked, mask = random_logits(7), random_logits(8).requires_grad_(), position_mask()
        assert torch.autograd.gradcheck(lambda logits: divergence(original, logits, mask), (masked,))

    def test_no_positions_and_no_instances(self, divergence) -> None:
        nothing = torch.zeros(2, 0, CLASSES)
        assert divergence(nothing, nothing).tolist() == [0, 0]
        assert divergence(torch.zeros(0, CLASSES), torch.zeros(0, CLASSES)).shape == (0,)

    def test_a_single_class_cannot_change(self, divergence) -> None:
        assert divergence(torch.zeros(3, 1), torch.full((3, 1), 5.0)).tolist() == [0, 0, 0]

    def test_a_mask_that_fits_nothing_is_refused(self, divergence) -> None:
        with pytest.raises(ValueError, match=r"shape \(4, 7\) fits neither"):
            divergence(random_logits(0), random_logits(1), torch.ones(BATCH, 7))


LOGITS = st.lists(
    st.lists(st.floats(-8, 8, width=32), min_size=2 * CLASSES, max_size=2 * CLASSES), min_size=1, max_size=6
)


def halves(rows: list) -> tuple:
    logits = torch.tensor(rows).view(len(rows), 2, CLASSES)
    return logits[:, 0], logits[:, 1]


class TestSaturatingKl:
    @given(LOGITS)
    @settings(max_examples=50, deadline=None)
    def test_it_is_in_the_unit_interval_and_not_negative(self, rows) -> None:
        value = SaturatingKl()(*halves(rows))
        assert float(value.min()) >= -1e-6 and float(value.max()) <= 1

    def test_hopeless_instances_saturate(self) -> None:
        original, masked = torch.tensor([[300.0, 0.0]]), torch.tensor([[0.0, 300.0]])
        assert float(Kl()(original, masked)) == pytest.approx(300)
        assert float(SaturatingKl()(original, masked)) == 1


class TestMarginHinge:
    @given(LOGITS)
    @settings(max_examples=100, deadline=None)
    def test_it_bounds_changed_predictions_from_above(self, rows) -> None:
        original, masked = halves(rows)
        value, changed = MarginHinge(0.7)(original, masked), changed_predictions(original, masked)
        # Of logits that are equal but for rounding the first is the prediction, so that the margin can be positive by as little.
        off = RELATIVE_ROUNDING * (1 + float(torch.cat([original, masked]).abs().max())) / 0.7
        assert (value[changed] >= 1 - off).all()
        assert float(value.mean()) >= float(changed.float().mean()) - off


class TestChangedPredictions:
    @every_mask
    def test_against_loops(self, seed, kind) -> None:
        original = random_logits(seed)
        masked = original + 0.7 * random_logits(seed + 100)
        mask, exists = masks(kind, seed)
        expected = []
        for before, after, classes in zip(original, masked, exists):
            # A position without any class has the same prediction before and after.
            before, after = (logits.masked_fill(~classes, -math.inf).tolist() for logits in (before, after))
            changes = [one.index(max(one)) != other.index(max(other)) for one, other in zip(before, after)]
            expected.append(any(changes))
        assert changed_predictions(original, masked, mask).tolist() == expected

    def test_padding_does_not_matter(self) -> None:
        original = random_logits(0)
        garbage = original.masked_fill(~position_mask().unsqueeze(-1), float("inf"))
        garbage[2, 4, 1] = float("nan")
        assert changed_predictions(original, garbage, position_mask()).tolist() == [False] * BATCH

    def test_one_distribution_per_instance(self) -> None:
        original = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        assert changed_predictions(original, original.flip(0)).tolist() == [True, True]
        with_mask = changed_predictions(original, original.flip(0), torch.tensor([True, False]))
        assert with_mask.tolist() == [True, False]


@pytest.mark.parametrize("name", ["kl", "saturating_kl", "prediction_nll", "margin_hinge"])
def test_they_know_their_names(name) -> None:
    assert Divergence.from_params(Params({"type": name})).name == name
