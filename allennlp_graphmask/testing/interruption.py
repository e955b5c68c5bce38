"""Raising an error at a point of a run that is chosen by number."""

import collections
import os
import sys
from types import FrameType
from typing import Any, Callable, Counter, Optional

import torch

import allennlp_graphmask

_PACKAGE = os.path.dirname(allennlp_graphmask.__file__) + os.sep
_TESTING = os.path.dirname(__file__) + os.sep


class Interruption:
    """
    A context that counts the points of what runs in it, and raises an error at one of them. There are three kinds:

    - `"line"`: before a line of this package runs, clean-up included;
    - `"call"`: when a Python function of another package is entered, such as the `forward` of a module;
    - `"backward"`: when a backward pass reads a tensor that the forward pass has saved.

    Python ignores what is raised while it destroys an object.

    # Parameters

    failure : `BaseException`, optional
        What to raise. Without it points are only counted.
    kind : `str`, optional
    number : `int`, optional
        The point at which it is raised, counted from 1 within its kind.
    """

    def __init__(self, failure: Optional[BaseException] = None, kind: str = "", number: int = 0) -> None:
        self.seen: Counter[str] = collections.Counter()
        #: Where the error was raised: the file and line.
        self.place = ""
        self._failure = failure
        self._kind = kind
        self._number = number
        self._previous: Any = None
        self._saved_tensors = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, self._unpack)

    def __enter__(self) -> "Interruption":
        self._previous = sys.gettrace()
        self._saved_tensors.__enter__()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._previous)
        self._saved_tensors.__exit__()

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Optional[Callable[..., Any]]:
        code = frame.f_code
        if code.co_name == "<genexpr>" or code.co_filename.startswith((_TESTING, "<")):
            return None  # a generator that is not used up ends by an error of its own
        if not code.co_filename.startswith(_PACKAGE):
            self._pass("call", frame)
            return None
        if event == "line":
            self._pass("line", frame)
        return self._trace

    def _unpack(self, tensor: torch.Tensor) -> torch.Tensor:
        self._pass("backward")
        return tensor

    def _pass(self, kind: str, frame: Optional[FrameType] = None) -> None:
        self.seen[kind] += 1
        if self._failure is not None and kind == self._kind and self.seen[kind] == self._number:
            self.place = (
                f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame is not None else "a backward pass"
            )
            raise self._take_failure()

    def _take_failure(self) -> BaseException:
        # Held here it would hold, by its traceback, all that it passes.
        failure, self._failure = self._failure, None
        assert failure is not None
        return failure
