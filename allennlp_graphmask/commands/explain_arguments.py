"""What is checked of the arguments of `allennlp explain` before anything is loaded."""

import argparse
import importlib.util
import json
import os
from typing import Any, Dict

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError

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


def check_arguments(args: argparse.Namespace) -> None:
    """
    Check what depends on no archive, and parse JSON in arguments. Raise a `ConfigurationError` if arguments do not fit
    together.
    """
    if (args.input is None) == (not args.text):
        raise ConfigurationError(
            "Give either an INPUT (a file, or - for standard input) or --text, "
            f"not {'both' if args.text else 'neither'}."
        )
    if args.max_divergence is not None and not args.verify:
        raise ConfigurationError("--max-divergence and --no-verify exclude each other: the bound is kept by verifying.")
    for option, path in (("-o", args.output_file), ("--table", args.table)):
        if path is not None and is_parquet(path):
            _require_pyarrow(f"{option} {path}")
    if args.table is not None and not args.table.endswith((".csv", ".parquet")):
        raise ConfigurationError(f"--table {args.table} names neither a .csv nor a .parquet file.")
    if args.export is not None and args.export[0] not in EXPORTS:
        raise ConfigurationError(
            f"--export {args.export[0]} is not a format; known are {', '.join(EXPORTS)}.{did_you_mean(args.export[0], list(EXPORTS))}"
        )
    if args.batch_size < 1:
        raise ConfigurationError(f"--batch-size is {args.batch_size}, expected at least 1.")
    if (args.view == "html") != (args.view_dir is not None):
        raise ConfigurationError("--view html and --view-dir need each other: the pages go to that folder.")
    if args.text and args.input_format is not None:
        raise ConfigurationError("--input-format is for INPUT; a --text is always read by the predictor.")
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


def _require_pyarrow(argument: str) -> None:
    """Raise a `ConfigurationError` naming the argument if pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigurationError(
            f"{argument}: Parquet files need pyarrow, which is not installed. Run: pip install pyarrow"
        )
