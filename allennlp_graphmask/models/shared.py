"""What the task models have in common."""

from typing import Any, Dict, List

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from torch.nn import functional

from allennlp_graphmask.rounding import most_probable


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


def compute_known_label_loss(logits: torch.Tensor, targets: torch.Tensor, is_known: torch.Tensor) -> torch.Tensor:
    """
    Compute the mean cross-entropy of the instances with a known label. Shapes: `(..., num_labels)`, `(...)` and
    `(...)`, `torch.bool`; that of the result is `()`.
    """
    if not bool(is_known.any()):
        # Nothing can be learnt from this batch, but training expects gradients (of zero).
        return (logits * 0).sum()
    return functional.cross_entropy(logits[is_known], targets[is_known])


def build_label_predictions(logits: torch.Tensor, names: Dict[int, str]) -> List[Dict[str, Any]]:
    """
    Return the most probable `label` of each row of logits, its `probability`, and the `probabilities` of all labels. Shape of
    the logits: `(num_rows, num_labels)`.
    """
    return [
        {
            "label": names[best],
            "probability": probabilities[best],
            "probabilities": {names[index]: probability for index, probability in enumerate(probabilities)},
        }
        for best, probabilities in zip(most_probable(logits).tolist(), logits.softmax(-1).tolist())
    ]
