from typing import Optional

import torch
from allennlp.common import Registrable

from allennlp_graphmask.rounding import most_probable


def broadcast_mask(logits: torch.Tensor, mask: Optional[torch.Tensor]) -> torch.Tensor:
    """
    Turn a mask of positions (the shape of the logits without their last dimension) or of classes (the shape of the
    logits) into a mask of classes. Raise a `ValueError` if it is neither.
    """
    if mask is None:
        return torch.ones_like(logits, dtype=torch.bool)
    if mask.shape == logits.shape:
        return mask.bool()
    if mask.shape == logits.shape[:-1]:
        return mask.bool().unsqueeze(-1).expand_as(logits)
    raise ValueError(
        f"A mask of shape {tuple(mask.shape)} fits neither the positions nor the classes of logits of shape "
        f"{tuple(logits.shape)}."
    )


class Divergence(Registrable):
    """
    Measures how far the predictions for masked graphs are from those for the whole graphs: one number for each instance,
    differentiable in the masked logits. An instance may have one distribution (a class of the graph) or many (a role for each
    word); their divergences are summed, so that an allowance is one for instances and not for words.
    """

    default_implementation = "saturating_kl"

    #: The name it is registered under.
    name: str

    def __call__(
        self, original_logits: torch.Tensor, masked_logits: torch.Tensor, mask: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """
        Measure the divergence of each instance. Shape: `(batch_size,)`; of the logits:
        `(batch_size, ..., num_classes)`. The mask is of the positions that count, shape `(batch_size, ...)`, or of the
        classes that exist, shape `(batch_size, ..., num_classes)`.
        """
        class_mask = broadcast_mask(masked_logits, mask)
        position_mask = class_mask.any(-1)  # Shape: (batch_size, ...)
        lowest = torch.finfo(masked_logits.dtype).min
        # Classes that do not exist get (nearly) no probability; positions that do not count are cut out below.
        # So do classes that the model itself has ruled out by a logit of minus infinity.
        original = original_logits.masked_fill(~class_mask, lowest).clamp(min=lowest)
        masked = masked_logits.masked_fill(~class_mask, lowest).clamp(min=lowest)
        per_position = self.per_position(original, masked).masked_fill(~position_mask, 0)
        return self.combine(per_position.flatten(1).sum(-1) if per_position.dim() > 1 else per_position)

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        """Measure each position: from two tensors of shape `(batch_size, ..., num_classes)` to one of shape `(batch_size, ...)`."""
        raise NotImplementedError

    def combine(self, summed: torch.Tensor) -> torch.Tensor:
        """Turn the sum over an instance's positions into the instance's divergence. Shapes: `(batch_size,)`."""
        return summed

    def rounding(self, divergence: torch.Tensor, logit_rounding: torch.Tensor) -> torch.Tensor:
        """
        Return by how much divergences may be off if logits are off by `logit_rounding`, the root of the sum of squares over an
        instance's positions. All shapes are the same. Here as for a divergence that changes in proportion to the logits.
        """
        return logit_rounding


def kl_divergence(original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
    """Return KL(original || masked) over the last dimension. Shape: that of the logits without the last dimension."""
    original = original_logits.log_softmax(-1)
    return (original.exp() * (original - masked_logits.log_softmax(-1))).sum(-1)


def changed_predictions(
    original_logits: torch.Tensor, masked_logits: torch.Tensor, mask: Optional[torch.Tensor] = None
) -> torch.Tensor:
    """
    Return whether any of an instance's predictions (the most probable class at each position, of equals the first) differs.
    Shapes as for `Divergence`; the result is boolean.
    """
    class_mask = broadcast_mask(masked_logits, mask)
    lowest = torch.finfo(masked_logits.dtype).min
    original = most_probable(original_logits.masked_fill(~class_mask, lowest))
    masked = most_probable(masked_logits.masked_fill(~class_mask, lowest))
    changed = (original != masked) & class_mask.any(-1)
    return changed.flatten(1).any(-1) if changed.dim() > 1 else changed
