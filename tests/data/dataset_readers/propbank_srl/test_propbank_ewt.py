"""The reader on real data: PropBank on the English Web Treebank."""

from collections import Counter
from typing import Dict, List

import pytest

from allennlp_graphmask.data.dataset_readers import Conll2009SrlReader
from allennlp_graphmask.data.dataset_readers.propbank_srl import (
    DependencySentence,
    check_scheme,
    guess_scheme,
    read_conll2009,
)
from tests.data.malformed import refused
from tests.data.real_data import DATA, needs_data

pytestmark = needs_data
SCHEMES = {"gold": "universal_dependencies", "predicted": "clearnlp"}
# Sentences, predicates, predicates with an argument, arguments.
COUNTS = {"train": (12542, 40479, 33521, 81527), "dev": (1974, 4977, 4143, 9600)}


def path_of(part: str) -> str:
    return str(DATA / "propbank_ewt" / f"ewt_{part}.conll09.xz")


def read(part: str, syntax: str = "gold") -> List[DependencySentence]:
    return [block.get_sentence() for block in read_conll2009(path_of(part), syntax)]


@pytest.fixture(scope="module")
def sentences() -> Dict[str, List[DependencySentence]]:
    """Each part with its gold trees."""
    return {part: read(part) for part in COUNTS}


@pytest.mark.parametrize("part", COUNTS)
def test_counts(sentences, part):
    predicates = [predicate for sentence in sentences[part] for predicate in sentence.predicates]
    arguments = [len(predicate.roles or {}) for predicate in predicates]
    with_arguments = sum(number > 0 for number in arguments)
    assert (len(sentences[part]), len(predicates), with_arguments, sum(arguments)) == COUNTS[part]


def test_gold_trees_are_universal_dependencies(sentences):
    for part, of_part in sentences.items():
        labels = Counter(label for sentence in of_part for label in sentence.dependency_labels)
        assert guess_scheme(labels.elements()) == "universal_dependencies"
        check_scheme(labels, "universal_dependencies", part)
        for other in ("clearnlp", "conll2008"):
            with refused(f"'{other}'", "'universal_dependencies'"):
                check_scheme(labels, other, part)


@pytest.mark.parametrize("part", COUNTS)
def test_predicted_trees_are_clearnlp(sentences, part):
    predicted = read(part, "predicted")
    labels = Counter(label for sentence in predicted for label in sentence.dependency_labels)
    assert guess_scheme(labels.elements()) == "clearnlp"
    check_scheme(labels, "clearnlp", part)
    # Everything else is the same.
    for gold, other in zip(sentences[part], predicted, strict=True):
        assert (gold.words, gold.predicates, gold.sentence_id) == (other.words, other.predicates, other.sentence_id)


@pytest.mark.parametrize("syntax", SCHEMES)
def test_the_reader_makes_an_instance_of_each_predicate(syntax):
    reader = Conll2009SrlReader(SCHEMES[syntax], syntax=syntax)
    instances = list(reader.read(path_of("dev")))
    assert len(instances) == COUNTS["dev"][1]
    assert sum(label != "_" for instance in instances for label in instance["roles"].labels) == COUNTS["dev"][3]
    for instance in instances:
        roots = instance["metadata"]["heads"].count(-1)
        assert len(instance["graph"].edges) == 2 * (len(instance["tokens"]) - roots)


@pytest.mark.parametrize("syntax, declared", [("gold", "clearnlp"), ("predicted", "universal_dependencies")])
def test_reading_in_the_wrong_scheme_is_refused_by_name(syntax, declared):
    with refused(path_of("dev"), f"'{declared}'", f"'{SCHEMES[syntax]}'"):
        list(Conll2009SrlReader(declared, syntax=syntax).read(path_of("dev")))
