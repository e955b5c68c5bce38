"""Labels that a vocabulary lacks, in all fields that have labels."""

import gc
import logging
from typing import Any, Callable, Dict, List

import pytest
from allennlp.data import Vocabulary
from allennlp.data.fields import Field, TextField
from allennlp.data.tokenizers import Token

from allennlp_graphmask.data.fields import GraphField, OpenLabelField, OpenSequenceLabelField
from allennlp_graphmask.data.fields.graph_field import UNSEEN_EDGE_LABEL_COUNTS
from allennlp_graphmask.data.fields.label_namespaces import UnseenLabelCounts
from allennlp_graphmask.data.fields.open_label_field import UNSEEN_LABEL_COUNTS
from tests.data.malformed import refused

#: Fields with three labels, in a namespace.
FIELDS: Dict[str, Callable[[List[str], str], List[Field]]] = {
    "graph": lambda labels, namespace: [GraphField(2, [(0, 1)] * len(labels), labels, namespace)],
    "sequence": lambda labels, namespace: [
        OpenSequenceLabelField(labels, TextField([Token("x")] * len(labels)), namespace)
    ],
    "instance": lambda labels, namespace: [OpenLabelField(label, namespace) for label in labels],
}
COUNTS = {"graph": UNSEEN_EDGE_LABEL_COUNTS, "sequence": UNSEEN_LABEL_COUNTS, "instance": UNSEEN_LABEL_COUNTS}


@pytest.fixture(params=FIELDS)
def kind(request) -> str:
    return request.param


def index(kind: str, vocabulary: Vocabulary, caplog: Any) -> List[str]:
    """Index fields with two labels that are not known; the warnings."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        for field in FIELDS[kind](["known", "new", "new", "other"], "some_labels"):
            field.index(vocabulary)
    return [record.getMessage() for record in caplog.records]


def test_each_vocabulary_warns_once_about_a_label_and_counts_it(kind, caplog) -> None:
    first, second = (Vocabulary(counter={"some_labels": {"known": 1}}) for _ in range(2))
    assert first == second
    for vocabulary in (first, second):
        warnings = index(kind, vocabulary, caplog)
        assert len(warnings) == 2 and all("'some_labels'" in warning for warning in warnings)
        assert "'new'" in warnings[0] and "'other'" in warnings[1]
    assert index(kind, first, caplog) == []
    counts = COUNTS[kind]
    assert counts.get_counts(first) == {("some_labels", "new"): 4, ("some_labels", "other"): 2}
    assert counts.get_counts(second) == {("some_labels", "new"): 2, ("some_labels", "other"): 1}


def test_kinds_of_labels_do_not_hide_each_other(caplog) -> None:
    vocabulary = Vocabulary(counter={"some_labels": {"known": 1}})
    assert len(index("graph", vocabulary, caplog)) == len(index("sequence", vocabulary, caplog)) == 2
    # An instance's labels are of the same kind as those of a sequence.
    assert index("instance", vocabulary, caplog) == []


def test_nothing_is_left_of_a_vocabulary() -> None:
    counts = UnseenLabelCounts("%s %s")
    for _ in range(3):
        counts.count(Vocabulary(), "some_labels", "new")
    gc.collect()
    assert counts._counts == {}


def test_a_namespace_with_reserved_indices_is_refused(kind) -> None:
    with refused("'roles'"):
        FIELDS[kind](["A1"], "roles")
    assert FIELDS[kind](["A1"], "role_tags")
