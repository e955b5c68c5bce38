"""
Sentences in the columns of CoNLL-U (https://universaldependencies.org/format.html):

ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC

separated by tabs, one token a line, an empty line after each sentence, comments before it. Universal Propositions 1.0
(https://github.com/UniversalPropositions) add a column with the senses of predicates and one of roles for each predicate, in order,
which has V at the predicate itself, or at each of its words.
"""

import re
from functools import partial
from typing import Iterable, Iterator, List, Tuple

from allennlp_graphmask.data.dataset_readers.propbank_srl.columns import (
    NOTHING,
    Block,
    Line,
    Row,
    SentenceParser,
    parse_sentences,
    read_sentences,
)
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import (
    DependencySentence,
    Predicate,
    ReadSentence,
    role_name,
)

_LEMMA, _UNIVERSAL_TAG, _LANGUAGE_TAG, _FEATURES, _HEAD, _LABEL = range(2, 8)
_SENSE, _FIRST_ROLE = 10, 11
#: The cell of a predicate in its own column of roles.
_VERB = "V"
_SENTENCE_ID = re.compile(r"#\s*sent_id\s*=\s*(.*\S)")
#: Words that are written together (1-2), and words that only enhanced dependencies have (3.1).
_NOT_A_TOKEN = re.compile(r"[0-9]+[-.][0-9]+")


def read_conllu(path: str, propositions: bool) -> Iterator[ReadSentence]:
    """
    Read a file (path or URL; plain or compressed) sentence by sentence. A malformed sentence does not hide those behind it. Parts
    of speech are the XPOS, or where there is none the UPOS. Without `propositions` the columns for these may be absent.

    # Raises

    `ConfigurationError` if the file has no sentence, or cannot be read.
    """
    return read_sentences(path, partial(_ConlluParser, propositions=propositions))


def parse_conllu(lines: Iterable[Line], source: str, propositions: bool) -> Iterator[ReadSentence]:
    """As `read_conllu`, from lines; `source` is what errors call them. No line at all is legal here."""
    return parse_sentences(lines, _ConlluParser(source, propositions))


class _ConlluParser(SentenceParser):
    format_name = "CoNLL-U"
    min_columns, column_names = 10, "ID to MISC"
    head_column, head_name = _HEAD, "HEAD"
    missing_head = "the sentence has no tree."

    def __init__(self, source: str, propositions: bool) -> None:
        super().__init__(source)
        self._propositions = propositions

    def parse(self, block: Block, number: int) -> DependencySentence:
        comments = [text for _, text in block if _is_comment(text)]
        rows = [self.split_row(line, text) for line, text in block if not _is_comment(text)]
        rows = [row for row in rows if not _NOT_A_TOKEN.fullmatch(row[1][0])]
        if not rows:
            raise self.error(block[0][0], "there is no token between two empty lines.")
        found = [match[1] for match in map(_SENTENCE_ID.match, map(str, comments)) if match is not None]
        heads = self.parse_heads(rows)
        columns = list(zip(*(row for _, row in rows)))
        tags = zip(columns[_LANGUAGE_TAG], columns[_UNIVERSAL_TAG])
        return DependencySentence(
            words=columns[1],
            lemmas=columns[_LEMMA],
            parts_of_speech=tuple(universal if tag == NOTHING else tag for tag, universal in tags),
            heads=heads,
            dependency_labels=columns[_LABEL],
            predicates=self._parse_predicates(rows),
            sentence_id=found[0] if found else str(number),
            universal_tags=tuple("" if tag == NOTHING else tag for tag in columns[_UNIVERSAL_TAG]),
            features=columns[_FEATURES],
        )

    def _parse_predicates(self, rows: List[Row]) -> Tuple[Predicate, ...]:
        first_line, width = rows[0][0], len(rows[0][1])
        if width <= _SENSE:
            if self._propositions:
                raise self.error(
                    first_line,
                    f"{width} columns: this is CoNLL-U without the columns of Universal Propositions, the senses of predicates and "
                    "their roles. To explain its sentences as raw text: sed -n 's/^# text = //p' "
                    f"'{self.source}' | allennlp explain ARCHIVE -",
                )
            return ()
        indices = [token for token, (_, row) in enumerate(rows) if row[_SENSE] != NOTHING]
        num_columns = width - _FIRST_ROLE
        # Universal Propositions end the lines of sentences without predicates with a tab.
        if num_columns == 1 and not indices and not any(row[_FIRST_ROLE] for _, row in rows):
            return ()
        if num_columns != len(indices):
            raise self.error(
                first_line,
                f"the sentence has {len(indices)} predicates (senses in column {_SENSE + 1}), but {num_columns} columns of roles "
                f"after them. It needs {_FIRST_ROLE + len(indices)} columns, one of roles for each predicate.",
            )
        return tuple(self._parse_predicate(rows, *pair) for pair in enumerate(indices, start=_FIRST_ROLE))

    def _parse_predicate(self, rows: List[Row], column: int, index: int) -> Predicate:
        line, row = rows[index]
        if not row[_SENSE]:
            raise self.error(line, f"the sense in column {_SENSE + 1} is empty, expected '_' where there is none.")
        if row[column] != _VERB:
            raise self.error(
                line,
                f"column {column + 1}, the roles of the predicate {row[_SENSE]!r}, is {row[column]!r} at the predicate itself, expected "
                f"'{_VERB}'.",
            )
        roles = {}
        self.check_roles(rows, column)
        for token, (_, row) in enumerate(rows):
            if row[column] not in (NOTHING, _VERB):
                roles[token] = role_name(row[column])
        return Predicate(index, rows[index][1][_SENSE], roles)


def _is_comment(text: Line) -> bool:
    return isinstance(text, str) and text.startswith("#")
