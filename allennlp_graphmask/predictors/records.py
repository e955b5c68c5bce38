"""Inputs as records, each of which can fail by itself."""

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from typing import Callable, Iterator, List, NamedTuple, Optional

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived
from allennlp.data import DatasetReader, Instance

from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from allennlp_graphmask.data.files import open_data_file
from allennlp_graphmask.data.json_lines import JsonLine, read_json_lines
from allennlp_graphmask.explanation.provenance import file_fingerprint, fingerprint
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor

#: How many lines are tried to find out whether they are inputs of the predictor.
_TRIED_LINES = 10

_MAGIC_NUMBERS = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz"}


class Failure(NamedTuple):
    """A record that could not be explained, and why; `message` names its place."""

    place: str
    message: str


@dataclass(frozen=True)
class RecordSource:
    """An input as records. Where it cannot be read on, `records` raises whatever the reader raises."""

    #: The name of the input in messages.
    name: str
    #: Equal for equal inputs.
    fingerprint: str
    #: Reads the records.
    records: Callable[[], Iterator[Record]]
    #: Who reads it: `"reader"` or `"predictor"`.
    input_format: str = "predictor"
    #: The file that is read, if any. In messages the name takes its place.
    path: Optional[str] = None
    #: The number of records, if it is known without reading.
    num_records: Optional[int] = None

    def describe(self, error: BaseException) -> str:
        """Return an error's message for the user."""
        # A ConfigurationError is complete; of others the type is half of the message.
        message = str(error.message) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
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
    text: Optional[str] = None,
    input_format: Optional[str] = None,
) -> Iterator[RecordSource]:
    """
    Open an input: a text, or in its place a file, or `-` for standard input, which is read to its end first.

    `input_format`, `"reader"` or `"predictor"`, is who reads the file. By default, files whose first character is a brace hold
    JSON lines, which go to the predictor if it takes one of the first lines; all others go to the reader.

    # Raises

    `ConfigurationError` if neither can read JSON lines, or the model's predictor takes no raw text.
    """
    if text is not None:
        yield _open_text(text, predictor)
    elif path == "-":
        with _standard_input_as_file() as copy:
            yield _open_file(copy, "standard input", predictor, input_format)
    else:
        assert path is not None
        yield _open_file(path, path, predictor, input_format)


def _open_text(text: str, predictor: ExplainingPredictor) -> RecordSource:
    target_predictor = predictor.target_predictor
    text_to_json = getattr(target_predictor, "text_to_json", None)
    if text_to_json is None:
        has = "no predictor" if target_predictor is None else f"the predictor {type(target_predictor).__name__}"
        raise ConfigurationError(
            f"--text: the model to explain has {has}, which takes no raw text. Give it a file for its reader or predictor, or a "
            "JSON object on standard input: echo '{...}' | allennlp explain ARCHIVE -"
        )
    record = Record("the text", lambda: predictor.json_to_instances(text_to_json(text)))
    return RecordSource("--text", fingerprint(text), lambda: iter([record]), num_records=1)


def _open_file(path: str, name: str, predictor: ExplainingPredictor, input_format: Optional[str]) -> RecordSource:
    # A reader need not read files: "test" may be the name of a split.
    content = file_fingerprint(path) or path
    by_reader = partial(_read_by_reader, path, predictor._dataset_reader)
    reader = RecordSource(name, content, by_reader, "reader", path)
    json_lines = RecordSource(name, content, partial(_read_json_lines, path, predictor), "predictor", path)
    if input_format == "predictor":
        return json_lines
    if input_format == "reader" or not os.path.isfile(path) or _first_character(path) != b"{":
        return reader
    refused_by_predictor = _first_refusal(json_lines)
    if refused_by_predictor is None:
        return json_lines
    refused_by_reader = _first_refusal(reader)
    if refused_by_reader is None:
        return reader
    raise ConfigurationError(
        f"{name} holds JSON lines, but neither the predictor nor the reader of the model to explain takes any of the first "
        f"{_TRIED_LINES}.\nThe predictor: {refused_by_predictor}\nThe reader: {refused_by_reader}\n"
        "To have one of them read it all the same, give --input-format."
    )


def _read_json_lines(path: str, predictor: ExplainingPredictor) -> Iterator[Record]:
    def build_instances(line: JsonLine) -> List[Instance]:
        return predictor.json_to_instances(line.parse())

    for line in read_json_lines(path):
        yield Record(f"line {line.number}", partial(build_instances, line))


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


def _first_character(path: str) -> bytes:
    """Return the first byte that is not white space; empty if there is none, or the file cannot be decompressed."""
    # The reader reports what is wrong with the file.
    with contextlib.suppress(ConfigurationError), open_data_file(path, str) as file:
        for line in file:
            stripped = line.removeprefix(b"\xef\xbb\xbf").strip()
            if stripped:
                return stripped[:1]
    return b""


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
        kind = {b"{": ".jsonl", b"[": ".json"}.get(_first_character(path), "")
        yield _renamed(path, kind + compressed) if kind else path


def _renamed(path: str, suffix: str) -> str:
    new_path = os.path.join(os.path.dirname(path), f"standard_input{suffix}")
    os.rename(path, new_path)
    return new_path
