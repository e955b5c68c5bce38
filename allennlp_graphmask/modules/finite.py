"""Numbers that a prediction cannot be made from."""

import itertools

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
    name, wrong = next((name, tensor) for name, tensor in tensors if not tensor.isfinite().all())
    place = wrong.isfinite().logical_not().nonzero()[0].tolist()
    archive = getattr(model, "archive_file", None)
    raise ConfigurationError(
        f"{type(model).__name__}{f' of the archive {archive!r}' if archive else ''} cannot predict: {name}{place or ''} is "
        f"{wrong[tuple(place)].item()}, expected a finite number. Train the model again, with a lower learning rate or "
        '"grad_norm" in the trainer, or take another archive.'
    )
