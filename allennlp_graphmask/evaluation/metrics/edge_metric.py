import re
from typing import Any, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.resampling import bootstrap, divide, percentile_interval

#: What is appended to the name of a quantity for a part of the messages: a layer, a relation, a share of the messages.
_PART = re.compile(r"_(layer_\d+|relation_.+|at_[0-9.e+-]+)$")


def is_part(name: str) -> bool:
    """Whether a quantity is that of a part of the messages: of a layer, a relation, a share."""
    return _PART.search(name) is not None


class Quantity(NamedTuple):
    """
    How to read one of the numbers that a metric gives.

    # Parameters

    direction : `str`
        `"higher"`, `"lower"` or `"zero"`: what is better (nearer to zero, the last).
    lowest : `float`
    highest : `float`
        The range; it may be infinite.
    best : `float`
        What a perfect explanation has.
    meaning : `str`
        One sentence.
    """

    direction: str
    lowest: float
    highest: float
    best: float
    meaning: str


class Ratios(NamedTuple):
    """
    A quantity of a batch, instance by instance, as numerators and denominators: over several instances both are summed before
    they are divided. A denominator of zero says that the quantity is undefined for the instance.

    # Parameters

    numerators : `torch.Tensor`
        Shape: `(batch_size,)`.
    denominators : `torch.Tensor`
        Shape: `(batch_size,)`.
    """

    numerators: torch.Tensor
    denominators: torch.Tensor


def mean_of(values: torch.Tensor, defined: Optional[torch.Tensor] = None) -> Ratios:
    """Ratios that make the mean over the instances for which the quantity is defined. Shapes: `(batch_size,)`."""
    if defined is None:
        defined = torch.ones_like(values, dtype=torch.bool)
    return Ratios(values.masked_fill(~defined, 0), defined)


class EdgeMetric(Metric):
    """
    Judges attributions. It is called with one `AttributionEvaluation` for each batch and keeps its numbers instance by instance, so
    that intervals over instances can be computed.

    A subclass declares its `quantities` and writes `evaluate`. A quantity that is undefined for an instance (a precision where
    nothing is kept) does not count for it, and is `None` where it is undefined for all.

    Numbers are kept in this process: in a distributed run each worker has its own.
    """

    #: By name, without the parts `_layer_N`, `_relation_NAME` and `_at_SHARE`.
    quantities: ClassVar[Dict[str, Quantity]] = {}
    #: Whether it asks the interpreter again, so that `AttributionEvaluation` must know it.
    needs_interpreter: ClassVar[bool] = False

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._num_instances = 0
        self._parts: Dict[str, List[numpy.ndarray]] = {}
        self._counted: Dict[str, int] = {}

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        """The quantities of a batch. Names that begin with an underscore are only for `derive`."""
        raise NotImplementedError

    def derive(self, values: Mapping[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
        """Quantities that are computed from the others, element by element; NaN stands for undefined."""
        return {}

    def __call__(self, evaluation: AttributionEvaluation) -> None:  # type: ignore[override]
        self.add(self.evaluate(evaluation), evaluation.num_instances)

    def add(self, ratios: Mapping[str, Ratios], num_instances: int) -> None:
        """Counts a batch."""
        for name, pair in ratios.items():
            both = torch.stack([part.detach().double().cpu() for part in pair], dim=1).numpy()
            if both.shape != (num_instances, 2):
                raise ValueError(
                    f"{type(self).__name__} gives {both.shape[0]} values of '{name}' for a batch of {num_instances} instances."
                )
            # A relation may be missing in the batches before.
            missing = self._num_instances - self._counted.get(name, 0)
            self._parts.setdefault(name, []).extend([numpy.zeros((missing, 2)), both])
            self._counted[name] = self._num_instances + num_instances
        self._num_instances += num_instances

    @property
    def num_instances(self) -> int:
        return self._num_instances

    def ratios(self) -> Dict[str, numpy.ndarray]:
        """Numerators and denominators of all instances, in order. Shape of each: `(num_instances, 2)`."""
        return {
            name: numpy.concatenate([*parts, numpy.zeros((self._num_instances - self._counted[name], 2))])
            for name, parts in self._parts.items()
        }

    def per_instance(self) -> Dict[str, List[Optional[float]]]:
        """Each quantity of each instance, in order; `None` where it is undefined."""
        return {
            name: [_or_none(value) for value in values]
            for name, values in self.complete(
                {name: divide(pairs[:, 0], pairs[:, 1]) for name, pairs in self.ratios().items()}
            ).items()
        }

    def get_metric(self, reset: bool = False) -> Dict[str, Optional[float]]:
        """Each quantity over all instances; `None` if it is undefined for all."""
        metrics = {
            name: _or_none(values[0])
            for name, values in self.complete(
                {name: divide(*pairs.sum(0)[:, None]) for name, pairs in self.ratios().items()}
            ).items()
        }
        if reset:
            self.reset()
        return metrics

    def intervals(
        self, *, draws: int = 1000, seed: int = 0, confidence: float = 0.95
    ) -> Dict[str, Optional[Tuple[float, float]]]:
        """Bootstrap intervals over instances; see `bootstrap` and `percentile_interval`."""
        resampled = self.resampled(draws=draws, seed=seed)
        return {name: percentile_interval(values, confidence) for name, values in resampled.items()}

    def resampled(self, *, draws: int = 1000, seed: int = 0) -> Dict[str, numpy.ndarray]:
        """Each quantity for resampled instances. Shape of each: `(draws,)`."""
        return _public(bootstrap(self.ratios(), draws=draws, seed=seed, derive=self.derive))

    def complete(self, values: Dict[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
        """With what is derived from them, and without what only that is for."""
        return _public({**values, **self.derive(values)})

    def quantity(self, name: str) -> Quantity:
        """
        How to read a number of `get_metric`.

        # Raises

        `KeyError` if the metric has no such quantity.
        """
        return self.quantities[_PART.sub("", name)]


def check_choice(name: str, value: Any, choices: Tuple[str, ...]) -> None:
    """
    # Raises

    `ConfigurationError` if a setting is none of its choices.
    """
    if value not in choices:
        raise ConfigurationError(f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}.")


def _or_none(value: Any) -> Optional[float]:
    return None if numpy.isnan(value) else float(value)


def _public(values: Dict[str, numpy.ndarray]) -> Dict[str, numpy.ndarray]:
    return {name: value for name, value in values.items() if not name.startswith("_")}
