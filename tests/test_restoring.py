"""`restoring` restores once interrupted anywhere in it."""

import contextlib
from typing import List

import pytest

from allennlp_graphmask.restoring import restoring
from allennlp_graphmask.testing.interruption import Interruption


def use(values: List[int], error: bool = False) -> None:
    def restore() -> None:
        values[0] = 0
        values[1] = 0

    with restoring(restore):
        values[:] = [1, 1]
        if error:
            raise RuntimeError


@pytest.mark.parametrize("kind", ["line", "call"])
@pytest.mark.parametrize("error", [False, True])
def test_it_restores_whatever_is_interrupted(kind, error) -> None:
    values = [0, 0]
    with contextlib.suppress(RuntimeError), Interruption() as counter:
        use(values, error)
    assert counter.seen[kind] >= 4
    for number in range(1, counter.seen[kind] + 1):
        with contextlib.suppress(RuntimeError, KeyboardInterrupt), Interruption(KeyboardInterrupt(), kind, number):
            use(values, error)
        assert values == [0, 0]


def test_errors_pass() -> None:
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), restoring(lambda: None):
            raise error
