"""
Reading a file that is one JSON list of objects, as multi-hop question answering data are published, object by object: the
memory that it takes is that of a few objects, whatever the size of the file.
"""

import codecs
import json
import re
from typing import IO, Any, Dict, Iterator, NamedTuple, Optional, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.files import open_data_file
from allennlp_graphmask.validation import StrictJsonDecoder, describe_wrong_byte

_CHUNK_BYTES = 1 << 16
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
# `json` complains about a literal (-Infinity) or an escape (\uXXXX) that is cut off where it begins: this far from the end.
_LONGEST_LITERAL = 12


class JsonObject(NamedTuple):
    """An object and where it was found: `offset` is that of its first byte (in the decompressed text), `number` counts from 1."""

    content: Dict[str, Any]
    number: int
    offset: int


def read_json_objects(path: str, *, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[JsonObject]:
    """
    Read the objects of the top-level list of a file (path or URL; plain or compressed; UTF-8) one by one.

    # Raises

    `ConfigurationError` naming the file and the byte, if the file is not a list of objects, is cut off or cannot be read.
    """
    number = 0
    with open_data_file(path, lambda: f"{number} objects") as file:
        for found in ListSplitter(file, path, chunk_bytes):
            number = found.number
            yield found


# ijson would do this, but it reads half of a surrogate pair as a question mark, refuses NaN, and cannot read both integers of more
# than 64 bits and floats as `json` does.
class ListSplitter:
    """The objects of a list, decoded out of a buffer that grows to the largest of them."""

    def __init__(self, file: IO[bytes], path: str, chunk_bytes: int) -> None:
        self._file = file
        self._path = path
        self._chunk_bytes = chunk_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decode = StrictJsonDecoder().raw_decode
        self._bytes_read = 0
        self._at_end = False
        # Text that was read and not consumed: everything from `_position` on. `_offset` is the byte of `_position`.
        self._buffer = ""
        self._position = 0
        self._offset = 0

    def __iter__(self) -> Iterator[JsonObject]:
        self._read_more(len(codecs.BOM_UTF8))
        if self._buffer.startswith("\ufeff"):
            self._consume_until(1)
        self._take(("[",), "expected '[': the file must be one JSON list of objects")
        number, separator = 0, ","
        if self._next_character() == "]":
            separator = self._take(("]",), "")
        while separator == ",":
            if self._next_character() != "{":
                raise self._error("expected '{': the list must hold objects")
            number, offset = number + 1, self._offset
            yield JsonObject(self._take_object(), number, offset)
            separator = self._take((",", "]"), "expected ',' or ']' after an object")
        if self._next_character():
            raise self._error("expected the end of the file after the list")

    def _take(self, expected: Tuple[str, ...], message: str) -> str:
        character = self._next_character()
        if character not in expected:
            raise self._error(message)
        self._consume_until(self._position + 1)
        return character

    def _take_object(self) -> Dict[str, Any]:
        while True:
            try:
                content, end = self._decode(self._buffer, self._position)
            except json.JSONDecodeError as error:
                # Not all of the object may have been read. What is wrong further inside stays wrong: to read on would take the
                # rest of the file into memory before the error.
                is_cut_off = (
                    error.msg.startswith("Unterminated string") or error.pos >= len(self._buffer) - _LONGEST_LITERAL
                )
                if is_cut_off and not self._at_end:
                    # As much again as there is: an object of n bytes is then decoded in O(n).
                    self._read_more(len(self._buffer) - self._position)
                    continue
                self._consume_until(error.pos)
                message = "the file is cut off within an object" if is_cut_off else f"not valid JSON: {error.msg}"
                raise self._error(message) from error
            except ValueError as error:  # an integer of thousands of digits, a key given twice, ...
                raise self._error(f"the object cannot be read: {error}") from error
            self._consume_until(end)
            return content

    def _next_character(self) -> str:
        """Return the next character that is not white space, before which all is consumed; "" at the end."""
        while True:
            match = _WHITE_SPACE.match(self._buffer, self._position)
            assert match is not None
            self._consume_until(match.end())
            if self._position < len(self._buffer) or self._at_end:
                return self._buffer[self._position : self._position + 1]
            self._read_more()

    def _consume_until(self, end: int) -> None:
        self._offset += len(self._buffer[self._position : end].encode("utf-8"))
        self._position = end

    def _read_more(self, at_least: int = 0) -> None:
        chunk = self._file.read(max(self._chunk_bytes, at_least))
        self._at_end = not chunk
        pending = len(self._utf8.getstate()[0])
        try:
            text = self._utf8.decode(chunk, final=self._at_end)
        except UnicodeDecodeError as error:
            raise self._error(describe_wrong_byte(error), self._bytes_read - pending + error.start) from error
        self._bytes_read += len(chunk)
        self._buffer = self._buffer[self._position :] + text
        self._position = 0

    def _error(self, message: str, offset: Optional[int] = None) -> ConfigurationError:
        offset = self._offset if offset is None else offset
        if self._at_end and offset >= self._bytes_read:
            message += "; the file ends here"
        return ConfigurationError(f"{self._path}, byte {offset}: {message}.")
