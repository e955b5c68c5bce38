"""What `allennlp explain` reads: its input as records, each of which can fail by itself."""

import contextlib
import logging
import lzma
import os
import shutil
import sys
import tempfile
import zlib
from functools import partial
from typing import Any, Iterator, List, NamedTuple, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived
from allennlp.data import DatasetReader, Instance

from allennlp_graphmask.data.dataset_readers.graph_jsonl.json_lines import RawLine, read_raw_lines
from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.files import open_text
from allennlp_graphmask.explanation.provenance import file_fingerprint, fingerprint
from allennlp_graphmask.predictors import ExplainingPredictor

#: How many lines are tried to find out whether they are inputs of the predictor.
_TRIED_LINES = 10

_MAGIC_NUMBERS = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\x00": ".xz"}


class BadRecord(NamedTuple):
    """A record that could not be explained, and why; `message` names its place."""

    place: str
    message: str


class ExplanationInput:
    """
    # Parameters

    name : `str`
        What messages call the input.
    content_fingerprint : `str`
        Says whether a later input is the same.
    """

    #: What reads it: `"reader"` or `"predictor"`.
    read_by: str = "predictor"

    def __init__(self, name: str, content_fingerprint: str) -> None:
        self.name = name
        self.fingerprint = content_fingerprint

    def records(self) -> Iterator[Record]:
        """
        # Raises

        Whatever the reader raises where the rest of the input cannot be read.
        """
        raise NotImplementedError

    def count(self) -> Optional[int]:
        """How many records there are, if that is known without making instances."""
        return None

    def describe(self, error: BaseException) -> str:
        """An error's message for the user."""
        # A ConfigurationError says all by itself; of others the kind is half of the message.
        if isinstance(error, ConfigurationError):
            return str(error.message)
        return f"{type(error).__name__}: {error}"

    def bad(self, record: Record, error: BaseException) -> BadRecord:
        """A record that could not be read or explained."""
        message = self.describe(error)
        # Readers say where it is; what comes out of a model does not.
        if not message.startswith(self.name):
            message = f"{self.name}, {record.place}: {message}"
        return BadRecord(record.place, message)


class TextInput(ExplanationInput):
    """
    A text given on the command line.

    # Raises

    `ConfigurationError` if the model's predictor takes no raw text.
    """

    def __init__(self, text: str, predictor: ExplainingPredictor) -> None:
        super().__init__("--text", fingerprint(text))
        target_predictor = predictor.target_predictor
        text_to_json = getattr(target_predictor, "text_to_json", None)
        if text_to_json is None:
            has = (
                "no predictor"
                if target_predictor is None
                else f"the predictor {type(target_predictor).__name__}, which takes no raw text"
            )
            raise ConfigurationError(
                f"--text: the model to explain has {has}. Give it a file that its reader or predictor takes, or a JSON object on "
                "standard input: echo '{...}' | allennlp explain ARCHIVE -"
            )
        self._instances = lambda: predictor.json_to_instances(text_to_json(text))

    def records(self) -> Iterator[Record]:
        yield Record("the text", self._instances)

    def count(self) -> Optional[int]:
        return 1


class FileInput(ExplanationInput):
    """
    # Parameters

    path : `str`
    name : `str`, optional
        What messages call it in the place of its path.
    """

    def __init__(self, path: str, name: Optional[str] = None) -> None:
        # A reader need not read files: "test" may be the name of a split.
        super().__init__(name or path, file_fingerprint(path) or path)
        self.path = path

    def describe(self, error: BaseException) -> str:
        return super().describe(error).replace(self.path, self.name)


class JsonLinesInput(FileInput):
    """A file with an input of the predictor in each line."""

    def __init__(self, path: str, name: Optional[str], predictor: ExplainingPredictor) -> None:
        super().__init__(path, name)
        self._predictor = predictor

    def records(self) -> Iterator[Record]:
        for line in read_raw_lines(self.path):
            yield Record(f"line {line.number}", partial(self._instances_of_line, line))

    def _instances_of_line(self, line: RawLine) -> List[Instance]:
        return self._predictor.json_to_instances(line.parse().content)

    def count(self) -> Optional[int]:
        return _count(read_raw_lines(self.path))


class ReaderInput(FileInput):
    """A file, or whatever else the archive's reader takes."""

    read_by = "reader"

    def __init__(self, path: str, name: Optional[str], reader: DatasetReader) -> None:
        super().__init__(path, name)
        self._reader = reader

    def records(self) -> Iterator[Record]:
        if isinstance(self._reader, RecordReader) and self._reader.max_instances is None:
            yield from self._reader.records(self.path)
            return
        for number, instance in enumerate(self._reader.read(self.path), start=1):
            yield Record(f"instance {number}", partial(_itself, instance))

    def count(self) -> Optional[int]:
        if isinstance(self._reader, RecordReader) and self._reader.max_instances is None:
            with _nothing_logged():
                return _count(self._reader.records(self.path))
        return None


@contextlib.contextmanager
def _nothing_logged() -> Iterator[None]:
    """What readers log at the end of a file is not true where instances are not made, or only some."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _itself(instance: Instance) -> List[Instance]:
    return [instance]


def _count(records: Iterator[Any]) -> Optional[int]:
    number = 0
    try:
        for _ in records:
            number += 1
    except ConfigurationError:
        # It is reported when it is come to. Up to there it can be read.
        return number
    return number


def open_input(
    path: str, name: Optional[str], predictor: ExplainingPredictor, read_by: Optional[str] = None
) -> ExplanationInput:
    """
    Decides who reads an input that is no `--text`. Where `read_by` does not say it: files whose first character is a brace hold
    JSON lines, which go to the predictor if it takes one of the first lines; all others go to the reader.

    # Parameters

    path : `str`
    name : `str`, optional
        What messages call it.
    predictor : `ExplainingPredictor`
    read_by : `str`, optional (default = `None`)
        `"reader"` or `"predictor"`.

    # Raises

    `ConfigurationError` if neither can read JSON lines.
    """
    reader_input = ReaderInput(path, name, predictor._dataset_reader)
    if read_by == "reader":
        return reader_input
    json_lines = JsonLinesInput(path, name, predictor)
    if read_by == "predictor":
        return json_lines
    if not os.path.isfile(path) or _first_character(path) != b"{":
        return reader_input
    with _nothing_logged():
        refused_by_predictor = _tried(json_lines)
        refused_by_reader = None if refused_by_predictor is None else _tried(reader_input)
    if refused_by_predictor is None:
        return json_lines
    if refused_by_reader is None:
        return reader_input
    raise ConfigurationError(
        f"{json_lines.name} holds JSON lines, but neither the predictor nor the reader of the model to explain takes any of the "
        f"first {_TRIED_LINES}.\nThe predictor says: {refused_by_predictor}\nThe reader says: {refused_by_reader}\n"
        "To have one of them read it all the same, give --read-by."
    )


def _tried(read: FileInput) -> Optional[str]:
    """Why none of the first records can be read; `None` if one can."""
    first_message = None
    records = read.records()
    for _ in range(_TRIED_LINES):
        try:
            record = next(records, None)
        except SigTermReceived:
            raise
        except Exception as error:  # noqa: BLE001
            # Readers and predictors are third parties' too. What they raise becomes the message.
            return first_message or read.describe(error)
        if record is None:
            break
        try:
            record.instances()
            return None
        except SigTermReceived:
            raise
        except Exception as error:  # noqa: BLE001
            first_message = first_message or read.bad(record, error).message
    return first_message or "there is nothing to read."


def _first_character(path: str) -> bytes:
    """The first byte that is not white space; empty if there is none, or the file cannot be decompressed."""
    try:
        with open_text(path) as file:
            for line in file:
                stripped = line.removeprefix(b"\xef\xbb\xbf").strip()
                if stripped:
                    return stripped[:1]
    except (EOFError, OSError, lzma.LZMAError, zlib.error):
        # The reader says what is wrong with it.
        pass
    return b""


@contextlib.contextmanager
def standard_input_as_file() -> Iterator[str]:
    """
    The path of a file with all that comes on standard input, so that readers, which want paths, can read it. Its name ends as
    its content asks for: readers go by that.
    """
    with tempfile.TemporaryDirectory(prefix="allennlp-explain-") as folder:
        path = os.path.join(folder, "standard_input")
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with open(path, "rb") as file:
            start = file.read(8)
        compressed = next((end for magic, end in _MAGIC_NUMBERS.items() if start.startswith(magic)), "")
        if compressed:
            path = _renamed(path, compressed)
        first = _first_character(path)
        kind = {b"{": ".jsonl", b"[": ".json"}.get(first, "")
        if kind:
            path = _renamed(path, kind + compressed)
        yield path


def _renamed(path: str, end: str) -> str:
    new_path = os.path.join(os.path.dirname(path), f"standard_input{end}")
    os.rename(path, new_path)
    return new_path
