"""Explaining goes on in the same memory, however much has been explained."""

import gc
import os
import random
import string
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import pytest
from allennlp.models import load_archive

from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor
from allennlp_graphmask.predictors.load import load_explaining_predictor
from allennlp_graphmask.pretrained import pretrained_archive
from tests.predictors.inputs import CONLL, QUERIES, TOKENS

NUM_EXPLANATIONS = 10_000
BATCH_SIZE = 20
MAX_GROWTH = 0.01

Make = Callable[[random.Random], Dict[str, Any]]


def new_word(generator: random.Random) -> str:
    return "".join(generator.choices(string.ascii_lowercase, k=9))


#: spaCy keeps every word that it has seen, about half a kilobyte each, so that texts of ever new words do need more memory.
KNOWN_WORDS = [new_word(random.Random(number)) for number in range(50)]


def raw_text(generator: random.Random) -> Dict[str, Any]:
    first, second, third = generator.choices(KNOWN_WORDS, k=3)
    return {"sentence": f"The {first} {second} gave {third} a song."}


def tokens(generator: random.Random) -> Dict[str, Any]:
    words = [new_word(generator) for _ in TOKENS["tokens"]]
    return {**TOKENS, "tokens": words, "lemmas": words, "dependency_scheme": "clearnlp"}


def conll(generator: random.Random) -> Dict[str, Any]:
    return {"conll": CONLL.replace("dog", new_word(generator))}


def question(generator: random.Random) -> Dict[str, Any]:
    query = QUERIES[generator.randrange(len(QUERIES))]
    return {**query, "id": new_word(generator)}


class Memory(NamedTuple):
    resident: int
    num_objects: int

    @classmethod
    def measure(cls) -> "Memory":
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(gc.get_objects()))


def explain(predictor: ExplainingPredictor, make: Make, num_explanations: int, generator: random.Random) -> None:
    while num_explanations > 0:
        outputs = predictor.predict_batch_json([make(generator) for _ in range(BATCH_SIZE)])
        num_explanations -= sum(len(output["explanations"]) for output in outputs)


@pytest.fixture(scope="module")
def srl() -> ExplainingPredictor:
    return load_explaining_predictor(load_archive(pretrained_archive("propbank-srl")))


@pytest.fixture(scope="module")
def qa(qa_graphmask_archive) -> ExplainingPredictor:
    return load_explaining_predictor(qa_graphmask_archive)


CASES = {
    "raw text": ("srl", raw_text),
    "tokens": ("srl", tokens),
    "conll": ("srl", conll),
    "questions": ("qa", question),
}
every_case = pytest.mark.parametrize("name", CASES)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the resident memory from /proc")
@every_case
def test_explaining_keeps_no_objects(name, request) -> None:
    fixture, make = CASES[name]
    predictor, generator = request.getfixturevalue(fixture), random.Random(0)
    explain(predictor, make, 2 * BATCH_SIZE, generator)
    before = Memory.measure()
    explain(predictor, make, 2 * BATCH_SIZE, generator)
    # An object that is kept for each explanation would be more.
    assert Memory.measure().num_objects - before.num_objects < BATCH_SIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the resident memory from /proc")
@pytest.mark.reliability
def test_ten_thousand_explanations_need_no_more_memory(srl, qa) -> None:
    predictors = {"srl": srl, "qa": qa}

    def explain_all(num_explanations: int) -> None:
        for fixture, make in CASES.values():
            explain(predictors[fixture], make, num_explanations // len(CASES), generator)

    generator = random.Random(0)
    # The allocator settles: growth ends after some thousand texts.
    explain_all(NUM_EXPLANATIONS)
    before = Memory.measure()
    explain_all(NUM_EXPLANATIONS)
    after = Memory.measure()
    print(before, after)
    assert all(now < (1 + MAX_GROWTH) * then for now, then in zip(after, before))
