"""
The options that decide what is explained, for all commands that explain, and what is checked of arguments before anything is loaded.
"""

import argparse
import json
import os
from typing import Any, Dict

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checks import check_installed
from allennlp_graphmask.commands.archives import add_target_options, add_trust_option
from allennlp_graphmask.explanation.files import is_parquet
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.views.exports import EXPORTS
from allennlp_graphmask_compat.mistakes import did_you_mean


def parse_interpreter(argument: str) -> Dict[str, Any]:
    """
    Return the config in a registered name, in a JSON object with `type` and settings, or in the path of a JSON or
    jsonnet file with one. Raise a `ConfigurationError` if it is none of these, or no interpreter has the name.
    """
    config: Any = {"type": argument}
    if argument.lstrip().startswith("{"):
        config = _parse_json("--interpreter", argument)
    elif argument.endswith((".json", ".jsonnet")):
        if not os.path.isfile(argument):
            raise ConfigurationError(f"--interpreter names the file '{argument}', which does not exist.")
        config = Params.from_file(argument).as_dict(quiet=True)
    if config.get("type") not in Interpreter.list_available():
        raise ConfigurationError(
            f'--interpreter: {config.get("type")!r} is not a registered interpreter; "type" is one of '
            f"{', '.join(sorted(Interpreter.list_available()))}.{did_you_mean(config.get('type'), Interpreter.list_available())}"
        )
    return config


def _parse_json(option: str, argument: str) -> Dict[str, Any]:
    try:
        parsed = json.loads(argument)
    except ValueError as error:
        raise ConfigurationError(f"{option} {argument!r} is not valid JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise ConfigurationError(f"{option} {argument!r} is not a JSON object.")
    return parsed


def add_explaining_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that the explanations of an input depend on."""
    add = parser.add_argument
    add(
        "--interpreter",
        metavar="NAME|JSON|FILE",
        help="a registered interpreter, or an object with its type and settings (default: the masker of ARCHIVE)",
    )
    add(
        "--budget",
        type=float,
        metavar="SHARE",
        help="start from this share of each prediction's messages, those with the highest scores",
    )
    add(
        "--allowance",
        type=float,
        metavar="SHARE",
        help="start from as few messages as change at most this share of the masker's validation data (default: that of its training)",
    )
    add(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="take decisions as they are, also where the prediction changes with the kept messages alone",
    )
    add(
        "--max-divergence",
        type=float,
        metavar="D",
        help="also keep more messages where the divergence is above D (default: any divergence)",
    )
    add(
        "--kept-only",
        action="store_true",
        help="leave out edges whose messages are dropped in every layer; they are counted",
    )
    add("--batch-size", type=int, default=32, metavar="N", help="(default: %(default)s)")
    add(
        "--input-format",
        choices=["reader", "predictor", "text"],
        help="who reads INPUT: the model's reader, or its predictor, as JSON or as raw text (default: who can)",
    )
    add(
        "--text-column",
        default="text",
        metavar="NAME",
        help="the column with the texts, where INPUT is a table whose name ends in .parquet (default: %(default)s)",
    )
    add(
        "--predictor-args",
        default="{}",
        metavar="JSON",
        help='settings of the model\'s predictor, such as \'{"spacy_model": "en_core_web_lg"}\'',
    )
    add(
        "--score-type",
        choices=["float16", "float32", "float64"],
        default="float32",
        help="the precision of scores in a table: three digits, six (all that explanations have), or more (default: %(default)s)",
    )
    add_target_options(parser)
    add_trust_option(parser)


def check_arguments(args: argparse.Namespace) -> None:
    """
    Check those of `allennlp explain` that depend on no archive, and parse JSON in them. Raise a `ConfigurationError` if arguments do
    not fit together.
    """
    if (args.input is None) == (not args.text):
        raise ConfigurationError(
            f"Give an INPUT (a file, or - for standard input) or --text{', not both' if args.text else ''}."
        )
    for option, path in (("-o", args.output_file), ("--table", args.table)):
        if path is not None and is_parquet(path):
            check_installed(f"{option} {path}", "pyarrow")
    if args.table is not None and not args.table.endswith((".csv", ".parquet")):
        raise ConfigurationError(f"--table {args.table} names neither a .csv nor a .parquet file.")
    for name, _ in args.export:
        if name not in EXPORTS:
            raise ConfigurationError(
                f"--export {name} is not a format; known are {', '.join(EXPORTS)}.{did_you_mean(name, list(EXPORTS))}"
            )
    if (args.view == "html") != (args.view_dir is not None):
        raise ConfigurationError("--view html and --view-dir need each other: the pages go to that folder.")
    if args.text and args.input_format is not None:
        raise ConfigurationError("--input-format is for INPUT; a --text is always read by the predictor.")
    check_explaining_options(args)


def check_explaining_options(args: argparse.Namespace) -> None:
    """Check the options of `add_explaining_options`, and parse JSON in them. Raise a `ConfigurationError` if they do not fit together."""
    if args.max_divergence is not None and not args.verify:
        raise ConfigurationError("--max-divergence and --no-verify exclude each other: the bound is kept by verifying.")
    if args.batch_size < 1:
        raise ConfigurationError(f"--batch-size is {args.batch_size}, expected at least 1.")
    if isinstance(args.interpreter, str):
        args.interpreter = parse_interpreter(args.interpreter)
    if args.budget is not None and args.allowance is not None:
        raise ConfigurationError("--budget and --allowance exclude each other: both set how many messages are kept.")
    for name in ("budget", "allowance"):
        value = getattr(args, name)
        if value is not None and not 0 <= value <= 1:
            raise ConfigurationError(f"--{name} is {value:g}, expected a share from 0 to 1: 0.2 for 20 %.")
    if args.budget is not None:
        args.interpreter = {**(args.interpreter or {"type": "graphmask"}), "top_fraction": args.budget}
    if args.allowance is not None:
        args.interpreter = {**(args.interpreter or {"type": "graphmask"}), "allowance": args.allowance}
        if args.interpreter["type"] != "graphmask":
            raise ConfigurationError(
                f"--allowance is for a masker, not for {args.interpreter['type']}; give --budget, the share of messages to keep."
            )
    if isinstance(args.predictor_args, str):
        args.predictor_args = _parse_json("--predictor-args", args.predictor_args)
