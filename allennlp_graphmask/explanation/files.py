"""Files that appear when they are complete, and explanations in JSON-lines files."""

import contextlib
import os
from typing import IO, Any, Iterable, Iterator, List, Union

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.serialization import ExplanationFormatError, load_json
from allennlp_graphmask.validation import decode_utf8

#: The first bytes of every Parquet file.
_PARQUET = b"PAR1"
#: The file in a folder of explanations that states what they are of, and of how many files.
MANIFEST = "manifest.json"

PathLike = Union[str, "os.PathLike[str]"]


@contextlib.contextmanager
def atomic_write(path: PathLike) -> Iterator[IO[bytes]]:
    """
    Open a file to write bytes to that appears only when it is complete: if anything fails on the way, Ctrl-C included, a file
    that was there before is still there, unchanged, and nothing half-written stays behind. What a link points to is replaced; a pipe
    or a device is written to.
    """
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        with open(path, "wb") as file:
            yield file
        return
    path = os.path.realpath(path)
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


def shard_name(number: int) -> str:
    """Return the name of a file in a folder of explanations; the first number is 0."""
    return f"part-{number:05}.parquet"


def find_shards(folder: PathLike) -> List[str]:
    """
    Return the files of a folder of explanations, in the order of the input.

    # Raises

    `ExplanationFormatError` if it is not such a folder, or one of its files is missing.
    """
    folder = os.fspath(folder)
    manifest = os.path.join(folder, MANIFEST)
    try:
        with open(manifest, "rb") as file:
            number = int(load_json(file.read().decode("utf-8"))["num_shards"])
        paths = [os.path.join(folder, shard_name(shard)) for shard in range(number)] if number >= 0 else None
    except FileNotFoundError:
        raise ExplanationFormatError(
            f"{folder}: a folder without the {MANIFEST} of `allennlp explain-corpus`."
        ) from None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ExplanationFormatError(f"{manifest}: not a manifest of `allennlp explain-corpus`.") from error
    if paths is None:
        raise ExplanationFormatError(f"{manifest}: num_shards is {number}, expected at least 0.")
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise ExplanationFormatError(
            f"{folder}: {len(missing)} of {number} parts are missing, the first is {os.path.basename(missing[0])}. Give the command that "
            "writes it again: it goes on where it stopped."
        )
    return paths


def read_explanations(path: PathLike) -> Iterator[Explanation]:
    """
    Yield the explanations of a file of JSON lines, or of a Parquet file, which needs pyarrow, or of a folder that `allennlp
    explain-corpus` has written. A line holds an explanation, or `{"explanations": [...]}` as `allennlp predict` writes it for an input
    with any number of them. Blank lines are skipped.

    # Raises

    `ExplanationFormatError` naming the file and the line or row, or the folder, if it is not complete.
    """
    if os.path.isdir(path):
        for shard in find_shards(path):
            yield from read_explanations(shard)
        return
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
