"""Reading a file with one JSON object in each line, line by line: memory does not depend on the size of the file."""

import json
import math
from typing import Any, Dict, Iterator, NamedTuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.files import decode_line, open_data_file
from allennlp_graphmask.validation import StrictJsonDecoder, check_characters

_BYTE_ORDER_MARK = "\ufeff".encode()


class JsonLine(NamedTuple):
    """A line that is not blank, with its number, counted from 1, and the path of its file."""

    text: bytes
    number: int
    path: str

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.number}"

    def parse(self) -> Dict[str, Any]:
        """Return the object in the line. Raise a `ConfigurationError` naming the file and the line, if it is not one."""
        return parse_object(decode_line(self.text, self.path, self.number), self.place)


def parse_object(line: str, place: str) -> Dict[str, Any]:
    """Return the object in a line of JSON. Raise a `ConfigurationError` naming the place, if it is not one."""
    try:
        content = _DECODER.decode(line)
        if "\\ud" in line or "\\uD" in line:
            # Half of a surrogate pair is legal in JSON, but a vocabulary with it could not be saved.
            check_characters(content, ValueError)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{place}: not valid JSON: {error.msg} at column {error.colno}. Each line must be one JSON object."
        ) from error
    except ValueError as error:  # NaN, half of a surrogate pair, nested too deeply, ...
        raise ConfigurationError(f"{place}: the object cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"{place}: {line.strip()!r:.80} is not a JSON object. Each line must be one, in braces."
        )
    return content


def read_json_lines(path: str) -> Iterator[JsonLine]:
    """
    Read the lines of a file (path or URL; plain or compressed; UTF-8) one by one, without those of white space only. A line is
    decoded when its `parse` is called, so that a wrong line does not hide those behind it.

    # Raises

    `ConfigurationError` naming the file and the line, if the file is cut off, has no object or cannot be read.
    """
    number = num_lines = 0
    with open_data_file(path, lambda: f"line {number}") as file:
        for number, line in enumerate(file, start=1):
            # Without its end, behind which JSON would count columns.
            text = line.rstrip(b"\r\n")
            if number == 1:
                text = text.removeprefix(_BYTE_ORDER_MARK)
            if not _is_blank(text):
                num_lines += 1
                yield JsonLine(text, number, path)
    if not num_lines:
        raise ConfigurationError(f"{path}, line 1: the file is empty, expected one JSON object in each line.")


def _is_blank(line: bytes) -> bool:
    # Unlike that of strings, `strip` of bytes knows the white space of ASCII alone.
    return not line.strip() or (not line.isascii() and not line.decode("utf-8", "replace").strip())


def _refuse_constant(name: str) -> None:
    # Python reads them, but no other JSON tool would, and explanations could not hold them.
    raise ValueError(f"{name} is not a JSON number")


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is too large a number")
    return number


_DECODER = StrictJsonDecoder(parse_constant=_refuse_constant, parse_float=_parse_finite)
