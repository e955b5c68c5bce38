"""Files that appear when they are complete, and explanations in JSON-lines files."""

import contextlib
import os
from typing import IO, Any, Iterable, Iterator, List, Union

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.serialization import ExplanationFormatError, load_json
from allennlp_graphmask.validation import decode_utf8

#: The first bytes of every Parquet file.
_PARQUET = b"PAR1"

PathLike = Union[str, "os.PathLike[str]"]


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[IO[bytes]]:
    """
    Open a file to write bytes to that appears only when it is complete: if anything fails on the way, Ctrl-C included, a file
    that was there before is still there, unchanged, and nothing half-written stays behind.
    """
    partial = f"{os.fspath(path)}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(os.path.dirname(path))
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def sync_folder(folder: PathLike) -> None:
    """Wait until the names in a folder are on the disk, so that a power failure takes none of them back."""
    descriptor = os.open(folder or os.curdir, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: PathLike, content: Union[str, bytes]) -> None:
    """Write a file by `atomic_write`, in UTF-8 if it is text."""
    with atomic_write(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))


def is_parquet(path: PathLike) -> bool:
    return os.fspath(path).endswith(".parquet")


def read_explanations(path: PathLike) -> Iterator[Explanation]:
    """
    Yield the explanations of a file of JSON lines, or of a Parquet file, which needs pyarrow. A line holds an explanation, or
    `{"explanations": [...]}` as `allennlp predict` writes it for an input with any number of them. Blank lines are skipped.

    # Raises

    `ExplanationFormatError` naming the file and the line or row.
    """
    with open(path, "rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            from allennlp_graphmask.explanation._parquet import read_parquet

            yield from read_parquet(path)
            return
        file.seek(0)
        for number, raw_line in enumerate(file, start=1):
            try:
                line = decode_utf8(raw_line)
                if number == 1:
                    line = line.removeprefix("\ufeff")
                if line.strip():
                    yield from _parse_line(load_json(line))
            except ValueError as error:
                raise ExplanationFormatError(f"{os.fspath(path)}, line {number}: {error}") from error


def _parse_line(data: Any) -> List[Explanation]:
    if not (isinstance(data, dict) and set(data) == {"explanations"} and isinstance(data["explanations"], list)):
        return [Explanation.from_dict(data)]
    explanations = []
    for position, item in enumerate(data["explanations"]):
        try:
            explanations.append(Explanation.from_dict(item))
        except ExplanationFormatError as error:
            raise ExplanationFormatError(f"explanations[{position}]: {error}") from error
    return explanations


def write_explanations(path: PathLike, explanations: Iterable[Explanation]) -> int:
    """
    Write explanations by `atomic_write` to a file of JSON lines, or to a Parquet file if the name ends in `.parquet`, which needs
    pyarrow. Return their number.
    """
    count = 0
    with atomic_write(path) as file:
        if is_parquet(path):
            from allennlp_graphmask.explanation._parquet import write_all

            return write_all(file, explanations)
        for explanation in explanations:
            file.write((explanation.to_json_line() + "\n").encode("ascii"))
            count += 1
    return count
