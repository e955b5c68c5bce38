"""What the formats share that have a token in each line, its columns separated by tabs, and an empty line after each sentence."""

from typing import Callable, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT, find_cycle
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, ReadSentence
from allennlp_graphmask.data.files import decode_line, errors_at, open_data_file
from allennlp_graphmask.vocabulary_entries import check_entries, may_have_lost_entries

#: What stands in a cell without content.
NOTHING = "_"

#: A line, or what is wrong with it.
Line = Union[str, ConfigurationError]
#: The lines between two empty ones, with their numbers.
Block = List[Tuple[int, Line]]
#: The number of a line and its columns.
Row = Tuple[int, List[str]]


class Format(NamedTuple):
    """A format with columns: how it differs from the others, and the name of its reader."""

    description: str
    reader: str
    min_columns: int
    head_columns: Tuple[int, ...]


FORMATS = {
    "CoNLL-U": Format("HEAD is the 7th", "universal_propositions", 10, (6,)),
    "CoNLL-2009": Format("HEAD is the 9th, PHEAD the 10th, and there are no comments", "conll2009_srl", 12, (8, 9)),
}


def guess_format(lines: Iterable[str]) -> Optional[str]:
    """Return the name of the format that the columns of a sentence, or of its first lines, are in."""
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    # Ranges (1-2) and empty tokens (3.1) of CoNLL-U have no head.
    rows = [row for row in rows if row[0].isdecimal()]
    for name, (_, _, min_columns, head_columns) in FORMATS.items():
        if rows and all(
            len(row) >= min_columns and any(row[column].isdecimal() for column in head_columns) for row in rows
        ):
            return name
    return None


def marks_no_predicates(lines: Iterable[str]) -> bool:
    """Return whether the columns of a sentence, or of its first lines, are those of CoNLL-U and no more."""
    widths = {line.count("\t") + 1 for line in lines if not line.startswith("#")}
    return guess_format(lines) == "CoNLL-U" and widths == {FORMATS["CoNLL-U"].min_columns}


class SentenceParser:
    """Parses the blocks of a file, in order. `source` is what errors call it."""

    #: The format, for people.
    format_name: str
    #: How many columns a row has at least, and their names.
    min_columns: int
    column_names: str
    #: Where the head of a token is, what the column is called, and what to do if it is empty.
    head_column: int
    head_name: str
    missing_head: str

    def __init__(self, source: str) -> None:
        self.source = source

    def parse(self, block: Block, number: int) -> DependencySentence:
        """
        Return the sentence of a block, which is the file's `number`-th from 1. Raise a `ConfigurationError` naming the line, if it
        is malformed.
        """
        raise NotImplementedError

    def check_format(self, block: Block) -> None:
        """Raise a `ConfigurationError` for the whole file if its first block, which is malformed, is in another format."""
        found = guess_format(text for _, text in block if isinstance(text, str))
        if found is not None and found != self.format_name:
            raise self.error(
                block[0][0],
                f"these are the columns of {found} ({FORMATS[found].description}), expected those of {self.format_name} "
                f"({FORMATS[self.format_name].description}). Their reader is '{FORMATS[found].reader}'.",
            )

    def error(self, line: int, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self.source}, line {line}: {message}")

    def split_row(self, line: int, text: Line) -> Row:
        """Split a line at its tabs."""
        if isinstance(text, ConfigurationError):
            raise text
        columns = text.split("\t")
        if may_have_lost_entries(text):
            with errors_at(f"{self.source}, line {line}"):
                check_entries(columns, "column")
        return line, columns

    def check_roles(self, rows: List[Row], column: int) -> None:
        """Raise a `ConfigurationError` naming the line if a cell of a column of roles is empty."""
        for line, row in rows:
            if not row[column]:
                raise self.error(line, f"the role in column {column + 1} is empty, expected '_' where there is none.")

    def parse_heads(self, rows: List[Row]) -> Tuple[int, ...]:
        """Return the heads of a sentence's tokens, in rows that start with ID and FORM."""
        first_line, width = rows[0][0], len(rows[0][1])
        heads = []
        for position, (line, row) in enumerate(rows):
            if len(row) < self.min_columns:
                raise self.error(
                    line,
                    f"{len(row)} column{'s' * (len(row) != 1)}, expected at least {self.min_columns} ({self.column_names}), separated by "
                    "tabs.",
                )
            if len(row) != width:
                raise self.error(
                    line,
                    f"{len(row)} columns, but line {first_line}, where the sentence starts, has {width}. All tokens of a sentence "
                    "have the same number of columns.",
                )
            if row[0] != str(position + 1):
                raise self.error(
                    line,
                    f"the ID is {row[0]!r}, expected '{position + 1}'. IDs count a sentence's tokens from 1, and an empty line ends "
                    "a sentence.",
                )
            if not row[1]:
                raise self.error(line, "the FORM is empty.")
            heads.append(self._parse_head(row[self.head_column], len(rows), line))
        cycle = find_cycle(heads)
        if cycle is not None:
            tokens = " <- ".join(f"{token + 1} ({rows[token][1][1]})" for token in [*cycle, cycle[0]])
            raise self.error(
                rows[cycle[0]][0], f"the heads form a cycle: {tokens}. Each token must lead to a root (head 0)."
            )
        return tuple(heads)

    def _parse_head(self, text: str, length: int, line: int) -> int:
        if text == NOTHING:
            raise self.error(line, f"the {self.head_name} is '_': {self.missing_head}")
        # str.isdigit alone also accepts digits that int() refuses.
        if not (text.isascii() and text.isdigit()):
            raise self.error(line, f"the {self.head_name} is {text!r}, expected a number from 0 (root) to {length}.")
        # The number of digits comes first: int() refuses thousands of them.
        if len(text.lstrip("0")) > len(str(length)) or int(text) > length:
            raise self.error(line, f"the {self.head_name} is {text}, but the sentence has {length} tokens.")
        head = int(text)
        return ROOT if head == 0 else head - 1


def read_sentences(path: str, build_parser: Callable[[str], SentenceParser]) -> Iterator[ReadSentence]:
    """
    Read a file (path or URL; plain or compressed) sentence by sentence. A malformed sentence does not hide those behind it.

    # Raises

    `ConfigurationError` if the file has no sentence, is in another format, or cannot be read.
    """
    num_sentences = 0
    parser = build_parser(path)
    with open_data_file(path, lambda: f"{num_sentences} sentences") as file:
        for read in _parse_blocks(read_blocks(file, path), parser):
            num_sentences += 1
            yield read
    if num_sentences == 0:
        raise ConfigurationError(
            f"{path} has no sentence: expected lines of tab-separated {parser.format_name} columns."
        )


def parse_sentences(lines: Iterable[Line], parser: SentenceParser) -> Iterator[ReadSentence]:
    """As `read_sentences`, from lines. No line at all is legal here."""
    return _parse_blocks(_split_blocks(lines), parser)


def read_blocks(file: Iterable[bytes], path: str) -> Iterator[Block]:
    """Group the lines of a file, with their numbers, into blocks between empty ones."""
    return _split_blocks(_decode(file, path))


def _parse_blocks(blocks: Iterable[Block], parser: SentenceParser) -> Iterator[ReadSentence]:
    for number, block in enumerate(blocks, start=1):
        sentence = error = None
        try:
            sentence = parser.parse(block, number)
        except ConfigurationError as raised:
            if number == 1:
                parser.check_format(block)
            error = raised
        yield ReadSentence(f"sentence at line {block[0][0]}", sentence, error)


def _decode(file: Iterable[bytes], path: str) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        try:
            yield decode_line(line, path, number)
        except ConfigurationError as error:
            yield error


def _split_blocks(lines: Iterable[Line]) -> Iterator[Block]:
    block: Block = []
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
