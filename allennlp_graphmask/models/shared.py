"""What the task models have in common."""

import itertools
from typing import Any, Dict, List

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model
from torch.nn import functional

from allennlp_graphmask.rounding import RELATIVE_ROUNDING


def count_labels(vocab: Vocabulary, namespace: str) -> int:
    """Return the number of labels. Without any, raise a `ConfigurationError`."""
    size = vocab.get_vocab_size(namespace)
    if not size:
        raise ConfigurationError(
            f"The vocabulary has no label in the namespace '{namespace}': the training data have no labels, or their reader has "
            'another "label_namespace".'
        )
    return size


def check_dim(name: str, dim: int, expected: int, what: str) -> None:
    """
    Raise a `ConfigurationError` if the module `name` reads vectors of size `dim` and not of the size that `what` has.
    """
    if dim != expected:
        raise ConfigurationError(f"{name} reads vectors of size {dim}, expected {expected}, the size of {what}.")


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


def compute_known_label_loss(logits: torch.Tensor, targets: torch.Tensor, is_known: torch.Tensor) -> torch.Tensor:
    """
    Compute the mean cross-entropy of the instances with a known label. Shapes: `(..., num_labels)`, `(...)` and
    `(...)`, `torch.bool`; that of the result is `()`.
    """
    if not bool(is_known.any()):
        # Nothing can be learnt from this batch, but training expects gradients (of zero).
        return (logits * 0).sum()
    return functional.cross_entropy(logits[is_known], targets[is_known])


def build_label_prediction(probabilities: List[float], names: Dict[int, str]) -> Dict[str, Any]:
    """Return the most probable `label`, its `probability`, and the `probabilities` of all labels."""
    highest = max(probabilities)
    # A difference of logits is a ratio of probabilities.
    best = next(n for n, probability in enumerate(probabilities) if probability >= highest * (1 - RELATIVE_ROUNDING))
    return {
        "label": names[best],
        "probability": probabilities[best],
        "probabilities": {names[index]: probability for index, probability in enumerate(probabilities)},
    }
