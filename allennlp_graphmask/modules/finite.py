"""Numbers that a prediction cannot be made from."""

import itertools
from typing import Iterable, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model


def check_finite(model: Model, **outputs: torch.Tensor) -> None:
    """
    Check what a model predicts from.

    # Raises

    `ConfigurationError` if a number in the outputs is not finite. It names the model's archive and the first tensor with such a
    number: a parameter or buffer of the model, or else an output.
    """
    # One flag for all: Python waits for a GPU once.
    if bool(torch.stack([output.isfinite().all() for output in outputs.values()]).all()):
        return
    tensors = itertools.chain(model.named_parameters(), model.named_buffers(), outputs.items())
    archive = getattr(model, "archive_file", None)
    raise ConfigurationError(
        f"{type(model).__name__}{f' of the archive {archive!r}' if archive else ''} cannot predict: {describe_non_finite(tensors)}, "
        "expected a finite number. Train the model again, with a lower learning rate or "
        '"grad_norm" in the trainer, or take another archive.'
    )


def describe_non_finite(tensors: Iterable[Tuple[str, torch.Tensor]]) -> Optional[str]:
    """Return the first number that is not finite as `name[place] is value`, or `None` if all are finite."""
    for name, tensor in tensors:
        wrong = tensor.isfinite().logical_not()
        if wrong.any():
            place = wrong.nonzero()[0].tolist()
            return f"{name}{place or ''} is {tensor[tuple(place)].item()}"
    return None
