"""A file of lines that is written over several runs of a command, the last of which finishes it."""

import json
import os
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Optional, Sequence

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.evaluation.comparison.folder import to_json
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.serialization import to_plain_json

#: The version of the form of the progress file.
_VERSION = 1


class ResumableLines:
    """
    Lines that appear as a file when they are whole. Until then they are in `PATH.partial`, and `PATH.partial.json` says how far
    they go: what a killed process has written beyond that is cut off when the next one goes on.

    # Parameters

    path : `str`
    settings : `Dict[str, Any]`
        JSON of all that the lines depend on.
    overwrite : `bool`, optional (default = `False`)
        Forgets what was written with other settings.

    # Raises

    `ConfigurationError` if the file cannot be written, lines of other settings are there, or another process is writing them.
    """

    def __init__(self, path: str, settings: Dict[str, Any], *, overwrite: bool = False) -> None:
        self.path = path
        self._partial = f"{path}.partial"
        self._progress = f"{path}.partial.json"
        self._settings = to_plain_json(settings)
        #: How many records are done, and how many lines they gave.
        self.num_records = 0
        self.num_lines = 0
        #: What else is to be known when they are continued.
        self.notes: Dict[str, Any] = {}
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise ConfigurationError(
                f"'{path}' cannot be written: there is no folder '{folder}'. Make it first."
            )
        if os.path.isdir(path):
            raise ConfigurationError(f"'{path}' is a folder. Name a file to write to.")
        self._file: IO[bytes] = open(self._partial, "a+b")
        try:
            _lock(self._file, path)
            self._continue(self._stored(overwrite))
        except BaseException:
            self._file.close()
            raise

    def _stored(self, overwrite: bool) -> Optional[Dict[str, Any]]:
        """What an earlier run says of its lines; `None` if there is nothing to go on from."""
        if not os.path.exists(self._progress):
            return None
        try:
            stored = json.loads(Path(self._progress).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(
                f"{self._progress} is no JSON ({error}): it was changed, or is no file of this command. Remove it to start anew."
            ) from error
        if stored.get("bytes") and not os.path.getsize(self._partial):
            return None  # of a run that was finished, and killed before it could remove this
        before = stored.get("settings", {})
        if stored.get("version") == _VERSION and before == self._settings:
            return stored if os.path.getsize(self._partial) >= stored["bytes"] else None
        if overwrite:
            return None
        differing = sorted(
            key for key in {*before, *self._settings} if before.get(key) != self._settings.get(key)
        )
        raise ConfigurationError(
            f"{self._partial} is the beginning of other lines: {', '.join(differing) or 'version'} "
            f"differ{'s' if len(differing) <= 1 else ''}. Give the same arguments to go on with them, name another file, or give "
            "--force to forget them."
        )

    def _continue(self, stored: Optional[Dict[str, Any]]) -> None:
        if stored is not None:
            self.num_records, self.num_lines = stored["records"], stored["lines"]
            self.notes = stored["notes"]
        self._file.truncate(0 if stored is None else stored["bytes"])
        self._file.seek(0, os.SEEK_END)

    def written(self) -> Iterator[str]:
        """The lines that are there, without their ends."""
        with open(self._partial, "rb") as file:
            for line in file:
                yield line.decode("utf-8").rstrip("\n")

    def add(self, lines: Sequence[str], num_records: int, notes: Dict[str, Any]) -> None:
        """
        Adds the lines of some records. When it returns they are on the disk.

        # Parameters

        lines : `Sequence[str]`
            Without their ends.
        num_records : `int`
        notes : `Dict[str, Any]`
            JSON that takes the place of the notes there were.
        """
        self._file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.num_records += num_records
        self.num_lines += len(lines)
        self.notes = notes
        progress = {
            "version": _VERSION,
            "settings": self._settings,
            "records": self.num_records,
            "lines": self.num_lines,
            "bytes": self._file.tell(),
            "notes": notes,
        }
        # Only now: what it says is there, is there.
        write_atomically(self._progress, to_json(progress))

    def finish(self) -> None:
        """Makes the file appear."""
        os.fsync(self._file.fileno())
        os.replace(self._partial, self.path)
        # Without its lines it says nothing.
        if os.path.exists(self._progress):
            os.remove(self._progress)
        self.close()

    def close(self) -> None:
        """Lets another process go on. If no record is done, nothing stays behind."""
        if self._file.closed:
            return
        if not self.num_records and not self._file.tell() and os.path.exists(self._partial):
            os.remove(self._partial)
            if os.path.exists(self._progress):
                os.remove(self._progress)
        self._file.close()


def _lock(file: IO[bytes], path: str) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows, which locks by itself: nobody can rename what is open
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(
            f"Another process is writing '{path}'. Wait for it, or name another file."
        ) from error
