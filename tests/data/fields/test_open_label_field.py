import copy
import pickle
from collections import Counter

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import Instance, Vocabulary
from allennlp.data.fields import ListField, TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import Token

from allennlp_graphmask.data.fields import OpenLabelField, OpenSequenceLabelField
from allennlp_graphmask.data.fields.open_label_field import NO_LABEL, UNSEEN_LABEL
from tests.models.building import make_batch


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(counter={"role_labels": {"_": 9, "A0": 3, "A1": 2}, "tokens": {"she": 1}})


def labelled(*labels: str) -> OpenSequenceLabelField:
    words = TextField([Token("she") for _ in labels], {"tokens": SingleIdTokenIndexer()})
    return OpenSequenceLabelField(list(labels), words, "role_labels")


def test_batch_is_padded(vocabulary: Vocabulary) -> None:
    instances = [Instance({"roles": labelled("A0", "_", "A9")}), Instance({"roles": labelled("A1")})]
    assert make_batch(instances, vocabulary)["roles"].tolist() == [[1, 0, UNSEEN_LABEL], [2, 0, 0]]


def test_list_field_pads_with_empty_fields(vocabulary: Vocabulary) -> None:
    fields = (ListField([labelled("A0", "_"), labelled("A1")]), ListField([labelled("A0")]))
    batch = make_batch([Instance({"roles": field}) for field in fields], vocabulary)
    assert batch["roles"].tolist() == [[[1, 0], [2, 0]], [[1, 0], [0, 0]]]


def test_equality_copies_and_pickles(vocabulary: Vocabulary) -> None:
    field = labelled("A0", "A9")
    field.index(vocabulary)
    for copied in (copy.deepcopy(field), pickle.loads(pickle.dumps(field)), field.duplicate()):
        assert isinstance(copied, OpenSequenceLabelField)
        assert copied.labels == ["A0", "A9"]
        assert copied.as_tensor(copied.get_padding_lengths()).tolist() == [1, UNSEEN_LABEL]
    assert field.human_readable_repr() == ["A0", "A9"]
    assert isinstance(field.empty_field(), OpenSequenceLabelField)


def test_as_many_labels_as_elements() -> None:
    with pytest.raises(ConfigurationError):
        OpenSequenceLabelField(["A0", "A1"], labelled("A0").sequence_field, "role_labels")


def test_elements_without_a_label(vocabulary: Vocabulary) -> None:
    words = labelled("A0", "A0", "A0").sequence_field
    field = OpenSequenceLabelField(["A1", None, "A7"], words, "role_labels")
    counter: dict = {"role_labels": Counter()}
    field.count_vocab_items(counter)
    assert counter == {"role_labels": {"A1": 1, "A7": 1}}
    field.index(vocabulary)
    assert field.as_tensor(field.get_padding_lengths()).tolist() == [2, NO_LABEL, UNSEEN_LABEL]
    assert OpenSequenceLabelField([None] * 3, words, "role_labels").labels == [None] * 3


def test_labels_of_instances(vocabulary: Vocabulary) -> None:
    labels = ["A1", None, "A7"]
    instances = [Instance({"label": OpenLabelField(label, "role_labels")}) for label in labels]
    assert Vocabulary.from_instances(instances).get_vocab_size("role_labels") == 2
    assert make_batch(instances, vocabulary)["label"].tolist() == [2, NO_LABEL, UNSEEN_LABEL]
    field = OpenLabelField("A1", "role_labels")
    with pytest.raises(ConfigurationError, match="index"):
        field.as_tensor({})
    field.index(vocabulary)
    for copied in (copy.deepcopy(field), pickle.loads(pickle.dumps(field))):
        assert copied == field and int(copied.as_tensor({})) == 2
    assert int(field.empty_field().as_tensor({})) == NO_LABEL
    assert field.human_readable_repr() == "A1" and "A1" in str(field)
