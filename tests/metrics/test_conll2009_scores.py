"""The rules of the CoNLL-2009 shared task: cases by hand, and the counts of its official scorer for them."""

from typing import Any, Dict, List, Optional

import pytest

from allennlp_graphmask.data.dataset_readers.propbank_srl import (
    DependencySentence,
    Predicate,
    format_conll2009,
    parse_conll2009,
)
from allennlp_graphmask.metrics import score_conll2009
from tests.data.malformed import refused

WORDS = ("She", "has", "been", "told", "lies")


def sentence(*predicates: Predicate, words: Any = WORDS) -> DependencySentence:
    heads = tuple(range(-1, len(words) - 1))
    return DependencySentence(words, words, ("X",) * len(words), heads, ("dep",) * len(words), predicates)


def predicate(index: int, sense: Optional[str], **roles: str) -> Predicate:
    """Roles by the words of `WORDS`."""
    return Predicate(index, sense, {WORDS.index(word): role for word, role in roles.items()})


GOLD = [predicate(1, "have.01"), predicate(3, "tell.02", She="A2", lies="A1")]
CASES: Dict[str, List[Any]] = {
    # Predicted predicates; right arguments with and without labels, predicted ones; right senses.
    "all right": [GOLD, 2, 2, 2, 2],
    "an auxiliary gets an argument": [[predicate(1, "have.01", lies="A1"), GOLD[1]], 2, 2, 3, 2],
    "a wrong role, a wrong sense": [[GOLD[0], predicate(3, "tell.01", She="A0", lies="A1")], 1, 2, 2, 1],
    "a wrong head": [[GOLD[0], predicate(3, "tell.02", been="A2", lies="A1")], 1, 1, 2, 2],
    "senses are compared as numbers, without lemmas": [[predicate(1, "get.1"), GOLD[1]], 2, 2, 2, 2],
    "without a sense it is the first": [[predicate(1, None), predicate(3, None, She="A2", lies="A1")], 2, 2, 2, 1],
    "two roles of one argument": [[GOLD[0], predicate(3, "tell.02", She="A2|A0", lies="A1|A1")], 2, 2, 3, 2],
    "no arguments": [[predicate(1, "have.01"), predicate(3, "tell.02")], 0, 0, 0, 2],
}


@pytest.mark.parametrize("predicted, labeled, unlabeled, num_predicted, num_senses", CASES.values(), ids=CASES)
def test_cases_by_hand(predicted, labeled, unlabeled, num_predicted, num_senses):
    def expect(right: int, right_unlabeled: int, num_predicted: int, num_gold: int) -> Dict[str, float]:
        scores = {}
        for prefix, count in (("", right), ("unlabeled_", right_unlabeled)):
            precision, recall = count / num_predicted if num_predicted else 0.0, count / num_gold
            f1 = 2 * precision * recall / (precision + recall) if count else 0.0
            scores.update({f"{prefix}precision": precision, f"{prefix}recall": recall, f"{prefix}f1": f1})
        return scores

    pair = [sentence(*GOLD)], [sentence(*predicted)]
    without_senses = expect(labeled, unlabeled, num_predicted, 2)
    assert score_conll2009(*pair, senses=False) == pytest.approx(without_senses)
    # A predicate is one more dependency, from the root.
    with_senses = expect(labeled + num_senses, unlabeled + 2, num_predicted + 2, 4)
    assert score_conll2009(*pair) == pytest.approx(with_senses)


def test_dependencies_are_counted_over_all_sentences():
    gold, wrong = sentence(*GOLD), sentence(predicate(1, "have.02"), predicate(3, "tell.03", She="A0"))
    assert score_conll2009([gold, gold], [gold, wrong])["f1"] == pytest.approx(2 * 4 / (4 + 3 + 8))
    assert score_conll2009([], [])["f1"] == 0


@pytest.mark.parametrize("predicted", [[], [sentence(words=("She", "lies"))], [sentence(), sentence()]])
def test_other_sentences_are_refused(predicted):
    with refused("Sentence"):
        score_conll2009([sentence()], predicted)


@pytest.mark.parametrize("predicates", [GOLD, [], [Predicate(3, "tell.02")]])
def test_what_is_written_is_read(predicates):
    written = format_conll2009(sentence(*predicates))
    for syntax in ("gold", "predicted"):
        [block] = parse_conll2009(written.split("\n"), "written", syntax)
        assert block.get_sentence().predicates == tuple(predicates)
        assert block.get_sentence().heads == sentence().heads


def test_a_predicate_without_a_sense_is_written_with_the_first():
    assert "lies.01" in format_conll2009(sentence(Predicate(4, roles={}))).split("\n")[4]
