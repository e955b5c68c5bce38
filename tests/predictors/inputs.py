"""Inputs for predictors in all their forms, and how to compare what they give."""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

# ID FORM LEMMA PLEMMA POS PPOS FEAT PFEAT HEAD PHEAD DEPREL PDEPREL FILLPRED PRED APRED...
SENTENCES = """
1 She she she PRP PRP _ _ 2 2 nsubj nsubj _ _ A0
2 sings sing sing VBZ VBZ _ _ 0 0 root root Y sing.01 _
3 . . . . . _ _ 2 2 punct punct _ _ _

1 The the the DT DT _ _ 2 2 det det _ _ _ _
2 dog dog dog NN NN _ _ 5 5 nsubj nsubj _ _ A0 _
3 has have have VBZ VBZ _ _ 5 5 aux aux _ _ _ _
4 often often often RB RB _ _ 5 5 advmod advmod _ _ AM-TMP _
5 seen see see VBN VBN _ _ 0 0 root root Y see.01 _ _
6 Ann Ann Ann NNP NNP _ _ 7 7 nsubj nsubj _ _ _ A0
7 sing sing sing VB VB _ _ 5 5 ccomp ccomp Y sing.01 A1 _

1 No no no DT DT _ _ 2 2 det det _ _
2 dog dog dog NN NN _ _ 0 0 root root _ _
""".strip()

CONLL = "\n".join("\t".join(line.split()) for line in SENTENCES.split("\n")) + "\n\n"

TOKENS: Dict[str, Any] = {
    "tokens": ["The", "dog", "has", "seen", "Ann", "sing"],
    "lemmas": ["the", "dog", "have", "see", "Ann", "sing"],
    "parts_of_speech": ["DT", "NN", "VBZ", "VBN", "NNP", "VB"],
    "heads": [2, 4, 4, 0, 6, 4],
    "dependency_labels": ["det", "nsubj", "aux", "root", "nsubj", "ccomp"],
    "dependency_scheme": "universal_dependencies",
}

INPUTS = ({"sentence": "She sings. Ann has seen the dog."}, {"sentence": "The dog."}, TOKENS, {"conll": CONLL})


QUESTIONS_FILE = Path(__file__).parent.parent.parent / "fixtures" / "multihop_qa" / "questions.json"

#: In the format of WikiHop, with all the oddities that it may have.
QUERIES: List[Dict[str, Any]] = json.loads(QUESTIONS_FILE.read_text())

#: A question in words.
QUESTION: Dict[str, Any] = {
    "question": "In which country is Tern Lighthouse?",
    "paragraphs": [
        "Tern Lighthouse stands above Ostby.",
        {"title": "Ostby", "text": "Ostby is a village in Norlund."},
        "Halvar and Norlund share a border.",
    ],
    "candidates": ["Halvar", "Norlund", "Ostby"],
    "subjects": ["Tern Lighthouse"],
}


def assert_equal_up_to_rounding(first: Any, second: Any) -> None:
    """Batches of other sizes may differ in the last digit of a float."""
    if isinstance(first, float):
        assert first == pytest.approx(second, rel=1e-4, abs=1e-6)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_equal_up_to_rounding(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second):
            assert_equal_up_to_rounding(one, other)
    else:
        assert first == second
