"""Every interpreter on every model leaves it bitwise as it was, wherever an error or Ctrl-C comes: in a pass, a gradient, clean-up."""

from typing import Any, Callable

import pytest
import torch

from allennlp_graphmask.interpret.interpreters import ErasureSearch, Interpreter
from allennlp_graphmask.testing import assert_no_side_effects
from tests.interpret.interpreters.test_equal_scores import CASES, build_any
from tests.interpret.interpreters.tied import TASKS, Tied, tied_task
from tests.models.building import make_batch

NUM_POINTS = 20
#: Without the variants of an interpreter.
EVERY_CASE = [
    *((name, task) for name, task in CASES if "," not in name),
    *((name, task) for name in ("erasure_search", "tuned_threshold") for task in TASKS),
]
every_case = pytest.mark.parametrize("name,task", EVERY_CASE)


@pytest.fixture(scope="module")
def tied(tmp_path_factory) -> Callable[[str], Tied]:
    return lambda task: tied_task(task, tmp_path_factory.mktemp("tied"))


def build(name: str, tied: Tied) -> Interpreter:
    if name == "erasure_search":
        # Every set suffices: what is tested is not how long it searches.
        return ErasureSearch(criterion="divergence", allowance=1e9, max_messages=1000)
    return build_any(name, tied)


def interrupt(name: str, tied: Tied, num_points: int, seed: int) -> None:
    batch = make_batch(tied.instances[:2], tied.vocabulary)
    masked_model, interpreter = tied.masked_model, build(name, tied)

    def predict() -> Any:
        with torch.no_grad():
            return masked_model.target(**batch)["logits"]

    assert_no_side_effects(
        masked_model.target,
        lambda: interpreter.interpret(masked_model, batch),
        predict=predict,
        num_random_points=num_points,
        seed=seed,
    )


def test_all_of_them_are_here() -> None:
    ours = {
        name
        for name in Interpreter.list_available()
        if Interpreter.by_name(name).__module__.startswith("allennlp_graphmask.")
    }
    assert {name for name, _ in EVERY_CASE} == ours


@every_case
def test_at_some_points(name, task, tied) -> None:
    interrupt(name, tied(task), num_points=2, seed=0)


@pytest.mark.reliability
@every_case
def test_at_many_points(name, task, tied) -> None:
    interrupt(name, tied(task), NUM_POINTS, seed=EVERY_CASE.index((name, task)))
