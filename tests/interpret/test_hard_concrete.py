import math

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.explanation.serialization import round_number
from allennlp_graphmask.interpret.hard_concrete import HardConcrete, straight_through
from allennlp_graphmask.rounding import RELATIVE_ROUNDING

DRAWS = 100_000
LOCATIONS = [-3.0, -0.6, 0.0, 0.112, 1.0, 3.0]
PARAMETERS = [(1 / 3, -0.2, 1.0), (2 / 3, -0.1, 1.1), (1.0, -0.5, 1.5)]


def draws(distribution: HardConcrete, location: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return distribution.sample(torch.full((DRAWS,), location, dtype=torch.float64), generator=generator)


@pytest.mark.parametrize("beta, gamma, zeta", PARAMETERS)
@pytest.mark.parametrize("location", LOCATIONS)
class TestClosedFormsAgainstSampling:
    def test_probability_nonzero(self, beta, gamma, zeta, location) -> None:
        distribution = HardConcrete(beta, gamma, zeta)
        sampled = float((draws(distribution, location) > 0).double().mean())
        assert abs(sampled - float(distribution.probability_nonzero(torch.tensor(location)))) < 0.005

    def test_score_is_the_probability_of_being_open(self, beta, gamma, zeta, location) -> None:
        distribution = HardConcrete(beta, gamma, zeta)
        sampled = float((draws(distribution, location, seed=1) > 0.5).double().mean())
        assert abs(sampled - float(distribution.score(torch.tensor(location)))) < 0.005


def test_the_published_threshold() -> None:
    # Not 0.3365, which the authors' evaluation mode has because it drops the temperature.
    assert HardConcrete().threshold == pytest.approx(0.112, abs=5e-4)


class TestGate:
    def test_it_is_the_formula(self) -> None:
        distribution = HardConcrete(0.5, -0.3, 1.2)
        for location in (-1.0, 0.2, 2.0):
            for uniform in (0.05, 0.4, 0.9):
                noise = math.log(uniform) - math.log(1 - uniform)
                stretched = 1.5 / (1 + math.exp(-(noise + location) / 0.5)) - 0.3
                gate = distribution.gate(*torch.tensor([location, noise], dtype=torch.float64))
                assert float(gate) == pytest.approx(min(1, max(0, stretched)), abs=1e-12)

    def test_gradient_away_from_the_clamps(self) -> None:
        distribution = HardConcrete()
        location = torch.linspace(-0.3, 0.6, 10, dtype=torch.float64, requires_grad=True)
        noise = torch.full((10,), 0.05, dtype=torch.float64)
        gates = distribution.gate(location, noise)
        assert ((gates > 0.01) & (gates < 0.99)).all()
        assert torch.autograd.gradcheck(distribution.gate, (location, noise))

    def test_closed_forms_are_differentiable(self) -> None:
        location = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(HardConcrete().probability_nonzero, (location,))
        assert torch.autograd.gradcheck(HardConcrete().score, (location,))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_saturated_gates_stay_open(self, dtype) -> None:
        distribution = HardConcrete()
        location = torch.full((DRAWS,), 50.0, dtype=dtype)
        # With zeta = 1 mathematically z < 1 always; with these locations rounding makes it one.
        assert (distribution.sample(location) == 1).all()
        assert (straight_through(distribution.sample(location)) == 1).all()
        assert (location > distribution.threshold).all()

    @pytest.mark.parametrize("zeta", [1.0, 1.1])
    def test_only_a_stretched_upper_end_has_mass_at_one(self, zeta) -> None:
        exactly_one = float((draws(HardConcrete(zeta=zeta), 1.0) == 1).double().mean())
        # Rounding gives one now and then.
        assert exactly_one < 1e-4 if zeta == 1 else exactly_one > 0.1

    def test_extreme_locations_have_finite_gradients(self) -> None:
        location = torch.tensor([-1e4, -50.0, 50.0, 1e4], requires_grad=True)
        distribution = HardConcrete()
        (distribution.sample(location).sum() + distribution.probability_nonzero(location).sum()).backward()
        assert torch.isfinite(location.grad).all()


class TestSample:
    def test_it_repeats_with_the_seed(self) -> None:
        location = torch.zeros(50)
        samples = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            samples.append(HardConcrete().sample(location))
        assert torch.equal(samples[0], samples[1]) and not torch.equal(samples[0], samples[2])

    def test_a_generator_leaves_the_global_state_alone(self) -> None:
        before = torch.get_rng_state()
        HardConcrete().sample(torch.zeros(50), generator=torch.Generator().manual_seed(1))
        assert torch.equal(torch.get_rng_state(), before)

    def test_it_keeps_shape_and_type(self) -> None:
        sample = HardConcrete().sample(torch.zeros(2, 3, dtype=torch.float64))
        assert sample.shape == (2, 3) and sample.dtype == torch.float64
        assert HardConcrete().sample(torch.zeros(0)).shape == (0,)


class TestStraightThrough:
    def test_forward_rounds_exactly(self) -> None:
        gates = torch.rand(10_000, generator=torch.Generator().manual_seed(2))
        rounded = straight_through(gates)
        assert torch.equal(rounded, (gates > 0.5).float())
        assert set(rounded.unique().tolist()) == {0.0, 1.0}

    def test_the_gradient_is_that_of_the_soft_gates(self) -> None:
        weight = torch.randn(20, generator=torch.Generator().manual_seed(2))
        gradients = []
        for transform in (lambda gates: gates, straight_through):
            location = torch.linspace(-1, 1, 20, requires_grad=True)
            gates = HardConcrete().sample(location, generator=torch.Generator().manual_seed(7))
            (transform(gates) * weight).sum().backward()
            gradients.append(location.grad)
        assert torch.equal(*gradients) and gradients[0].abs().sum() > 0


@pytest.mark.parametrize("settings", [{"beta": 0.0}, {"beta": -1.0}, {"gamma": 0.0}, {"gamma": 0.1}, {"zeta": 0.9}])
def test_bad_parameters_are_refused(settings) -> None:
    with pytest.raises(ConfigurationError, match="beta > 0, gamma < 0 and zeta >= 1"):
        HardConcrete(**settings)


def test_it_is_built_from_a_config() -> None:
    distribution = HardConcrete.from_params(Params({"beta": 0.5, "zeta": 1.1}))
    assert (distribution.beta, distribution.gamma, distribution.zeta) == (0.5, -0.2, 1.1)


@given(
    st.lists(st.floats(-50, 50, width=32), min_size=1),
    st.floats(-10, 10) | st.none(),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_scores_are_on_the_side_of_one_half_that_decisions_are_on(locations, threshold, dtype) -> None:
    distribution = HardConcrete()
    bound = distribution.threshold if threshold is None else torch.tensor(threshold, dtype=torch.float64)
    location = torch.tensor([*locations, float(bound)], dtype=dtype)
    location = torch.cat(
        [location, torch.nextafter(location, torch.tensor(float("inf"), dtype=dtype)), location + 1e-3]
    )
    kept = distribution.is_open(location, None if threshold is None else bound)
    # A gate at the threshold but for rounding is closed: the threshold may have been chosen from such gates.
    assert torch.equal(kept, location - bound > 64 * 2.0**-23 * location.abs().clamp(min=1))
    scores = distribution.score(location, None if threshold is None else bound)
    assert scores.dtype == torch.float64
    # Also as an explanation holds them, in six digits.
    for values in (scores, torch.tensor([round_number(score) for score in scores.tolist()])):
        assert torch.equal(values > 0.5, kept)


@pytest.mark.parametrize("threshold", [None, -16.0, 16.0, -32.0, 32.0, -1e6, 1e6])
def test_scores_rank_gates_at_every_threshold_as_their_locations_do(threshold) -> None:
    distribution = HardConcrete()
    location = torch.linspace(-9, 9, 1000)
    scores, rounding = distribution.score(location, threshold), distribution.score_rounding(location, threshold)
    is_open = distribution.is_open(location, threshold)
    # The lowest scores of open gates, and the highest of shut ones, are moved away from one half.
    far = (location - (distribution.threshold if threshold is None else threshold)).abs() > 0.1
    steps, pairs = scores.diff(), far[1:] & far[:-1] & (is_open[1:] == is_open[:-1])
    assert bool((steps > 0)[pairs].all()) and bool((steps > rounding[1:])[pairs].all())
    # By how much a score is off follows from its location.
    off = RELATIVE_ROUNDING * location.abs().clamp(min=1)
    moved = distribution.score(location.double() + off, threshold) - scores
    assert torch.allclose(moved[far], rounding[far], rtol=1e-3, atol=1e-15)
    shut = torch.tensor([float("-inf"), float("inf")])
    assert distribution.score(shut, threshold).tolist() == [0, 1]
    assert distribution.score_rounding(shut, threshold).tolist() == [0, 0]
