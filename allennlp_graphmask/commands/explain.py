"""
`allennlp explain ARCHIVE INPUT` explains the predictions of a trained model, as text, as JSON lines or as HTML pages; see
docs/explain.md.
"""

import argparse
import contextlib
import json
import logging
import os
import random
import sys
import tempfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import numpy
import torch
from allennlp.commands.subcommand import Subcommand
from allennlp.common import Params, Tqdm
from allennlp.common.checks import ConfigurationError, check_for_gpu
from allennlp.common.util import SigTermReceived, int_to_device
from allennlp.data import Instance
from allennlp.models import load_archive

from allennlp_graphmask.commands.archives import resolve_archive
from allennlp_graphmask.commands.compare_interpreters import build_interpreters
from allennlp_graphmask.commands.explained_archive import (
    add_target_options,
    build_masked_model,
    target_options,
)
from allennlp_graphmask.commands.explanation_input import (
    BadRecord,
    ExplanationInput,
    TextInput,
    open_input,
    standard_input_as_file,
)
from allennlp_graphmask.commands.explanation_views import HtmlFolder, TextView
from allennlp_graphmask.commands.resumable_lines import ResumableLines
from allennlp_graphmask.data.dataset_readers.record_reader import Record
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.provenance import with_file_contents
from allennlp_graphmask.interpret.build_explanation import build_provenance, weights_fingerprint
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, Interpreter
from allennlp_graphmask.predictors import ExplainingPredictor, GraphMaskPredictor, InterpreterPredictor
from allennlp_graphmask.predictors.interpreter import describe_interpreter

#: The exit status where some inputs could not be explained, and all others were.
SOME_INPUTS_BAD = 3
#: That of a process that the user stopped.
_INTERRUPTED = 130

#: So many bad inputs are named at the end; all are reported when they are come to.
_MAX_NAMED = 20


def parse_interpreter(argument: str) -> Dict[str, Any]:
    """
    From a registered name, or a JSON object with `type` and settings, or the path of a JSON or jsonnet file with one, to a
    configuration.

    # Raises

    `ConfigurationError` if it is none of these, or no interpreter has the name.
    """
    config: Any = {"type": argument}
    if argument.lstrip().startswith("{"):
        try:
            config = json.loads(argument)
        except ValueError as error:
            raise ConfigurationError(f"--interpreter {argument!r} is no JSON: {error}.") from error
    elif argument.endswith((".json", ".jsonnet")):
        if not os.path.isfile(argument):
            raise ConfigurationError(f"--interpreter names the file '{argument}', which does not exist.")
        config = Params.from_file(argument).as_dict(quiet=True)
    if not isinstance(config.get("type"), str):
        raise ConfigurationError(
            f'--interpreter {argument!r} has no "type", expected a registered name: one of {_interpreter_names()}.'
        )
    if config["type"] not in Interpreter.list_available():
        raise ConfigurationError(
            f"--interpreter: no interpreter is registered as '{config['type']}'; known are {_interpreter_names()}."
        )
    return config


def _interpreter_names() -> str:
    return ", ".join(sorted(Interpreter.list_available()))


def parse_predictor_arguments(argument: str) -> Dict[str, Any]:
    """
    # Raises

    `ConfigurationError` if it is no JSON object.
    """
    try:
        arguments = json.loads(argument or "{}")
    except ValueError as error:
        raise ConfigurationError(f"--predictor-args {argument!r} is no JSON: {error}.") from error
    if not isinstance(arguments, dict):
        raise ConfigurationError(
            f"--predictor-args {argument!r} is no JSON object such as '{{\"spacy_model\": ...}}'."
        )
    return arguments


def build_predictor(args: argparse.Namespace) -> ExplainingPredictor:
    """
    The predictor that explains: by the masker of a GraphMask archive, or by an interpreter.

    # Raises

    `ConfigurationError` if the archive has no masker and no interpreter was chosen, or the model cannot be explained.
    """
    # Bad arguments are reported before anything is loaded.
    config = None if args.interpreter is None else parse_interpreter(args.interpreter)
    arguments = parse_predictor_arguments(args.predictor_args)
    target_predictor = arguments.pop("target_predictor", None)
    archive_file = resolve_archive(args.archive_file)
    check_for_gpu(int_to_device(args.cuda_device))
    archive = load_archive(archive_file, cuda_device=args.cuda_device)
    reader = archive.validation_dataset_reader
    archive_config = archive.config.as_dict(quiet=True)
    if config is None and not isinstance(archive.model, GraphMask):
        raise ConfigurationError(
            f"The archive '{args.archive_file}' holds a {type(archive.model).__name__} and no masker that could explain it. Choose "
            f"an interpreter by --interpreter, one of {_interpreter_names()}; or train GraphMask on the model and give the archive "
            "of that."
        )
    masked_model, graphmask = build_masked_model(archive, args)
    if graphmask is not None and config in (None, {"type": "graphmask"}):
        return GraphMaskPredictor(
            graphmask,
            reader,
            target_predictor=target_predictor,
            config=archive_config,
            batch_size=args.batch_size,
            **arguments,
        )
    assert config is not None
    [interpreter] = build_interpreters(config, graphmask, seed=0, seeds=1)
    provenance = build_provenance(archive.model, archive_config)
    if isinstance(interpreter, AmortisedGraphMask) and interpreter.graphmask is not graphmask:
        masker = interpreter.graphmask
        if weights_fingerprint(masker.target) != weights_fingerprint(masked_model.target):
            raise ConfigurationError(
                f"The masker of '{config['archive_file']}' was trained for another model than that of '{args.archive_file}': their "
                "weights differ. What it says of this one would mean nothing."
            )
        provenance = build_provenance(masker, masker.archive_config)
    return InterpreterPredictor(
        masked_model,
        reader,
        interpreter=interpreter,
        description=describe_interpreter(config, interpreter),
        provenance=provenance,
        target_predictor=target_predictor,
        batch_size=args.batch_size,
        target_predictor_arguments=arguments,
    )


class _Taken(NamedTuple):
    """A record with its instances, or with what is wrong with it."""

    record: Record
    instances: List[Instance]
    bad: Optional[BadRecord]


class Outcome(NamedTuple):
    """What a run has done: the inputs that were gone through, the explanations that they gave, and the bad ones."""

    num_records: int
    num_explanations: int
    num_bad: int
    bad: List[BadRecord]


class Explaining:
    """
    Explains all records of an input, step by step. What is in a step depends on the records alone, and so does the state of all
    random generators in it: an interrupted run that goes on makes the same steps as one that was not interrupted.

    # Parameters

    predictor : `ExplainingPredictor`
    explanation_input : `ExplanationInput`
    batch_size : `int`
    lines : `ResumableLines`, optional
        Where explanations are written.
    view : `TextView`, optional
        Where they are shown as they come.
    pages : `HtmlFolder`, optional
        Where they are shown when all are there; needs `lines`.
    strict : `bool`, optional (default = `False`)
        Whether the first bad record is an error.
    """

    def __init__(
        self,
        predictor: ExplainingPredictor,
        explanation_input: ExplanationInput,
        batch_size: int,
        *,
        lines: Optional[ResumableLines] = None,
        view: Optional[TextView] = None,
        pages: Optional[HtmlFolder] = None,
        strict: bool = False,
    ) -> None:
        self._predictor = predictor
        self._input = explanation_input
        self._batch_size = batch_size
        self._lines = lines
        self._view = view
        self._pages = pages
        self._strict = strict
        self._num_records = self._num_explanations = self._num_bad = 0
        self._bad: List[BadRecord] = []
        #: Why the rest of the input cannot be read.
        self._rest: Optional[BadRecord] = None
        self._bar: Any = None

    def run(self) -> Outcome:
        """
        # Raises

        `ConfigurationError` if nothing of the input can be read, or with `strict` a record is bad.
        """
        self._go_on()
        total = self._input.count()
        with Tqdm.tqdm(
            total=total, initial=self._num_records, desc="explaining", unit=" inputs"
        ) as self._bar:
            for step in self._steps():
                self._take(step)
                if self._view is not None and self._view.closed and self._lines is None:
                    break
        if self._lines is not None:
            if self._pages is not None:
                self._pages.write(map(Explanation.from_json_line, self._lines.written()))
            # Last: what is killed before this is done again.
            self._lines.finish()
        if self._rest is not None:
            self._num_bad += 1
            self._bad.append(self._rest)
        return Outcome(self._num_records, self._num_explanations, self._num_bad, self._bad)

    def _go_on(self) -> None:
        """Takes up what earlier runs have done."""
        if self._lines is None or not self._lines.num_records:
            return
        self._num_records, self._num_explanations = self._lines.num_records, self._lines.num_lines
        self._num_bad = self._lines.notes["num_bad"]
        self._bad = [BadRecord(**bad) for bad in self._lines.notes["bad"]]
        print(
            f"Going on after {self._num_records} inputs, which gave {self._num_explanations} explanations"
            + (f"; {self._num_bad} could not be explained." if self._num_bad else "."),
            file=sys.stderr,
        )
        for bad in self._bad:
            print(f"Not explained: {bad.message}", file=sys.stderr)
        if self._view is not None:
            for line in self._lines.written():
                self._view.show(Explanation.from_json_line(line))

    # --- From records to steps

    def _steps(self) -> Iterator[List[_Taken]]:
        """
        Runs of records with as many instances as a batch has, or a few more: a record stays whole. Those without any, and bad
        ones, count as if they had one, so that there is progress to be kept where there is nothing to explain.
        """
        step: List[_Taken] = []
        size = 0
        for record in self._records():
            taken = self._taken(record)
            step.append(taken)
            size += max(1, len(taken.instances))
            if size >= self._batch_size:
                yield step
                step, size = [], 0
        if step:
            yield step

    def _records(self) -> Iterator[Record]:
        """Those that are still to be done. Where the input cannot be read on, it says so and ends."""
        done = self._num_records
        number = 0
        records = self._input.records()
        while True:
            try:
                record = next(records, None)
            except SigTermReceived:
                raise
            except Exception as error:  # noqa: BLE001
                # Whatever a reader of a third party raises: what was read before must not be lost for it.
                if not number or self._strict:
                    raise
                message = self._input.describe(error)
                self._rest = BadRecord(
                    "the rest",
                    f"{message}\nWhat follows the first {number} inputs of {self._input.name} cannot be read, nor explained.",
                )
                self._report(self._rest)
                return
            if record is None:
                return
            number += 1
            if number > done:
                yield record

    def _taken(self, record: Record) -> _Taken:
        try:
            return _Taken(record, record.instances(), None)
        except SigTermReceived:
            raise
        except Exception as error:  # noqa: BLE001
            # As above: a line that some tokenizer stumbles over must not lose the others.
            return _Taken(record, [], self._found_bad(record, error))

    def _found_bad(self, record: Record, error: Exception) -> BadRecord:
        bad = self._input.bad(record, error)
        if self._strict:
            raise ConfigurationError(bad.message) from error
        self._report(bad)
        return bad

    def _report(self, bad: BadRecord) -> None:
        self._bar.clear()
        print(f"Not explained: {bad.message}", file=sys.stderr, flush=True)

    # --- From steps to explanations

    def _take(self, step: List[_Taken]) -> None:
        found = self._explained_together(step)
        if found is None:
            found = [self._explained_alone(number, taken) for number, taken in enumerate(step)]
        explanations = [explanation for of_record, _ in found for explanation in of_record]
        for bad in (bad for _, bad in found if bad is not None):
            self._num_bad += 1
            if len(self._bad) < _MAX_NAMED:
                self._bad.append(bad)
        if self._view is not None:
            for explanation in explanations:
                self._view.show(explanation)
        if self._lines is not None:
            notes = {"num_bad": self._num_bad, "bad": [bad._asdict() for bad in self._bad]}
            self._lines.add([explanation.to_json_line() for explanation in explanations], len(step), notes)
        self._num_records += len(step)
        self._num_explanations += len(explanations)
        self._bar.update(len(step))

    def _explained_together(
        self, step: List[_Taken]
    ) -> Optional[List[Tuple[List[Explanation], Optional[BadRecord]]]]:
        """`None` if that fails, for whichever record."""
        _seed(self._num_records)
        try:
            explanations = iter(
                self._predictor.explain_instances(
                    [instance for taken in step for instance in taken.instances]
                )
            )
        except SigTermReceived:
            raise
        except Exception:  # noqa: BLE001
            # Whose fault it is, and what to say, comes out when each is explained by itself.
            return None
        return [([next(explanations) for _ in taken.instances], taken.bad) for taken in step]

    def _explained_alone(self, number: int, taken: _Taken) -> Tuple[List[Explanation], Optional[BadRecord]]:
        if taken.bad is not None:
            return [], taken.bad
        _seed(self._num_records + number)
        try:
            return self._predictor.explain_instances(taken.instances), None
        except SigTermReceived:
            raise
        except Exception as error:  # noqa: BLE001
            return [], self._found_bad(taken.record, error)


def _seed(seed: int) -> None:
    """Our interpreters have generators of their own; others may use these."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def settings_of(
    args: argparse.Namespace, predictor: ExplainingPredictor, explanation_input: ExplanationInput
) -> Dict[str, Any]:
    """All that the explanations of an input depend on."""
    provenance = predictor.provenance  # type: ignore[attr-defined]
    return {
        "versions": {**provenance["versions"], "numpy": numpy.__version__},
        "archive": {key: provenance[key] for key in ("config_sha256", "weights_sha256")},
        "input": explanation_input.fingerprint,
        "read_by": explanation_input.read_by,
        "interpreter": None
        if args.interpreter is None
        else with_file_contents(parse_interpreter(args.interpreter)),
        "predictor_args": parse_predictor_arguments(args.predictor_args),
        "batch_size": args.batch_size,
        "device": "cpu" if args.cuda_device < 0 else "cuda",
        **target_options(args),
    }


def check_arguments(args: argparse.Namespace) -> None:
    """
    # Raises

    `ConfigurationError` if arguments do not go together.
    """
    if (args.input is None) == (args.text is None):
        raise ConfigurationError(
            "Give either an INPUT (a file, or - for standard input) or --text, "
            f"not {'both' if args.text is not None else 'neither'}."
        )
    if args.batch_size < 1:
        raise ConfigurationError(f"--batch-size is {args.batch_size}, expected at least 1.")
    if (args.view == "html") != (args.view_dir is not None):
        raise ConfigurationError("--view html and --view-dir need each other: the pages go to that folder.")
    if args.text is not None and args.read_by is not None:
        raise ConfigurationError("--read-by says who reads INPUT; a --text is always the predictor's.")


@contextlib.contextmanager
def _opened(args: argparse.Namespace, predictor: ExplainingPredictor) -> Iterator[ExplanationInput]:
    if args.text is not None:
        yield TextInput(args.text, predictor)
    elif args.input == "-":
        with standard_input_as_file() as path:
            yield open_input(path, "standard input", predictor, args.read_by)
    else:
        yield open_input(args.input, None, predictor, args.read_by)


@contextlib.contextmanager
def _place_for_lines(args: argparse.Namespace) -> Iterator[Optional[str]]:
    """Where lines of JSON go. Pages are made of them: if nobody wants the lines they are put aside."""
    if args.output_file is None and args.view == "html":
        with tempfile.TemporaryDirectory(prefix="allennlp-explain-") as folder:
            yield os.path.join(folder, "explanations.jsonl")
    else:
        yield args.output_file


@Subcommand.register("explain")
class Explain(Subcommand):
    """
    Registered as a `Subcommand` with name "explain".
    """

    def add_subparser(self, parser: argparse._SubParsersAction) -> argparse.ArgumentParser:
        description = (
            "Explain the predictions of a trained model: which messages of its graph neural network they rest on. An interrupted run "
            "with -o goes on when the same command is given again."
        )
        subparser = parser.add_parser(
            self.name, description=description, help="Explain the predictions of a trained model."
        )
        add = subparser.add_argument
        add(
            "archive_file",
            metavar="ARCHIVE",
            help="the archive of GraphMask, or with --interpreter of a model",
        )
        add(
            "input",
            metavar="INPUT",
            nargs="?",
            help="a file for the archive's reader, or one with a JSON object for its predictor in each line; - is standard input",
        )
        add("--text", metavar="TEXT", help="explain this text, in the place of INPUT")
        add("-o", "--output-file", metavar="OUT", help="write explanations to this file, as JSON lines")
        add(
            "--view",
            choices=["text", "html"],
            help="text on standard output (the default without -o), or a page for each explanation in --view-dir",
        )
        add("--view-dir", metavar="DIR", help="the folder for --view html")
        add(
            "--interpreter",
            metavar="NAME|JSON|FILE",
            help="a registered interpreter, or an object with its type and settings (default: the masker of ARCHIVE)",
        )
        add("--batch-size", type=int, default=32, metavar="N", help="(default: %(default)s)")
        add("--cuda-device", type=int, default=-1, metavar="N", help="id of the GPU to use (default: none)")
        add("--strict", action="store_true", help="stop at the first input that cannot be explained")
        add(
            "--read-by",
            choices=["reader", "predictor"],
            help="who reads INPUT (default: the predictor if it takes its JSON lines, else the reader)",
        )
        add(
            "--predictor-args",
            default="",
            metavar="JSON",
            help='settings of the model\'s predictor, such as \'{"spacy_model": "en_core_web_lg"}\'',
        )
        add_target_options(subparser)
        add(
            "--force",
            action="store_true",
            help="forget what an interrupted run with other arguments has written",
        )
        subparser.set_defaults(func=explain_for_arguments)
        return subparser


def explain_for_arguments(args: argparse.Namespace) -> Outcome:
    """
    # Raises

    `SystemExit` with `SOME_INPUTS_BAD` if some inputs could not be explained.
    """
    check_arguments(args)
    # As in AllenNLP's evaluate: it would list every argument of everything that is built.
    logging.getLogger("allennlp.common.params").disabled = True
    predictor = build_predictor(args)
    pages = HtmlFolder(args.view_dir) if args.view == "html" else None
    shows_text = args.view == "text" or (args.view is None and args.output_file is None)
    with _opened(args, predictor) as explanation_input, _place_for_lines(args) as place:
        lines = None
        if place is not None:
            settings = settings_of(args, predictor, explanation_input)
            lines = ResumableLines(place, settings, overwrite=args.force)
        explaining = Explaining(
            predictor,
            explanation_input,
            args.batch_size,
            lines=lines,
            view=TextView() if shows_text else None,
            pages=pages,
            strict=args.strict,
        )
        try:
            outcome = explaining.run()
        except (KeyboardInterrupt, SigTermReceived):
            if args.output_file is not None:
                print("Stopped. The same command goes on from here.", file=sys.stderr)
            raise SystemExit(_INTERRUPTED) from None
        finally:
            if lines is not None:
                lines.close()
    _summarise(outcome, args, explanation_input)
    if outcome.num_bad:
        raise SystemExit(SOME_INPUTS_BAD)
    return outcome


def _summarise(outcome: Outcome, args: argparse.Namespace, explanation_input: ExplanationInput) -> None:
    """Says on standard error what came of it: standard output may be for explanations."""
    where = [f"written to {args.output_file}"] if args.output_file is not None else []
    if args.view == "html":
        where.append(f"shown in {os.path.join(args.view_dir, 'index.html')}")
    summary = (
        f"{_number(outcome.num_explanations, 'explanation')} of {_number(outcome.num_records, 'input')}"
        f"{' ' if where else ''}{', '.join(where)}."
    )
    if outcome.num_records and not outcome.num_explanations and not outcome.num_bad:
        summary += " Nothing in it is explained: a sentence without a predicate, for example."
    print(summary, file=sys.stderr)
    if outcome.num_bad:
        named = ", ".join(bad.place for bad in outcome.bad)
        more = outcome.num_bad - len(outcome.bad)
        print(
            f"NOT EXPLAINED: {_number(outcome.num_bad, 'input')} of {explanation_input.name}: {named}"
            f"{f' and {more} more' if more else ''}. Why is said above.",
            file=sys.stderr,
        )


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
