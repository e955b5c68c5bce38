from typing import List, NamedTuple, Sequence

from allennlp.common.checks import ConfigurationError
from allennlp.data import Token
from allennlp.data.tokenizers import Tokenizer

from allennlp_graphmask.data.tokenizers.combining_marks import normalize
from allennlp_graphmask.data.tokenizers.tokenization import get_end, tokenize


def normalize_case(text: str) -> str:
    """Return what texts have in common that differ only in case or in how their accents are written (NFC of the folded case)."""
    # The same, and much faster.
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFD", text).casefold())


class TokenizedText(NamedTuple):
    """A text, its tokens, and where each of them starts and ends (exclusive) in it."""

    text: str
    tokens: List[Token]
    starts: List[int]
    ends: List[int]

    def get_words(self) -> List[str]:
        """Return the tokens as they are compared (`normalize_case`)."""
        normalize = str.lower if self.text.isascii() else normalize_case
        return [normalize(token.ensure_text()) for token in self.tokens]


def tokenize_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> List[TokenizedText]:
    """Tokenize texts. Raise a `ConfigurationError` if the tokenizer does not give the places of its tokens."""
    tokenized = []
    for text, tokens in zip(texts, tokenize(tokenizer, texts)):
        starts, ends = [], []
        for token in tokens:
            if token.idx is None:
                raise ConfigurationError(
                    f"The tokenizer {type(tokenizer).__name__} does not give the place of the token {str(token)!r} in its text "
                    "('idx'). Use one that does, such as 'plain_words'; a transformer can have words as tokens with the indexer "
                    "'pretrained_transformer_mismatched'."
                )
            starts.append(token.idx)
            ends.append(get_end(token))
        tokenized.append(TokenizedText(text, tokens, starts, ends))
    return tokenized
