from typing import Any, Dict, List, Optional, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data.fields import LabelField, SequenceField, SequenceLabelField
from allennlp.data.vocabulary import Vocabulary

from allennlp_graphmask.data.fields.label_namespaces import UnseenLabelCounts, check_labels

#: The label index of a label that the vocabulary does not know.
UNSEEN_LABEL = -1
#: The label index where there is no label at all. Unlike an unseen label it counts as neither right nor wrong.
NO_LABEL = -2
#: How many labels, of elements and of instances, their vocabulary does not know.
UNSEEN_LABEL_COUNTS = UnseenLabelCounts(
    "Label '%s' is not in the vocabulary's namespace '%s': the model cannot predict it, and it counts as missed."
)


class OpenSequenceLabelField(SequenceLabelField):
    """
    A `SequenceLabelField` whose labels may be missing from the vocabulary: they become `UNSEEN_LABEL` (-1).

    AllenNLP's own field raises a `KeyError` for them, so that a model could not be evaluated on a data set with one label that
    its training data lack. A loss ignores -1 (`ignore_index=-1`), a metric counts it as a label that no prediction can match.
    There is one warning for each vocabulary and label (`UNSEEN_LABEL_COUNTS`).

    # Parameters

    labels : `Sequence[Optional[str]]`
        `None` for elements without a label: they become `NO_LABEL` (-2).
    sequence_field : `SequenceField`
        The labels belong to its elements; both have the same length.
    label_namespace : `str`, optional (default = `"labels"`)
        Must end in `labels` or `tags` (a namespace without padding and unknown entries).
    """

    # Fields have slots; naming none adds none.
    __slots__: List[str] = []

    def __init__(
        self, labels: Sequence[Optional[str]], sequence_field: SequenceField[Any], label_namespace: str = "labels"
    ) -> None:
        check_labels([str(label) for label in set(labels) if label is not None], label_namespace)
        # AllenNLP's own constructor refuses `None`.
        super().__init__(["" if label is None else label for label in labels], sequence_field, label_namespace)
        self.labels = list(labels)  # type: ignore[assignment]

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        for label in self.labels:
            if label is not None:
                counter[self._label_namespace][str(label)] += 1

    def index(self, vocab: Vocabulary) -> None:
        self._indexed_labels = [_index_label(label, self._label_namespace, vocab) for label in self.labels]

    def empty_field(self) -> "OpenSequenceLabelField":
        empty = OpenSequenceLabelField([], self.sequence_field.empty_field(), self._label_namespace)
        empty._indexed_labels = []
        return empty


class OpenLabelField(LabelField):
    """
    The label of a whole instance, as `OpenSequenceLabelField` has them for a sequence: one that the vocabulary does not know
    becomes `UNSEEN_LABEL` (-1), and `None` becomes `NO_LABEL` (-2), so that instances with and without a label can be in one
    batch. The namespace is as there.
    """

    __slots__: List[str] = []

    def __init__(self, label: Optional[str], label_namespace: str = "labels") -> None:
        check_labels([] if label is None else [str(label)], label_namespace)
        # AllenNLP's own constructor refuses `None`.
        super().__init__("" if label is None else label, label_namespace)
        self.label = label  # type: ignore[assignment]

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        if self.label is not None:
            counter[self._label_namespace][str(self.label)] += 1

    def index(self, vocab: Vocabulary) -> None:
        self._label_id = _index_label(self.label, self._label_namespace, vocab)

    def as_tensor(self, padding_lengths: Dict[str, int]) -> torch.Tensor:
        if self._label_id is None:
            raise ConfigurationError("You must call .index(vocabulary) on an OpenLabelField before .as_tensor()")
        return super().as_tensor(padding_lengths)

    def empty_field(self) -> "OpenLabelField":
        empty = OpenLabelField(None, self._label_namespace)
        empty._label_id = NO_LABEL
        return empty


def _index_label(label: object, namespace: str, vocab: Vocabulary) -> int:
    if label is None:
        return NO_LABEL
    index = vocab.get_token_to_index_vocabulary(namespace).get(str(label))
    if index is not None:
        return index
    UNSEEN_LABEL_COUNTS.count(vocab, namespace, str(label))
    return UNSEEN_LABEL
