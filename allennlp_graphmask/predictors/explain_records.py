"""Explaining all records of an input, step by step."""

import itertools
import random
import re
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import torch
from allennlp.common import Tqdm
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived
from allennlp.data import Instance

from allennlp_graphmask.data.dataset_readers.record_reader import Record
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.predictors.explaining_predictor import ExplainingPredictor
from allennlp_graphmask.predictors.records import Failure, RecordSource
from allennlp_graphmask.predictors.resumable_file import ResumableFile
from allennlp_graphmask.views.view import get_view

#: The largest number of failures, and of inputs and predictions without an explanation, in an outcome.
_MAX_NAMED = 20
#: Of failures with the same message but for numbers and quoted values, this many are reported when they occur.
_MAX_ALIKE = 5


class ReadRecord(NamedTuple):
    """A record and its number, from 1, with its instances, or with what is wrong with it."""

    record: Record
    number: int
    instances: List[Instance]
    failure: Optional[Failure]


class ExplainedStep(NamedTuple):
    """
    Some records that were explained together, their explanations in order, and the failures: records that could not be read or,
    with `skip_errors`, explained; explanations whose focus is empty; and records without an instance, each with the reason. Where an input cannot be read on, the last step has no
    records and one failure.
    """

    num_records: int
    explanations: List[Explanation]
    failures: List[Failure]
    empty: List[Explanation]
    without: List[str]


class Outcome(NamedTuple):
    """The numbers of records read, of explanations, and of failures, with the first failures."""

    num_records: int
    num_explanations: int
    num_failures: int
    failures: List[Failure]
    #: The number of instances in which there is nothing to explain (a predicate to which the model assigns no role), and what the
    #: first of them are.
    num_empty: int
    empty: List[str]
    #: The number of records without an instance, and the first of them, with the reason.
    num_without: int
    without: List[str]


def explain_source(
    predictor: ExplainingPredictor,
    source: RecordSource,
    *,
    output: Optional[ResumableFile] = None,
    show: Optional[Callable[[Explanation], bool]] = None,
    report: Callable[[str], None] = lambda message: None,
    batch_size: int = 32,
    strict: bool = False,
    skip_errors: bool = False,
    kept_only: bool = False,
) -> Outcome:
    """
    Explain an input by `explain_records`: show explanations as they come, and write them to a file, which the caller finishes.
    What an earlier run has written is continued.

    `show` is called for each explanation. If it returns `False` and there is no file, the run ends. `report` is called with
    messages for the user, as soon as there is one; failures that are alike are counted after the first ones, and reported at the
    end. With `kept_only` explanations lose the edges that they drop in all layers.
    """
    done = Outcome(0, 0, 0, [], 0, [], 0, [])
    complaints = _Complaints(report)
    if source.note is not None:
        report(source.note)
    if output is not None and output.num_records:
        notes = {**output.notes, "failures": [Failure(*failure) for failure in output.notes["failures"]]}
        done = Outcome(output.num_records, output.num_explanations, **notes)
        report(f"Continuing after {done.num_records} inputs, which gave {done.num_explanations} explanations.")
        complaints.add(done.failures)
        if show is not None:
            for explanation in output.read():
                show(explanation)
    steps = explain_records(
        predictor,
        source,
        itertools.islice(source.records(), done.num_records, None),
        batch_size=batch_size,
        first_record=done.num_records,
        strict=strict,
        skip_errors=skip_errors,
    )
    with Tqdm.tqdm(total=source.num_records, initial=done.num_records, desc="explaining", unit=" inputs") as bar:
        for step in steps:
            done = Outcome(
                done.num_records + step.num_records,
                done.num_explanations + len(step.explanations),
                done.num_failures + len(step.failures),
                [*done.failures, *step.failures][:_MAX_NAMED],
                done.num_empty + len(step.empty),
                [*done.empty, *map(_name, step.empty)][:_MAX_NAMED],
                done.num_without + len(step.without),
                [*done.without, *step.without][:_MAX_NAMED],
            )
            if step.failures or show is not None:
                bar.clear()
            complaints.add(step.failures)
            explanations = [one.kept_only() if kept_only else one for one in step.explanations]
            shown = [show(explanation) for explanation in explanations] if show is not None else []
            if output is None and not all(shown):
                break
            if output is not None and step.num_records:
                num_records, num_explanations, *_ = Outcome._fields
                notes = {
                    name: value for name, value in done._asdict().items() if name not in (num_records, num_explanations)
                }
                output.add(explanations, step.num_records, notes)
            bar.update(step.num_records)
    complaints.finish()
    return done


class _Complaints:
    """Reports failures, and counts those that are like others."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        #: By what is alike in them: the place of the first, and their number.
        self._alike: Dict[str, Tuple[str, int]] = {}

    def add(self, failures: List[Failure]) -> None:
        for place, message in failures:
            alike = _VALUE.sub("*", message)
            first, count = self._alike.get(alike, (place, 0))
            self._alike[alike] = first, count + 1
            if count < _MAX_ALIKE:
                self._report(f"Not explained: {message}")

    def finish(self) -> None:
        for first, count in self._alike.values():
            if count > _MAX_ALIKE:
                self._report(f"Not explained: {count - _MAX_ALIKE} more for the same reason as {first}.")


#: What differs in messages that are alike: numbers, and what is quoted.
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")


def _name(explanation: Explanation) -> str:
    """Return what an explanation is of, and where its input is."""
    title = get_view(explanation).get_title()
    return title if explanation.input is None else f"{explanation.input['place']}, {title}"


def explain_records(
    predictor: ExplainingPredictor,
    source: RecordSource,
    records: Iterator[Record],
    *,
    batch_size: int,
    first_record: int,
    strict: bool,
    skip_errors: bool,
) -> Iterator[ExplainedStep]:
    """
    Explain the records of an input that follow its first `first_record` ones. The records of a step depend on the input alone, and so
    does the state of the global random generators in it: a run that starts at a later step makes the same steps as one from the
    beginning.

    A record that cannot be read does not hide the others; with `strict` it is an error. What the model or the interpreter raises
    ends the run; with `skip_errors` such records become failures.

    A step has at least `batch_size` instances, and no more records than that takes.

    # Raises

    `ConfigurationError` if nothing of the input can be read or, with `strict`, a record cannot.
    """
    position = first_record
    for step in _group_by_size(_read_records(source, records, first_record, strict), batch_size):
        if step[0].record is _REST:
            yield ExplainedStep(0, [], [read.failure for read in step if read.failure is not None], [], [])
            return
        instances = [instance for read in step for instance in read.instances]
        failures = [read.failure for read in step if read.failure is not None]
        _seed(position)
        try:
            groups = predictor.explain_groups(instances)
        except SigTermReceived:
            raise
        except Exception as error:
            if not skip_errors:
                error.add_note(
                    f"Raised for {source.name}, {step[0].record.place} to {step[-1].record.place}. To leave out inputs that "
                    "fail, give --skip-errors."
                )
                raise
            step, groups, failures = _explain_one_by_one(predictor, source, step, position)
        found: List[Explanation] = []
        empty: List[Explanation] = []
        inputs = [source.describe_input(read.record, read.number) for read in step for _ in read.instances]
        for explained_input, group in zip(inputs, groups):
            for explanation in group:
                is_empty = explanation.focus is not None and explanation.focus["description"] is None
                (empty if is_empty else found).append(explanation.with_input(explained_input))
        without = [
            f"{read.record.place} ({read.record.why_empty})"
            for read in step
            if not read.instances and read.failure is None
        ]
        yield ExplainedStep(len(step), found, failures, empty, without)
        position += len(step)


#: Stands for what follows where an input cannot be read on.
_REST = Record("the rest", list)


def _read_records(
    source: RecordSource, records: Iterator[Record], first_record: int, strict: bool
) -> Iterator[ReadRecord]:
    number = first_record
    while True:
        try:
            record = next(records, None)
        except SigTermReceived:
            raise
        except Exception as error:
            # Whatever a third party's reader raises: what was read before must not be lost for it.
            if not number or strict:
                raise
            what = f"What follows the first {number} inputs of {source.name} cannot be read."
            yield ReadRecord(_REST, 0, [], Failure(_REST.place, f"{source.describe(error)}\n{what}"))
            return
        if record is None:
            return
        number += 1
        yield _read(source, record, number, strict)


def _read(source: RecordSource, record: Record, number: int, strict: bool) -> ReadRecord:
    try:
        return ReadRecord(record, number, record.instances(), None)
    except SigTermReceived:
        raise
    except Exception as error:
        # As above: a line on which some tokenizer fails must not lose the others.
        failure = source.failure(record, error)
        if strict:
            raise ConfigurationError(failure.message) from error
        return ReadRecord(record, number, [], failure)


def _group_by_size(records: Iterator[ReadRecord], batch_size: int) -> Iterator[List[ReadRecord]]:
    """
    Group records until they have as many instances as a batch: a record stays whole. Those without any, and bad ones, count as if
    they had one, so that there is progress to be stored where there is nothing to explain.
    """
    step: List[ReadRecord] = []
    size = 0
    for read in records:
        if read.record is _REST and step:
            yield step
            step = []
        step.append(read)
        size += max(1, len(read.instances))
        if size >= batch_size:
            yield step
            step, size = [], 0
    if step:
        yield step


def _explain_one_by_one(
    predictor: ExplainingPredictor, source: RecordSource, step: List[ReadRecord], position: int
) -> Tuple[List[ReadRecord], List[List[Explanation]], List[Failure]]:
    """Return the step with records that the model fails on marked as failures, the explanations of the others, and all failures."""
    tried: List[ReadRecord] = []
    groups: List[List[Explanation]] = []
    for number, read in enumerate(step):
        if read.failure is None:
            _seed(position + number)
            try:
                groups += predictor.explain_groups(read.instances)
            except SigTermReceived:
                raise
            except Exception as error:  # noqa: BLE001
                read = read._replace(instances=[], failure=source.failure(read.record, error))
        tried.append(read)
    return tried, groups, [read.failure for read in tried if read.failure is not None]


def _seed(seed: int) -> None:
    """Our interpreters have random numbers of their own; others may use these."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
