"""
Sentences in the columns of CoNLL-2009 (https://ufal.mff.cuni.cz/conll2009-st/task-description.html):

ID FORM LEMMA PLEMMA POS PPOS FEAT PFEAT HEAD PHEAD DEPREL PDEPREL FILLPRED PRED APRED...

separated by tabs, one token a line, an empty line after each sentence. There is one APRED column for each predicate, in order.
Files for prediction may end after PDEPREL, FILLPRED or PRED.
"""

from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT, find_cycle
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate
from allennlp_graphmask.data.files import decode_line, errors_at, open_data_file
from allennlp_graphmask.vocabulary_entries import check_entries, may_have_lost_entries

#: The first of each pair of columns is gold, the second predicted.
_LEMMA, _PART_OF_SPEECH, _HEAD, _LABEL = 2, 4, 8, 10
_IS_PREDICATE, _SENSE, _FIRST_ROLE = 12, 13, 14
_MIN_COLUMNS = 12
_CONLLU_COLUMNS = 10
_NOTHING = "_"
#: Which columns lemmas, parts of speech, heads and dependency labels are taken from.
SYNTAX = ("gold", "predicted")

#: A line, or what is wrong with it.
Line = Union[str, ConfigurationError]
#: The number of a line and its columns.
Row = Tuple[int, List[str]]


class ConllBlock(NamedTuple):
    """The lines between two empty ones: the sentence in them, or what is wrong with it. `line` is the first one."""

    line: int
    sentence: Optional[DependencySentence]
    error: Optional[ConfigurationError] = None

    def get_sentence(self) -> DependencySentence:
        """Return the sentence. Raise a `ConfigurationError` naming file and line, if the block is malformed."""
        if self.error is not None:
            raise self.error
        assert self.sentence is not None
        return self.sentence


def read_conll2009(path: str, syntax: str = "gold") -> Iterator[ConllBlock]:
    """
    Read a file (path or URL; plain or compressed) sentence by sentence. A malformed sentence does not hide those behind it.
    Lemmas, parts of speech, heads and dependency labels are taken from the `"gold"` or the `"predicted"` columns.

    # Raises

    `ConfigurationError` if the file has no sentence, or cannot be read.
    """
    num_sentences = 0
    with open_data_file(path, lambda: f"{num_sentences} sentences") as file:
        for block in parse_conll2009(_decode(file, path), path, syntax):
            num_sentences += 1
            yield block
    if num_sentences == 0:
        raise ConfigurationError(f"{path} has no sentence: expected lines of tab-separated CoNLL-2009 columns.")


def parse_conll2009(lines: Iterable[Line], source: str, syntax: str = "gold") -> Iterator[ConllBlock]:
    """As `read_conll2009`, from lines; `source` is what errors call them. No line at all is legal here."""
    parser = _SentenceParser(source, syntax)
    for number, block in enumerate(_split_blocks(lines), start=1):
        sentence = error = None
        try:
            sentence = parser.parse(block, str(number))
        except ConfigurationError as raised:
            if number == 1:
                _check_format(block, source)
            error = raised
        yield ConllBlock(block[0][0], sentence, error)


def _check_format(block: List[Tuple[int, Line]], source: str) -> None:
    """Raise a `ConfigurationError` if a malformed block has the columns of CoNLL-U, where HEAD is the seventh."""
    rows = [line.split("\t") for _, line in block if isinstance(line, str) and not line.startswith("#")]
    # Ranges (1-2) and empty tokens (3.1) have no head.
    heads = [row[6] for row in rows if len(row) > 7 and row[0].isdecimal()]
    if heads and len(rows[0]) >= _CONLLU_COLUMNS and all(head.isdecimal() for head in heads):
        raise ConfigurationError(
            f"{source}, line {block[0][0]}: these are the columns of CoNLL-U (HEAD is the 7th), expected those of CoNLL-2009 (HEAD is the "
            "9th, and there are no comments). Convert the file. To explain its sentences as raw text: sed -n 's/^# text = //p' "
            f"'{source}' | allennlp explain ARCHIVE -"
        )


def format_conll2009(sentence: DependencySentence) -> str:
    """
    Return a sentence as lines of CoNLL-2009 columns, with an empty line after them. Gold and predicted columns are the same.
    Without a sense, a predicate gets the first frame of its lemma, as the official scorer does not count one without.
    """
    predicates = {predicate.index: predicate for predicate in sentence.predicates}
    role_columns = [predicate.roles for predicate in sentence.predicates if predicate.roles is not None]
    lines = []
    for token, word in enumerate(sentence.words):
        lemma, part_of_speech = sentence.lemmas[token], sentence.parts_of_speech[token]
        head, label = str(sentence.heads[token] + 1), sentence.dependency_labels[token]
        row = [
            str(token + 1),
            word,
            lemma,
            lemma,
            part_of_speech,
            part_of_speech,
            _NOTHING,
            _NOTHING,
            head,
            head,
            label,
            label,
        ]
        predicate = predicates.get(token)
        row += [_NOTHING, _NOTHING] if predicate is None else ["Y", predicate.sense or f"{lemma}.01"]
        lines.append("\t".join([*row, *(roles.get(token, _NOTHING) for roles in role_columns)]))
    return "\n".join([*lines, "", ""])


def _decode(file: Iterable[bytes], path: str) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        try:
            yield decode_line(line, path, number)
        except ConfigurationError as error:
            yield error


def _split_blocks(lines: Iterable[Line]) -> Iterator[List[Tuple[int, Line]]]:
    """Group lines, with their numbers, into blocks between empty ones."""
    block: List[Tuple[int, Line]] = []
    for number, line in enumerate(lines, start=1):
        if isinstance(line, str):
            line = line.rstrip("\r\n")
            if number == 1:
                line = line.removeprefix("\ufeff")
        if not isinstance(line, str) or line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


class _SentenceParser:
    """
    Parses the blocks of a file, in order. Whether predicates have columns of roles follows from the first sentence with a
    predicate: where a later one differs, one of the two is damaged, and is not a sentence to be predicted.
    """

    def __init__(self, source: str, syntax: str) -> None:
        check_choice("CoNLL-2009", SYNTAX, syntax=syntax)
        self._source = source
        self._shift, self._head_column = (0, "HEAD") if syntax == "gold" else (1, "PHEAD")
        self._has_roles: Optional[bool] = None
        self._first_line_with_predicates = 0

    def parse(self, block: List[Tuple[int, Line]], sentence_id: str) -> DependencySentence:
        """Return the sentence of a block. Raise a `ConfigurationError` naming the line, if it is malformed."""
        rows: List[Row] = []
        for line, text in block:
            if isinstance(text, ConfigurationError):
                raise text
            columns = text.split("\t")
            if may_have_lost_entries(text):
                with errors_at(f"{self._source}, line {line}"):
                    check_entries(columns, "column")
            rows.append((line, columns))
        heads = self._parse_heads(rows)
        return DependencySentence(
            words=tuple(row[1] for _, row in rows),
            lemmas=tuple(row[_LEMMA + self._shift] for _, row in rows),
            parts_of_speech=tuple(row[_PART_OF_SPEECH + self._shift] for _, row in rows),
            heads=tuple(heads),
            dependency_labels=tuple(row[_LABEL + self._shift] for _, row in rows),
            predicates=self._parse_predicates(rows),
            sentence_id=sentence_id,
        )

    def _error(self, line: int, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self._source}, line {line}: {message}")

    def _parse_heads(self, rows: List[Row]) -> List[int]:
        first_line, width = rows[0][0], len(rows[0][1])
        heads = []
        for position, (line, row) in enumerate(rows):
            if len(row) < _MIN_COLUMNS:
                raise self._error(
                    line, f"{len(row)} columns, expected at least {_MIN_COLUMNS} (ID to PDEPREL), separated by tabs."
                )
            if len(row) != width:
                raise self._error(
                    line,
                    f"{len(row)} columns, but line {first_line}, where the sentence starts, has {width}. All tokens of a sentence "
                    "have the same number of columns.",
                )
            if row[0] != str(position + 1):
                raise self._error(
                    line,
                    f"the ID is {row[0]!r}, expected '{position + 1}'. IDs count a sentence's tokens from 1, and an empty line ends "
                    "a sentence.",
                )
            if not row[1]:
                raise self._error(line, "the FORM is empty.")
            heads.append(self._parse_head(row[_HEAD + self._shift], len(rows), line))
        cycle = find_cycle(heads)
        if cycle is not None:
            tokens = " <- ".join(f"{token + 1} ({rows[token][1][1]})" for token in [*cycle, cycle[0]])
            raise self._error(
                rows[cycle[0]][0], f"the heads form a cycle: {tokens}. Each token must lead to a root (head 0)."
            )
        return heads

    def _parse_head(self, text: str, length: int, line: int) -> int:
        if text == _NOTHING:
            has, other = (("gold", "predicted"), ("predicted", "gold"))[self._shift]
            raise self._error(
                line,
                f"the {self._head_column} is '_': the file has no {has} trees. Read it with syntax: '{other}', or parse it.",
            )
        # str.isdigit alone also accepts digits that int() refuses.
        if not (text.isascii() and text.isdigit()):
            raise self._error(
                line, f"the {self._head_column} is {text!r}, expected a number from 0 (root) to {length}."
            )
        # The number of digits comes first: int() refuses thousands of them.
        if len(text.lstrip("0")) > len(str(length)) or int(text) > length:
            raise self._error(line, f"the {self._head_column} is {text}, but the sentence has {length} tokens.")
        head = int(text)
        return ROOT if head == 0 else head - 1

    def _parse_predicates(self, rows: List[Row]) -> Tuple[Predicate, ...]:
        width = len(rows[0][1])
        if width <= _IS_PREDICATE:
            return ()
        indices = []
        for position, (line, row) in enumerate(rows):
            if row[_IS_PREDICATE] == "Y":
                indices.append(position)
            elif row[_IS_PREDICATE] != _NOTHING:
                raise self._error(line, f"FILLPRED is {row[_IS_PREDICATE]!r}, expected 'Y' or '_'.")
        num_role_columns = max(0, width - _FIRST_ROLE)
        self._check_role_columns(rows[0][0], len(indices), num_role_columns)
        predicates = []
        for column, index in enumerate(indices, start=_FIRST_ROLE):
            row = rows[index][1]
            sense = row[_SENSE] if width > _SENSE and row[_SENSE] != _NOTHING else None
            roles = None  # a file for prediction
            if num_role_columns:
                roles = {token: row[column] for token, (_, row) in enumerate(rows) if row[column] != _NOTHING}
            predicates.append(Predicate(index, sense, roles))
        return tuple(predicates)

    def _check_role_columns(self, line: int, num_predicates: int, num_columns: int) -> None:
        if num_predicates and self._has_roles is None:
            self._has_roles, self._first_line_with_predicates = num_columns > 0, line
        if num_columns == (num_predicates if self._has_roles else 0):
            return
        first_line = self._first_line_with_predicates
        if num_columns == num_predicates:
            raise self._error(
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
        raise self._error(line, message)
