"""Reading a file with one JSON object in each line, line by line: memory does not depend on the size of the file."""

import json
import lzma
import math
import os
import zlib
from typing import Any, Dict, Iterator, NamedTuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.files import open_text

_BYTE_ORDER_MARK = "\ufeff"


class JsonLine(NamedTuple):
    """An object and the line where it was found, counted from 1."""

    content: Dict[str, Any]
    number: int


class RawLine(NamedTuple):
    """A line that is not blank, with its number, counted from 1, and the path of its file."""

    content: bytes
    number: int
    path: str

    def parse(self) -> JsonLine:
        """
        # Raises

        `ConfigurationError` naming the file and the line, if it is no JSON object.
        """
        text = _decoded(self.content, self.path, self.number)
        return JsonLine(_json_object(text, self.path, self.number), self.number)


def read_json_lines(path: str) -> Iterator[JsonLine]:
    """
    Reads the objects of a file one by one. Lines of nothing but white space are skipped.

    # Parameters

    path : `str`
        Plain, .gz or .xz; UTF-8.

    # Raises

    `ConfigurationError` naming the file and the line, if a line is no JSON object, or the file is cut off, has no object or
    cannot be read.
    """
    for line in read_raw_lines(path):
        yield line.parse()


def read_raw_lines(path: str) -> Iterator[RawLine]:
    """
    As `read_json_lines`, but what is in a line is looked at when its `parse` is called: a line that is wrong does not hide those
    behind it.
    """
    if not os.path.exists(path):
        raise ConfigurationError(f"The file '{path}' does not exist.")
    number = num_lines = 0
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, start=1):
                # Without its end, behind which JSON would count columns.
                content = line.rstrip(b"\r\n")
                if not _is_blank(content, number):
                    num_lines += 1
                    yield RawLine(content, number, path)
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ConfigurationError(
            f"{path} could not be read to its end, after line {number} ({error}): it is damaged or was cut off. Get it again."
        ) from error
    if not num_lines:
        raise ConfigurationError(f"{path}, line 1: the file is empty, expected one JSON object in each line.")


def _is_blank(line: bytes, number: int) -> bool:
    if number == 1:
        line = line.removeprefix(_BYTE_ORDER_MARK.encode("utf-8"))
    # Unlike that of strings, `strip` of bytes knows the white space of ASCII alone.
    return not line.strip() or (not line.isascii() and not line.decode("utf-8", "replace").strip())


def _decoded(line: bytes, path: str, number: int) -> str:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}, line {number}: not UTF-8 (byte {line[error.start]:#x} at column {error.start + 1}). Convert the file to "
            "UTF-8."
        ) from error
    return text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text


def _json_object(text: str, path: str, number: int) -> Dict[str, Any]:
    try:
        content = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\ud" in text or "\\uD" in text:
            # Half of a surrogate pair is legal JSON, but no text: a vocabulary with it could not be saved.
            json.dumps(content, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{path}, line {number}: not JSON: {error.msg} at column {error.colno}. Each line must be one JSON object."
        ) from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}, line {number}: the object is nested too deeply.") from error
    except ValueError as error:  # NaN, an integer of thousands of digits, half of a surrogate pair
        raise ConfigurationError(f"{path}, line {number}: the object cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{path}, line {number}: {text.strip()!r:.80} is no JSON object. Each line must be one, in braces."
        )
    return content


def _refuse_constant(name: str) -> None:
    # Python reads them, but no other JSON tool would, and explanations could not hold them.
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is too large a number")
    return number
