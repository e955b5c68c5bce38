"""
What AllenNLP writes in a training that may be killed: files that are there when they are complete, or not at all. Each function is
the body of a patch, see `patches`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import shutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from allennlp_graphmask_compat.mechanism import View


def json_files(module: ModuleType) -> dict[str, Any]:
    """Build an `open` for which a file that is written appears when it is complete."""
    writers = [getattr(vars(module).get(owner), "to_file", None) for owner in ("Params", "Meta")]
    if not any(_uses("open", writer) for writer in (*writers, vars(module).get("dump_metrics")) if writer is not None):
        return {}

    @contextlib.contextmanager
    def write(path: Any) -> Iterator[io.TextIOWrapper]:
        from allennlp_graphmask.explanation.files import atomic_write

        with atomic_write(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8")
            yield text
            text.detach()  # Flushes, and leaves the file open to `atomic_write`.

    def open_(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return write(path) if mode == "w" else open(path, mode, *args, **kwargs)

    return {"open": open_}


def vocabulary(module: ModuleType) -> dict[str, Any]:
    """Let `Vocabulary.save_to_files` write to a folder beside, and move the file without which no vocabulary is read last."""
    original = module.Vocabulary.save_to_files
    if not _uses("codecs", original):
        return {}

    def save_to_files(self: Any, directory: Any) -> None:
        last = module.NAMESPACE_PADDING_FILE
        partial = os.path.join(directory, ".partial")
        shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
        original(self, partial)
        for name in sorted(os.listdir(partial), key=lambda name: name == last):
            os.replace(os.path.join(partial, name), os.path.join(directory, name))
        shutil.rmtree(partial)

    module.Vocabulary.save_to_files = functools.wraps(original)(save_to_files)
    return {"Vocabulary": module.Vocabulary}


def archive_model(module: ModuleType) -> dict[str, Any]:
    """Build an `archive_model` whose archive appears when it is complete."""
    original = module.archive_model
    if not _uses("tarfile", original):
        return {}

    def archive_model(serialization_dir: Any, *args: Any, **kwargs: Any) -> str:
        from allennlp_graphmask.explanation.files import atomic_write

        archive = os.path.join(serialization_dir, "model.tar.gz")
        with atomic_write(archive) as file:
            original(serialization_dir, *args, archive_path=file.name, **kwargs)
        return archive

    return {"archive_model": archive_model}


def serialization_dir(module: ModuleType) -> dict[str, Any]:
    """Build a `create_serialization_dir` that refuses a folder in use, and removes temporary files first."""
    training_util = module.training_util
    if not _uses("rmtree", training_util.create_serialization_dir):
        return {}

    def create_serialization_dir(params: Any, serialization_dir: Any, recover: bool, force: bool) -> None:
        from allennlp_graphmask.training.folder_lock import clear_for_training

        clear_for_training(serialization_dir)
        training_util.create_serialization_dir(params, serialization_dir, recover, force)

    return {"training_util": View(training_util, create_serialization_dir=create_serialization_dir)}


def _uses(name: str, function: Callable[..., Any]) -> bool:
    """Whether a function's code has this name."""
    return name in function.__code__.co_names
