"""Mistakes in the inputs of `allennlp predict` and `allennlp print-results`."""

from __future__ import annotations

import argparse
import functools
import json
import os
from collections.abc import Iterator
from typing import Any

from allennlp_graphmask_compat.mistakes import describe


def predictions(module: Any) -> dict[str, Any]:
    """Build a manager of `allennlp predict` that names the place of an input that cannot be read or predicted."""
    from allennlp.common.checks import ConfigurationError
    from allennlp.common.file_utils import cached_path, open_compressed

    class PredictManager(module._PredictManager):  # type: ignore[misc]
        _num_read = 0

        @property
        def _source(self) -> str:
            return "Standard input" if self._input_file == "-" else self._input_file

        def _get_json_data(self) -> Iterator[Any]:
            try:
                for data in super()._get_json_data():
                    self._num_read += 1
                    yield data
            except (json.JSONDecodeError, ConfigurationError) as error:
                raise ConfigurationError(f"{self._source}, input {self._num_read + 1}: {describe(error)}") from error
            except UnicodeDecodeError as error:
                if self._input_file == "-":
                    raise ConfigurationError(f"{self._source}: {describe(error)}") from error
                with open_compressed(cached_path(self._input_file), mode="rb", encoding=None) as file:
                    number = next(number for number, line in enumerate(file, start=1) if not _is_utf8(line))
                raise ConfigurationError(
                    f"{self._input_file}, line {number}: {describe(error)} Convert the file to UTF-8."
                ) from error

        def _predict_json(self, batch_data: Any) -> Any:
            # A generator: batches are read when they are predicted.
            try:
                yield from super()._predict_json(batch_data)
            except ConfigurationError as error:
                first = self._num_read - len(batch_data) + 1
                place = f"input {first}" if len(batch_data) == 1 else f"one of the inputs {first} to {self._num_read}"
                raise ConfigurationError(f"{self._source}, {place}: {error}") from error

    return {"_PredictManager": PredictManager}


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def results(module: Any) -> dict[str, Any]:
    """Build a `print_results_from_args` that says where there are no results, and prints all of them where no keys are given."""
    from allennlp.common.checks import ConfigurationError

    print_results = module.print_results_from_args

    @functools.wraps(print_results)
    def print_all_results(args: argparse.Namespace) -> None:
        name = args.metrics_filename
        files = [os.path.join(folder, name) for folder, _, names in os.walk(args.path) if name in names]
        if not files:
            raise ConfigurationError(
                f"There is no {name} in '{args.path}' or in a folder below it. Give the folder of one or several trainings that have "
                "ended (allennlp train -s)."
            )
        if args.keys is None:
            args.keys = sorted({key for file in files for key in _read_json(file)})
        print_results(args)

    return {"print_results_from_args": print_all_results}


def _read_json(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        return json.load(file)
