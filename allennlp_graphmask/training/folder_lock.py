"""One process for each serialization directory."""

import fcntl
import os
import re
import weakref
from typing import Tuple, Union

from allennlp.common.checks import ConfigurationError

LOCK_NAME = ".training.lock"

_held: "weakref.WeakValueDictionary[Tuple[int, int], FolderLock]" = weakref.WeakValueDictionary()


class FolderLock:
    """A folder that is locked until this object is gone or the process ends, by SIGKILL too. Made by `lock_folder`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def lock_folder(folder: Union[str, "os.PathLike[str]"]) -> FolderLock:
    """
    Lock a folder for this process, which may do so several times.

    # Raises

    `ConfigurationError` naming the folder and the process that has it.
    """
    descriptor = os.open(os.path.join(folder, LOCK_NAME), os.O_RDWR | os.O_CREAT, 0o666)
    status = os.fstat(descriptor)
    key = (status.st_dev, status.st_ino)
    held = _held.get(key)
    if held is not None:
        os.close(descriptor)
        return held
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        process = os.read(descriptor, 100).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise ConfigurationError(
            f"The serialization directory {os.path.abspath(folder)} is in use by the process {process or '(unknown)'}: two "
            "trainings would overwrite each other's files. Wait for it or end it, or name another folder."
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    lock = _held[key] = FolderLock(descriptor)
    return lock


def clear_for_training(folder: Union[str, "os.PathLike[str]"]) -> None:
    """
    Remove the temporary files that a process left when it was killed.

    # Raises

    The error of `lock_folder` if another process has the folder.
    """
    if os.path.exists(os.path.join(folder, LOCK_NAME)):
        lock_folder(folder)  # Let go at once.
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = re.search(r"\.(\d+)\.partial$", name)
        if match and not _is_another_running(int(match[1])):
            os.remove(os.path.join(folder, name))


def _is_another_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _close_in_child() -> None:
    # A worker of a data loader may outlive the training that forked it, and must not keep the lock.
    for lock in list(_held.values()):
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
