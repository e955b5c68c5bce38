"""The modes of a model while it is explained, and which thread may explain it."""

import contextlib
import threading
from typing import Dict, Iterator, List, Optional

import torch

from allennlp_graphmask.restoring import restoring

#: For each model in use, by its identity, the thread that uses it. Not locks: a Ctrl-C between taking or releasing a lock and the
#: next line would leave it locked.
_USERS: Dict[int, List[int]] = {}


class _Claim:
    """A thread's claim to a model. It ends when it is given up, or else when it is destroyed."""

    # Also of a claim whose construction was interrupted.
    _model: Optional[torch.nn.Module] = None
    _own: Optional[List[int]] = None

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._own = [threading.get_ident()]

    def take(self) -> bool:
        # A single step: of two threads one comes first. Nested claims leave the outermost.
        return self._own is not None and _USERS.setdefault(id(self._model), self._own) == self._own

    def give_up(self) -> None:
        if self._own is not None and _USERS.get(id(self._model)) is self._own:
            _USERS.pop(id(self._model), None)

    __del__ = give_up


@contextlib.contextmanager
def one_thread_at_a_time(model: torch.nn.Module) -> Iterator[None]:
    """
    Keep other threads from opening this context for the same model while it is open.

    # Raises

    `RuntimeError` if another thread has it open.
    """
    claim = _Claim(model)
    with restoring(claim.give_up):
        if not claim.take():
            raise RuntimeError(
                f"This {type(model).__name__} is being explained in another thread. One loaded model serves one thread at a "
                "time: load it once for each thread, or explain in one after the other."
            )
        yield


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """
    Put the model into evaluation mode with parameters that ask for no gradient while the context is open: what an interpreter
    differentiates are its own gates. Other threads cannot do so at the same time.
    """
    with one_thread_at_a_time(model):
        # What has to be changed, and no more: a context inside another one has nothing to restore. So it does not matter which
        # of the two restores last.
        in_training = [module for module in model.modules() if module.training]
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        computes_gradients = torch.is_grad_enabled()

        def restore() -> None:
            for module in in_training:
                module.training = True
            for parameter in trainable:
                parameter.requires_grad_(True)
            if computes_gradients:
                torch.set_grad_enabled(True)

        with restoring(restore):
            if in_training:
                model.eval()
            for parameter in trainable:
                parameter.requires_grad_(False)
            yield


@contextlib.contextmanager
def stochastic_layers_active(model: torch.nn.Module) -> Iterator[None]:
    """
    Put the model into training mode, normalisation layers excepted (they would change the statistics that they keep), while the
    context is open.
    """
    modes = [(module, module.training) for module in model.modules()]

    def restore() -> None:
        for module, mode in modes:
            module.training = mode

    with restoring(restore):
        for module in model.modules():
            module.training = not isinstance(module, torch.nn.modules.batchnorm._NormBase)
        yield
