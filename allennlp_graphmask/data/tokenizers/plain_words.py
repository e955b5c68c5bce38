import re
import unicodedata
from typing import List

from allennlp.data import Token
from allennlp.data.tokenizers import Tokenizer

from allennlp_graphmask.data.tokenizers.combining_marks import MARK, normalize, unify_marks

# A mask of WikiHop is one token even where two of them touch; `_` is in no word otherwise. Nothing that is matched is given back
# (`++`): to remember where it could be takes 100 bytes for each mark.
_TOKEN = re.compile(rf"___MASK\d+___|[^\W_]++(?:{MARK}++[^\W_]*+)*+|\S{MARK}*+")


@Tokenizer.register("plain_words")
class PlainWordsTokenizer(Tokenizer):
    """
    Runs of letters and digits are tokens, and so is every other character that is not white space. Combining marks belong to the
    character before them. Needs no model, is fast, and gives the place of every token in the text (`idx`, `idx_end`). The tokens
    themselves are in the normal form NFC: a word is the same token whether its accents are characters of their own or not.

    Unlike AllenNLP's `letters_digits` it leaves `DB01171`, `P13569` and `19th` whole, and the masks of WikiHop
    (`___MASK12___`): an identifier in pieces would have no vector of its own.

    Registered as a `Tokenizer` with name "plain_words".
    """

    def tokenize(self, text: str) -> List[Token]:
        spans = map(re.Match.span, _TOKEN.finditer(unify_marks(text)))
        tokens = [Token(text[start:end], idx=start, idx_end=end) for start, end in spans]
        if not unicodedata.is_normalized("NFC", text):
            for token in tokens:
                token.text = normalize("NFC", token.ensure_text())
        return tokens
