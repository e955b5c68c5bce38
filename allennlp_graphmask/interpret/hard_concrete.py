import math
from typing import Optional, Union

import torch
from allennlp.common import FromParams
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.rounding import logit_rounding

#: Stays above one half in the six digits of an explanation.
_LOWEST_OPEN_SCORE = 0.500001
#: Scores are relative to a threshold no farther from zero than this. Beyond it double precision could not tell them apart.
_FARTHEST_THRESHOLD = 20.0


class HardConcrete(FromParams):
    """
    The hard concrete distribution of [Louizos, Welling and Kingma (2018)](https://arxiv.org/abs/1712.01312), section 2.2, on
    [0, 1] with mass at both ends, parametrised by the location a (a logit):

    `s = sigmoid((log u - log(1 - u) + a) / beta)`, `u ~ U(0, 1)`; `s' = s (zeta - gamma) + gamma`; `z = min(1, max(0, s'))`.

    All methods take locations of any shape and give tensors of that shape.

    # Parameters

    beta : `float`, optional (default = `1/3`)
        Temperature.
    gamma, zeta : `float`, optional (default = `-0.2`, `1.0`)
        The interval that s is stretched to. With zeta = 1 a gate is never exactly one, only exactly zero; the defaults are
        those of the authors' code of GraphMask.

    # Raises

    `ConfigurationError` unless beta > 0, gamma < 0, zeta >= 1.
    """

    def __init__(self, beta: float = 1 / 3, gamma: float = -0.2, zeta: float = 1.0) -> None:
        if not (beta > 0 and gamma < 0 and zeta >= 1):
            raise ConfigurationError(
                f"A hard concrete distribution needs beta > 0, gamma < 0 and zeta >= 1; got beta = {beta}, gamma = {gamma}, "
                f"zeta = {zeta}."
            )
        self.beta = beta
        self.gamma = gamma
        self.zeta = zeta

    @property
    def threshold(self) -> float:
        """
        Return the location above which a gate is more likely open than not: P(s' > 0.5) > 0.5 if and only if
        `a > beta log((0.5 - gamma) / (zeta - 0.5))`, 0.112 with the defaults.
        """
        return self.beta * math.log((0.5 - self.gamma) / (self.zeta - 0.5))

    def sample(self, location: torch.Tensor, *, generator: Optional[torch.Generator] = None) -> torch.Tensor:
        """Draw a differentiable sample z of each gate."""
        return self.gate(location, self.noise(location, generator=generator))

    @staticmethod
    def noise(like: torch.Tensor, *, generator: Optional[torch.Generator] = None) -> torch.Tensor:
        """Draw logistic noise `log u - log(1 - u)`."""
        uniform = torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
        return logistic(uniform)

    def gate(self, location: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Return z for given logistic noise `log u - log(1 - u)`."""
        concrete = torch.sigmoid((noise + location) / self.beta)
        return (concrete * (self.zeta - self.gamma) + self.gamma).clamp(0, 1)

    def probability_nonzero(self, location: torch.Tensor) -> torch.Tensor:
        """Return P(z != 0), the expected L0 norm of each gate: `sigmoid(a - beta log(-gamma / zeta))`."""
        return torch.sigmoid(location - self.beta * math.log(-self.gamma / self.zeta))

    def is_open(self, location: torch.Tensor, threshold: Union[float, torch.Tensor, None] = None) -> torch.Tensor:
        """
        Decide which gates are open: those with a location above the threshold, by default `self.threshold`, by more than rounding,
        as a threshold that was chosen on data is the location of a gate. Boolean.
        """
        above = location - (self.threshold if threshold is None else threshold)
        return (above > logit_rounding(location)) | (location == math.inf)

    def score(self, location: torch.Tensor, threshold: Union[float, torch.Tensor, None] = None) -> torch.Tensor:
        """
        Score gates so that a score is above one half if and only if the gate is open (see `is_open`): `sigmoid(a - threshold)`,
        by default with `self.threshold`, for which this is P(s' > 0.5). `torch.float64`, so that scores rank gates as their locations do
        at any threshold.
        """
        scores = self._relative(location, threshold)
        # Rounding, here or in a file, must not take a kept message to one half, or a dropped one above it.
        return torch.where(
            self.is_open(location, threshold), scores.clamp(min=_LOWEST_OPEN_SCORE), scores.clamp(max=0.5)
        )

    def score_rounding(
        self, location: torch.Tensor, threshold: Union[float, torch.Tensor, None] = None
    ) -> torch.Tensor:
        """Return by how much scores may be off: as much as their locations make them."""
        scores = self._relative(location, threshold)
        return torch.where(location.isfinite(), scores * (1 - scores) * logit_rounding(location), 0)

    def _relative(self, location: torch.Tensor, threshold: Union[float, torch.Tensor, None]) -> torch.Tensor:
        reference = torch.as_tensor(self.threshold if threshold is None else threshold).double()
        return torch.sigmoid(location.double() - reference.clamp(-_FARTHEST_THRESHOLD, _FARTHEST_THRESHOLD))


def logistic(uniform: torch.Tensor) -> torch.Tensor:
    """Make logistic noise `log u - log(1 - u)` of numbers u in [0, 1]."""
    # The ends are kept away from 0 and 1, whose logit is infinite.
    uniform = uniform.clamp(1e-6, 1 - 1e-6)
    return torch.log(uniform) - torch.log1p(-uniform)


def straight_through(gates: torch.Tensor) -> torch.Tensor:
    """Round gates to 0 or 1 in the forward pass and leave their gradient as it is."""
    return ((gates > 0.5).to(gates.dtype) - gates).detach() + gates
