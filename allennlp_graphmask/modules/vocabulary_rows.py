"""
Parameters with a row for each entry of a namespace of the vocabulary. They grow with it, as AllenNLP's embeddings do: in a
method `extend_vocab`, which `Model.extend_embedder_vocab` calls.
"""

import torch
from torch import nn


def add_rows(parameter: nn.Parameter, num_rows: int, new_row: torch.Tensor) -> nn.Parameter:
    """
    Return a parameter with copies of a row, shape `(1, ...)`, behind those of shape `(num_known, ...)`: of `num_rows` rows in
    all. If there are as many already, it is the same parameter.
    """
    num_added = num_rows - parameter.size(0)
    if not num_added:
        return parameter
    rows = torch.cat([parameter.detach(), new_row.detach().expand(num_added, *parameter.shape[1:])])
    return nn.Parameter(rows, requires_grad=parameter.requires_grad)


def add_label_rows(parameter: nn.Parameter, num_labels: int) -> nn.Parameter:
    """
    Return a parameter with rows for labels that were added behind those known so far. They are the mean of the others: the score
    that a linear layer gives to an added label is then the mean of the others, so that it is not predicted before training.
    """
    return add_rows(parameter, num_labels, parameter.mean(0, keepdim=True))


def add_outputs(linear: nn.Linear, num_labels: int) -> None:
    """Make room in a linear layer that scores labels for those that were added, see `add_label_rows`."""
    linear.weight = add_label_rows(linear.weight, num_labels)  # type: ignore[arg-type]  # torch declares a Tensor
    linear.bias = add_label_rows(linear.bias, num_labels)
    linear.out_features = num_labels
