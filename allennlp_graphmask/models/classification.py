"""What the models that give labels to graphs or nodes have in common."""

from typing import Any, Dict, List

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from torch.nn import functional


def num_labels(vocab: Vocabulary, namespace: str) -> int:
    """
    # Raises

    `ConfigurationError` if there are no labels.
    """
    size = vocab.get_vocab_size(namespace)
    if not size:
        raise ConfigurationError(
            f"The vocabulary has no label in the namespace '{namespace}': the training data have no labels, or their "
            'reader has another "label_namespace".'
        )
    return size


def check_dim(name: str, dim: int, expected: int, what: str) -> None:
    """
    # Raises

    `ConfigurationError` if the module `name` reads vectors of another size than `what` have.
    """
    if dim != expected:
        raise ConfigurationError(f"{name} reads vectors of size {dim}, but {what} have size {expected}.")


def loss_of_known_labels(logits: torch.Tensor, targets: torch.Tensor, is_known: torch.Tensor) -> torch.Tensor:
    """
    Cross-entropy, the mean over all that have a known label.

    # Parameters

    logits : `torch.Tensor`
        Shape: `(..., num_labels)`.
    targets : `torch.Tensor`
        Shape: `(...)`.
    is_known : `torch.Tensor`
        Shape: `(...)`, `torch.bool`.

    # Returns

    `torch.Tensor`
        Shape: `()`.
    """
    if not bool(is_known.any()):
        # Nothing to learn from this batch; the sum keeps the way for gradients (of zero) that training expects.
        return logits.sum() * 0
    return functional.cross_entropy(logits[is_known], targets[is_known])


def predicted_label(probabilities: List[float], names: Dict[int, str]) -> Dict[str, Any]:
    """The most probable `label`, its `probability`, and the `probabilities` of all labels."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return {
        "label": names[best],
        "probability": probabilities[best],
        "probabilities": {names[index]: probability for index, probability in enumerate(probabilities)},
    }
