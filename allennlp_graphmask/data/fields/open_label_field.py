import logging
from collections import Counter
from typing import List, Set, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.data.fields import SequenceField, SequenceLabelField
from allennlp.data.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

#: The label index of a label that the vocabulary does not know.
UNSEEN_LABEL = -1


class OpenSequenceLabelField(SequenceLabelField):
    """
    A `SequenceLabelField` whose labels may be missing from the vocabulary: they become `UNSEEN_LABEL` (-1).

    AllenNLP's own field raises a `KeyError` for them, so that a model could not be evaluated on a data set with one
    label that its training data lack. A loss ignores -1 (`ignore_index=-1`), a metric counts it as a label that no
    prediction can match. Each unseen label is warned about once and counted.

    # Parameters

    labels : `List[str]`
    sequence_field : `SequenceField`
        The labels belong to its elements; both have the same length.
    label_namespace : `str`, optional (default = `"labels"`)
        Must end in `labels` or `tags` (a namespace without padding and unknown entries).
    """

    # Fields have slots; naming none adds none.
    __slots__: List[str] = []

    _warned_labels: Set[Tuple[str, str]] = set()
    #: How many labels were unseen, per (namespace, label).
    unseen_label_counts: Counter = Counter()

    def __init__(
        self, labels: List[str], sequence_field: SequenceField, label_namespace: str = "labels"
    ) -> None:
        if not label_namespace.endswith(("labels", "tags")):
            raise ConfigurationError(
                f"The label namespace '{label_namespace}' must end in 'labels' or 'tags', so that it has no padding and no "
                "unknown entries."
            )
        super().__init__(labels, sequence_field, label_namespace)

    def index(self, vocab: Vocabulary) -> None:
        known = vocab.get_token_to_index_vocabulary(self._label_namespace)
        labels = [str(label) for label in self.labels]
        self._indexed_labels = [known.get(label, UNSEEN_LABEL) for label in labels]
        for label in labels:
            if label not in known:
                self._note_unseen_label(label)

    def _note_unseen_label(self, label: str) -> None:
        key = (self._label_namespace, label)
        OpenSequenceLabelField.unseen_label_counts[key] += 1
        if key not in OpenSequenceLabelField._warned_labels:
            OpenSequenceLabelField._warned_labels.add(key)
            logger.warning(
                "Label '%s' is not in the vocabulary's namespace '%s': the model cannot predict it, and it counts as missed.",
                label,
                self._label_namespace,
            )

    def empty_field(self) -> "OpenSequenceLabelField":
        empty = OpenSequenceLabelField([], self.sequence_field.empty_field(), self._label_namespace)
        empty._indexed_labels = []
        return empty
