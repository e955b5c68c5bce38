"""Explaining all records of an input, step by step."""

import random
from typing import Callable, Iterator, List, NamedTuple, Optional, Tuple

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
from allennlp_graphmask.predictors.resumable_lines import ResumableLines
from allennlp_graphmask.views.view import get_view

#: The largest number of failures in an outcome; all are reported when they occur.
_MAX_NAMED = 20


class ReadRecord(NamedTuple):
    """A record with its instances, or with what is wrong with it."""

    record: Record
    instances: List[Instance]
    failure: Optional[Failure]


class ExplainedStep(NamedTuple):
    """
    Some records that were explained together, their explanations in order, and the failures: records that could not be read or,
    with `skip_errors`, explained; and explanations whose focus is empty. Where an input cannot be read on, the last step has no
    records and one failure.
    """

    num_records: int
    explanations: List[Explanation]
    failures: List[Failure]
    empty: List[Explanation]


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


def explain_source(
    predictor: ExplainingPredictor,
    source: RecordSource,
    *,
    lines: Optional[ResumableLines] = None,
    show: Optional[Callable[[Explanation], bool]] = None,
    report: Callable[[str], None] = lambda message: None,
    batch_size: int = 32,
    strict: bool = False,
    skip_errors: bool = False,
) -> Outcome:
    """
    Explain an input by `explain_records`: show explanations as they come, and write them as lines, which the caller finishes.
    Lines that an earlier run has written are continued.

    `show` is called for each explanation. If it returns `False` and there are no lines, the run ends. `report` is called with
    messages for the user, as soon as there is one.
    """
    done = Outcome(0, 0, 0, [], 0, [])
    if lines is not None and lines.num_records:
        failures = [Failure(*failure) for failure in lines.notes["failures"]]
        stored = lines.notes
        done = Outcome(
            lines.num_records, lines.num_lines, stored["num_failures"], failures, stored["num_empty"], stored["empty"]
        )
        report(f"Continuing after {done.num_records} inputs, which gave {done.num_explanations} explanations.")
        for failure in failures:
            report(f"Not explained: {failure.message}")
        if show is not None:
            for line in lines.read():
                show(Explanation.from_json_line(line))
    steps = explain_records(
        predictor, source, batch_size=batch_size, first_record=done.num_records, strict=strict, skip_errors=skip_errors
    )
    with Tqdm.tqdm(total=source.num_records, initial=done.num_records, desc="explaining", unit=" inputs") as bar:
        for step in steps:
            done = Outcome(
                done.num_records + step.num_records,
                done.num_explanations + len(step.explanations),
                done.num_failures + len(step.failures),
                [*done.failures, *step.failures][:_MAX_NAMED],
                done.num_empty + len(step.empty),
                [*done.empty, *(get_view(explanation).get_title() for explanation in step.empty)][:_MAX_NAMED],
            )
            if step.failures or show is not None:
                bar.clear()
            for failure in step.failures:
                report(f"Not explained: {failure.message}")
            shown = [show(explanation) for explanation in step.explanations] if show is not None else []
            if lines is None and not all(shown):
                break
            if lines is not None and step.num_records:
                json_lines = [explanation.to_json_line() for explanation in step.explanations]
                notes = ("num_failures", "failures", "num_empty", "empty")
                lines.add(json_lines, step.num_records, {name: getattr(done, name) for name in notes})
            bar.update(step.num_records)
    return done


def explain_records(
    predictor: ExplainingPredictor,
    source: RecordSource,
    *,
    batch_size: int,
    first_record: int,
    strict: bool,
    skip_errors: bool,
) -> Iterator[ExplainedStep]:
    """
    Explain the records of an input. The records of a step depend on the input alone, and so does the state of the global random
    generators in it: a run that starts at a later step makes the same steps as one from the beginning.

    A record that cannot be read does not hide the others; with `strict` it is an error. What the model or the interpreter raises
    ends the run; with `skip_errors` such records become failures.

    A step has at least `batch_size` instances, and no more records than that takes. The first `first_record` records, those of
    the steps of an earlier run, are skipped.

    # Raises

    `ConfigurationError` if nothing of the input can be read or, with `strict`, a record cannot.
    """
    position = first_record
    for step in _group_by_size(_read_records(source, first_record, strict), batch_size):
        if step[0].record is _REST:
            yield ExplainedStep(0, [], [read.failure for read in step if read.failure is not None], [])
            return
        instances = [instance for read in step for instance in read.instances]
        failures = [read.failure for read in step if read.failure is not None]
        _seed(position)
        try:
            explanations = predictor.explain_instances(instances)
        except SigTermReceived:
            raise
        except Exception as error:
            if not skip_errors:
                error.add_note(
                    f"Raised for {source.name}, {step[0].record.place} to {step[-1].record.place}. To leave out inputs that "
                    "fail, give --skip-errors."
                )
                raise
            explanations, failures = _explain_one_by_one(predictor, source, step, position)
        found: List[Explanation] = []
        empty: List[Explanation] = []
        for explanation in explanations:
            is_empty = explanation.focus is not None and explanation.focus["description"] is None
            (empty if is_empty else found).append(explanation)
        yield ExplainedStep(len(step), found, failures, empty)
        position += len(step)


#: Stands for what follows where an input cannot be read on.
_REST = Record("the rest", list)


def _read_records(source: RecordSource, first_record: int, strict: bool) -> Iterator[ReadRecord]:
    records = source.records()
    number = 0
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
            yield ReadRecord(_REST, [], Failure(_REST.place, f"{source.describe(error)}\n{what}"))
            return
        if record is None:
            return
        number += 1
        if number > first_record:
            yield _read(source, record, strict)


def _read(source: RecordSource, record: Record, strict: bool) -> ReadRecord:
    try:
        return ReadRecord(record, record.instances(), None)
    except SigTermReceived:
        raise
    except Exception as error:
        # As above: a line on which some tokenizer fails must not lose the others.
        failure = source.failure(record, error)
        if strict:
            raise ConfigurationError(failure.message) from error
        return ReadRecord(record, [], failure)


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
) -> Tuple[List[Explanation], List[Failure]]:
    explanations: List[Explanation] = []
    failures: List[Failure] = []
    for number, read in enumerate(step):
        if read.failure is not None:
            failures.append(read.failure)
            continue
        _seed(position + number)
        try:
            explanations += predictor.explain_instances(read.instances)
        except SigTermReceived:
            raise
        except Exception as error:  # noqa: BLE001
            failures.append(source.failure(read.record, error))
    return explanations, failures


def _seed(seed: int) -> None:
    """Our interpreters have random numbers of their own; others may use these."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
