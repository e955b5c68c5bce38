"""A file of explanations that is written over several runs of a command, the last of which completes it."""

import json
import os
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Optional, Sequence

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.forms import Form
from allennlp_graphmask.explanation.serialization import ExplanationFormatError, to_plain_json

#: The version of the form of the progress file.
_VERSION = 2


class ResumableFile:
    """
    Explanations that appear as a file when they are complete. Until then they are in `PATH.partial`, and `PATH.partial.json` states how
    much of it counts: what a killed process has written beyond that is cut off when the next one continues. `settings` is JSON
    of everything that they depend on; `overwrite` discards those of other settings. `form` is how they are written.

    # Raises

    `ConfigurationError` if the file cannot be written, explanations of other settings are there, or another process is writing it.
    """

    def __init__(self, path: str, settings: Dict[str, Any], *, form: Form, overwrite: bool = False) -> None:
        path = os.path.realpath(path) if os.path.islink(path) else path
        self.path = path
        self._form = form
        self._partial = f"{path}.partial"
        self._progress = f"{path}.partial.json"
        self._settings = to_plain_json(settings)
        #: How many records are done, and how many explanations they gave.
        self.num_records = 0
        self.num_explanations = 0
        #: Further JSON that a run needs to continue.
        self.notes: Dict[str, Any] = {}
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise ConfigurationError(
                f"'{path}' cannot be written: the folder '{folder}' does not exist. Make it first."
            )
        if os.path.exists(path) and not os.path.isfile(path):
            kind = "a folder" if os.path.isdir(path) else "a pipe or a device"
            raise ConfigurationError(f"'{path}' is {kind}. Name a file to write to.")
        self._file: IO[bytes] = open(self._partial, "a+b")
        try:
            lock(self._file.fileno(), path)
            # A process that had the lock may have finished meanwhile, and made the file of this one.
            if not os.path.exists(self._partial) or not os.path.samestat(
                os.fstat(self._file.fileno()), os.stat(self._partial)
            ):
                raise ConfigurationError(f"Another process has just written '{path}'. Give the command again.")
            stored = self._read_progress(overwrite)
            if stored is not None:
                self.num_records, self.num_explanations = stored["records"], stored["lines"]
                self.notes = stored["notes"]
            self._file.truncate(0 if stored is None else stored["bytes"])
            self._file.seek(0, os.SEEK_END)
        except BaseException:
            self._file.close()
            raise

    def _read_progress(self, overwrite: bool) -> Optional[Dict[str, Any]]:
        """Return the progress of an earlier run; `None` if there is nothing to continue."""
        if not os.path.exists(self._progress):
            return None
        try:
            stored = json.loads(Path(self._progress).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigurationError(
                f"{self._progress} is not valid JSON ({error}): it was changed, or is not a file of this command. Remove it to start "
                "again."
            ) from error
        if not isinstance(stored, dict) or not isinstance(stored.get("bytes"), int):
            raise ConfigurationError(f"{self._progress} is not a file of this command. Remove it to start again.")
        if stored.get("bytes") and not os.path.getsize(self._partial):
            return None  # of a run that was finished, and killed before it could remove this
        before = stored.get("settings", {})
        if stored.get("version") == _VERSION and before == self._settings:
            return stored if os.path.getsize(self._partial) >= stored["bytes"] else None
        if overwrite:
            return None
        differing = sorted(key for key in {*before, *self._settings} if before.get(key) != self._settings.get(key))
        raise ConfigurationError(
            f"{self._partial} has explanations that were written with other settings ({', '.join(differing) or 'version'}). Give the same "
            "arguments to continue them, name another file, or give --force to discard them."
        )

    def read(self) -> Iterator[Explanation]:
        """Yield the explanations that are there."""
        with open(self._partial, "rb") as file:
            yield from self._form.decode(file)

    def add(self, explanations: Sequence[Explanation], num_records: int, notes: Dict[str, Any]) -> None:
        """
        Add the explanations of some records, and replace the notes. When this returns they are on the disk. Raise a
        `ConfigurationError` if the form cannot hold one of them.
        """
        try:
            self._file.write(self._form.encode(explanations))
        except ExplanationFormatError as error:
            raise ConfigurationError(f"'{self.path}' cannot be written: {error}") from error
        self._file.flush()
        os.fsync(self._file.fileno())
        self.num_records += num_records
        self.num_explanations += len(explanations)
        self.notes = notes
        progress = {
            "version": _VERSION,
            "settings": self._settings,
            "records": self.num_records,
            "lines": self.num_explanations,
            "bytes": self._file.tell(),
            "notes": notes,
        }
        # After them, so that it never counts what is not there.
        write_atomically(self._progress, json.dumps(progress, indent=1) + "\n")

    def finish(self) -> None:
        """Make the file appear."""
        os.fsync(self._file.fileno())
        self._form.complete(self._partial, self.path)
        if os.path.exists(self._progress):
            os.remove(self._progress)
        self.close()

    def close(self) -> None:
        """Let another process continue. If no record is done, nothing stays behind."""
        if self._file.closed:
            return
        if not self.num_records and not self._file.tell() and os.path.exists(self._partial):
            os.remove(self._partial)
            if os.path.exists(self._progress):
                os.remove(self._progress)
        self._file.close()


def lock(descriptor: int, path: str) -> None:
    """Lock an open file, or folder, for this process. Raise a `ConfigurationError` naming the path if another one has."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows locks open files by itself
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ConfigurationError(f"Another process is writing '{path}'. Wait for it, or name another file.") from error
