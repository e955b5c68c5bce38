import unicodedata

import pytest
from allennlp.common import Params
from allennlp.data.tokenizers import Tokenizer
from hypothesis import example, given
from hypothesis import strategies as st

from allennlp_graphmask.data.tokenizers import PlainWordsTokenizer


@pytest.mark.parametrize(
    "text, words",
    [
        ("The 19th-century U.S. novel", ["The", "19th", "-", "century", "U", ".", "S", ".", "novel"]),
        ("DB01171?", ["DB01171", "?"]),
        ("___MASK5______MASK12___, snake_case", ["___MASK5___", "___MASK12___", ",", "snake", "_", "case"]),
        ("Trémouille's\u00a0日本 ½", ["Trémouille", "'", "s", "日本", "½"]),
        ("", []),
        (" \n", []),
    ],
)
def test_words(text, words):
    tokenizer = Tokenizer.from_params(Params({"type": "plain_words"}))
    assert [token.text for token in tokenizer.tokenize(text)] == words


@given(st.text())
@example("\u8c48 \uf900 e\u0301")
def test_tokens_are_the_text_without_white_space(text):
    tokens = PlainWordsTokenizer().tokenize(text)
    slices = [text[token.idx : token.idx_end] for token in tokens]
    assert [token.text for token in tokens] == [unicodedata.normalize("NFC", each) for each in slices]
    assert "".join(slices) == "".join(text.split())
