"""Marks are put in order as the standard library does it, also where there are so many that it would take hours."""

import time
import unicodedata
from typing import Any

import pytest
from allennlp.data import Instance
from allennlp.data.tokenizers import LettersDigitsTokenizer
from hypothesis import example, given
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers import WikiHopReader
from allennlp_graphmask.data.tokenizers import PlainWordsTokenizer
from allennlp_graphmask.data.tokenizers.combining_marks import normalize

MARKS = st.characters(categories=("Mn", "Mc", "Me"))


def read(word: str, **options: Any) -> Instance:
    reader = WikiHopReader(**options)
    content = {"id": "1", "query": "country x", "candidates": ["x"], "supports": [f"{word} x"]}
    return reader.text_to_instance(reader.question_from_json(content))


@given(st.lists(st.text() | st.text(MARKS, max_size=5) | st.text(MARKS, min_size=40, max_size=60), max_size=4))
# A mark that is composed of two, a letter that is, and one that is not sorted between those that are.
@example(["e", "\u0f73\u0316" * 20, "\u1e69", "\u0323\u0307" * 20, "\u0903", "\u0301\u0316" * 20])
def test_it_is_the_normal_form(parts) -> None:
    text = "".join(parts)
    for form in ("NFC", "NFD"):
        assert normalize(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("tokenizer", [PlainWordsTokenizer, LettersDigitsTokenizer], ids=lambda one: one.__name__)
@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0f73"])
def test_a_word_with_a_hundred_thousand_marks(tokenizer, marks) -> None:
    word = "a" + marks * (100_000 // len(marks))
    started = time.process_time()
    instance = read(word, tokenizer=tokenizer())
    assert time.process_time() - started < 5
    tokens = instance["metadata"]["tokens"]
    assert len(tokens) == 2 and unicodedata.is_normalized("NFC", tokens[0])


@pytest.mark.reliability
@pytest.mark.parametrize("letter", ["x", "1", "\u00e9", "e\u0301", "\u0301\u0316", "\uac01"])
def test_a_word_of_ten_megabytes(letter) -> None:
    word = letter * (10_000_000 // len(letter.encode()))
    started = time.process_time()
    read(word)
    # Quadratic time would be hours.
    assert time.process_time() - started < 30
