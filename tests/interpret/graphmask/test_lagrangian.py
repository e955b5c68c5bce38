from typing import Callable, List

import pytest
import torch
from torch.nn import functional

from allennlp_graphmask.interpret.graphmask.lagrangian import Lagrangian


def lagrangian(allowance: float = 0.1, start: float = 0.55, bounds=(-2.0, 30.0), two_sided: bool = True) -> Lagrangian:
    return Lagrangian(allowance, start=start, bounds=bounds, two_sided=two_sided).double()


def solve(
    model: Lagrangian,
    variables: torch.nn.Parameter,
    problem: Callable,
    steps: int = 800,
    sum_of_instances: bool = False,
) -> Lagrangian:
    """One optimizer minimises over everything, with a parameter group for the multiplier, as the trainer does."""
    optimizer = torch.optim.Adam([{"params": [variables], "lr": 1e-1}, {"params": [model.multiplier], "lr": 5e-2}])
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(*problem(variables))
        (loss.sum() if sum_of_instances else loss).backward()
        optimizer.step()
        scheduler.step()
    return model


class TestKnownOptima:
    @pytest.mark.parametrize("start", [0.55, 4.0])  # the second is too large: it has to fall
    def test_one_variable(self, start) -> None:
        # Minimise x^2 where 1 - x <= 0.3: x = 0.7, and 2 x = lambda.
        x = torch.nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
        model = solve(lagrangian(0.3, start=start), x, lambda x: ((x**2).sum(), 1 - x))
        assert float(x.detach()) == pytest.approx(0.7, abs=1e-2)
        assert float(model.value()) == pytest.approx(1.4, abs=1e-2)

    def test_two_variables(self) -> None:
        # Minimise x^2 + y^2 where 1 - x - 2 y <= 0: (x, y) = lambda (1, 2) / 2, lambda = 2 / 5.
        xy = torch.nn.Parameter(torch.tensor([0.0, 0.0], dtype=torch.float64))
        model = solve(lagrangian(0.0), xy, lambda xy: ((xy**2).sum(), (1 - xy[0] - 2 * xy[1]).view(1)))
        assert xy.tolist() == pytest.approx([0.2, 0.4], abs=1e-2)
        assert float(model.value()) == pytest.approx(0.4, abs=1e-2)

    def test_the_mean_over_instances_is_bounded(self) -> None:
        # Minimise sum x_i^2 where the mean of the (1 - x_i) is at most 0.5, in three instances: x_i = lambda / 6.
        x = torch.nn.Parameter(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
        model = solve(lagrangian(0.5, start=2.0), x, lambda x: ((x**2).sum(), 1 - x))
        assert x.tolist() == pytest.approx([0.5] * 3, abs=1e-2)
        assert float(model.value()) == pytest.approx(3.0, abs=1e-2)

    def test_each_instance_is_bounded_by_itself(self) -> None:
        # Minimise x_i^2 where 1 - x_i <= 0.3 for the first two and always for the third: 2 x_i = lambda_i.
        x = torch.nn.Parameter(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
        model = Lagrangian(0.3, start=0.55, bounds=(-20, 30), two_sided=True, num_instances=3).double()
        slack = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
        solve(model, x, lambda x: (x**2, slack - x), sum_of_instances=True)
        # The last one falls for ever, ever more slowly.
        assert x.tolist() == pytest.approx([0.7, 0.7, 0.0], abs=3e-2)
        assert model.value().tolist() == pytest.approx([1.4, 1.4, 0.0], abs=6e-2)

    @pytest.mark.parametrize("two_sided", [True, False])
    def test_instances_by_themselves_are_as_one_by_one(self, two_sided: bool) -> None:
        settings = {"start": 0.4, "bounds": (-2.0, 30.0), "two_sided": two_sided}
        objective, violation = torch.tensor([0.5, 1.5]), torch.tensor([0.3, 0.02])
        model = Lagrangian(0.1, **settings, num_instances=2)
        together = model(objective, violation)
        together.sum().backward()
        for number in range(2):
            alone = Lagrangian(0.1, **settings)
            loss = alone(objective[number], violation[number : number + 1])
            loss.backward()
            assert float(loss.detach()) == pytest.approx(float(together[number].detach()))
            assert float(alone.multiplier.grad) == pytest.approx(float(model.multiplier.grad[number]))


def follow(model: Lagrangian, violation: List[float], steps: int = 50, rate: float = 0.1) -> List[float]:
    """The multiplier's parameter over steps of gradient descent with a violation that does not change."""
    optimizer = torch.optim.SGD([model.multiplier], lr=rate)
    values = [float(model.multiplier.detach())]
    for _ in range(steps):
        optimizer.zero_grad()
        objective = torch.zeros((), dtype=torch.float64)
        model(objective, torch.tensor(violation, dtype=torch.float64)).backward()
        optimizer.step()
        values.append(float(model.multiplier.detach()))
    return values


class TestTheMultiplier:
    @pytest.mark.parametrize(
        "two_sided, violation, direction",
        [
            (True, [0.5, 0.3], 1),
            (False, [0.5, 0.3], 1),
            (True, [0.0, 0.05], -1),
            # The authors' code: a trap that is an option here, and not the default.
            (False, [0.0, 0.05], 0),
            # One-sided, slack of one instance does not pay for another.
            (False, [0.0, 0.15], 1),
            (True, [0.0, 0.15], -1),
        ],
    )
    def test_it_follows_the_violation(self, two_sided, violation, direction) -> None:
        values = follow(lagrangian(0.1, two_sided=two_sided), violation)
        assert all((after > before) - (after < before) == direction for before, after in zip(values, values[1:]))

    def test_the_data_stay_in_the_bounds(self) -> None:
        model = lagrangian(0.0, start=0.9, bounds=(-1.0, 1.0))
        follow(model, [5.0], rate=1.0)
        model(torch.zeros(()), torch.zeros(1))
        assert float(model.multiplier.detach()) == 1 and model.at_upper_bound()
        follow(model, [-5.0], rate=1.0)
        model(torch.zeros(()), torch.zeros(1))
        assert float(model.multiplier.detach()) == -1 and not model.at_upper_bound()

    @pytest.mark.parametrize("bound, violation, direction", [(1.0, 0.0, -1), (-1.0, 5.0, 1)])
    def test_it_comes_back_from_a_bound(self, bound, violation, direction) -> None:
        # Were the graph clamped and not the data, its gradient would be zero beyond the bound.
        model = lagrangian(0.1, bounds=(-1.0, 1.0), start=0.0)
        with torch.no_grad():
            model.multiplier.fill_(5 * bound)
        values = follow(model, [violation], steps=3)
        assert (values[1] - bound) * direction > 0

    def test_evaluation_does_not_touch_it(self) -> None:
        model = lagrangian(bounds=(-1.0, 1.0), start=0.0).eval()
        with torch.no_grad():
            model.multiplier.fill_(3.0)
        model(torch.zeros(()), torch.zeros(1))
        assert float(model.multiplier.detach()) == 3


class TestTheLoss:
    @pytest.mark.parametrize("two_sided", [True, False])
    @pytest.mark.parametrize("measured", [None, [1.0, 0.0, 1.0]])
    def test_value_and_gradients_are_those_of_the_closed_form(self, two_sided, measured) -> None:
        model = lagrangian(0.2, start=-0.5, two_sided=two_sided)
        objective = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
        violation = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64, requires_grad=True)
        loss = model(objective, violation, None if measured is None else torch.tensor(measured).double())
        loss.backward()

        def excess(values):
            return [value - 0.2 if two_sided else max(0.0, value - 0.2) for value in values]

        multiplier = float(functional.softplus(torch.tensor(-0.5, dtype=torch.float64)))
        mean_excess = sum(excess([0.1, 0.5, 0.9])) / 3
        assert float(loss.detach()) == pytest.approx(1.7 + multiplier * mean_excess, abs=1e-12)
        assert float(objective.grad) == 1
        slack_gradient = multiplier / 3 if two_sided else 0.0
        assert violation.grad.tolist() == pytest.approx([slack_gradient, multiplier / 3, multiplier / 3])
        # Reversed: what grows the loss grows the multiplier when the optimizer minimises.
        driving = mean_excess if measured is None else sum(excess(measured)) / 3
        derivative = 1 / (1 + torch.tensor(0.5, dtype=torch.float64).exp())  # of the softplus at -0.5
        assert float(model.multiplier.grad) == pytest.approx(-float(derivative) * driving, abs=1e-12)

    def test_the_value_reported_is_lambda(self) -> None:
        assert float(lagrangian(start=0.55).value()) == pytest.approx(1.00549, abs=1e-4)
        assert not lagrangian().value().requires_grad
