import torch

from allennlp_graphmask.interpret.divergences.divergence import Divergence, kl_divergence


@Divergence.register("kl")
class Kl(Divergence):
    """
    KL(original || masked), summed over the instance's positions; from 0, without bound.

    Registered as a `Divergence` with name "kl".
    """

    name = "kl"

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        return kl_divergence(original_logits, masked_logits)

    def rounding(self, divergence: torch.Tensor, logit_rounding: torch.Tensor) -> torch.Tensor:
        # Logits that are off by d have a divergence of up to d^2 / 2, and one of k changes by up to sqrt(2 k) d.
        return logit_rounding * ((2 * divergence.clamp(min=0)).sqrt() + logit_rounding)


@Divergence.register("saturating_kl")
class SaturatingKl(Kl):
    """
    `1 - exp(-KL)` of the KL divergence summed over the instance's positions; from 0 to 1. Its mean over a data set is about the
    share of instances with a changed prediction, so that an allowance reads as the share of changed predictions that one accepts,
    and a few instances that cannot be preserved do not use up the allowance of all others.

    Registered as a `Divergence` with name "saturating_kl". This is the default.
    """

    name = "saturating_kl"

    def combine(self, summed: torch.Tensor) -> torch.Tensor:
        return -torch.expm1(-summed)
