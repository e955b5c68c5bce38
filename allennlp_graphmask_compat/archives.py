"""
Archives of models as untrusted input: each member is checked before it is written, and what is written goes to a temporary
folder. The config in it is read as plain JSON.
"""

from __future__ import annotations

import bz2
import contextlib
import fnmatch
import gzip
import json
import lzma
import os
import shutil
import tarfile
import tempfile
import unicodedata
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, NoReturn

from allennlp_graphmask_compat.loading import is_trusted, refuse, refuse_untrusted

CONFIG = "config.json"
VOCABULARY = "vocabulary"

#: What `allennlp train` always puts into an archive, and `best.th`, the name of the weights in the folder of a training run.
KNOWN_FILES = (CONFIG, "weights.th", "best.th", "meta.json")

MAX_MEMBERS = 1_000
MAX_BYTES = 64 * 2**30
#: How many bytes may come out of a byte of the archive, beyond what every archive may hold. Weights in gzip have 1 to 10.
MAX_RATIO = 100
FREE_BYTES = 64 * 2**20
#: Of a member's headers, which `tarfile` reads into memory.
MAX_HEADER_BYTES = 2**20
MAX_CONFIG_BYTES = 16 * 2**20

#: What the libraries raise on an archive that is not one, or not whole.
_DAMAGED = (
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    gzip.BadGzipFile,
    EOFError,
    RecursionError,
    ValueError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
)

_UNSAFE = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


class _Metered:
    """A file of which no more than `remaining` bytes can be read: what a header claims costs no memory."""

    def __init__(self, file: IO[bytes], archive: str) -> None:
        self._file = file
        self._archive = archive
        self.remaining = MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.remaining:
            refuse(
                self._archive,
                f"it has more than {MAX_HEADER_BYTES:,} bytes in the header of a member, or after the last one",
            )
        self.remaining -= size
        return self._file.read(size)

    def seek(self, position: int) -> int:
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()


@contextlib.contextmanager
def extracted_archive(resolved_archive_file: str, cleanup: bool = True) -> Iterator[str]:
    """
    Extract the archive of a model to a new temporary folder, which is removed at the end (if `cleanup` is true) or where the
    archive is refused. In the place of AllenNLP's function.

    # Raises

    `ConfigurationError` if the archive has a member that an archive of a model does not have.
    """
    folder = tempfile.mkdtemp()
    try:
        extract(resolved_archive_file, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        yield folder
    finally:
        if cleanup:
            shutil.rmtree(folder, ignore_errors=True)


def extract(path: str, folder: str, wanted: str | None = None) -> None:
    """Extract all members, or the `wanted` one and nothing after it."""
    included: list[str] = []
    with _refusing_damaged(path), contextlib.closing(_checked_members(path)) as members:
        for archive, member, name in members:
            if not (is_trusted() or _is_known(member, name) or any(_is_below(name, pattern) for pattern in included)):
                known = ", ".join((*KNOWN_FILES, f"{VOCABULARY}/*"))
                refuse_untrusted(path, f"its member '{name}' is none of {known} and the config's include_in_archive")
            if wanted in (None, name):
                archive.extract(member, folder, set_attrs=False, filter="data")
            if name == CONFIG:
                if wanted == CONFIG:
                    return
                included = _find_included(os.path.join(folder, CONFIG), path)


@contextlib.contextmanager
def extracted_vocabulary(path: str) -> Iterator[str]:
    """
    Extract the vocabulary in an archive of a model, or in one of `allennlp build-vocab`, and nothing else, to a temporary folder, which
    is removed at the end. Raise a `ConfigurationError` if the archive has a member that must not be extracted.
    """
    with tempfile.TemporaryDirectory() as folder:
        with _refusing_damaged(path), contextlib.closing(_checked_members(path)) as members:
            for archive, member, name in members:
                parent, _, file = name.rpartition("/")
                if member.isfile() and parent in ("", VOCABULARY) and file.endswith(".txt"):
                    archive.extract(member, folder, set_attrs=False, filter="data")
        inner = os.path.join(folder, VOCABULARY)
        yield inner if os.path.isdir(inner) else folder


def check_members(path: str) -> None:
    """Raise a `ConfigurationError` if an archive of any content has a member that must not be extracted."""
    with _refusing_damaged(path):
        for _ in _checked_members(path):
            pass


def read_archived_config(path: str) -> dict[str, Any]:
    """Return the config of an archive, a file or the folder of a training run. Raise a `ConfigurationError` if it has none."""
    if os.path.isdir(path):
        return read_config(os.path.join(path, CONFIG), path)
    folder = tempfile.mkdtemp()
    try:
        extract(path, folder, wanted=CONFIG)
        return read_config(os.path.join(folder, CONFIG), path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_config(config_file: str, archive: str) -> dict[str, Any]:
    """Return what `config_file` of an archive holds, a JSON object. Raise a `ConfigurationError` if it holds anything else."""
    try:
        with open(config_file, "rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
        config = json.loads(content.decode("utf-8")) if len(content) <= MAX_CONFIG_BYTES else None
    except OSError as error:
        refuse(archive, f"its {CONFIG} cannot be read ({error.strerror})")
    except (ValueError, RecursionError) as error:
        refuse(
            archive,
            f"its {CONFIG} is not plain JSON ({error}), as `allennlp train` writes it: jsonnet could read files and variables of "
            "the environment",
        )
    if not isinstance(config, dict):
        refuse(archive, f"its {CONFIG} is not a JSON object of at most {MAX_CONFIG_BYTES:,} bytes")
    return config


def check_for_unsafe_loading(archive: str) -> None:
    """Refuse where torch has been told to read any pickle, which a pickle out of an archive must not be."""
    if os.environ.get(_UNSAFE, "").lower() in ("1", "y", "yes", "true"):
        refuse_untrusted(archive, f"{_UNSAFE} is set, with which its weights could run any program: unset it")


def _checked_members(path: str) -> Generator[tuple[tarfile.TarFile, tarfile.TarInfo, str], None, None]:
    """Yield the members with their checked names, each when it has been checked and before the next one is read."""
    if not os.path.isfile(path):
        refuse(path, "it is not a file")
    with contextlib.ExitStack() as stack:
        with open(path, "rb") as file:
            opener = _OPENERS.get(file.read(2), open)
        metered = _Metered(stack.enter_context(opener(path, "rb")), path)
        # It has what `tarfile` uses of a file.
        archive = stack.enter_context(tarfile.open(fileobj=metered, mode="r:"))  # type: ignore[call-overload]
        limit = MAX_BYTES if is_trusted() else min(MAX_BYTES, FREE_BYTES + MAX_RATIO * os.path.getsize(path))
        seen: set[str] = set()
        num_bytes = 0
        for num_members, member in enumerate(archive, start=1):
            name = _check_member(member, path)
            num_bytes += member.size
            if num_members > MAX_MEMBERS:
                refuse(path, f"it has more than {MAX_MEMBERS:,} members")
            if num_bytes > limit:
                refuse(path, f"up to its member '{name}' it would fill {num_bytes:,} bytes, more than {limit:,}")
            # Some file systems take names for one that differ in case or in the composition of characters.
            identity = unicodedata.normalize("NFC", name).casefold()
            if identity in seen:
                refuse(path, f"its member '{name}' is there twice")
            seen.add(identity)
            if name:
                metered.remaining = member.size
                yield archive, member, name
            metered.remaining = MAX_HEADER_BYTES
        # To the end, where the checksum is.
        while metered.read(min(tarfile.RECORDSIZE, metered.remaining + 1)):
            pass


@contextlib.contextmanager
def _refusing_damaged(path: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        refuse(
            path,
            f"it is not a whole tar archive ({type(error).__name__}: {error}). Name the model.tar.gz that `allennlp train` wrote",
        )


def _check_member(member: tarfile.TarInfo, path: str) -> str:
    """Return the name of a member without a leading `./`; it is empty for the folder of all."""

    def refuse_member(reason: str) -> NoReturn:
        refuse(path, f"its member {member.name[:200]!r} {reason}")

    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.issparse():
        links = f" to {member.linkname[:200]!r}" if member.islnk() or member.issym() else ""
        refuse_member(f"is neither a regular file nor a folder (its type is {member.type!r}{links})")
    if member.size < 0:
        refuse_member("has a negative size")
    name = member.name
    while name.startswith("./"):
        name = name[2:]
    if name in ("", ".") and member.isdir():
        return ""
    if not name.isprintable() or "\\" in name or ":" in name or {"", ".", ".."} & set(name.split("/")):
        refuse_member("has a name that leads out of the archive's own folder")
    return name


def _find_included(config_file: str, path: str) -> list[str]:
    """Return the patterns of further files in the archive."""
    if is_trusted():
        return []
    patterns = read_config(config_file, path).get("include_in_archive")
    return [pattern for pattern in patterns if isinstance(pattern, str)] if isinstance(patterns, list) else []


def _is_known(member: tarfile.TarInfo, name: str) -> bool:
    if member.isdir():
        return name == VOCABULARY
    folder, _, file = name.rpartition("/")
    return name in KNOWN_FILES if not folder else folder == VOCABULARY and bool(file)


def _is_below(name: str, pattern: str) -> bool:
    """Return whether a member, or a folder that it is in, has a name of the pattern, which never is that of a known file."""
    parts = name.split("/")
    if parts[0] in (*KNOWN_FILES, VOCABULARY):
        return False
    return any(fnmatch.fnmatchcase("/".join(parts[:length]), pattern) for length in range(1, len(parts) + 1))
