"""The folder that explanations of a corpus are written to, shard by shard, over one or several runs of a command."""

import contextlib
import glob
import json
import os
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.files import MANIFEST, shard_name, write_atomically
from allennlp_graphmask.explanation.provenance import file_fingerprint
from allennlp_graphmask.explanation.serialization import to_plain_json
from allennlp_graphmask.predictors.resumable_file import lock

#: The version of the form of the manifest.
_VERSION = 1
_FAILED = "failed"
#: Files that are being written, or were when their process was killed.
_PARTIAL = re.compile(r"(part-\d+\.\w+|manifest\.json)\.\d+\.partial")
#: What could not be read of whole files.
_INPUTS = "inputs.jsonl"
#: In the metadata of a shard.
SUMMARY_KEY = "shard"


class InputFile(NamedTuple):
    """A file of records, and why what follows them cannot be read, if it cannot."""

    name: str
    sha256: Optional[str]
    num_records: int
    #: Who reads it, as in `RecordSource`.
    input_format: Optional[str]
    failure: Optional[str]


class Span(NamedTuple):
    """Records of a file that follow its first `first_record` ones."""

    file: str
    sha256: Optional[str]
    first_record: int
    num_records: int


class Shard(NamedTuple):
    """Records whose explanations are in one file."""

    number: int
    spans: Tuple[Span, ...]


class Counts(NamedTuple):
    """What a shard holds, or several: numbers of inputs, explanations, messages and so on."""

    records: int = 0
    explanations: int = 0
    kept: int = 0
    messages: int = 0
    #: Explanations with whose kept messages alone the prediction is another one, and those for which that was checked.
    changed: int = 0
    verified: int = 0
    failures: int = 0
    #: Predictions, and inputs, without anything to explain.
    empty: int = 0
    without: int = 0

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*map(sum, zip(self, other)))


def find_inputs(patterns: Sequence[str]) -> List[str]:
    """
    Return the files that paths or glob patterns name, in order; those of a pattern by name.

    # Raises

    `ConfigurationError` if one does not exist, a pattern finds none, or a file comes twice.
    """
    names: Dict[str, str] = {}
    for pattern in patterns:
        found = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
        found = [name for name in found if os.path.isfile(name)]
        if not found:
            what = "is a folder" if os.path.isdir(pattern) else "names no file"
            raise ConfigurationError(f"INPUT '{pattern}' {what}. Expected a file, or a pattern such as 'corpus/*.txt'.")
        for name in found:
            real = os.path.realpath(name)
            if real in names:
                raise ConfigurationError(
                    f"INPUT '{pattern}': the file '{name}' is named twice, also by '{names[real]}'."
                )
            names[real] = name
    return list(names.values())


class CorpusFolder:
    """
    A folder with a manifest, which is written first; shards, `part-00000.parquet` and so on, which appear when they are whole; and in
    `failed` a file for each shard in which an input failed. Paths are relative where `path` is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.inputs: List[InputFile] = []
        self.rows_per_shard = 1

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """
        Make the folder, keep other processes out meanwhile, and remove what killed ones have left before and after.

        # Raises

        `ConfigurationError` if it cannot be made, is in use, or holds other files.
        """
        try:
            os.makedirs(self.path, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"-o '{self.path}' cannot be a folder for explanations: {error}.") from error
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            lock(descriptor, self.path)
            self._refuse_others()
            self._remove_partial()
            yield
            self._remove_partial()
        finally:
            os.close(descriptor)

    def _refuse_others(self) -> None:
        names = sorted(os.listdir(self.path))
        others = [name for name in names if name != _FAILED and not _PARTIAL.fullmatch(name)]
        if others and not os.path.exists(self._manifest):
            raise ConfigurationError(
                f"-o '{self.path}' has other files, such as {others[0]}, and no {MANIFEST}. Name a folder that is empty, or does not exist."
            )

    def _remove_partial(self) -> None:
        for partial in Path(self.path).rglob("*.partial"):
            if _PARTIAL.fullmatch(partial.name):
                partial.unlink()

    @property
    def _manifest(self) -> str:
        return os.path.join(self.path, MANIFEST)

    def resume(self, settings: Dict[str, Any], names: Sequence[str], rows_per_shard: int) -> bool:
        """
        Read the manifest of an earlier run. Return `False` if there is none.

        # Raises

        `ConfigurationError` naming what differs, if settings or inputs are not those of the earlier run.
        """
        if not os.path.exists(self._manifest):
            return False
        try:
            stored = json.loads(Path(self._manifest).read_text(encoding="utf-8"))
            inputs = [InputFile(**file) for file in stored["inputs"]]
            before = {**stored["settings"], "rows_per_shard": stored["rows_per_shard"]}
            version = stored["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self._manifest} is not a manifest of this command: {error!r}. Name another folder."
            ) from error
        now = {**to_plain_json(settings), "rows_per_shard": rows_per_shard}
        differing = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
        if version != _VERSION:
            differing.append("the version of the manifest")
        if [file.name for file in inputs] != list(names):
            differing.append("the files to explain")
        else:
            differing += [
                f"the content of {file.name}" for file in inputs if file_fingerprint(file.name) != file.sha256
            ]
        if differing:
            raise ConfigurationError(
                f"{self.path} has explanations that were written with other settings ({', '.join(differing)}). Give the same arguments to "
                "continue them, or name another folder."
            )
        self.inputs, self.rows_per_shard = inputs, rows_per_shard
        return True

    def begin(self, settings: Dict[str, Any], inputs: List[InputFile], rows_per_shard: int) -> None:
        """Write the manifest, and what of the inputs cannot be read."""
        self.inputs, self.rows_per_shard = inputs, rows_per_shard
        failures = [{"file": file.name, "place": None, "message": file.failure} for file in inputs if file.failure]
        self._write_failures(_INPUTS, failures)
        manifest = {
            "version": _VERSION,
            "settings": to_plain_json(settings),
            "inputs": [file._asdict() for file in inputs],
            "rows_per_shard": rows_per_shard,
            "num_shards": sum(1 for _ in self.shards()),
        }
        write_atomically(self._manifest, json.dumps(manifest, indent=1) + "\n")

    def shards(self) -> Iterator[Shard]:
        """Yield all shards: as many records each, in the order of the input, but the last."""
        number, room, spans = 0, self.rows_per_shard, []
        for file in self.inputs:
            first = 0
            while first < file.num_records:
                size = min(room, file.num_records - first)
                spans.append(Span(file.name, file.sha256, first, size))
                first, room = first + size, room - size
                if not room:
                    yield Shard(number, tuple(spans))
                    number, room, spans = number + 1, self.rows_per_shard, []
        if spans:
            yield Shard(number, tuple(spans))

    def shard_path(self, number: int) -> str:
        return os.path.join(self.path, shard_name(number))

    def missing_shards(self) -> Iterator[Shard]:
        """Yield those that are still to be written."""
        return (shard for shard in self.shards() if not os.path.exists(self.shard_path(shard.number)))

    def read_counts(self) -> Counts:
        """Return what the shards that are there hold."""
        from allennlp_graphmask.explanation._parquet import read_summary

        counts = Counts()
        for path in sorted(Path(self.path).glob("part-*.parquet")):
            counts = counts.plus(Counts(**json.loads(read_summary(path)[SUMMARY_KEY])))
        return counts

    def write_shard_failures(self, number: int, failures: List[Dict[str, Any]]) -> None:
        self._write_failures(f"{Path(shard_name(number)).stem}.jsonl", failures)

    def _write_failures(self, name: str, failures: List[Dict[str, Any]]) -> None:
        if failures:
            os.makedirs(os.path.join(self.path, _FAILED), exist_ok=True)
            lines = "".join(json.dumps(failure) + "\n" for failure in failures)
            write_atomically(os.path.join(self.path, _FAILED, name), lines)
