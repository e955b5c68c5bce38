import logging
from collections import Counter
from typing import Dict, List, Optional, Sequence, Set, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data.fields import Field, SequenceField, SequenceLabelField
from allennlp.data.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

#: The label index of a label that the vocabulary does not know.
UNSEEN_LABEL = -1
#: The label index where there is no label at all. Unlike an unseen label it counts as neither right nor wrong.
NO_LABEL = -2


class OpenSequenceLabelField(SequenceLabelField):
    """
    A `SequenceLabelField` whose labels may be missing from the vocabulary: they become `UNSEEN_LABEL` (-1).

    AllenNLP's own field raises a `KeyError` for them, so that a model could not be evaluated on a data set with one
    label that its training data lack. A loss ignores -1 (`ignore_index=-1`), a metric counts it as a label that no
    prediction can match. Each unseen label is warned about once and counted.

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

    _warned_labels: Set[Tuple[str, str]] = set()
    #: How many labels were unseen, per (namespace, label).
    unseen_label_counts: Counter = Counter()

    def __init__(
        self, labels: Sequence[Optional[str]], sequence_field: SequenceField, label_namespace: str = "labels"
    ) -> None:
        _check_namespace(label_namespace)
        # AllenNLP's own constructor refuses `None`.
        super().__init__(
            ["" if label is None else label for label in labels], sequence_field, label_namespace
        )
        self.labels = list(labels)  # type: ignore[assignment]

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        for label in self.labels:
            if label is not None:
                counter[self._label_namespace][str(label)] += 1

    def index(self, vocab: Vocabulary) -> None:
        self._indexed_labels = [_index_of(label, self._label_namespace, vocab) for label in self.labels]

    def empty_field(self) -> "OpenSequenceLabelField":
        empty = OpenSequenceLabelField([], self.sequence_field.empty_field(), self._label_namespace)
        empty._indexed_labels = []
        return empty


class OpenLabelField(Field[torch.Tensor]):
    """
    The label of a whole instance, as `OpenSequenceLabelField` has them for a sequence: one that the vocabulary does not know
    becomes `UNSEEN_LABEL` (-1), and `None` becomes `NO_LABEL` (-2), so that instances with and without a label can be in one
    batch. Unseen labels are counted with those of `OpenSequenceLabelField`.

    # Parameters

    label : `str`, optional
    label_namespace : `str`, optional (default = `"labels"`)
        Must end in `labels` or `tags` (a namespace without padding and unknown entries).
    """

    __slots__ = ["label", "_label_namespace", "_label_index"]

    def __init__(self, label: Optional[str], label_namespace: str = "labels") -> None:
        _check_namespace(label_namespace)
        self.label = label
        self._label_namespace = label_namespace
        self._label_index: Optional[int] = None

    def count_vocab_items(self, counter: Dict[str, Dict[str, int]]) -> None:
        if self.label is not None:
            counter[self._label_namespace][self.label] += 1

    def index(self, vocab: Vocabulary) -> None:
        self._label_index = _index_of(self.label, self._label_namespace, vocab)

    def get_padding_lengths(self) -> Dict[str, int]:
        return {}

    def as_tensor(self, padding_lengths: Dict[str, int]) -> torch.Tensor:
        if self._label_index is None:
            raise ConfigurationError(
                "You must call .index(vocabulary) on an OpenLabelField before .as_tensor()"
            )
        return torch.tensor(self._label_index)

    def empty_field(self) -> "OpenLabelField":
        empty = OpenLabelField(None, self._label_namespace)
        empty._label_index = NO_LABEL
        return empty

    def human_readable_repr(self) -> Optional[str]:
        return self.label

    def __str__(self) -> str:
        return f"OpenLabelField with label: {self.label} in namespace: '{self._label_namespace}'."


def _check_namespace(namespace: str) -> None:
    if not namespace.endswith(("labels", "tags")):
        raise ConfigurationError(
            f"The label namespace '{namespace}' must end in 'labels' or 'tags', so that it has no padding and no "
            "unknown entries."
        )


def _index_of(label: object, namespace: str, vocab: Vocabulary) -> int:
    if label is None:
        return NO_LABEL
    index = vocab.get_token_to_index_vocabulary(namespace).get(str(label))
    if index is not None:
        return index
    key = (namespace, str(label))
    OpenSequenceLabelField.unseen_label_counts[key] += 1
    if key not in OpenSequenceLabelField._warned_labels:
        OpenSequenceLabelField._warned_labels.add(key)
        logger.warning(
            "Label '%s' is not in the vocabulary's namespace '%s': the model cannot predict it, and it counts as missed.",
            label,
            namespace,
        )
    return UNSEEN_LABEL
