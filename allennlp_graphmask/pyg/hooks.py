"""The hooks that PyTorch Geometric documents, through which observers see what convolutions send."""

import contextlib
import contextvars
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

import torch

from allennlp_graphmask.pyg.propagation import Observer
from allennlp_graphmask.restoring import restoring

_observer: contextvars.ContextVar[Optional[Observer]] = contextvars.ContextVar("observer", default=None)


@contextlib.contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let the observer see what convolutions with hooks do in this thread while the context is open."""
    outer = _observer.get()
    with restoring(lambda: _observer.set(outer)):
        _observer.set(observer)
        yield


@contextlib.contextmanager
def left_as_they_were(convolutions: Iterable[Any]) -> Iterator[None]:
    """Put the attributes of convolutions back when the context closes: flags, caches, and what an error kept them from clearing."""
    before = [(convolution, dict(vars(convolution))) for convolution in convolutions]

    def restore() -> None:
        for convolution, attributes in before:
            for name in vars(convolution).keys() - attributes.keys():
                del vars(convolution)[name]
            vars(convolution).update(attributes)

    with restoring(restore):
        yield


#: Where a convolution keeps the hooks of `add_hooks`.
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_propagate_forward_pre_hooks",
    "_message_forward_hooks",
)


@contextlib.contextmanager
def hooked(model: torch.nn.Module, observer: Observer) -> Iterator[None]:
    """
    Let the observer see the convolutions of somebody's model while the context is open. They compute what they otherwise keep (cached
    normalisation), message by message, and are left as they were. Those with `explain = False` are not seen.
    """
    convolutions = [module for _, module in named_convolutions(model)]
    with left_as_they_were(convolutions), observing(observer):
        for convolution in convolutions:
            attributes = vars(convolution)
            attributes.update({name: None for name in attributes if name.startswith("_cached")})
            if "cached" in attributes:
                convolution.cached = False
            convolution.fuse = False
            convolution.decomposed_layers = 1
            if convolution.explain is not False and _after_message not in convolution._message_forward_hooks.values():
                # Copies, so that an error between two steps leaves nothing behind.
                attributes.update({name: attributes[name].copy() for name in _HOOKS})
                add_hooks(convolution)
        yield


def named_convolutions(model: torch.nn.Module) -> Iterator[Tuple[str, Any]]:
    """Yield the convolutions of a model with their paths."""
    from torch_geometric.nn import MessagePassing

    for name, module in model.named_modules():
        if isinstance(module, MessagePassing):
            yield name, module


def add_hooks(convolution: Any) -> None:
    """Give a convolution the hooks by which the active `Observer` sees it. They do nothing where there is none."""
    convolution.register_forward_pre_hook(_before_call, with_kwargs=True)
    convolution.register_propagate_forward_pre_hook(_before_propagation)
    convolution.register_message_forward_hook(_after_message)


def _before_call(convolution: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    observer = _observer.get()
    if observer is not None:
        observer.called(convolution, args, kwargs)


def _before_propagation(convolution: Any, inputs: Tuple[Any, ...]) -> None:
    observer = _observer.get()
    if observer is not None:
        observer.propagated(inputs[0])


def _after_message(convolution: Any, inputs: Tuple[Any, ...], output: torch.Tensor) -> Optional[torch.Tensor]:
    observer = _observer.get()
    return None if observer is None else observer.sent(output)
