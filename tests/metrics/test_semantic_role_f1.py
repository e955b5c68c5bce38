from collections import Counter
from typing import List, Optional

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allennlp_graphmask.metrics import SemanticRoleF1

NULL, A0, A1, TMP, UNSEEN = 0, 1, 2, 3, -1
NAMES = {A0: "A0", A1: "A1", TMP: "AM-TMP", UNSEEN: "@@UNSEEN@@"}


def vocabulary(null_label: str = "_") -> Vocabulary:
    return Vocabulary(counter={"role_labels": {null_label: 9, "A0": 3, "A1": 2, "AM-TMP": 1}})


@pytest.mark.parametrize(
    "predictions, gold, precision, recall, f1",
    [
        # Three right of four predicted and of five in gold: one has the wrong role, one is missed.
        ([[A0, NULL, A1, TMP, A1, NULL]], [[A0, NULL, A1, TMP, A0, A1]], 3 / 4, 3 / 5, 2 / 3),
        # The right role at the wrong token is one wrong prediction and one missed argument.
        ([[NULL, A0]], [[A0, NULL]], 0.0, 0.0, 0.0),
        # A role that training never saw is missed, whether or not another is predicted there.
        ([[A0, NULL]], [[A0, UNSEEN]], 1.0, 1 / 2, 2 / 3),
        ([[A0, TMP]], [[A0, UNSEEN]], 1 / 2, 1 / 2, 1 / 2),
    ],
)
def test_cases_by_hand(predictions, gold, precision, recall, f1):
    metric = SemanticRoleF1(vocabulary())
    metric(torch.tensor(predictions), torch.tensor(gold))
    expected = {"precision": precision, "recall": recall, "f1": f1, "f1_with_arguments": f1}
    assert metric.get_metric() == pytest.approx(expected)


def test_arguments_of_predicates_that_have_none_count_as_wrong():
    metric = SemanticRoleF1(vocabulary())
    metric(torch.tensor([[A0, NULL], [A0, TMP]]), torch.tensor([[A0, NULL], [NULL, NULL]]))
    expected = {"precision": 1 / 3, "recall": 1.0, "f1": 1 / 2, "f1_with_arguments": 1.0}
    assert metric.get_metric() == pytest.approx(expected)


def test_counts_are_summed_over_batches_and_not_averaged():
    metric = SemanticRoleF1(vocabulary())
    metric(torch.tensor([[A0]]), torch.tensor([[A0]]))
    metric(torch.tensor([[A1, A1, A1]]), torch.tensor([[NULL, NULL, A1]]))
    assert metric.get_metric()["precision"] == pytest.approx(2 / 4)
    assert metric.get_metric(reset=True)["recall"] == pytest.approx(2 / 2)
    assert set(metric.get_metric().values()) == {0.0}
    assert metric.get_metric_per_label() == {}
    metric(torch.tensor([[A0]]), torch.tensor([[A0]]))
    assert set(metric.get_metric_per_label(reset=True)) == {"A0"}
    assert metric.get_metric_per_label() == {}


def test_counting_goes_on_when_the_vocabulary_grows():
    vocab = vocabulary()
    metric = SemanticRoleF1(vocab)
    metric(torch.tensor([[A0, A0]]), torch.tensor([[A0, UNSEEN]]))
    new = vocab.add_token_to_namespace("AM-NEW", "role_labels")
    metric(torch.tensor([[new, A0]]), torch.tensor([[new, new]]))
    assert set(metric.get_metric().values()) == {2 / 4}
    counts = {name: values["count"] for name, values in metric.get_metric_per_label().items()}
    assert counts == {"A0": 1, "@@UNSEEN@@": 1, "AM-NEW": 2}


@st.composite
def batches(draw: st.DrawFn) -> List[List[List[int]]]:
    """(prediction, gold, mask) of each token of each instance of a batch, all instances of a batch equally long."""
    length = draw(st.integers(1, 5))
    token = st.tuples(st.sampled_from([NULL, A0, A1, TMP]), st.sampled_from([NULL, A0, A1, TMP, UNSEEN]), st.booleans())
    return draw(st.lists(st.lists(token, min_size=length, max_size=length), min_size=1, max_size=4))


def f1(right: int, predicted: int, gold: int):
    # The harmonic mean written the other way.
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / gold if gold else 0.0,
        "f1": 2 * right / (predicted + gold) if right else 0.0,
    }


@given(st.lists(batches(), min_size=1, max_size=3))
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_the_metric_equals_a_comparison_of_sets(epoch):
    metric = SemanticRoleF1(vocabulary())
    predicted, gold = set(), set()
    for number, batch in enumerate(epoch):
        predictions, gold_labels, mask = torch.tensor(batch, dtype=torch.long).unbind(-1)
        metric(predictions, gold_labels, mask.bool())
        for instance, tokens in enumerate(batch):
            for token, (prediction, label, counts) in enumerate(tokens):
                if counts and prediction != NULL:
                    predicted.add((number, instance, token, prediction))
                if counts and label != NULL:
                    gold.add((number, instance, token, label))
    having = {argument[:2] for argument in gold}
    predicted_there = {argument for argument in predicted if argument[:2] in having}
    assert metric.get_metric() == pytest.approx(
        {
            **f1(len(predicted & gold), len(predicted), len(gold)),
            "f1_with_arguments": f1(len(predicted & gold), len(predicted_there), len(gold))["f1"],
        }
    )
    numbers = [Counter(argument[-1] for argument in found) for found in (predicted & gold, predicted, gold)]
    expected = {
        NAMES[label]: {**f1(*(count[label] for count in numbers)), "count": numbers[2][label]}
        for label in {argument[-1] for argument in predicted | gold}
    }
    per_label = metric.get_metric_per_label()
    assert set(per_label) == set(expected)
    for name, values in expected.items():
        assert per_label[name] == pytest.approx(values)
    # The labels' gold arguments are all gold arguments.
    assert sum(values["count"] for values in per_label.values()) == len(gold)


def test_the_null_label_may_have_another_name_and_place():
    other = Vocabulary(counter={"tags": {"A0": 9, "O": 1}})
    metric = SemanticRoleF1(other, label_namespace="tags", null_label="O")
    metric(torch.tensor([[0, 1, 0]]), torch.tensor([[0, 1, 1]]))
    assert metric.get_metric()["f1"] == pytest.approx(2 / 3)
    assert list(metric.get_metric_per_label()) == ["A0"]


@pytest.mark.parametrize("known", [None, "O"])
def test_a_vocabulary_without_the_null_label_is_refused(known: Optional[str]):
    lacking = Vocabulary() if known is None else vocabulary(null_label=known)
    with pytest.raises(ConfigurationError, match="'role_labels' lacks '_'"):
        SemanticRoleF1(lacking)
