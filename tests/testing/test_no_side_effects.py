"""`assert_no_side_effects` on a model with a graph encoder and runs that each change one thing."""

import contextlib
import random
from typing import Callable

import numpy
import pytest
import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.model_state import one_thread_at_a_time
from allennlp_graphmask.modules.intervention import Gate, intervening
from allennlp_graphmask.testing import assert_no_side_effects, example_graphs
from tests.testing.encoders import NUM_RELATIONS, SoundEncoder


class TaskModel(torch.nn.Module):
    """A model with an encoder, a buffer, dropout and a frozen parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = SoundEncoder()
        self.dropout = torch.nn.Dropout(0.5)
        self.scorer = torch.nn.Linear(6, 3)
        self.scorer.bias.requires_grad_(False)
        self.register_buffer("counts", torch.zeros(3))

    def forward(self, states: torch.Tensor, graph: Graph):
        return {"logits": self.scorer(self.dropout(self.encoder(states, graph)))}


@pytest.fixture
def model() -> TaskModel:
    torch.manual_seed(1)
    model = TaskModel().eval()
    model.dropout.train()
    return model


@pytest.fixture
def predict(model: TaskModel) -> Callable:
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = torch.randn(graph.num_nodes, 4)
    return lambda: model(states, graph)


def halve(messages) -> Gate:
    return Gate(torch.full((messages.graph.num_edges,), 0.5))


@contextlib.contextmanager
def same_random_state():
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def test_a_clean_run_passes(model, predict) -> None:
    def run():
        with same_random_state(), torch.no_grad(), intervening(model.encoder, halve):
            predict()

    assert_no_side_effects(model, run, predict=predict)
    assert_no_side_effects(model, run)
    assert_no_side_effects(model, lambda: None, predict=predict)


def test_gradients_of_a_masker_are_fine(model, predict) -> None:
    """The gradient may go through the model as long as it is not kept in its parameters."""

    def run():
        scale = torch.ones(15, requires_grad=True)
        with same_random_state(), intervening(model.encoder, lambda messages: Gate(scale)):
            torch.autograd.grad(predict()["logits"].sum(), scale)

    assert_no_side_effects(model, run, predict=predict)


SIDE_EFFECTS = {
    "parameter": (lambda m: m.scorer.weight.data.add_(1e-6), "scorer.weight.value' changed by up to"),
    "buffer": (lambda m: m.counts.add_(1), "counts.value' changed by up to 1"),
    "replaced parameter": (
        lambda m: setattr(m.scorer, "weight", torch.nn.Parameter(m.scorer.weight.detach().clone())),
        "scorer.weight.identity' changed",
    ),
    "requires_grad": (lambda m: m.scorer.bias.requires_grad_(True), "scorer.bias.requires_grad' changed from False to"),
    "training flag": (lambda m: m.eval(), "dropout.training' changed from True to False"),
    "forward hook": (lambda m: m.scorer.register_forward_hook(lambda *_: None), "scorer._forward_hooks"),
    "pre hook": (lambda m: m.scorer.register_forward_pre_hook(lambda *_: None), "scorer._forward_pre_hooks"),
    "backward hook": (lambda m: m.scorer.register_full_backward_hook(lambda *_: None), "scorer._backward_hooks"),
    "hook of a tensor": (lambda m: m.scorer.weight.register_hook(lambda g: g), "scorer.weight.backward hooks"),
    "sub-module": (lambda m: m.add_module("masker", torch.nn.Linear(2, 2)), "masker"),
    "state dict key": (lambda m: m.register_buffer("mask", torch.zeros(1)), "keys of the state dict"),
    "attribute": (lambda m: setattr(m.encoder, "last_gates", [torch.zeros(1)]), "encoder.last_gates"),
    "replaced method": (lambda m: setattr(m, "forward", m.forward), "TaskModel.forward' is new"),
    "random state of torch": (lambda m: torch.rand(1), "random states.PyTorch"),
    "random state of numpy": (lambda m: numpy.random.rand(), "random states.NumPy"),
    "random state of python": (lambda m: random.random(), "random states.Python"),
    "gradient": (lambda m: m.encoder(torch.randn(1, 4), Graph.from_edges(1, [], [])).sum().backward(), ".gradient'"),
    "gradient mode": (lambda m: torch.set_grad_enabled(False), "gradient mode' changed from True to False"),
}


@pytest.fixture
def restored_globals():
    yield
    torch.set_grad_enabled(True)


@pytest.mark.parametrize("name", SIDE_EFFECTS)
@pytest.mark.parametrize(
    "when", ["a successful run", "_Failure at message 1 of 2", "KeyboardInterrupt at message 1 of 2"]
)
def test_each_side_effect_is_caught(model, predict, restored_globals, name: str, when: str) -> None:
    change, words = SIDE_EFFECTS[name]

    def run():
        try:
            with same_random_state():
                predict()
        except BaseException as error:
            if type(error).__name__ in when:
                change(model)
            raise
        if when == "a successful run":
            change(model)

    with pytest.raises(AssertionError) as caught:
        assert_no_side_effects(model, run, predict=predict)
    assert words in str(caught.value) and f"after {when}" in str(caught.value)


def test_outputs_are_compared(model, predict) -> None:
    """An effect that lies outside the model is seen in the outputs."""
    factor = [1.0]

    def scaled():
        return [{"logits": predict()["logits"] * factor[0], "name": "scores"}]

    with pytest.raises(AssertionError, match=r"outputs.0.logits' changed by up to"):
        assert_no_side_effects(model, lambda: factor.append(factor.pop() + 1e-3), predict=scaled)


def test_a_run_that_catches_the_interrupt(model, predict) -> None:
    def run():
        with contextlib.suppress(KeyboardInterrupt), same_random_state():
            predict()

    with pytest.raises(AssertionError, match="catches KeyboardInterrupt at message 1 of 2"):
        assert_no_side_effects(model, run, predict=predict)


def test_a_run_that_shows_fewer_messages_the_second_time(model, predict) -> None:
    masked_model = [1, 1]

    def run():
        with same_random_state():
            for _ in range(1 + (masked_model.pop() if masked_model else 0)):
                predict()

    assert_no_side_effects(model, run, predict=predict)


def test_an_expected_error(model, predict) -> None:
    def wrong_target():
        raise IndexError("no such class")

    assert_no_side_effects(model, wrong_target, predict=predict, expected_error=IndexError)
    with pytest.raises(IndexError):
        assert_no_side_effects(model, wrong_target, predict=predict)
    with pytest.raises(AssertionError, match="should have raised"):
        assert_no_side_effects(model, lambda: None, predict=predict, expected_error=IndexError)
    with pytest.raises(AssertionError, match="IndexError in the run"):
        assert_no_side_effects(model, lambda: [model.eval()][1], predict=predict, expected_error=IndexError)


def test_an_open_intervention_is_caught(model, predict) -> None:
    held = []  # else it ends when it is collected

    def run():
        held.append(intervening(model.encoder, halve))
        held[-1].__enter__()
        with same_random_state():
            predict()

    with pytest.raises(AssertionError, match="TaskModel: 1 interventions are still active after the run"):
        assert_no_side_effects(model, run, predict=predict)


def test_random_points_find_what_is_not_cleaned_up(model, predict) -> None:
    """In a call before the first message, and in the backward pass after the last."""

    def change_before_the_first_message() -> None:
        model.counts.add_(1)
        with same_random_state():
            predict()
        model.counts.sub_(1)

    def change_around_the_backward_pass() -> None:
        scale = torch.ones(15, requires_grad=True)
        with same_random_state(), intervening(model.encoder, lambda messages: Gate(scale)):
            loss = predict()["logits"].sum()
        model.counts.add_(1)
        torch.autograd.grad(loss, scale)
        model.counts.sub_(1)

    for run in (change_before_the_first_message, change_around_the_backward_pass):
        with pytest.raises(AssertionError, match=r"counts.value' changed by up to 1"):
            assert_no_side_effects(model, run, predict=predict, num_random_points=20)


def test_random_points_accept_a_clean_run(model, predict) -> None:
    def run() -> None:
        scale = torch.ones(15, requires_grad=True)
        with same_random_state(), intervening(model.encoder, lambda messages: Gate(scale)):
            torch.autograd.grad(predict()["logits"].sum(), scale)

    assert_no_side_effects(model, run, predict=predict, num_random_points=20)


def test_a_model_that_another_thread_cannot_use(model, predict) -> None:
    held = []

    def run() -> None:
        held.append(one_thread_at_a_time(model))
        held[-1].__enter__()

    with pytest.raises(RuntimeError, match="TaskModel"):
        assert_no_side_effects(model, run, predict=predict)
