"""The forms of files of explanations, chosen by the file's name, and how each is written part by part."""

import io
import os
from typing import IO, Iterator, Protocol, Sequence

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import PathLike, atomic_write, is_parquet


class Form(Protocol):
    """Explanations as bytes that are added to a partial file, of which the file is made in the end."""

    def encode(self, explanations: Sequence[Explanation]) -> bytes: ...

    def decode(self, file: IO[bytes]) -> Iterator[Explanation]: ...

    def complete(self, partial: PathLike, path: PathLike) -> None:
        """Make the file appear, whole, and the partial one disappear."""


class JsonLines:
    """One explanation a line; the partial file is the file."""

    def encode(self, explanations: Sequence[Explanation]) -> bytes:
        return "".join(f"{explanation.to_json_line()}\n" for explanation in explanations).encode("ascii")

    def decode(self, file: IO[bytes]) -> Iterator[Explanation]:
        for line in file:
            yield Explanation.from_json_line(line.decode("ascii"))

    def complete(self, partial: PathLike, path: PathLike) -> None:
        os.replace(partial, path)


class Parquet:
    """
    A row for each explanation. A Parquet file cannot be added to, as its end describes the whole: the partial file holds Arrow's streams,
    one after another, and the file is made of their columns without making an explanation again.
    """

    def __init__(self, score_type: str) -> None:
        self._score_type = score_type

    def encode(self, explanations: Sequence[Explanation]) -> bytes:
        import pyarrow

        from allennlp_graphmask.explanation._parquet import to_batch

        sink = io.BytesIO()
        if explanations:
            batch = to_batch(explanations, self._score_type)
            with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
                stream.write_batch(batch)
        return sink.getvalue()

    def decode(self, file: IO[bytes]) -> Iterator[Explanation]:
        from allennlp_graphmask.explanation._parquet import from_batch, read_streams

        for batch in read_streams(file):
            yield from from_batch(batch)

    def complete(self, partial: PathLike, path: PathLike) -> None:
        from allennlp_graphmask.explanation._parquet import read_streams, to_batch, write_parquet

        with open(partial, "rb") as streams, atomic_write(path) as file:
            write_parquet(file, read_streams(streams), empty=to_batch([], self._score_type))
        os.remove(partial)


def choose_form(path: PathLike, score_type: str = "float32") -> Form:
    """Return the form of a file: Parquet if its name ends in `.parquet`, with scores of this type, else JSON lines."""
    return Parquet(score_type) if is_parquet(path) else JsonLines()
