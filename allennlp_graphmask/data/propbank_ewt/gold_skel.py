"""
The `.gold_skel` files of the PropBank release (https://github.com/propbank/propbank-release), whose words are removed. A token is a
line, its columns separated by spaces, and an empty line comes after each sentence:

document sentence token [WORD] tag tree lemma sense roles...

Sentences and tokens are counted from 0. There is one column of roles for each token with a sense, in order. In it, spans are in
brackets: `(ARG1*` starts one, `*)` ends it.
"""

import re
from typing import Dict, Iterator, List, NamedTuple, Tuple, Union

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.columns import Block, read_blocks
from allennlp_graphmask.data.files import open_data_file

_SENTENCE, _TOKEN, _TAG, _SENSE, _FIRST_ROLE = 1, 2, 4, 7, 8
_NOTHING = "-"
#: What starts here, whether a word is here, and how many spans end here.
_CELL = re.compile(r"((?:\([^()*\s]+)*)\*(\)*)")


class Span(NamedTuple):
    """The tokens from start to end (exclusive), from 0, that have a role, or are the predicate (V)."""

    label: str
    start: int
    end: int


class RoleSpans(NamedTuple):
    """A predicate and the spans of its column."""

    token: int
    sense: str
    spans: Tuple[Span, ...]


class Skeleton(NamedTuple):
    """A sentence without words."""

    #: File and line.
    place: str
    tags: Tuple[str, ...]
    predicates: Tuple[RoleSpans, ...]


def read_gold_skel(path: str) -> Dict[int, Union[Skeleton, ConfigurationError]]:
    """
    Return the sentences of a file by their number in the document, from 0; for a malformed one, an error that names file and line.

    # Raises

    `ConfigurationError` if the file cannot be read, or numbers of sentences are missing or repeated.
    """
    found: Dict[int, Union[Skeleton, ConfigurationError]] = {}
    with open_data_file(path, lambda: f"{len(found)} sentences") as file:
        for block in read_blocks(file, path):
            number = _parse_number(block, path)
            if number in found:
                raise ConfigurationError(f"{path}, line {block[0][0]}: a second sentence with the number {number}.")
            try:
                found[number] = _parse_sentence(block, path)
            except ConfigurationError as error:
                found[number] = error
    return found


def _parse_number(block: Block, path: str) -> int:
    line, text = block[0]
    if isinstance(text, ConfigurationError):
        raise text
    columns = text.split()
    if len(columns) <= _SENTENCE or not columns[_SENTENCE].isdecimal():
        raise ConfigurationError(
            f"{path}, line {line}: {text.strip()!r:.60} has no number of a sentence in column {_SENTENCE + 1}: this is not a .gold_skel file."
        )
    return int(columns[_SENTENCE])


def _parse_sentence(block: Block, path: str) -> Skeleton:
    rows = list(_split_rows(block, path))
    first_line = f"{path}, line {block[0][0]}"
    senses = [(token, row[_SENSE]) for token, row in enumerate(rows) if row[_SENSE] != _NOTHING]
    num_columns = len(rows[0]) - _FIRST_ROLE
    if num_columns != len(senses):
        raise ConfigurationError(
            f"{first_line}: {len(senses)} tokens with a sense, but {num_columns} columns of roles, expected one for each."
        )
    predicates = []
    for column, (token, sense) in enumerate(senses, start=_FIRST_ROLE):
        cells = [(line, row[column]) for (line, _), row in zip(block, rows)]
        predicates.append(RoleSpans(token, sense, tuple(_parse_spans(cells, path, column))))
    return Skeleton(first_line, tuple(row[_TAG] for row in rows), tuple(predicates))


def _split_rows(block: Block, path: str) -> Iterator[List[str]]:
    width = None
    for token, (line, text) in enumerate(block):
        if isinstance(text, ConfigurationError):
            raise text
        row = text.split()
        width = width or len(row)
        if len(row) < _FIRST_ROLE or len(row) != width:
            raise ConfigurationError(
                f"{path}, line {line}: {len(row)} columns, expected as many as in the sentence's first line ({width}), and at least "
                f"{_FIRST_ROLE}."
            )
        if row[_TOKEN] != str(token):
            raise ConfigurationError(f"{path}, line {line}: the token's number is {row[_TOKEN]!r}, expected '{token}'.")
        yield row


def _parse_spans(cells: List[Tuple[int, str]], path: str, column: int) -> Iterator[Span]:
    opened: List[Tuple[str, int]] = []
    for token, (line, cell) in enumerate(cells):
        match = _CELL.fullmatch(cell)
        if match is not None:
            opened += [(label, token) for label in match[1].split("(")[1:]]
        if match is None or len(match[2]) > len(opened):
            raise ConfigurationError(
                f"{path}, line {line}: column {column + 1} is {cell!r}, expected brackets such as '(ARG1*', '*', '*)' or '(ARG1*)', each "
                "closed once."
            )
        for _ in match[2]:
            label, start = opened.pop()
            yield Span(label, start, token + 1)
    if opened:
        raise ConfigurationError(f"{path}, line {cells[-1][0]}: column {column + 1} leaves '({opened[-1][0]}*' open.")
