"""
Numbers that are equal but for rounding. The same instance in another batch, or with its edges in another order, is added up in
another order and comes out a little different. What is decided by comparing numbers must not depend on that.
"""

import numpy
import torch
from numpy.typing import ArrayLike

#: The share of its scale by which a number may be off. Outputs of trained models of three layers differ between batches by up to
#: 5 units in the last place of single precision, relative to the largest element of a node's state. 64 leave room for deeper and
#: wider models, and are still so few (8e-6) that different numbers hardly ever come as close. It does not depend on the type of a
#: tensor, as numbers that are compared in double precision were often computed in single.
RELATIVE_ROUNDING = 64 * torch.finfo(torch.float32).eps


def most_probable(logits: torch.Tensor) -> torch.Tensor:
    """Return the first class that has the highest logit but for rounding. Shape: that of the logits without the last dimension."""
    return has_highest_logit(logits).to(torch.uint8).argmax(-1)


def has_highest_logit(logits: torch.Tensor) -> torch.Tensor:
    """Return which classes have the highest logit but for rounding. Shape: that of the logits, `torch.bool`."""
    highest = logits.detach().amax(-1, keepdim=True)
    # Equality is for infinite logits.
    return (logits >= highest - logit_rounding(highest)) | (logits == highest)


def logit_rounding(logits: torch.Tensor) -> torch.Tensor:
    """Return by how much logits may be off. A small one may be the difference of larger numbers: one nat is the least scale."""
    return RELATIVE_ROUNDING * logits.detach().abs().clamp(min=1)


def shared_maximum(
    values: torch.Tensor, owner: torch.Tensor, num_owners: int, *, rounding: torch.Tensor, empty: float
) -> torch.Tensor:
    """
    Compute the maximum, element by element, of the rows of each owner; `empty` for an owner without rows. Rows that are equal but
    for rounding share its gradient, which else would go to the one that rounding lets win.

    Shape of the values: `(num_rows, dim)`, of their owners: `(num_rows,)`, of their rounding: `(num_rows, 1)`, of the result:
    `(num_owners, dim)`.
    """
    highest = values.new_full((num_owners, values.size(-1)), empty).scatter_reduce(
        0, owner.unsqueeze(-1).expand_as(values), values.detach(), "amax", include_self=False
    )
    if not values.requires_grad:
        return highest
    shares = values >= highest.index_select(0, owner) - rounding
    zeros = torch.zeros_like(highest)
    count = zeros.index_add(0, owner, shares.to(values.dtype))
    total = zeros.index_add(0, owner, torch.where(shares, values, 0))
    mean = total / count.clamp(min=1)
    # The value of the maximum with the gradient of the mean; none where there are no rows or the maximum is not finite.
    return highest + (mean - mean.detach())


def rank_with_ties(values: ArrayLike, rounding: ArrayLike) -> numpy.ndarray:
    """Rank values from 0 for the lowest; those that are equal but for rounding get the same rank. Shape: `(num_values,)`."""
    numbers, tolerances = numpy.asarray(values, dtype=float), numpy.asarray(rounding, dtype=float)
    order = numpy.argsort(numbers, kind="stable")
    ranks = numpy.zeros(len(numbers), dtype=int)
    ranks[order[1:]] = (numpy.diff(numbers[order]) > tolerances[order[1:]]).cumsum()
    return ranks
