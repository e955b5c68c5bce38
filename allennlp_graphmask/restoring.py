import contextlib
from typing import Callable, Iterator


@contextlib.contextmanager
def restoring(restore: Callable[[], object]) -> Iterator[None]:
    """
    Call `restore` when the context closes, also after an error or Ctrl-C. It must be repeatable: after an error or Ctrl-C,
    which may have come while it ran, it is called again.

    After a Ctrl-C that comes inside `contextlib`, just before the context closes, it is called when the exception is forgotten,
    perhaps after that of a context around it: it should undo its own change and no more. A second Ctrl-C can prevent it.
    """
    try:
        try:
            yield
        finally:
            restore()
    except BaseException:
        restore()
        raise
