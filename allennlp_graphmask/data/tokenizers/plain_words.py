import re
from typing import List

from allennlp.data import Token
from allennlp.data.tokenizers import Tokenizer

# A mask of WikiHop is one token even where two of them touch; `_` is in no word otherwise.
_TOKEN = re.compile(r"___MASK\d+___|[^\W_]+|\S")


@Tokenizer.register("plain_words")
class PlainWordsTokenizer(Tokenizer):
    """
    Runs of letters and digits are tokens, and so is every other character that is not white space. Needs no model, is fast,
    and gives the place of every token in the text (`idx`, `idx_end`).

    Unlike AllenNLP's `letters_digits` it leaves `DB01171`, `P13569` and `19th` whole, and the masks of WikiHop
    (`___MASK12___`): an identifier in pieces would have no vector of its own.

    Registered as a `Tokenizer` with name "plain_words".
    """

    def tokenize(self, text: str) -> List[Token]:
        return [Token(match.group(), idx=match.start(), idx_end=match.end()) for match in _TOKEN.finditer(text)]
