import gzip
import lzma
from typing import IO


def open_text(path: str) -> IO[bytes]:
    """Opens a plain, gzip (.gz) or xz (.xz) file for reading bytes."""
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.endswith(".xz"):
        return lzma.open(path, "rb")
    return open(path, "rb")
