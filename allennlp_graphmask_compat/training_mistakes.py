"""Mistakes in `allennlp train`: in workers of distributed training, and what is left of a training that has not started."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import shutil
import traceback
from typing import Any

from allennlp_graphmask_compat.mechanism import View
from allennlp_graphmask_compat.mistakes import describe

#: What `allennlp train` and the checkpointer `crash_safe` write before training starts.
_WRITTEN_BEFORE = re.compile(r"config\.json|meta\.json|vocabulary|log|out\.log|out_worker\d+\.log|\.training\.lock")
#: The last line of a worker's traceback.
_LAST_LINE = re.compile(r"^\S*MistakeInWorker: (\{.*\})$", re.MULTILINE)


class MistakeInWorker(Exception):
    """Takes a mistake from a worker to its parent, which gets the traceback as text: JSON in one line."""


def training(module: Any) -> dict[str, Any]:
    """Build a `train_model`, and the parts with which it starts workers, that leave one message and no folder that is in the way."""
    from allennlp.common.checks import ConfigurationError

    train_model, train_worker, multiprocessing = module.train_model, module._train_worker, module.mp
    signature = inspect.signature(train_worker)

    def has_started(error: BaseException) -> bool:
        frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
        return module.TrainModel.run.__code__ in frames or getattr(error, "is_in_training", False)

    @functools.wraps(train_worker)
    def train_in_worker(*args: Any, **kwargs: Any) -> Any:
        try:
            return train_worker(*args, **kwargs)
        except Exception as error:
            message = describe(error)
            if message is None or signature.bind(*args, **kwargs).arguments.get("world_size", 1) == 1:
                raise
            raise MistakeInWorker(json.dumps({"message": message, "is_in_training": has_started(error)})) from error

    def spawn(*args: Any, **kwargs: Any) -> Any:
        try:
            return multiprocessing.spawn(*args, **kwargs)
        except multiprocessing.ProcessRaisedException as error:
            found = _LAST_LINE.search(str(error))
            if found is None:
                raise
            told = json.loads(found[1])
            mistake = ConfigurationError(told["message"])
            mistake.is_in_training = told["is_in_training"]  # type: ignore[attr-defined]
            raise mistake from error

    @functools.wraps(train_model)
    def train_or_leave_nothing(params: Any, serialization_dir: Any, *args: Any, **kwargs: Any) -> Any:
        was_there = os.path.exists(serialization_dir)
        was_empty = not was_there or (os.path.isdir(serialization_dir) and not os.listdir(serialization_dir))
        try:
            return train_model(params, serialization_dir, *args, **kwargs)
        except Exception as error:
            if was_empty and not has_started(error) and describe(error) is not None:
                _remove_what_was_written(serialization_dir, also_folder=not was_there)
            raise

    return {
        "train_model": train_or_leave_nothing,
        "_train_worker": train_in_worker,
        "mp": View(multiprocessing, spawn=spawn),
    }


def _remove_what_was_written(folder: Any, *, also_folder: bool) -> None:
    """Remove the files of a training from a folder, so that the corrected command can use it; nothing if there are others."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if not all(map(_WRITTEN_BEFORE.fullmatch, names)):
        return
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            os.remove(path)
    if also_folder and os.path.isdir(folder):
        os.rmdir(folder)
