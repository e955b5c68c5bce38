"""Whatever is run on a model must not change it: not when it succeeds, not after an error, not after Ctrl-C."""

import concurrent.futures
import contextlib
import random
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, Type

import numpy
import torch

from allennlp_graphmask.interpret.model_state import one_thread_at_a_time
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Messages, _active_interventions, intervening
from allennlp_graphmask.testing.interruption import Interruption


class _Failure(RuntimeError):
    """The error with which `assert_no_side_effects` interrupts a run."""


def assert_no_side_effects(
    model: torch.nn.Module,
    run: Callable[[], Any],
    *,
    predict: Optional[Callable[[], Any]] = None,
    expected_error: Optional[Type[BaseException]] = None,
    num_random_points: int = 0,
    seed: int = 0,
) -> None:
    """
    Assert that a model is bitwise what it was after something has been run on it: its outputs, parameters, buffers, gradients,
    `requires_grad` and `training` flags, hooks, sub-modules, attributes and the keys of its state dict; and with it the global
    random states (PyTorch, NumPy, Python), the active interventions and the gradient mode; and that another thread may explain
    the model.

    It is run several times: to its end, and, if it makes a `GraphEncoder` of the model run, with an error and with a
    `KeyboardInterrupt` at the first and at the last messages shown. The run must let both pass. With `num_random_points` it is
    also run with one of the two at each of as many random points, as often between lines as in calls and in backward passes
    (see `Interruption`): in clean-up, too. A second error while the first is cleaned up after is not tried.

    # Parameters

    model : `torch.nn.Module`
        Any model, with or without `GraphEncoder`s.
    run : `Callable[[], Any]`
        What must have no side effects, for example `lambda: interpreter(model, batch)`.
    predict : `Callable[[], Any]`, optional
        Returns the outputs to compare: tensors, numbers, strings, or dictionaries and lists of them. It may draw random numbers;
        they are the same each time.
    expected_error : `Type[BaseException]`, optional
        What `run` raises by itself.
    num_random_points : `int`, optional (default = `0`)
    seed : `int`, optional (default = `0`)
        Of the random points.
    """
    before = _Snapshot(model, predict)
    counter = _FailAt(0, _Failure())
    error: Optional[BaseException] = None
    with _intervening_everywhere(model, counter, "after the run"):
        try:
            run()
        except BaseException as raised:
            if expected_error is None or not isinstance(raised, expected_error):
                raise
            error = raised
    if expected_error is not None:
        assert error is not None, f"The run should have raised {expected_error}."
        before.assert_unchanged(model, f"{type(error).__name__} in the run")
        return
    before.assert_unchanged(model, "a successful run")
    for failure in (_Failure("raised by assert_no_side_effects"), KeyboardInterrupt()):
        for position in sorted({1, counter.seen}) if counter.seen else ():
            when = f"{type(failure).__name__} at message {position} of {counter.seen}"
            intervention = _FailAt(position, failure)
            try:
                with _intervening_everywhere(model, intervention, f"after {when}"):
                    run()
            except type(failure) as raised:
                if raised is not failure:
                    raise
            else:
                # Not every run shows as many messages as the first (it may measure something only once).
                assert intervention.seen < position, f"The run catches {when}, which it must let pass."
            before.assert_unchanged(model, when)
    if num_random_points:
        _interrupt_at_random(model, run, before, num_random_points, random.Random(seed))


def _interrupt_at_random(
    model: torch.nn.Module, run: Callable[[], Any], before: "_Snapshot", num_points: int, generator: random.Random
) -> None:
    with Interruption() as counter:
        run()
    for _ in range(num_points):
        kind = generator.choice(sorted(counter.seen))
        number = generator.randint(1, counter.seen[kind])
        failure_type = generator.choice([_Failure, KeyboardInterrupt])
        interruption = Interruption(failure_type(), kind, number)
        with contextlib.suppress(failure_type), interruption:
            run()
        before.assert_unchanged(model, f"{failure_type.__name__} at {kind} {number} ({interruption.place})")


class _FailAt:
    """An intervention that counts the messages that it is shown, and raises an error at the n-th; with n = 0 never."""

    def __init__(self, position: int, failure: BaseException) -> None:
        self.seen = 0
        self._position = position
        self._failure = failure

    def __call__(self, messages: Messages) -> None:
        self.seen += 1
        if self.seen == self._position:
            raise self._failure


@contextlib.contextmanager
def _intervening_everywhere(
    model: torch.nn.Module, intervention: Callable[[Messages], None], after: str
) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, GraphEncoder):
                stack.enter_context(intervening(module, intervention))
        before = _active_interventions.get()
        try:
            yield
        finally:
            # Here, because leaving our own contexts would also end a forgotten one.
            forgotten = len(_active_interventions.get()) - len(before)
            assert forgotten == 0, f"{type(model).__name__}: {forgotten} interventions are still active {after}."


def _claim(model: torch.nn.Module) -> None:
    with one_thread_at_a_time(model):
        pass


class _Snapshot:
    """The state of a model and its surroundings at one time, and the model's outputs."""

    def __init__(self, model: torch.nn.Module, predict: Optional[Callable[[], Any]]) -> None:
        self._predict = predict
        self._random_states = _get_random_states()
        # First, because what a model sets up in its first forward pass is not an effect of the run.
        self._outputs = self._compute_outputs()
        self._state = _get_state(model)

    def _compute_outputs(self) -> Dict[str, Any]:
        if self._predict is None:
            return {}
        current = _get_random_states()
        _set_random_states(self._random_states)
        try:
            with torch.no_grad():
                return dict(_flatten("outputs", self._predict()))
        finally:
            _set_random_states(current)

    def assert_unchanged(self, model: torch.nn.Module, after: str) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as other_thread:
            other_thread.submit(_claim, model).result()
        before, now = (
            dict(_flatten("random states", states)) for states in (self._random_states, _get_random_states())
        )
        differences = _find_differences(before, now) + _find_differences(self._state, _get_state(model))
        if not differences:
            differences = _find_differences(self._outputs, self._compute_outputs())
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        assert not differences, (
            f"{type(model).__name__} is not what it was after {after}: {'; '.join(differences[:5])}{more}."
        )


def _get_random_states() -> Dict[str, Any]:
    return {
        "PyTorch": torch.get_rng_state(),
        "PyTorch's GPUs": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "NumPy": numpy.random.get_state(),
        "Python": random.getstate(),
    }


def _set_random_states(states: Mapping[str, Any]) -> None:
    torch.set_rng_state(states["PyTorch"])
    if states["PyTorch's GPUs"]:
        torch.cuda.set_rng_state_all(states["PyTorch's GPUs"])
    numpy.random.set_state(states["NumPy"])
    random.setstate(states["Python"])


class _Identity:
    """An object compared by identity. It is held, so that no other object can get its address."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value


def _get_state(model: torch.nn.Module) -> Dict[str, Any]:
    """Everything that could change in a model, by name."""
    global_hooks = {name: value for name, value in vars(torch.nn.modules.module).items() if "_hooks" in name}
    state: Dict[str, Any] = {
        "gradient mode": torch.is_grad_enabled(),
        "number of active interventions": len(_active_interventions.get()),
    }
    state.update(_flatten("keys of the state dict", list(model.state_dict())))
    state.update(_flatten("global hooks", global_hooks, by_identity=True))
    for name, module in model.named_modules():
        place = name or type(model).__name__
        state[f"class of {place}"] = _Identity(type(module))
        state.update(_flatten(f"sub-modules of {place}", list(module._modules)))
        for attribute, value in vars(module).items():
            if attribute in ("_parameters", "_buffers"):
                for key, tensor in value.items():
                    state.update(_get_tensor_state(f"{place}.{key}", tensor))
            elif attribute != "_modules":
                state.update(_flatten(f"{place}.{attribute}", value, by_identity=True))
    return state


def _get_tensor_state(name: str, tensor: Optional[torch.Tensor]) -> Dict[str, Any]:
    if tensor is None:
        return {f"{name}.value": None}
    hooks = {
        "backward hooks": tensor._backward_hooks,
        "gradient hooks": getattr(tensor, "_post_accumulate_grad_hooks", None),
    }
    return {
        f"{name}.identity": _Identity(tensor),
        f"{name}.requires_grad": tensor.requires_grad,
        **dict(_flatten(f"{name}.value", tensor)),
        **dict(_flatten(f"{name}.gradient", tensor.grad)),
        **dict(_flatten(name, hooks, by_identity=True)),
    }


def _flatten(name: str, value: Any, by_identity: bool = False) -> Iterator[Tuple[str, Any]]:
    """
    Yield the leaves of nested containers and the length of each container, by name. Tensors are copied, or everything but plain
    values is compared by identity.
    """
    if isinstance(value, (dict, list, tuple)):
        yield f"number of entries of {name}", len(value)
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _flatten(f"{name}.{key}", item, by_identity)
    elif by_identity and not isinstance(value, (bool, int, float, str, type(None))):
        yield name, _Identity(value)
    else:
        yield name, value.detach().clone() if isinstance(value, torch.Tensor) else value


def _find_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> List[str]:
    found = [f"'{name}' is new" for name in after if name not in before]
    for name, value in before.items():
        if name not in after:
            found.append(f"'{name}' is gone")
        elif not _is_same(value, after[name]):
            found.append(f"'{name}' changed{_describe_change(value, after[name])}")
    return found


def _is_same(first: Any, second: Any) -> bool:
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        if first.shape != second.shape or first.dtype != second.dtype:
            return False
        return torch.equal(first, second) or bool(((first == second) | ((first != first) & (second != second))).all())
    if isinstance(first, numpy.ndarray):
        return bool(numpy.array_equal(first, second))
    return first is second or bool(first == second)


def _describe_change(first: Any, second: Any) -> str:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if first.shape == second.shape and first.is_floating_point():
            return f" by up to {float((first - second).abs().max()):.3g}"
    if isinstance(first, (bool, int, float, str)) and isinstance(second, (bool, int, float, str)):
        return f" from {first!r} to {second!r}"
    return ""
