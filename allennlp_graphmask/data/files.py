import contextlib
import gzip
import lzma
import os
from typing import IO, Iterator, Union


def open_text(path: str) -> IO[bytes]:
    """Opens a plain, gzip (.gz) or xz (.xz) file for reading bytes."""
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.endswith(".xz"):
        return lzma.open(path, "rb")
    return open(path, "rb")


@contextlib.contextmanager
def whole_file(path: Union[str, "os.PathLike[str]"]) -> Iterator[IO[bytes]]:
    """
    A file to write bytes to that appears only when it is whole: if anything fails on the way, also by Ctrl-C, a file that was
    there before is still there, unchanged, and nothing half-written stays behind.
    """
    partial = f"{os.fspath(path)}.{os.getpid()}.partial"
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def write_atomically(path: Union[str, "os.PathLike[str]"], content: Union[str, bytes]) -> None:
    """Writes a file, in UTF-8 if it is text, that appears only when it is whole."""
    with whole_file(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8"))
