"""What interpreters need of a model that they explain: its encoder, its metrics, its modes."""

import contextlib
import copy
from typing import Any, Dict, Iterator, List, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model
from allennlp.training.metrics import Metric

from allennlp_graphmask.modules.graph_encoders import GraphEncoder


def find_graph_encoder(model: Model, name: Optional[str] = None) -> Tuple[str, GraphEncoder]:
    """
    The graph encoder in a model and its name there.

    # Parameters

    model : `Model`
    name : `str`, optional
        The dotted name of the encoder, for models with several.

    # Raises

    `ConfigurationError` if there is none, or several and no name.
    """
    encoders = [(path, module) for path, module in model.named_modules() if isinstance(module, GraphEncoder)]
    if name is not None:
        for path, encoder in encoders:
            if path == name:
                return path, encoder
        raise ConfigurationError(
            f"The model {type(model).__name__} has no GraphEncoder named '{name}'; it has {[path for path, _ in encoders]}."
        )
    if len(encoders) != 1:
        raise ConfigurationError(
            f"The model {type(model).__name__} must contain exactly one GraphEncoder to be explained; it has "
            f"{[path for path, _ in encoders]}." + (' Choose one by "encoder".' if encoders else "")
        )
    return encoders[0]


class MetricSets:
    """
    Gives each of several passes through one model its own copies of the model's metrics, so that the scores before and after
    masking come apart.

    Metrics are found as attributes of the model and its sub-modules, alone or in a dict or list.
    """

    def __init__(self, model: Model, names: List[str]) -> None:
        self._model = model
        self._holders = [
            (module, attribute)
            for module in model.modules()
            for attribute, value in vars(module).items()
            if _holds_metrics(value)
        ]
        self._copies = {}
        for name in names:
            # The vocabulary is shared and not copied: metrics often hold it. A metric known under two names (an attribute and
            # an entry of a dict, say) stays one metric, because all copies of one set are made with one memo.
            memo = {id(model.vocab): model.vocab}
            self._copies[name] = [
                copy.deepcopy(vars(module)[attribute], memo) for module, attribute in self._holders
            ]

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[None]:
        """While open, the model counts into the metrics of this name."""
        own = [vars(module)[attribute] for module, attribute in self._holders]
        for (module, attribute), value in zip(self._holders, self._copies[name]):
            vars(module)[attribute] = value
        try:
            yield
        finally:
            for (module, attribute), value in zip(self._holders, own):
                vars(module)[attribute] = value

    def get_metrics(self, name: str, reset: bool) -> Dict[str, float]:
        with self.using(name):
            return self._model.get_metrics(reset=reset)


def _holds_metrics(value: Any) -> bool:
    if isinstance(value, Metric):
        return True
    if isinstance(value, dict):
        return any(isinstance(element, Metric) for element in value.values())
    return isinstance(value, (list, tuple)) and any(isinstance(element, Metric) for element in value)


@contextlib.contextmanager
def stochastic_layers_active(model: torch.nn.Module) -> Iterator[None]:
    """
    While open, the model is in training mode but for normalisation layers, which would otherwise change the statistics that
    they keep. The flags are restored in any case.
    """
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = not isinstance(module, torch.nn.modules.batchnorm._NormBase)
        yield
    finally:
        for module, flag in flags:
            module.training = flag


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """
    While open, the model is in evaluation mode and none of its parameters asks for a gradient: what an interpreter
    differentiates are its own gates. Modes and flags are restored in any case.
    """
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval()
        for parameter, _ in gradients:
            parameter.requires_grad_(False)
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, asks in gradients:
            parameter.requires_grad_(asks)
