"""
A user's mistake as one message with what to do, in the place of a traceback. Each function is the body of a patch, see `patches`.

What is a mistake: every `ConfigurationError`, an input that is not JSON or not UTF-8, what the operating system or the network
refuses (`OSError`), and what AllenNLP's commands check in their arguments. Any other error is a bug, and keeps its traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import inspect
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from allennlp_graphmask_compat.archives import extracted_vocabulary
from allennlp_graphmask_compat.config_variables import DESCRIPTIONS
from allennlp_graphmask_compat.loading import check_path, locate

#: The exit status, which is that of wrong usage in argparse.
STATUS = 2
DEBUG_OPTION = "--debug"
#: In the folder of a training, and a file in it.
VOCABULARY, NAMESPACES = "vocabulary", "non_padded_namespaces.txt"
#: AllenNLP's own variable.
DEBUG_VARIABLE = "ALLENNLP_DEBUG"

#: Its INFO lines are about what a command does, those of all others about what is loaded for it.
_LOGGER_OF_COMMANDS = "allennlp.commands"

#: A `ValueError` or `RuntimeError` that is raised in these themselves is about an argument.
_MODULES_THAT_CHECK_ARGUMENTS = ("allennlp.commands.", "allennlp.common.params.", "cached_path.")

_UNDEFINED_VARIABLE = re.compile(r"undefined external variable: (\S+)")
#: A line of jsonnet's stack that names a file, a line and a column (or two of each).
_PLACE = re.compile(r"^\t(?P<file>.+?):\(?(?P<line>\d+):\d+\S*\t", flags=re.MULTILINE)


def commands(module: Any) -> dict[str, Any]:
    """Build the `main` of all commands, which reports mistakes, and a parser with `--debug`."""
    main, import_package = module.main, module.import_module_and_submodules

    class ParserWithDebug(module.ArgumentParserWithDefaults):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.add_argument(
                DEBUG_OPTION,
                action="store_true",
                # A command's own parser must not undo what was given before the command.
                default=argparse.SUPPRESS,
                help="show the traceback of an error, and all messages of loading",
            )

    @functools.wraps(main)
    def reporting_main(*args: Any, **kwargs: Any) -> None:
        with contextlib.nullcontext() if is_debugging() else _quiet_loading():
            try:
                main(*args, **kwargs)
            except Exception as error:
                # Deliberately broad: what is not a mistake is raised again.
                message = describe(error)
                if message is None:
                    raise
                _report(message)
                sys.exit(STATUS)

    @functools.wraps(import_package)
    def import_module_and_submodules(package_name: str, *args: Any, **kwargs: Any) -> None:
        from allennlp.common.checks import ConfigurationError

        try:
            import_package(package_name, *args, **kwargs)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{package_name}.".startswith(f"{error.name}."):
                raise  # It is there, and imports another one that is not.
            raise ConfigurationError(
                f"--include-package names '{package_name}', which cannot be found (no module '{error.name}'). Give a package that is "
                "installed or in this folder, as a name with dots."
            ) from error

    return {
        "main": reporting_main,
        "ArgumentParserWithDefaults": ParserWithDebug,
        "import_module_and_submodules": import_module_and_submodules,
    }


def is_debugging() -> bool:
    """Return whether the user wants tracebacks."""
    return DEBUG_OPTION in sys.argv[1:] or bool(os.environ.get(DEBUG_VARIABLE))


@contextlib.contextmanager
def _quiet_loading() -> Iterator[None]:
    """
    Log no INFO in the block but what commands themselves log; all if the user chose a level. `allennlp train` sets its own, when
    it has the folder for its log.
    """
    root = logging.getLogger()
    level = root.level
    if "ALLENNLP_LOG_LEVEL" not in os.environ:
        logging.getLogger(_LOGGER_OF_COMMANDS).setLevel(max(level, logging.INFO))
        root.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        root.setLevel(level)


def describe(error: Exception) -> str | None:
    """Return the message about a user's mistake: what, where, and what to do. `None` if the error is a bug."""
    from allennlp.common.checks import ConfigurationError

    if isinstance(error, ConfigurationError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return (
            f"The input {error.doc[:60]!r} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        )
    if isinstance(error, UnicodeDecodeError):
        return f"An input is not UTF-8 text: it has the byte {error.object[error.start]:#04x} after {error.object[: error.start][-40:]!r}."
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        if error.filename is None:
            return f"{error}. Check the name." if isinstance(error, FileNotFoundError) else str(error)
        return f"'{error.filename}': {error.strerror}. Check that it is the right path, and one that you may read or write."
    if isinstance(error, ValueError | RuntimeError) and error.__traceback__ is not None:
        *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
        if f"{innermost.f_globals.get('__name__')}.".startswith(_MODULES_THAT_CHECK_ARGUMENTS):
            return str(error)
    return None


def _report(message: str) -> None:
    """Print the error that is being handled; in the log of a training it is with its traceback."""
    record = logging.LogRecord("allennlp", logging.ERROR, __file__, 0, message, None, sys.exc_info())
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)
    if is_debugging():
        traceback.print_exc()
    print(f"error: {message}", file=sys.stderr)


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return the question with the most similar name after a space, or nothing if none is similar."""
    from allennlp.common import registrable

    suggestion = registrable._get_suggestion(str(name), list(names))
    return "" if suggestion is None else f" Did you mean '{suggestion}'?"


def registered_names(module: Any) -> dict[str, Any]:
    """Build a suggestion for a name that is not registered, of the names that differ in more than a letter, too."""
    get_suggestion = module._get_suggestion

    @functools.wraps(get_suggestion)
    def get_similar(name: str, available: list[str]) -> str | None:
        return get_suggestion(name, available) or next(iter(difflib.get_close_matches(name, available, 1, 0.5)), None)

    return {"_get_suggestion": get_similar}


def config_values(module: Any) -> dict[str, Any]:
    """Let a config's choice be reported with a suggestion, and what jsonnet refuses with its place."""
    from allennlp.common.checks import ConfigurationError

    pop_choice = module.Params.pop_choice

    @functools.wraps(pop_choice)
    def pop_choice_with_suggestion(self: Any, key: str, choices: list[Any], *args: Any, **kwargs: Any) -> Any:
        value = self.params.get(key)
        try:
            return pop_choice(self, key, choices, *args, **kwargs)
        except (ConfigurationError, TypeError) as error:
            if value is None:
                raise
            raise ConfigurationError(
                f"'{self.history}{key}' is {value!r}, expected one of {', '.join(map(str, choices))}.{did_you_mean(value, choices)} A "
                "class of your own needs its module: --include-package MODULE, or a line in .allennlp_plugins of the current folder (with "
                "the module on PYTHONPATH, or in that folder)."
            ) from error

    def evaluating(evaluate: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(evaluate)
        def evaluate_for_user(name: str, *args: Any, **kwargs: Any) -> str:
            what = f"The config '{name}'" if name else f"The text of overrides, {args[0]!r:.100},"
            try:
                evaluated = evaluate(name, *args, **kwargs)
            except RuntimeError as error:
                raise ConfigurationError(f"{what} {_describe_jsonnet(str(error))}") from error
            if not evaluated.lstrip().startswith("{"):
                raise ConfigurationError(
                    f"{what} is not an object, as in {{...}}: it gives {evaluated.strip()!r:.100}."
                )
            return evaluated

        return evaluate_for_user

    module.Params.pop_choice = pop_choice_with_suggestion
    return {name: evaluating(getattr(module, name)) for name in ("evaluate_file", "evaluate_snippet")}


def _describe_jsonnet(error: str) -> str:
    """Return what is wrong in a config, out of jsonnet's error with its stack."""
    found = _PLACE.search(error)
    place = "" if found is None else f" ({found['file']}, line {found['line']})"
    undefined = _UNDEFINED_VARIABLE.search(error)
    if undefined is None:
        return f"cannot be evaluated: {error.partition(chr(10))[0]}{place}."
    name = undefined[1]
    if name in DESCRIPTIONS:
        meaning = f"It is {DESCRIPTIONS[name]}"
    else:
        meaning = (
            f"It is read in `{_read_line(found['file'], int(found['line']))}`"
            if found
            else "It is not one of the package"
        )
    return f"needs the environment variable {name}{place}, which is not set. {meaning}. Set it: export {name}=..."


def _read_line(path: str, number: int) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()[number - 1].strip()


def constructor_arguments(module: Any) -> dict[str, Any]:
    """Build a `construct_arg` that reports a value of a wrong type with the value, and with the reasons for each type of several."""
    from allennlp.common.checks import ConfigurationError

    construct_arg, create_kwargs = module.construct_arg, module.create_kwargs

    @functools.wraps(create_kwargs)
    def create_kwargs_of_trainers(constructor: Any, cls: Any, params: Any, **extras: Any) -> dict[str, Any]:
        found: dict[str, Any] = create_kwargs(constructor, cls, params, **extras)
        # Alone of AllenNLP's classes it swallows what it does not know.
        if getattr(constructor, "__qualname__", None) == "GradientDescentTrainer.from_partial_objects" and params:
            known = [*inspect.signature(constructor).parameters]
            unknown = next(iter(params))
            raise ConfigurationError(
                f"'{params.history}{unknown}' is not a parameter of the trainer ({cls.__name__}).{did_you_mean(unknown, known)}"
            )
        return found

    @functools.wraps(construct_arg)
    def construct_arg_or_report(
        class_name: str, argument_name: str, popped_params: Any, *args: Any, **kwargs: Any
    ) -> Any:
        try:
            return construct_arg(class_name, argument_name, popped_params, *args, **kwargs)
        except (TypeError, ConfigurationError) as error:
            assert error.__traceback__ is not None and error.__traceback__.tb_next is not None
            if error.__traceback__.tb_next.tb_next is not None:
                raise  # out of a constructor, or reported
            reasons = "; ".join(_find_reasons(error))
            value = getattr(popped_params, "params", popped_params)
            raise ConfigurationError(
                f"'{argument_name}' of {class_name} is {value!r:.100}. {reasons or error}"
            ) from error

    return {"construct_arg": construct_arg_or_report, "create_kwargs": create_kwargs_of_trainers}


def vocabularies(module: Any) -> dict[str, Any]:
    """Let `Vocabulary.from_files` take the folder of a training, as `load_archive` does, and report where there is no vocabulary."""
    from allennlp.common.checks import ConfigurationError

    from_files = module.Vocabulary.from_files

    def from_files_or_report(cls: Any, directory: Any, *args: Any, **kwargs: Any) -> Any:
        path = os.fspath(locate(directory))
        if os.path.isdir(os.path.join(path, VOCABULARY)) and not os.path.exists(os.path.join(path, NAMESPACES)):
            path = os.path.join(path, VOCABULARY)
        check_path(path, "open")
        if "://" in path:
            path = os.fspath(module.cached_path(path))
        if os.path.isfile(path):
            with extracted_vocabulary(path) as folder:
                return from_files_or_report(cls, folder, *args, **kwargs)
        is_folder = not path or os.path.isdir(path)
        if "://" not in path and not (
            os.path.exists(os.path.join(path, NAMESPACES)) if is_folder else os.path.exists(path)
        ):
            raise ConfigurationError(
                f"There is no vocabulary in '{path}'. Give the model.tar.gz that `allennlp train` wrote, or the folder it is in. (The "
                "configs of GraphMask take it from the environment variable GRAPHMASK_TARGET.)"
            )
        return from_files.__func__(cls, path, *args, **kwargs)

    module.Vocabulary.from_files = classmethod(functools.wraps(from_files.__func__)(from_files_or_report))
    return {}


def _find_reasons(error: BaseException) -> Iterator[str]:
    """Yield why a value fits none of several types: AllenNLP chains the errors, the last one first."""
    while error.__cause__ is not None:
        error = error.__cause__
        yield str(getattr(error, "message", error.args[-1]))


def gpu_numbers(module: Any) -> dict[str, Any]:
    """Build an `int_to_device` that refuses the number of a GPU that is not there, before anything is loaded onto it."""
    int_to_device = module.int_to_device

    @functools.wraps(int_to_device)
    def checked_int_to_device(device: Any) -> Any:
        import torch
        from allennlp.common.checks import ConfigurationError

        if isinstance(device, int) and device >= torch.cuda.device_count():
            raise ConfigurationError(
                f"There is no GPU {device}: this machine has {torch.cuda.device_count()} that torch can use. Leave out --cuda-device (for "
                "training: set trainer.cuda_device to -1) to use the CPU."
            )
        return int_to_device(device)

    return {"int_to_device": checked_int_to_device}


def archives(module: Any) -> dict[str, Any]:
    """Build a `load_archive` that looks for the GPU first."""
    load_archive = module.load_archive

    @functools.wraps(load_archive)
    def load_archive_onto_device(archive_file: Any, cuda_device: Any = -1, *args: Any, **kwargs: Any) -> Any:
        from allennlp.common import util

        util.int_to_device(cuda_device)
        return load_archive(archive_file, cuda_device, *args, **kwargs)

    return {"load_archive": load_archive_onto_device}


MESSAGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "allennlp.commands": commands,
    "allennlp.common.from_params": constructor_arguments,
    "allennlp.common.params": config_values,
    "allennlp.common.registrable": registered_names,
    "allennlp.common.util": gpu_numbers,
    "allennlp.data.vocabulary": vocabularies,
    "allennlp.models.archival": archives,
}
