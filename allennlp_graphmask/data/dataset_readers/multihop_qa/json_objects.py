"""
Reading a file that is one JSON list of objects, as multi-hop question answering data are published, object by object: the
memory that it takes is that of a few objects, whatever the size of the file.
"""

import codecs
import json
import lzma
import os
import zlib
from typing import IO, Any, Dict, Iterator, NamedTuple, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.files import open_text

_CHUNK_BYTES = 1 << 16
_WHITE_SPACE = " \t\n\r"
# `json` complains about a literal (-Infinity) or an escape (\uXXXX) that is cut off where it begins: this far from the end.
_LONGEST_LITERAL = 12


class JsonObject(NamedTuple):
    """An object and where it was found: `offset` is that of its first byte (in the decompressed text), `number` counts from 1."""

    content: Dict[str, Any]
    number: int
    offset: int


def read_json_objects(path: str, *, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[JsonObject]:
    """
    Reads the objects of a file's top-level list one by one.

    # Parameters

    path : `str`
        Plain, .gz or .xz; UTF-8.
    chunk_bytes : `int`, optional (default = `65536`)
        How much is read at a time.

    # Raises

    `ConfigurationError` naming the file and the byte, if the file is no list of objects, is cut off or cannot be read.
    """
    if not os.path.exists(path):
        raise ConfigurationError(f"The file '{path}' does not exist.")
    number = 0
    try:
        with open_text(path) as file:
            for number, (content, offset) in enumerate(_ListSplitter(file, path, chunk_bytes), start=1):
                yield JsonObject(content, number, offset)
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ConfigurationError(
            f"{path} could not be read to its end, after {number} objects ({error}): it is damaged or was cut off. Get it again."
        ) from error


class _ListSplitter:
    """The objects of a list, each with the offset of its first byte."""

    def __init__(self, file: IO[bytes], path: str, chunk_bytes: int) -> None:
        self._file = file
        self._path = path
        self._chunk_bytes = chunk_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._bytes_read = 0
        self._at_end = False
        # Text that was read and not consumed: everything from `_position` on. `_offset` is the byte of `_position`.
        self._buffer = ""
        self._position = 0
        self._offset = 0

    def __iter__(self) -> Iterator[Tuple[Dict[str, Any], int]]:
        decode = json.JSONDecoder().raw_decode
        self._read_more()
        if self._buffer.startswith("\ufeff"):
            self._consume(1)
        if self._next_character() != "[":
            raise self._error("expected '[': the file must be one JSON list of objects")
        self._consume(1)
        if self._next_character() == "]":
            self._consume(1)
        else:
            while True:
                if self._next_character() != "{":
                    raise self._error("expected '{': the list must hold objects")
                offset = self._offset
                yield self._object(decode), offset
                separator = self._next_character()
                if separator not in (",", "]"):
                    raise self._error("expected ',' or ']' after an object")
                self._consume(1)
                if separator == "]":
                    break
        if self._next_character():
            raise self._error("expected the end of the file after the list")

    def _object(self, decode: Any) -> Dict[str, Any]:
        while True:
            try:
                content, end = decode(self._buffer, self._position)
            except json.JSONDecodeError as error:
                # Not all of the object may have been read. What is wrong further inside is wrong for good: to read on would
                # take the rest of the file into memory before saying so.
                cut_off = (
                    error.msg.startswith("Unterminated string")
                    or error.pos >= len(self._buffer) - _LONGEST_LITERAL
                )
                if cut_off and not self._at_end:
                    # As much again as there is: an object of n bytes is then decoded in O(n).
                    self._read_more(len(self._buffer) - self._position)
                    continue
                place = self._offset + len(self._buffer[self._position : error.pos].encode("utf-8"))
                what = "the file is cut off within an object" if cut_off else f"not JSON: {error.msg}"
                raise self._error(what, place) from error
            except RecursionError as error:
                raise self._error("the object is nested too deeply") from error
            except ValueError as error:  # an integer of thousands of digits
                raise self._error(f"the object cannot be read: {error}") from error
            self._consume(end - self._position)
            return content

    def _next_character(self) -> str:
        """The next character that is not white space, before which all is consumed; "" at the end."""
        while True:
            start = self._position
            while start < len(self._buffer) and self._buffer[start] in _WHITE_SPACE:
                start += 1
            self._consume(start - self._position)
            if start < len(self._buffer):
                return self._buffer[start]
            if self._at_end:
                return ""
            self._read_more()

    def _consume(self, num_characters: int) -> None:
        end = self._position + num_characters
        self._offset += len(self._buffer[self._position : end].encode("utf-8"))
        self._position = end

    def _read_more(self, at_least: int = 0) -> None:
        chunk = self._file.read(max(self._chunk_bytes, at_least))
        self._at_end = not chunk
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(chunk, final=self._at_end)
        except UnicodeDecodeError as error:
            raise self._error(
                f"not UTF-8 ({error.reason}). Convert the file to UTF-8",
                self._bytes_read - pending + error.start,
            ) from error
        self._bytes_read += len(chunk)
        self._buffer = self._buffer[self._position :] + text
        self._position = 0

    def _error(self, message: str, offset: int = -1) -> ConfigurationError:
        offset = self._offset if offset < 0 else offset
        if self._at_end and offset >= self._bytes_read:
            message += "; the file ends here"
        return ConfigurationError(f"{self._path}, byte {offset}: {message}.")
