from typing import List, NamedTuple, Sequence

from allennlp.common.checks import ConfigurationError
from allennlp.data import Token
from allennlp.data.tokenizers import Tokenizer


class TokenizedText(NamedTuple):
    """A text, its tokens, and where each of them starts and ends (exclusive) in it."""

    text: str
    tokens: List[Token]
    starts: List[int]
    ends: List[int]

    def get_words(self) -> List[str]:
        """Return the tokens in lower case."""
        return [token.ensure_text().lower() for token in self.tokens]


def tokenize_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> List[TokenizedText]:
    """Tokenize texts. Raise a `ConfigurationError` if the tokenizer does not give the places of its tokens."""
    tokenized = []
    for text, tokens in zip(texts, tokenizer.batch_tokenize(list(texts))):
        starts, ends = [], []
        for token in tokens:
            if token.idx is None:
                raise ConfigurationError(
                    f"The tokenizer {type(tokenizer).__name__} does not give the place of the token {str(token)!r} in its text "
                    "('idx'). Use one that does, such as 'plain_words'; a transformer can have words as tokens with the indexer "
                    "'pretrained_transformer_mismatched'."
                )
            end = getattr(token, "idx_end", None)
            starts.append(token.idx)
            ends.append(token.idx + len(token.ensure_text()) if end is None else end)
        tokenized.append(TokenizedText(text, tokens, starts, ends))
    return tokenized
