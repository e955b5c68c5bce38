"""
`allennlp explain ARCHIVE INPUT` explains the predictions of a trained model, as text, as JSON lines or as HTML pages; see
docs/explain.md.
"""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from collections import Counter
from typing import Any, Dict, Iterator, Optional

import numpy
import torch
from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import SigTermReceived
from allennlp.models import load_archive

from allennlp_graphmask.commands.archives import get_target_options, require_checked_archives
from allennlp_graphmask.commands.explain_arguments import add_explaining_options, check_arguments
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.forms import choose_form
from allennlp_graphmask.explanation.messages import write_messages
from allennlp_graphmask.explanation.provenance import with_file_contents
from allennlp_graphmask.explanation.schema import InterpreterDescription
from allennlp_graphmask.focus import page_focus, without_focus
from allennlp_graphmask.predictors import ExplainingPredictor, load_explaining_predictor
from allennlp_graphmask.predictors.explain_records import Outcome, explain_source
from allennlp_graphmask.predictors.records import RecordSource, open_source
from allennlp_graphmask.predictors.resumable_file import ResumableFile
from allennlp_graphmask.views.exports import EXPORTS, write_exports
from allennlp_graphmask.views.page import write_html_pages
from allennlp_graphmask.views.text_layout import shorten
from allennlp_graphmask.views.text_printer import TextPrinter
from allennlp_graphmask.views.wording import describe_without_messages
from allennlp_graphmask_compat.loading import trusting_archives

#: The exit status if some inputs could not be explained, and all others were.
SOME_INPUTS_FAILED = 3
#: How many of the predictions without anything to explain are named.
_MAX_NAMED = 3
#: How many of the inputs that could not be explained, or have nothing to explain, are named.
_MAX_NAMED_INPUTS = 5
#: That of a process that the user stopped.
INTERRUPTED = 130


def build_predictor(args: argparse.Namespace) -> ExplainingPredictor:
    """Load the archive and build what explains its model, as `add_explaining_options` asks for."""
    # As in AllenNLP's evaluate: it would list every argument of everything that is built.
    logging.getLogger("allennlp.common.params").disabled = True
    if args.cuda_device >= 0:
        # Sums of a GPU have no fixed order otherwise, and the same command would write other digits. cuBLAS reads the variable once.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    with trusting_archives(args.trust):
        return _load_predictor(args)


def _load_predictor(args: argparse.Namespace) -> ExplainingPredictor:
    require_checked_archives()
    archive = load_archive(args.archive_file, cuda_device=args.cuda_device)
    arguments = dict(args.predictor_args)
    options = get_target_options(args)
    return load_explaining_predictor(
        archive,
        args.interpreter,
        focus=options.pop("focus", None),
        options=options,
        verify=args.verify,
        max_divergence=args.max_divergence,
        batch_size=args.batch_size,
        target_predictor=arguments.pop("target_predictor", None),
        target_predictor_arguments=arguments,
    )


def get_settings(args: argparse.Namespace, predictor: ExplainingPredictor) -> Dict[str, Any]:
    """Return everything that the explanations of an input depend on, but the input."""
    provenance = predictor.provenance
    return {
        "versions": {**provenance["versions"], "numpy": numpy.__version__},
        "archive": {key: provenance[key] for key in ("config_sha256", "weights_sha256")},
        "interpreter": with_file_contents(args.interpreter),
        "text_column": args.text_column,
        "predictor_args": args.predictor_args,
        "verify": args.verify,
        "max_divergence": args.max_divergence,
        "batch_size": args.batch_size,
        "kept_only": args.kept_only,
        "score_type": args.score_type,
        "device": "cpu" if args.cuda_device < 0 else "cuda",
        **get_target_options(args),
    }


@contextlib.contextmanager
def _open_output(
    args: argparse.Namespace, predictor: ExplainingPredictor, source: RecordSource
) -> Iterator[Optional[ResumableFile]]:
    """Open the output file. Pages and tables are made of it, too: without an output file it is temporary."""
    with contextlib.ExitStack() as stack:
        path = args.output_file
        if path is None and (args.view == "html" or args.table is not None or args.export):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="allennlp-explain-"))
            path = os.path.join(folder, "explanations.jsonl")
        if path is None:
            yield None
            return
        settings = {
            **get_settings(args, predictor),
            "input": source.fingerprint,
            "input_file": source.name,
            "input_format": source.input_format,
        }
        yield stack.enter_context(
            contextlib.closing(
                ResumableFile(path, settings, form=choose_form(path, args.score_type), overwrite=args.force)
            )
        )


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--view-dir '{path}' cannot be a folder for pages: {error}.") from error


def report(message: str) -> None:
    """Print to standard error: standard output may be for explanations."""
    print(message, file=sys.stderr, flush=True)


@Subcommand.register("explain")
class Explain(Subcommand):
    """Registered as a `Subcommand` with name "explain"."""

    def add_subparser(self, parser: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
        description = (
            "Explain the predictions of a trained model: which messages of its graph neural network they rest on. An interrupted run "
            "with -o continues when the same command is given again."
        )
        subparser = parser.add_parser(
            self.name, description=description, help="Explain the predictions of a trained model."
        )
        add = subparser.add_argument
        add("archive_file", metavar="ARCHIVE", help="an archive of GraphMask, or with --interpreter of a model")
        add(
            "input",
            metavar="INPUT",
            nargs="?",
            help="a file for the archive's reader, or one with a JSON object for its predictor in each line; - is standard input",
        )
        add("--text", metavar="TEXT", action="append", help="explain this text, in the place of INPUT; may be repeated")
        add(
            "-o",
            "--output-file",
            metavar="OUT",
            help="write explanations to this file, as JSON lines, or as a table if it ends in .parquet",
        )
        add("--table", metavar="FILE", help="write a table with a row for each message to this .csv or .parquet file")
        add(
            "--export",
            nargs=2,
            action="append",
            default=[],
            metavar=("FORMAT", "DIR"),
            help=f"write a file for each explanation to this folder, as {', '.join(EXPORTS)}; may be repeated",
        )
        add(
            "--view",
            choices=["text", "html"],
            help="text on standard output (the default without -o), or a page for each explanation in --view-dir",
        )
        add("--view-dir", metavar="DIR", help="the folder for --view html")
        add("--cuda-device", type=int, default=-1, metavar="N", help="id of the GPU to use (default: none)")
        add("--strict", action="store_true", help="stop at the first input that cannot be read")
        add("--skip-errors", action="store_true", help="leave out inputs for which the model raises an error")
        add_explaining_options(subparser)
        add("--force", action="store_true", help="discard what an interrupted run with other arguments has written")
        subparser.set_defaults(func=explain_for_arguments)
        return subparser


def explain_for_arguments(args: argparse.Namespace) -> Outcome:
    """Explain the input. Raise `SystemExit` with `SOME_INPUTS_FAILED` if a part of it could not be explained."""
    check_arguments(args)
    predictor = build_predictor(args)
    if "budget" in predictor.description:
        report(f"{predictor.description['name']} keeps {predictor.description['budget']}. Another share: --budget.")
    if args.view == "html":
        # Before anything is explained: an error at the end would cost all the time.
        _make_folder(args.view_dir)
        if args.output_file is None and args.focus is None:
            # With a file, a view may be changed when a run continues: it changes nothing in the file.
            predictor.focus = page_focus(predictor.masked_model.target)
    if args.output_file is not None and os.path.isfile(args.output_file) and not args.force:
        report(f"{args.output_file} exists, and will be replaced when all is explained.")
    goes_elsewhere = bool(args.view or args.output_file or args.table or args.export)
    printer = TextPrinter() if args.view == "text" or not goes_elsewhere else None
    # How many explanations keep a message, and how many none.
    counts: Counter[bool] = Counter()
    interpreter: Optional[InterpreterDescription] = None

    def show(explanation: Explanation) -> bool:
        nonlocal interpreter
        interpreter = explanation.interpreter
        counts[explanation.num_kept() > 0] += 1
        return printer is None or printer.show(explanation)

    with open_source(
        predictor, args.input, texts=args.text or (), input_format=args.input_format, text_column=args.text_column
    ) as source:
        with _open_output(args, predictor, source) as output:
            try:
                outcome = explain_source(
                    predictor,
                    source,
                    output=output,
                    show=show,
                    report=report,
                    batch_size=args.batch_size,
                    strict=args.strict,
                    skip_errors=args.skip_errors,
                    kept_only=args.kept_only,
                )
                if output is not None:
                    if args.view == "html":
                        write_html_pages(output.read(), args.view_dir)
                    if args.table is not None:
                        write_messages(args.table, output.read())
                    for name, folder in args.export:
                        write_exports(output.read(), name, folder, output.num_explanations)
                    # Last: a run that is killed before this does it again.
                    output.finish()
            except (KeyboardInterrupt, SigTermReceived):
                if args.output_file is not None:
                    report("Stopped. The same command continues from here.")
                raise SystemExit(INTERRUPTED) from None
    where = []
    if args.table is not None:
        where.append(f"messages written to {args.table}")
    where += [f"written as {name} to {folder}" for name, folder in args.export]
    if args.view == "html":
        where.append(f"shown in {os.path.join(args.view_dir, 'index.html')}")
    summary = f"{_count(outcome.num_explanations, 'explanation')} of {_count(outcome.num_records, 'input')}"
    if args.output_file is not None:
        summary += f" written to {args.output_file}"
    report(f"{', '.join([summary, *where])}.")
    if counts[False] > counts[True]:
        without_messages = describe_without_messages(interpreter) if interpreter is not None else ""
        report(
            f"No message is kept in {'any' if not counts[True] else counts[False]} of these {counts.total()}: the states of the nodes and what replaces messages are "
            f"enough. {without_messages}{' ' if without_messages else ''}"
            'What that means and what to try: "No message is kept" in docs/choosing.md.'
        )
    if outcome.num_empty:
        named = "; ".join(shorten(title, 60) for title in outcome.empty[:_MAX_NAMED])
        more = outcome.num_empty - len(outcome.empty[:_MAX_NAMED])
        report(
            f"Nothing to explain in {_count(outcome.num_empty, 'prediction')}, where {without_focus(predictor.masked_model.target)}: "
            f"{named}{f'; and {more} more' if more else ''}."
        )
    if outcome.num_without:
        named = ", ".join(outcome.without[:_MAX_NAMED_INPUTS])
        more = outcome.num_without - len(outcome.without[:_MAX_NAMED_INPUTS])
        report(
            f"Nothing to explain in {_count(outcome.num_without, 'input')}: {named}{f' and {more} more' if more else ''}."
        )
    if outcome.num_failures:
        named = ", ".join(failure.place for failure in outcome.failures[:_MAX_NAMED_INPUTS])
        more = outcome.num_failures - len(outcome.failures[:_MAX_NAMED_INPUTS])
        report(
            f"NOT EXPLAINED: {_count(outcome.num_failures, 'input')} of {source.name}: {named}"
            f"{f' and {more} more' if more else ''}, for the reasons above."
        )
        raise SystemExit(SOME_INPUTS_FAILED)
    return outcome


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
