"""Worker processes of data loading whose results do not depend on which of them is faster."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any


class InTurnContext:
    """
    A context of `multiprocessing` for AllenNLP's data loader: what the workers put into their common queue is read in turn, an item
    of each, and their random numbers follow from those of the main process (a spawned process would have others each time).
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        # AllenNLP passes a lock of the default context to its workers, which a spawned process refuses.
        self._lock = context.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def JoinableQueue(self, maxsize: int = 0) -> InTurnQueue:  # noqa: N802
        return InTurnQueue(lambda: self._context.JoinableQueue(maxsize))

    def Process(self, target: Callable[..., None], args: tuple[Any, ...], **options: Any) -> Any:  # noqa: N802
        """Return the process of a worker, whose arguments are its number, the common queue, a lock and a connection."""
        number, queue, _, connection = args
        seeded = (random.getrandbits(32), target, number, queue.add_worker(), self._lock, connection)
        return self._context.Process(target=_run_seeded, args=seeded, **options)


class InTurnQueue:
    """The main process's end of the queues of several workers. A worker marks its end by `(None, None)`."""

    def __init__(self, make_queue: Callable[[], Any]) -> None:
        self._make_queue = make_queue
        self._queues: list[Any] = []
        self._ended: list[Any] = []
        self._turn = 0
        self._read_from: Any = None

    def add_worker(self) -> Any:
        self._queues.append(self._make_queue())
        return self._queues[-1]

    def get(self) -> Any:
        queue = self._queues[self._turn % len(self._queues)]
        item = queue.get()
        if item[0] is None and item[1] is None:
            self._queues.remove(queue)
            self._ended.append(queue)
            self._turn = self._turn % (len(self._queues) + 1)
            queue.task_done()  # The worker waits for it.
        else:
            self._turn = (self._turn + 1) % len(self._queues)
            self._read_from = queue
        return item

    def task_done(self) -> None:
        if self._read_from is None:
            raise ValueError("task_done() was called more often than get().")
        self._read_from.task_done()
        self._read_from = None

    def close(self) -> None:
        for queue in (*self._queues, *self._ended):
            queue.close()


def _run_seeded(seed: int, target: Callable[..., None], *args: Any) -> None:
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    target(*args)
