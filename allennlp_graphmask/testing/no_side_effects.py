"""Looking into a model must leave no trace in it: not after success, not after an error, not after Ctrl-C."""

import contextlib
import random
from typing import Any, Callable, Dict, Iterator, List, Optional, Type

import numpy
import torch

from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Messages, _active_interventions, intervening


class _Failure(RuntimeError):
    """The error that `assert_no_side_effects` makes a run fail with."""


def assert_no_side_effects(
    model: torch.nn.Module,
    run: Callable[[], Any],
    *,
    predict: Optional[Callable[[], Any]] = None,
    expected_error: Optional[Type[BaseException]] = None,
) -> None:
    """
    Asserts that a model is bitwise what it was after something has been run on it: its outputs, parameters,
    buffers, gradients, `requires_grad` and `training` flags, hooks, sub-modules, attributes and the keys of
    its state dict, and with it the global random states (PyTorch, NumPy, Python), the active interventions
    and the gradient mode.

    It is run several times: to its end, and, if it makes a `GraphEncoder` of the model run, with an error and
    with a `KeyboardInterrupt` while the first and the last messages are shown. Both have to come out of it.

    # Parameters

    model : `torch.nn.Module`
        Any model, with or without `GraphEncoder`s.
    run : `Callable[[], Any]`
        What must leave nothing behind, for example `lambda: interpreter(model, batch)`.
    predict : `Callable[[], Any]`, optional
        Gives the outputs to compare: tensors, numbers, strings, or dictionaries and lists of them. It may
        draw random numbers; they are the same each time.
    expected_error : `Type[BaseException]`, optional
        What `run` raises even without our doing.
    """
    before = _Snapshot(model, predict)
    consultations = 0

    def count(messages: Messages) -> None:
        nonlocal consultations
        consultations += 1

    error: Optional[BaseException] = None
    with _intervening_everywhere(model, count, "after the run"):
        try:
            run()
        except BaseException as raised:
            if expected_error is None or not isinstance(raised, expected_error):
                raise
            error = raised
    assert expected_error is None or error is not None, f"The run should have raised {expected_error}."
    before.assert_unchanged(
        model, "a successful run" if error is None else f"{type(error).__name__} in the run"
    )
    if expected_error is not None:
        return
    for failure in (_Failure("raised by assert_no_side_effects"), KeyboardInterrupt()):
        for position in sorted({1, consultations}) if consultations else ():
            when = f"{type(failure).__name__} at message {position} of {consultations}"
            intervention = _FailAt(position, failure)
            try:
                with _intervening_everywhere(model, intervention, f"after {when}"):
                    run()
            except type(failure) as raised:
                if raised is not failure:
                    raise
            else:
                # Not every run shows as many messages as the first (it may measure something only once).
                if intervention.has_failed:
                    raise AssertionError(f"{when} did not come out of the run: something swallows it.")
            before.assert_unchanged(model, when)


class _FailAt:
    """An intervention that raises an error when it is shown messages for the n-th time."""

    def __init__(self, position: int, failure: BaseException) -> None:
        self._remaining = position
        self._failure = failure
        self.has_failed = False

    def __call__(self, messages: Messages) -> None:
        self._remaining -= 1
        if self._remaining == 0:
            self.has_failed = True
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
            # Here, because leaving our own contexts would end the forgotten one as well.
            forgotten = len(_active_interventions.get()) - len(before)
            assert forgotten == 0, (
                f"{type(model).__name__}: {forgotten} interventions are still active {after}."
            )


class _Snapshot:
    """What a model and its surroundings were at one time."""

    def __init__(self, model: torch.nn.Module, predict: Optional[Callable[[], Any]]) -> None:
        self._predict = predict
        self._random_states = _random_states()
        # Before all else: what a model sets up in its first forward pass is not the run's doing.
        self._outputs = self._predict_now()
        self._state = _flatten(_state(model))

    def _predict_now(self) -> Dict[str, Any]:
        if self._predict is None:
            return {}
        current = _random_states()
        _set_random_states(self._random_states)
        try:
            with torch.no_grad():
                return _flatten({"outputs": self._predict()}, copy=True)
        finally:
            _set_random_states(current)

    def assert_unchanged(self, model: torch.nn.Module, after: str) -> None:
        differences = _differences(_flatten(self._random_states), _flatten(_random_states()))
        differences += _differences(self._state, _flatten(_state(model)))
        if not differences:
            differences = _differences(self._outputs, self._predict_now())
        assert not differences, (
            f"{type(model).__name__} is not what it was after {after}: "
            + "; ".join(differences[:5])
            + (f"; and {len(differences) - 5} more" if len(differences) > 5 else "")
            + "."
        )


def _random_states() -> Dict[str, Any]:
    return {
        "random state of PyTorch": torch.get_rng_state(),
        "random state of PyTorch's GPUs": torch.cuda.get_rng_state_all()
        if torch.cuda.is_initialized()
        else [],
        "random state of NumPy": numpy.random.get_state(),
        "random state of Python": random.getstate(),
    }


def _set_random_states(states: Dict[str, Any]) -> None:
    torch.set_rng_state(states["random state of PyTorch"])
    if states["random state of PyTorch's GPUs"]:
        torch.cuda.set_rng_state_all(states["random state of PyTorch's GPUs"])
    numpy.random.set_state(states["random state of NumPy"])
    random.setstate(states["random state of Python"])


class _Identity:
    """
    An object of which only matters that it is still the same; held, so that no other can take its place in
    memory.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.value is other.value

    def __repr__(self) -> str:
        return f"<{type(self.value).__name__}>"


def _state(model: torch.nn.Module) -> Dict[str, Any]:
    state: Dict[str, Any] = {
        "keys of the state dict": list(model.state_dict().keys()),
        "gradient mode": torch.is_grad_enabled(),
        "global hooks": {
            name: _identities(value)
            for name, value in vars(torch.nn.modules.module).items()
            if "_hooks" in name
        },
    }
    for name, module in model.named_modules():
        place = name or type(model).__name__
        state[f"class of {place}"] = _Identity(type(module))
        for attribute, value in vars(module).items():
            if attribute in ("_parameters", "_buffers"):
                for key, tensor in value.items():
                    state[f"{place}.{key}"] = _tensor_state(tensor)
            elif attribute != "_modules":
                state[f"{place}.{attribute}"] = _identities(value)
        state[f"sub-modules of {place}"] = list(module._modules)
    return state


def _tensor_state(tensor: Optional[torch.Tensor]) -> Dict[str, Any]:
    if tensor is None:
        return {"value": None}
    return {
        "value": tensor.detach().clone(),
        "gradient": None if tensor.grad is None else tensor.grad.detach().clone(),
        "requires_grad": tensor.requires_grad,
        "identity": _Identity(tensor),
        "backward hooks": _identities(tensor._backward_hooks),
        "gradient hooks": _identities(getattr(tensor, "_post_accumulate_grad_hooks", None)),
    }


def _identities(value: Any) -> Any:
    """Containers as such, with everything in them but plain values known by its identity."""
    if isinstance(value, dict):
        return {f"{key}": _identities(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_identities(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return _Identity(value)


def _flatten(value: Any, name: str = "", copy: bool = False) -> Dict[str, Any]:
    """
    From nested containers to their leaves, by name. Containers name their length, so that empty ones differ
    too.
    """
    items: Optional[List] = None
    if isinstance(value, dict):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(str(position), item) for position, item in enumerate(value)]
    if items is None:
        return {name: value.detach().clone() if copy and isinstance(value, torch.Tensor) else value}
    leaves: Dict[str, Any] = {f"number of entries of {name}": len(items)} if name else {}
    for key, item in items:
        leaves.update(_flatten(item, f"{name}.{key}" if name else key, copy))
    return leaves


def _differences(before: Dict[str, Any], after: Dict[str, Any]) -> List[str]:
    found = [f"'{name}' is new" for name in after if name not in before]
    for name, value in before.items():
        if name not in after:
            found.append(f"'{name}' is gone")
        elif not _same(value, after[name]):
            found.append(f"'{name}' changed{_by_how_much(value, after[name])}")
    return found


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if first.shape != second.shape or first.dtype != second.dtype:
            return False
        return bool(((first == second) | ((first != first) & (second != second))).all())
    if isinstance(first, numpy.ndarray) and isinstance(second, numpy.ndarray):
        return bool(numpy.array_equal(first, second))
    if type(first) is not type(second):
        return False
    return bool(first == second) or first is second


def _by_how_much(first: Any, second: Any) -> str:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor) and first.shape == second.shape:
        if first.is_floating_point():
            return f" by up to {float((first - second).abs().max()):.3g}"
    if isinstance(first, (bool, int, float, str)) and isinstance(second, (bool, int, float, str)):
        return f" from {first!r} to {second!r}"
    return ""
