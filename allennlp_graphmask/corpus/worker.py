"""What one process of many does: count the records of a file, and explain a shard."""

import itertools
import json
import os
from functools import cached_property
from typing import Any, Callable, ContextManager, Dict, Iterator, List, NamedTuple, Optional, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived

from allennlp_graphmask.corpus.folder import SUMMARY_KEY, CorpusFolder, Counts, InputFile, Shard, Span
from allennlp_graphmask.data.dataset_readers.record_reader import Record
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import atomic_write
from allennlp_graphmask.explanation.provenance import file_fingerprint
from allennlp_graphmask.predictors.explain_records import explain_records
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor
from allennlp_graphmask.predictors.records import RecordSource, describe_error, open_source


class Task(NamedTuple):
    """How inputs are explained, and where to."""

    #: Loads what explains. Returns it with everything that explanations depend on, as JSON.
    load: Callable[[], Tuple[ExplainingPredictor, Dict[str, Any]]]
    output: str
    input_format: Optional[str]
    text_column: str
    batch_size: int
    kept_only: bool
    score_type: str


class Worker:
    """
    Explains shards. Its methods depend on their arguments and on files alone: what a worker does, another one can do again.

    `working_folder` is the one that paths are relative to.
    """

    def __init__(self, task: Task, working_folder: str) -> None:
        os.chdir(working_folder)
        self._task = task
        self._folder = CorpusFolder(task.output)
        #: The file that is being read, how many of its records are behind, and the others.
        self._file: Optional[str] = None
        self._position = 0
        self._source: Optional[RecordSource] = None
        self._records: Iterator[Record] = iter(())

    @cached_property
    def _loaded(self) -> Tuple[ExplainingPredictor, Dict[str, Any]]:
        return self._task.load()

    def describe(self) -> Dict[str, Any]:
        """Load what explains. Return everything that explanations depend on, but the inputs."""
        return self._loaded[1]

    def count(self, name: str) -> InputFile:
        """Count the records of a file, without making instances where its reader can do without."""
        number, input_format = 0, None
        try:
            with self._open(name) as source:
                input_format = source.input_format
                for _ in source.records():
                    number += 1
        except SigTermReceived:
            raise
        except Exception as error:  # noqa: BLE001
            # Whatever a third party's reader raises: a file that cannot be read must not lose the others.
            what = f"\nWhat follows the first {number} inputs of {name} cannot be read." if number else ""
            return InputFile(name, file_fingerprint(name), number, input_format, f"{describe_error(error)}{what}")
        return InputFile(name, source.fingerprint, number, input_format, None)

    def explain(self, shard: Shard) -> Counts:
        """Explain the records of a shard, and write its explanations and failures. Return what it holds."""
        from allennlp_graphmask.explanation._parquet import write_all

        counts = Counts()
        failures: List[Dict[str, Any]] = []

        def explanations() -> Iterator[Explanation]:
            nonlocal counts
            for span in shard.spans:
                for found, more in self._explain_span(span, failures):
                    counts = counts.plus(more)
                    yield from found

        def summarise() -> Dict[str, str]:
            return {SUMMARY_KEY: json.dumps(counts._asdict())}

        with atomic_write(self._folder.shard_path(shard.number)) as file:
            write_all(file, explanations(), self._task.score_type, summarise=summarise)
            # Before the shard appears, which is then complete.
            self._folder.write_shard_failures(shard.number, failures)
        return counts

    def _explain_span(self, span: Span, failures: List[Dict[str, Any]]) -> Iterator[Tuple[List[Explanation], Counts]]:
        source, records = self._read(span)
        num_records = 0
        steps = explain_records(
            self._loaded[0],
            source,
            records,
            batch_size=self._task.batch_size,
            first_record=span.first_record,
            strict=False,
            skip_errors=True,
        )
        for step in steps:
            num_records += step.num_records
            failures += [{"file": span.file, **failure._asdict()} for failure in step.failures]
            yield (
                [one.kept_only() if self._task.kept_only else one for one in step.explanations],
                Counts(
                    records=step.num_records,
                    explanations=len(step.explanations),
                    kept=sum(one.num_kept() for one in step.explanations),
                    messages=sum(one.num_edges * one.num_layers for one in step.explanations),
                    changed=sum(one.prediction["changed"] is True for one in step.explanations),
                    verified=sum(one.verification is not None for one in step.explanations),
                    failures=len(step.failures),
                    empty=len(step.empty),
                    without=len(step.without),
                ),
            )
        if num_records != span.num_records:
            raise ConfigurationError(f"{_changed(span)}: {num_records} of {span.num_records} inputs were found.")

    def _read(self, span: Span) -> Tuple[RecordSource, Iterator[Record]]:
        """
        Return the records of a span. A file stays open for its next span: shards are given out in order, so that a worker reads a file
        once, and passes over what others explain.
        """
        if self._source is None or self._file != span.file or self._position > span.first_record:
            with self._open(span.file) as source:
                self._file, self._source, self._records, self._position = span.file, source, source.records(), 0
            if source.fingerprint != span.sha256:
                self._source = None
                raise ConfigurationError(f"{_changed(span)}.")
        skipped = span.first_record - self._position
        self._position = span.first_record + span.num_records
        return self._source, itertools.islice(self._records, skipped, skipped + span.num_records)

    def _open(self, name: str) -> ContextManager[RecordSource]:
        task = self._task
        return open_source(self._loaded[0], name, input_format=task.input_format, text_column=task.text_column)


def _changed(span: Span) -> str:
    return f"{span.file} has changed since it was counted"
