"""What fields with labels have in common: checks of labels and namespaces, and labels that the vocabulary lacks."""

import logging
import weakref
from collections import Counter
from typing import Collection, Dict, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.vocabulary_entries import check_entries

logger = logging.getLogger(__name__)


def check_labels(labels: Collection[str], namespace: str) -> None:
    """
    Raise a `ConfigurationError` if AllenNLP would reserve indices of the namespace for padding and unknown labels, or if a label
    would be lost where the vocabulary is saved.
    """
    if not namespace.endswith(("labels", "tags")):
        raise ConfigurationError(
            f"The label namespace '{namespace}' must end in 'labels' or 'tags': in other namespaces AllenNLP reserves indices for "
            "padding and unknown tokens, and labels would be shifted."
        )
    check_entries(labels, f"label of '{namespace}'")


class UnseenLabelCounts:
    """
    Counts the labels that a vocabulary lacks, and warns about each of them once for each vocabulary. The counts of a vocabulary
    are dropped with it. The warning `message` has `%s` for the label and for the namespace.
    """

    def __init__(self, message: str) -> None:
        self._message = message
        # By the vocabulary's id: vocabularies cannot be hashed, and so cannot be the keys of a `WeakKeyDictionary`.
        self._counts: Dict[int, Counter[Tuple[str, str]]] = {}

    def get_counts(self, vocab: Vocabulary) -> Counter[Tuple[str, str]]:
        """Return how often each (namespace, label) that is not in the vocabulary was seen."""
        if id(vocab) not in self._counts:
            self._counts[id(vocab)] = Counter()
            weakref.finalize(vocab, self._counts.pop, id(vocab))
        return self._counts[id(vocab)]

    def count(self, vocab: Vocabulary, namespace: str, label: str, number: int = 1) -> None:
        """Count a label that is not in the vocabulary, and warn about it if it is the first time."""
        counts = self.get_counts(vocab)
        if (namespace, label) not in counts:
            logger.warning(self._message, label, namespace)
        counts[namespace, label] += number
