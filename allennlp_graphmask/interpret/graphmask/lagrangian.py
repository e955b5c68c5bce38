from typing import Any, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from torch.nn import functional

from allennlp_graphmask.checks import check_at_least


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: torch.Tensor) -> torch.Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return -gradient


class Lagrangian(torch.nn.Module):
    """
    The objective `objective + lambda (violation - allowance)`, minimised in everything and maximised in lambda (Schlichtkrull, De
    Cao and Titov, 2021, equation 5), for one optimizer that minimises: the gradient of the multiplier is reversed.

    `lambda = softplus(multiplier)`. The parameter is called `multiplier` so that a parameter group of the optimizer can give it its
    own learning rate by the regular expression `(^|\\.)multiplier$`.

    # Parameters

    allowance : `float`
    start : `float`
        The first value of the parameter, before the softplus.
    bounds : `Tuple[float, float]`
        The parameter is kept between them.
    two_sided : `bool`
        Whether the multiplier falls while the constraint is slack. With `False` (the authors' code) slack counts as zero: the
        multiplier can then only grow.
    num_instances : `int`, optional (default = `None`)
        With it, each of these instances has a multiplier of its own and must keep to the allowance by itself.
    """

    def __init__(
        self,
        allowance: float,
        *,
        start: float,
        bounds: Tuple[float, float],
        two_sided: bool,
        num_instances: Optional[int] = None,
    ) -> None:
        super().__init__()
        if not bounds[0] <= start <= bounds[1]:
            raise ConfigurationError(f"initial_multiplier is {start}, outside of multiplier_bounds {tuple(bounds)}.")
        check_at_least("graphmask", 0, allowance=allowance)
        self.allowance = allowance
        self.bounds = bounds
        self.two_sided = two_sided
        self._per_instance = num_instances is not None
        size = () if num_instances is None else (num_instances,)
        self.multiplier = torch.nn.Parameter(torch.full(size, float(start)))

    def value(self) -> torch.Tensor:
        """Return lambda. Shape: `()`, or `(num_instances,)`."""
        return functional.softplus(self.multiplier.detach())

    def at_upper_bound(self) -> bool:
        """Return whether the multiplier (of every instance, if each has one) cannot grow any more."""
        return bool((self.multiplier.detach() >= self.bounds[1]).all())

    def forward(
        self,
        objective: torch.Tensor,
        violation: torch.Tensor,
        measured_violation: Optional[torch.Tensor] = None,
    ) -> torch.Tensor:
        """
        Return the loss, shape `()`; with `num_instances` one for each of them, to be summed, `(num_instances,)`. The
        objective has the same shape.

        `violation` is the quantity bounded by the allowance, on average or, with `num_instances`, everywhere;
        `measured_violation` is what the multiplier follows instead, if the bounded quantity has no gradient (changed
        predictions) and `violation` stands in for it. Shape of both: `(batch_size,)`.
        """
        if self.training:
            with torch.no_grad():
                # The value and not the graph: clamping the graph would cut the gradient that leads back from the bound.
                self.multiplier.clamp_(*self.bounds)
        excess = self._excess(violation)
        measured_excess = excess if measured_violation is None else self._excess(measured_violation)
        ascending: torch.Tensor = _ReverseGradient.apply(self.multiplier)  # type: ignore[no-untyped-call]
        multiplier = functional.softplus(ascending)
        # The second term has the value zero and the multiplier's whole gradient.
        return objective + multiplier.detach() * excess + (multiplier - multiplier.detach()) * measured_excess.detach()

    def _excess(self, violation: torch.Tensor) -> torch.Tensor:
        excess = violation - self.allowance
        excess = excess if self.two_sided else excess.relu()
        return excess if self._per_instance else excess.mean()
