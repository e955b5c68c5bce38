"""
Sentences in the columns of CoNLL-2009 (https://ufal.mff.cuni.cz/conll2009-st/task-description.html):

ID FORM LEMMA PLEMMA POS PPOS FEAT PFEAT HEAD PHEAD DEPREL PDEPREL FILLPRED PRED APRED...

separated by tabs, one token a line, an empty line after each sentence. There is one APRED column for each predicate, in order.
Files for prediction may end after PDEPREL, FILLPRED or PRED. A universal part of speech is the first of the features:
`UPOS=NOUN|Number=Sing`.
"""

from functools import partial
from typing import Iterable, Iterator, List, Optional, Tuple

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.data.dataset_readers.propbank_srl.columns import (
    NOTHING,
    Block,
    Line,
    Row,
    SentenceParser,
    parse_sentences,
    read_sentences,
)
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate, ReadSentence

#: The first of each pair of columns is gold, the second predicted.
_LEMMA, _PART_OF_SPEECH, _FEATURES, _HEAD, _LABEL = 2, 4, 6, 8, 10
_IS_PREDICATE, _SENSE, _FIRST_ROLE = 12, 13, 14
#: Which columns lemmas, parts of speech, features, heads and dependency labels are taken from.
SYNTAX = ("gold", "predicted")
_UNIVERSAL_TAG = "UPOS="


def read_conll2009(path: str, syntax: str = "gold") -> Iterator[ReadSentence]:
    """
    Read a file (path or URL; plain or compressed) sentence by sentence. A malformed sentence does not hide those behind it.
    Lemmas, parts of speech, features, heads and dependency labels are taken from the `"gold"` or the `"predicted"` columns.

    # Raises

    `ConfigurationError` if the file has no sentence, or cannot be read.
    """
    return read_sentences(path, partial(_Conll2009Parser, syntax=syntax))


def parse_conll2009(lines: Iterable[Line], source: str, syntax: str = "gold") -> Iterator[ReadSentence]:
    """As `read_conll2009`, from lines; `source` is what errors call them. No line at all is legal here."""
    return parse_sentences(lines, _Conll2009Parser(source, syntax))


def format_conll2009(sentence: DependencySentence, with_predicted: bool = True) -> str:
    """
    Return a sentence as lines of CoNLL-2009 columns, with an empty line after them. Predicted columns are the same as the gold ones,
    or empty. Raise a `ValueError` if two predicates are at one token. Without a sense, a predicate gets the first frame of its lemma, as the official scorer does not count one without.
    """
    predicates = {predicate.index: predicate for predicate in sorted(sentence.predicates, key=lambda one: one.index)}
    if len(predicates) < len(sentence.predicates):
        raise ValueError("A token is marked as several predicates, for which the columns of CoNLL-2009 have no place.")
    role_columns = [predicate.roles for predicate in predicates.values() if predicate.roles is not None]
    lines = []
    for token, word in enumerate(sentence.words):
        row = [str(token + 1), word]
        for cell in (
            sentence.lemmas[token],
            sentence.parts_of_speech[token],
            _format_features(sentence, token),
            str(sentence.heads[token] + 1),
            sentence.dependency_labels[token],
        ):
            row += [cell, cell if with_predicted else NOTHING]
        predicate = predicates.get(token)
        row += [NOTHING, NOTHING] if predicate is None else ["Y", predicate.sense or f"{sentence.lemmas[token]}.01"]
        lines.append("\t".join([*row, *(roles.get(token, NOTHING) for roles in role_columns)]))
    return "\n".join([*lines, "", ""])


def _format_features(sentence: DependencySentence, token: int) -> str:
    tag = sentence.universal_tags[token] if sentence.universal_tags else ""
    features = sentence.features[token] if sentence.features else NOTHING
    return "|".join([f"{_UNIVERSAL_TAG}{tag}"] * bool(tag) + [features] * (features != NOTHING)) or NOTHING


def _parse_features(cells: List[str]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Split features into universal parts of speech and the others; either may be none at all."""
    if set(cells) == {NOTHING}:
        return (), ()
    tags, features = [], []
    for cell in cells:
        tag = ""
        if cell.startswith(_UNIVERSAL_TAG):
            tag, _, cell = cell.removeprefix(_UNIVERSAL_TAG).partition("|")
        tags.append(tag)
        features.append(cell or NOTHING)
    return tuple(tags) if any(tags) else (), () if set(features) == {NOTHING} else tuple(features)


class _Conll2009Parser(SentenceParser):
    """
    Whether predicates have columns of roles follows from the first sentence with a predicate: where a later one differs, one of
    the two is damaged, and is not a sentence to be predicted.
    """

    format_name = "CoNLL-2009"
    min_columns, column_names = 12, "ID to PDEPREL"

    def __init__(self, source: str, syntax: str) -> None:
        super().__init__(source)
        check_choice("CoNLL-2009", SYNTAX, syntax=syntax)
        self._shift = SYNTAX.index(syntax)
        self.head_column, self.head_name = _HEAD + self._shift, ("HEAD", "PHEAD")[self._shift]
        other = SYNTAX[1 - self._shift]
        self.missing_head = f"the file has no {syntax} trees. Read it with syntax: '{other}', or parse it."
        self._has_roles: Optional[bool] = None
        self._first_line_with_predicates = 0

    def parse(self, block: Block, number: int) -> DependencySentence:
        rows = [self.split_row(line, text) for line, text in block]
        heads = self.parse_heads(rows)
        universal_tags, features = _parse_features([row[_FEATURES + self._shift] for _, row in rows])
        return DependencySentence(
            words=tuple(row[1] for _, row in rows),
            lemmas=tuple(row[_LEMMA + self._shift] for _, row in rows),
            parts_of_speech=tuple(row[_PART_OF_SPEECH + self._shift] for _, row in rows),
            heads=heads,
            dependency_labels=tuple(row[_LABEL + self._shift] for _, row in rows),
            predicates=self._parse_predicates(rows),
            sentence_id=str(number),
            universal_tags=universal_tags,
            features=features,
        )

    def _parse_predicates(self, rows: List[Row]) -> Tuple[Predicate, ...]:
        width = len(rows[0][1])
        if width <= _IS_PREDICATE:
            return ()
        indices = []
        for position, (line, row) in enumerate(rows):
            if row[_IS_PREDICATE] == "Y":
                indices.append(position)
            elif row[_IS_PREDICATE] != NOTHING:
                raise self.error(line, f"FILLPRED is {row[_IS_PREDICATE]!r}, expected 'Y' or '_'.")
        num_role_columns = max(0, width - _FIRST_ROLE)
        self._check_role_columns(rows[0][0], len(indices), num_role_columns)
        predicates = []
        for column, index in enumerate(indices, start=_FIRST_ROLE):
            row = rows[index][1]
            sense = row[_SENSE] if width > _SENSE and row[_SENSE] != NOTHING else None
            roles = None  # a file for prediction
            if num_role_columns:
                self.check_roles(rows, column)
                roles = {token: row[column] for token, (_, row) in enumerate(rows) if row[column] != NOTHING}
            predicates.append(Predicate(index, sense, roles))
        return tuple(predicates)

    def _check_role_columns(self, line: int, num_predicates: int, num_columns: int) -> None:
        if num_predicates and self._has_roles is None:
            self._has_roles, self._first_line_with_predicates = num_columns > 0, line
        if num_columns == (num_predicates if self._has_roles else 0):
            return
        first_line = self._first_line_with_predicates
        if num_columns == num_predicates:
            raise self.error(
                line,
                f"the sentence has columns of roles after PRED, but the sentence at line {first_line} has predicates without them. "
                "Either all sentences of a file have them or, for prediction, none.",
            )
        message = (
            f"the sentence has {num_predicates} predicates (FILLPRED = Y), but {num_columns} columns of roles after PRED. It needs "
            f"{_FIRST_ROLE + num_predicates} columns, one of roles for each predicate."
        )
        if first_line < line:
            message += f" (The sentence at line {first_line} has {'' if self._has_roles else 'no '}columns of roles.)"
        raise self.error(line, message)
