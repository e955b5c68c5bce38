"""Tokenizing by any tokenizer, as all readers do it."""

from typing import List, Sequence, Tuple

from allennlp.data import Token
from allennlp.data.tokenizers import Tokenizer

from allennlp_graphmask.data.tokenizers.combining_marks import MARK, normalize, unify_marks
from allennlp_graphmask.vocabulary_entries import check_entries, may_have_lost_entries


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> List[List[Token]]:
    """
    Tokenize texts. Combining marks stay with their letters, also where the tokenizer cuts them off.

    # Raises

    `ConfigurationError` if a token could not be read back from the file of a vocabulary.
    """
    tokenized = []
    for text, tokens in zip(texts, tokenizer.batch_tokenize(list(texts))):
        if may_have_lost_entries(text):
            check_entries([token.ensure_text() for token in tokens], "token")
        unified = text if text.isascii() else unify_marks(text)
        tokenized.append(_join_marks(text, unified, tokens) if MARK in unified else tokens)
    return tokenized


def get_end(token: Token) -> int:
    """Return the end of a token with a place in its text."""
    assert token.idx is not None
    return token.idx + len(token.ensure_text()) if token.idx_end is None else token.idx_end


def _join_marks(text: str, unified: str, tokens: List[Token]) -> List[Token]:
    # The pieces of transformers have numbers and stay as they are; so do tokens whose places are not known.
    if any(token.idx is None or token.text_id is not None for token in tokens):
        return tokens
    joined: List[
        Tuple[Token, int, int]
    ] = []  # the first of the tokens that belong together, and where they start and end
    for token in tokens:
        start, end = token.idx, get_end(token)
        assert start is not None
        if joined and joined[-1][2] == start:
            first_token, first, _ = joined[-1]
            word_goes_on = unified[start - 1] == MARK and text[first].isalnum() and text[start].isalpha()
            if unified[start] == MARK or word_goes_on:
                joined[-1] = (first_token, first, end)
                continue
        joined.append((token, start, end))
    return [
        token if get_end(token) == end else Token(normalize("NFC", text[start:end]), idx=start, idx_end=end)
        for token, start, end in joined
    ]
