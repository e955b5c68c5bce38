"""
Workers as actors of Ray. This module is imported where a corpus is explained and not before: as its name begins with `_`, AllenNLP leaves
it out when it imports a plugin.
"""

import contextlib
import logging
import os
import socket
from collections import Counter, deque
from typing import Any, Deque, Dict, Iterator, List, Optional, Tuple, TypeVar

import ray
from allennlp.common.checks import ConfigurationError
from ray.exceptions import RayError, RayTaskError

from allennlp_graphmask.corpus.worker import Task, Worker

T = TypeVar("T")

#: The number of workers that may end at one item, or one after the other while they start.
_MAX_DEATHS = 3
#: Bytes; Ray's smallest. Nothing large is passed around.
_OBJECT_STORE = 80 << 20
#: Seconds.
_PATIENCE = 10


@contextlib.contextmanager
def running_ray(address: Optional[str], num_workers: Optional[int]) -> Iterator[None]:
    """
    Start Ray on this machine, without its dashboard and with room for all workers, or connect to the cluster at an address.
    `set_ray_environment` must have been called before this module was imported.
    """
    options: Dict[str, Any] = {"address": address}
    if address is not None:
        _check_reachable(address)
    else:
        options = {
            "address": "local",
            # Room for all; by default as many as Ray finds.
            "num_cpus": num_workers and max(num_workers, os.cpu_count() or 1),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE,
            "_node_ip_address": "127.0.0.1",
        }
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RayError, RuntimeError) as error:
        hint = (
            ""
            if address is None
            else ". If the cluster asks for a token, set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to it."
        )
        raise ConfigurationError(f"Ray cannot be reached at {address or 'this machine'}: {error}{hint}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """
    Raise a `ConfigurationError` if a port is closed, which Ray would try for minutes. Addresses in other forms than `HOST:PORT` are left
    to it.
    """
    host, separator, port = address.rpartition(":")
    if separator and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
        except OSError as error:
            raise ConfigurationError(f"--address {address} does not answer: {error}.") from error


class Pool:
    """
    Workers, to which items are given as they ask for more. One that ends is replaced, and another one does what it was doing. No more
    results than there are workers wait here at any time.

    # Raises

    `ConfigurationError` if a worker raises one, workers cannot start, or they load something else than the first one.
    """

    def __init__(self, task: Task, num_workers: Optional[int], gpus_per_worker: float) -> None:
        resources = ray.cluster_resources()
        num_cpus, num_gpus = resources.get("CPU", 1), resources.get("GPU", 0)
        if gpus_per_worker > num_gpus:
            raise ConfigurationError(f"--gpus-per-actor is {gpus_per_worker:g}, and Ray finds {num_gpus:g} GPUs.")
        room = min(num_cpus, num_gpus / gpus_per_worker) if gpus_per_worker else num_cpus
        self.num_workers = num_workers or max(1, int(room))
        self._actor_class = ray.remote(Worker).options(num_cpus=1, num_gpus=gpus_per_worker)
        self._arguments = (task, os.getcwd())
        #: Workers without anything to do, and what the others do; nothing while they load.
        self._idle: List[Any] = []
        self._busy: Dict[Any, Tuple[Any, Any]] = {}
        self._deaths = 0
        self._description: Optional[Dict[str, Any]] = None
        for _ in range(self.num_workers):
            self._start_worker()

    def _start_worker(self) -> None:
        actor = self._actor_class.remote(*self._arguments)
        self._busy[actor.describe.remote()] = (actor, None)

    def describe(self) -> Dict[str, Any]:
        """Wait for a worker. Return what it has loaded."""
        while self._description is None:
            self._wait()
        return self._description

    def map(self, method: str, items: Iterator[T]) -> Iterator[Tuple[T, Any]]:
        """Yield each item with what a worker's method returns for it, as they come; `None` if that ended workers again and again."""
        deaths: Counter[T] = Counter()
        again: Deque[T] = deque()
        item = next(items, None)
        while item is not None or again or any(busy is not None for _, busy in self._busy.values()):
            if item is None and again:
                item = again.popleft()
            if item is not None and self._idle:
                actor = self._idle.pop()
                self._busy[getattr(actor, method).remote(item)] = (actor, item)
                item = next(items, None)
                continue
            finished, result = self._wait()
            if finished is None:
                continue
            if result is not None:
                yield finished, result
                continue
            deaths[finished] += 1
            if deaths[finished] < _MAX_DEATHS:
                again.append(finished)
            else:
                yield finished, None

    def _wait(self) -> Tuple[Any, Any]:
        """Wait until a worker is done. Return what it was given, `None` if nothing, and the result; `None` if the worker has ended."""
        (done, *_), _ = ray.wait(list(self._busy), num_returns=1)
        actor, item = self._busy.pop(done)
        try:
            result = ray.get(done)
        except RayTaskError as error:
            if isinstance(error.cause, ConfigurationError):
                raise ConfigurationError(error.cause.message) from None
            raise
        except RayError as error:
            if not any(node["Alive"] for node in ray.nodes()):
                raise ConfigurationError(f"Ray has ended: {error}\nThe same command continues from here.") from error
            self._deaths += item is None
            if self._deaths >= _MAX_DEATHS:
                raise ConfigurationError(
                    f"{self._deaths} workers ended while they loaded the archive: {error}"
                ) from error
            self._start_worker()
            return item, None
        self._idle.append(actor)
        if item is None:
            self._deaths = 0
            self._check(result)
        return item, result

    def _check(self, description: Dict[str, Any]) -> None:
        if self._description is None:
            self._description = description
        differing = [key for key, value in self._description.items() if description.get(key) != value]
        if differing:
            raise ConfigurationError(
                f"Workers differ in {', '.join(differing)}: their nodes need the same versions, and the same files at the same paths. "
                f"{self._description[differing[0]]} and {description.get(differing[0])}"
            )
