"""Inputs as records, each of which can fail by itself."""

import contextlib
import itertools
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived
from allennlp.data import DatasetReader, Instance

from allennlp_graphmask.checks import check_installed
from allennlp_graphmask.data.dataset_readers.multihop_qa.json_objects import read_json_objects
from allennlp_graphmask.data.dataset_readers.propbank_srl import SrlReader
from allennlp_graphmask.data.dataset_readers.propbank_srl.columns import Block, marks_no_predicates, read_blocks
from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.files import decode_line, open_data_file
from allennlp_graphmask.data.json_lines import JsonLine, parse_object, read_json_lines
from allennlp_graphmask.explanation.files import is_parquet
from allennlp_graphmask.explanation.provenance import file_fingerprint, fingerprint
from allennlp_graphmask.explanation.schema import ExplainedInput
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor

#: How many lines are tried to find out whether they are inputs of the predictor.
_TRIED_LINES = 10

#: More bytes than a person writes.
_MAX_OBJECT = 1 << 24

_MAGIC_NUMBERS = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz"}


class Failure(NamedTuple):
    """A record that could not be explained, and why; `message` names its place."""

    place: str
    message: str


def describe_error(error: BaseException) -> str:
    """Return an error's message for the user."""
    # A ConfigurationError is complete; of others the type is half of the message.
    return str(error.message) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True)
class RecordSource:
    """An input as records. Where it cannot be read on, `records` raises whatever the reader raises."""

    #: The name of the input in messages.
    name: str
    #: Equal for equal inputs.
    fingerprint: str
    #: Reads the records.
    records: Callable[[], Iterator[Record]]
    #: Who reads it, and as what: `"reader"`; `"predictor"`, as JSON; or `"text"`, the predictor as raw text.
    input_format: str = "predictor"
    #: The file that is read, if any. In messages the name takes its place.
    path: Optional[str] = None
    #: The number of records, if it is known without reading.
    num_records: Optional[int] = None
    #: What the user should know of how it is read.
    note: Optional[str] = None

    def describe_input(self, record: Record, number: int) -> ExplainedInput:
        """Return where a record comes from, as explanations state it."""
        return {"file": None if self.path is None else self.name, "number": number, "place": record.place}

    def describe(self, error: BaseException) -> str:
        """Return an error's message for the user, with the name of this input."""
        message = describe_error(error)
        return message if self.path is None else message.replace(self.path, self.name)

    def failure(self, record: Record, error: BaseException) -> Failure:
        """Describe a record that could not be read or explained."""
        message = self.describe(error)
        # Readers name the place; models do not.
        if not message.startswith(self.name):
            message = f"{self.name}, {record.place}: {message}"
        return Failure(record.place, message)


@contextlib.contextmanager
def open_source(
    predictor: ExplainingPredictor,
    path: Optional[str] = None,
    *,
    texts: Sequence[str] = (),
    input_format: Optional[str] = None,
    text_column: str = "text",
) -> Iterator[RecordSource]:
    """
    Open an input: texts, or in their place a file, or `-` for standard input, which is read to its end first.

    `input_format`, `"reader"`, `"predictor"` or `"text"`, is who reads the file. By default it is the first that takes one of the
    first inputs in it. For a file that starts with a brace: the predictor, line by line or, where a line is not an object, the
    whole; then the reader. For others: the reader; then the predictor, for a JSON list or for plain text. Of a table, a file whose
    name ends in `.parquet`, the predictor reads the texts in `text_column`, one a row.

    # Raises

    `ConfigurationError` if neither can read JSON lines, or the model's predictor takes no raw text.
    """
    if texts:
        yield _open_texts(texts, predictor)
    elif path == "-":
        with _standard_input_as_file() as copy:
            yield _open_file(copy, "standard input", predictor, input_format, text_column)
    else:
        assert path is not None
        yield _open_file(path, path, predictor, input_format, text_column)


def _open_texts(texts: Sequence[str], predictor: ExplainingPredictor) -> RecordSource:
    read = _raw_text_reader(predictor, "--text")
    places = ["the text"] if len(texts) == 1 else [f"text {number}" for number in range(1, len(texts) + 1)]
    records = [Record(place, partial(read, text), _why_empty(predictor)) for place, text in zip(places, texts)]
    return RecordSource("--text", fingerprint(list(texts)), lambda: iter(records), num_records=len(records))


def _raw_text_reader(predictor: ExplainingPredictor, option: str) -> Callable[[str], List[Instance]]:
    target_predictor = predictor.target_predictor
    text_to_json = getattr(target_predictor, "text_to_json", None)
    if text_to_json is None:
        has = "no predictor" if target_predictor is None else f"the predictor {type(target_predictor).__name__}"
        raise ConfigurationError(
            f"{option}: the model to explain has {has}, which takes no raw text. Give it a file for its reader or predictor, or a "
            "JSON object on standard input: echo '{...}' | allennlp explain ARCHIVE -"
        )
    return lambda text: predictor.json_to_instances(text_to_json(text))


def _open_file(
    path: str, name: str, predictor: ExplainingPredictor, input_format: Optional[str], text_column: str
) -> RecordSource:
    # A reader need not read files: "test" may be the name of a split.
    content = file_fingerprint(path) or path
    if is_parquet(path) and input_format in (None, "text"):
        check_installed(name, "pyarrow")
        read_rows = partial(_read_table, path, text_column, _raw_text_reader(predictor, name), _why_empty(predictor))
        return RecordSource(name, content, read_rows, "text", path)
    lines = _first_lines(path) if os.path.isfile(path) else []
    first = _first_character(lines)

    def source(read: Callable[..., Iterator[Record]], reads: Any, input_format: str) -> RecordSource:
        return RecordSource(name, content, partial(read, path, reads), input_format, path)

    reader = source(_read_by_reader, predictor._dataset_reader, "reader")
    json_lines = source(_read_json_list if first == b"[" else _read_json_lines, predictor, "predictor")
    text = source(_read_text, predictor, "text")
    if input_format is not None:
        if input_format == "text":
            _raw_text_reader(predictor, "--input-format text")
        return {"reader": reader, "predictor": json_lines, "text": text}[input_format]
    options = [reader]
    if first == b"{":
        options = [json_lines, reader, source(_read_json_object, predictor, "predictor")]
    elif first == b"[":
        note = f"{name}: read by the model's predictor, which looks at no answers or labels, as its reader takes another format."
        options = [reader, replace(json_lines, note=note)]
    elif _is_plain_text(lines) and hasattr(predictor.target_predictor, "text_to_json"):
        unit = {
            "line": "each line is an input",
            "file": "its first line is the question, the others are the paragraphs",
        }
        options = [reader, replace(text, note=f"{name}: read as plain text; {unit[_text_unit(predictor)]}.")]
    elif isinstance(predictor._dataset_reader, SrlReader):
        columns = [line.decode("utf-8", "replace") for line in lines]
        other = predictor._dataset_reader.for_format(columns)
        if marks_no_predicates(columns) and hasattr(predictor.target_predictor, "conll_to_json"):
            note = f"{name}: read as CoNLL-U. The file marks no predicates, so they are the verbs."
            options = [replace(source(_read_blocks, predictor, "predictor"), note=note), reader]
        elif other is not None:
            note = f"{name}: read as {other.format_name}, in which the file is, though the model's reader takes another format."
            options = [replace(source(_read_by_reader, other, "reader"), note=note), reader]
    if len(options) == 1:
        return reader
    refusals = []
    for option in options:
        refusal = _first_refusal(option)
        if refusal is None:
            return option
        refusals.append(f"The {option.input_format}: {refusal}")
    if first == b"[" and not isinstance(predictor._dataset_reader, SrlReader):
        return reader  # which names each question that it cannot read
    raise ConfigurationError(
        f"{name} cannot be read: neither the reader nor the predictor of the model to explain takes any of the first {_TRIED_LINES} "
        "inputs in it.\n"
        + "\n".join(dict.fromkeys(refusals))
        + "\nTo have one of them read it all the same, give --input-format."
    )


def _text_unit(predictor: ExplainingPredictor) -> str:
    return getattr(predictor.target_predictor, "text_unit", "line")


def _why_empty(predictor: ExplainingPredictor) -> str:
    return getattr(predictor.target_predictor, "why_empty", "no instance")


def _read_json_lines(path: str, predictor: ExplainingPredictor) -> Iterator[Record]:
    def build_instances(line: JsonLine) -> List[Instance]:
        return predictor.json_to_instances(line.parse())

    for line in read_json_lines(path):
        yield Record(f"line {line.number}", partial(build_instances, line), _why_empty(predictor))


def _read_json_object(path: str, predictor: ExplainingPredictor) -> Iterator[Record]:
    """Read a file that is one object over several lines, as people write it."""
    with open_data_file(path, lambda: "a part") as file:
        content = parse_object(decode_line(file.read(_MAX_OBJECT), path, 1).removeprefix("\ufeff"), path)
    yield Record("the object", partial(predictor.json_to_instances, content), _why_empty(predictor))


def _read_json_list(path: str, predictor: ExplainingPredictor) -> Iterator[Record]:
    for found in read_json_objects(path):
        place = f"object {found.number} (byte {found.offset})"
        yield Record(place, partial(predictor.json_to_instances, found.content), _why_empty(predictor))


def _read_blocks(path: str, predictor: ExplainingPredictor) -> Iterator[Record]:
    """Read sentences in columns, with an empty line after each."""
    target_predictor: Any = predictor.target_predictor

    def build_instances(block: Block) -> List[Instance]:
        for _, line in block:
            if isinstance(line, ConfigurationError):
                raise line
        text = "\n".join(str(line) for _, line in block)
        return predictor.json_to_instances(target_predictor.conll_to_json(text))

    with open_data_file(path, lambda: "a part") as file:
        for block in read_blocks(file, path):
            yield Record(f"sentence at line {block[0][0]}", partial(build_instances, block), _why_empty(predictor))


def _read_text(path: str, predictor: ExplainingPredictor) -> Iterator[Record]:
    read = _raw_text_reader(predictor, path)

    def build_instances(number: int, text: bytes) -> List[Instance]:
        return read(decode_line(text, path, number).removeprefix("\ufeff"))

    with open_data_file(path, lambda: "a part") as file:
        if _text_unit(predictor) == "file":
            yield Record("the text", partial(build_instances, 1, file.read()), _why_empty(predictor))
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield Record(f"line {number}", partial(build_instances, number, line), _why_empty(predictor))


def _read_table(path: str, column: str, read: Callable[[str], List[Instance]], why_empty: str) -> Iterator[Record]:
    from allennlp_graphmask.data._text_tables import read_texts

    def build_instances(number: int, text: Optional[str]) -> List[Instance]:
        if text is None:
            raise ConfigurationError(f"{path}, row {number}: the column {column!r} is empty there.")
        return read(text)

    for number, text in enumerate(read_texts(path, column), start=1):
        yield Record(f"row {number}", partial(build_instances, number, text), why_empty)


def _read_by_reader(path: str, reader: DatasetReader) -> Iterator[Record]:
    if isinstance(reader, RecordReader) and reader.max_instances is None:
        yield from reader.records(path)
        return
    for number, instance in enumerate(reader.read(path), start=1):
        yield Record(f"instance {number}", partial(list, [instance]))


def _first_refusal(source: RecordSource) -> Optional[str]:
    """Why none of the first records can be read; `None` if one can."""
    messages = []
    try:
        for record in itertools.islice(source.records(), _TRIED_LINES):
            try:
                record.instances()
                return None
            except SigTermReceived:
                raise
            except Exception as error:  # noqa: BLE001
                # Third parties write readers and predictors, too. What they raise becomes the message.
                messages.append(source.failure(record, error).message)
    except SigTermReceived:
        raise
    except Exception as error:  # noqa: BLE001
        messages.append(source.describe(error))
    return messages[0] if messages else "there is nothing to read."


def _first_lines(path: str) -> List[bytes]:
    """Return the first lines that are not blank; none if the file cannot be decompressed."""
    # The reader reports what is wrong with the file.
    with contextlib.suppress(ConfigurationError), open_data_file(path, str) as file:
        stripped = (line.removeprefix(b"\xef\xbb\xbf").strip() for line in file)
        return list(itertools.islice(filter(None, stripped), _TRIED_LINES))
    return []


def _first_character(lines: List[bytes]) -> bytes:
    return lines[0][:1] if lines else b""


def _is_plain_text(lines: List[bytes]) -> bool:
    """
    Return whether lines have neither columns, which start with the number of a token, nor binary data. (Columns may be divided by
    spaces instead of tabs.)
    """
    first = next((line for line in lines if not line.startswith(b"#")), None)
    is_row = first is not None and re.match(rb"[0-9]+(?:[-.][0-9]+)?\t|1 ", first)
    return bool(lines) and not is_row and not any(b"\0" in line for line in lines)


@contextlib.contextmanager
def _standard_input_as_file() -> Iterator[str]:
    """
    Copy all of standard input to a file, so that readers, which want paths, can read it. Its name ends as its content requires, as
    readers go by that.
    """
    with tempfile.TemporaryDirectory(prefix="allennlp-explain-") as folder:
        path = os.path.join(folder, "standard_input")
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with open(path, "rb") as file:
            start = file.read(8)
        compressed = next((suffix for magic, suffix in _MAGIC_NUMBERS.items() if start.startswith(magic)), "")
        if compressed:
            path = _renamed(path, compressed)
        kind = {b"{": ".jsonl", b"[": ".json"}.get(_first_character(_first_lines(path)), "")
        yield _renamed(path, kind + compressed) if kind else path


def _renamed(path: str, suffix: str) -> str:
    new_path = os.path.join(os.path.dirname(path), f"standard_input{suffix}")
    os.rename(path, new_path)
    return new_path
