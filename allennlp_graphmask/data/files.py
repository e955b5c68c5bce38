"""Opening data files, and naming the place of an error in them."""

import contextlib
import lzma
import zlib
from typing import IO, Callable, Iterator

from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import open_compressed

from allennlp_graphmask.validation import decode_utf8


@contextlib.contextmanager
def open_data_file(path: str, describe_progress: Callable[[], str]) -> Iterator[IO[bytes]]:
    """
    Open a file for reading bytes: a path, or a URL that AllenNLP's `cached_path` can fetch. The content is decompressed if it
    ends in .gz, .bz2 or .xz. `describe_progress` gives what has been read so far, such as "line 7", for the error of a file that
    is cut off.

    # Raises

    `ConfigurationError` naming the path, if there is no such file, or it cannot be read to its end.
    """
    try:
        file = open_compressed(path, "rb", encoding=None)
    except (FileNotFoundError, ValueError) as error:
        raise ConfigurationError(f"The file '{path}' does not exist.") from error
    except OSError as error:
        raise ConfigurationError(f"{path} could not be opened: {error}.") from error
    with file:
        try:
            yield file
        except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
            raise ConfigurationError(
                f"{path} could not be read to its end, after {describe_progress()} ({error}): it is damaged or was cut off. Get it "
                "again."
            ) from error


def decode_line(line: bytes, path: str, number: int) -> str:
    """Raise a `ConfigurationError` naming the file and the line, if it is not UTF-8."""
    try:
        return decode_utf8(line)
    except ValueError as error:
        raise ConfigurationError(f"{path}, line {number}: {error}.") from error


@contextlib.contextmanager
def errors_at(place: str) -> Iterator[None]:
    """Put a place, such as a file and a line, before the messages of `ConfigurationError`s."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error.message}") from error
