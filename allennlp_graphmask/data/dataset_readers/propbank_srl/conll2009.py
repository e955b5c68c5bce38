"""
Reading sentences in the columns of CoNLL-2009 (https://ufal.mff.cuni.cz/conll2009-st/task-description.html):

ID FORM LEMMA PLEMMA POS PPOS FEAT PFEAT HEAD PHEAD DEPREL PDEPREL FILLPRED PRED APRED...

separated by tabs, one token a line, an empty line after each sentence. There is one APRED column for each predicate, in order.
Files for prediction may end after PDEPREL, FILLPRED or PRED.
"""

import lzma
import os
import zlib
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT, find_cycle
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate
from allennlp_graphmask.data.files import open_text

#: The first of each pair of columns is gold, the second predicted.
_LEMMA, _PART_OF_SPEECH, _HEAD, _LABEL = 2, 4, 8, 10
_IS_PREDICATE, _SENSE, _FIRST_ROLE = 12, 13, 14
_FEWEST_COLUMNS = 12
_NOTHING = "_"

Row = Tuple[int, List[str]]


class ReadSentence(NamedTuple):
    """What a block of lines says: a sentence, or what is wrong with it. `line` is its first one."""

    line: int
    sentence: Optional[DependencySentence]
    error: Optional[ConfigurationError]

    def get(self) -> DependencySentence:
        """
        # Raises

        `ConfigurationError` naming file and line, if the block is malformed.
        """
        if self.error is not None:
            raise self.error
        assert self.sentence is not None
        return self.sentence


def read_conll2009(path: str, syntax: str = "gold") -> Iterator[DependencySentence]:
    """
    Reads a file sentence by sentence.

    # Parameters

    path : `str`
        Plain, .gz or .xz.
    syntax : `str`, optional (default = `"gold"`)
        `"gold"` or `"predicted"`: which columns lemmas, parts of speech, heads and dependency labels are taken from.

    # Raises

    `ConfigurationError` naming file and line, if the file is malformed, has no sentence, or cannot be read.
    """
    for found in read_conll2009_blocks(path, syntax):
        yield found.get()


def read_conll2009_blocks(path: str, syntax: str = "gold") -> Iterator[ReadSentence]:
    """
    As `read_conll2009`, but a malformed sentence does not hide those behind it.
    """
    if not os.path.exists(path):
        raise ConfigurationError(f"The file '{path}' does not exist.")
    num_sentences = 0
    try:
        with open_text(path) as file:
            for found in _blocks(_decoded(file, path), path, syntax):
                num_sentences += 1
                yield found
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ConfigurationError(
            f"{path} could not be read to its end, after {num_sentences} sentences ({error}): it is damaged or was cut off. Get it "
            "again."
        ) from error
    if num_sentences == 0:
        raise ConfigurationError(
            f"{path} has no sentence: expected lines of tab-separated CoNLL-2009 columns."
        )


def _decoded(file: Iterable[bytes], path: str) -> Iterator[Union[str, ConfigurationError]]:
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield ConfigurationError(
                f"{path}, line {number}: not UTF-8 (byte {line[error.start]:#x} at column {error.start + 1}). Convert the file to "
                "UTF-8."
            )


def parse_conll2009(lines: Iterable[str], source: str, syntax: str = "gold") -> Iterator[DependencySentence]:
    """
    As `read_conll2009`, from lines; `source` is what errors call them. No line at all is legal here.
    """
    for found in _blocks(lines, source, syntax):
        yield found.get()


def _blocks(
    lines: Iterable[Union[str, ConfigurationError]], source: str, syntax: str
) -> Iterator[ReadSentence]:
    if syntax not in ("gold", "predicted"):
        raise ConfigurationError(f"syntax must be 'gold' or 'predicted', got {syntax!r}.")
    num_sentences = 0
    role_columns = _RoleColumns(source)

    def read(rows: List[Row], error: Optional[ConfigurationError]) -> ReadSentence:
        sentence = None
        if error is None:
            try:
                sentence = _sentence(rows, source, syntax, str(num_sentences), role_columns)
            except ConfigurationError as wrong:
                error = wrong
        return ReadSentence(rows[0][0], sentence, error)

    rows: List[Row] = []
    first_error: Optional[ConfigurationError] = None
    for number, line in enumerate(lines, start=1):
        if isinstance(line, ConfigurationError):
            first_error = first_error or line
            rows.append((number, []))
            continue
        stripped = line.rstrip("\r\n")
        if number == 1:
            stripped = stripped.removeprefix("\ufeff")
        if stripped.strip():
            rows.append((number, stripped.split("\t")))
        elif rows:
            num_sentences += 1
            yield read(rows, first_error)
            rows, first_error = [], None
    if rows:
        num_sentences += 1
        yield read(rows, first_error)


class _RoleColumns:
    """
    Whether the predicates of a file have columns of roles is settled by its first sentence with a predicate: where a later
    one differs, one of the two is damaged, and is not a sentence to be predicted.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._settled: Optional[bool] = None
        self._settled_by_line = 0

    def check(self, line: int, num_predicates: int, num_columns: int) -> None:
        if num_predicates and self._settled is None:
            self._settled, self._settled_by_line = num_columns > 0, line
        if num_columns == (num_predicates if self._settled else 0):
            return
        if num_columns == num_predicates:
            raise ConfigurationError(
                f"{self._source}, line {line}: the sentence has columns of roles after PRED, but the sentence at line "
                f"{self._settled_by_line} has predicates without them. Either all sentences of a file have them or, for prediction, "
                "none."
            )
        message = (
            f"{self._source}, line {line}: the sentence has {num_predicates} predicates (FILLPRED = Y), but {num_columns} columns "
            f"of roles after PRED. It needs {_FIRST_ROLE + num_predicates} columns, one of roles for each predicate."
        )
        if self._settled_by_line < line:
            has = "has" if self._settled else "has no"
            message += f" (The sentence at line {self._settled_by_line} {has} columns of roles.)"
        raise ConfigurationError(message)


def _sentence(
    rows: List[Row], source: str, syntax: str, sentence_id: str, role_columns: _RoleColumns
) -> DependencySentence:
    shift = 0 if syntax == "gold" else 1
    first_line = rows[0][0]
    width = len(rows[0][1])
    heads = []
    for position, (line, row) in enumerate(rows):
        where = f"{source}, line {line}"
        if len(row) < _FEWEST_COLUMNS:
            raise ConfigurationError(
                f"{where}: {len(row)} columns, expected at least {_FEWEST_COLUMNS} (ID to PDEPREL), separated by tabs."
            )
        if len(row) != width:
            raise ConfigurationError(
                f"{where}: {len(row)} columns, but line {first_line}, where the sentence starts, has {width}. All tokens of a "
                "sentence have the same number of columns."
            )
        if row[0] != str(position + 1):
            raise ConfigurationError(
                f"{where}: the ID is {row[0]!r}, expected '{position + 1}'. IDs count a sentence's tokens from 1, and an empty line "
                "ends a sentence."
            )
        if not row[1]:
            raise ConfigurationError(f"{where}: the FORM is empty.")
        heads.append(_head(row[_HEAD + shift], len(rows), where, ("HEAD", "PHEAD")[shift]))
    cycle = find_cycle(heads)
    if cycle is not None:
        tokens = " <- ".join(f"{token + 1} ({rows[token][1][1]})" for token in [*cycle, cycle[0]])
        raise ConfigurationError(
            f"{source}, line {rows[cycle[0]][0]}: the heads form a cycle: {tokens}. Each token must lead to a root (head 0)."
        )
    return DependencySentence(
        words=tuple(row[1] for _, row in rows),
        lemmas=tuple(row[_LEMMA + shift] for _, row in rows),
        parts_of_speech=tuple(row[_PART_OF_SPEECH + shift] for _, row in rows),
        heads=tuple(heads),
        dependency_labels=tuple(row[_LABEL + shift] for _, row in rows),
        predicates=_predicates(rows, source, role_columns),
        sentence_id=sentence_id,
    )


def _head(text: str, length: int, where: str, column: str) -> int:
    if text == _NOTHING:
        raise ConfigurationError(
            f"{where}: the {column} is '_': the file has no {'gold' if column == 'HEAD' else 'predicted'} trees. Read it with "
            f"syntax: '{'predicted' if column == 'HEAD' else 'gold'}', or parse it."
        )
    # str.isdigit alone also accepts digits that int() refuses.
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(
            f"{where}: the {column} is {text!r}, expected a number from 0 (root) to {length}."
        )
    # The number of digits comes first: int() refuses thousands of them.
    if len(text.lstrip("0")) > len(str(length)) or int(text) > length:
        raise ConfigurationError(f"{where}: the {column} is {text}, but the sentence has {length} tokens.")
    head = int(text)
    return ROOT if head == 0 else head - 1


def _predicates(rows: List[Row], source: str, role_columns: _RoleColumns) -> Tuple[Predicate, ...]:
    width = len(rows[0][1])
    if width <= _IS_PREDICATE:
        return ()
    indices = []
    for position, (line, row) in enumerate(rows):
        if row[_IS_PREDICATE] not in ("Y", _NOTHING):
            raise ConfigurationError(
                f"{source}, line {line}: FILLPRED is {row[_IS_PREDICATE]!r}, expected 'Y' or '_'."
            )
        if row[_IS_PREDICATE] == "Y":
            indices.append(position)
    num_role_columns = max(0, width - _FIRST_ROLE)
    role_columns.check(rows[0][0], len(indices), num_role_columns)
    predicates = []
    for number, index in enumerate(indices):
        row = rows[index][1]
        sense = row[_SENSE] if width > _SENSE and row[_SENSE] != _NOTHING else None
        roles = None  # a file for prediction
        if num_role_columns:
            column = _FIRST_ROLE + number
            roles = {token: row[column] for token, (_, row) in enumerate(rows) if row[column] != _NOTHING}
        predicates.append(Predicate(index, sense, roles))
    return tuple(predicates)
