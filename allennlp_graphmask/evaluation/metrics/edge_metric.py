import copy
from typing import Any, ClassVar, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy
import torch
from allennlp.training.metrics import Metric

from allennlp_graphmask.checked_parameters import CheckedParameters
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation
from allennlp_graphmask.evaluation.metrics.resampling import bootstrap, divide, percentile_interval
from allennlp_graphmask.training import gather_over_workers


class MetricKey(NamedTuple):
    """
    The key of one number of a metric: a quantity of all messages, or of those of one layer, one relation or one group of edges; or
    with a fraction of the messages, those with the highest scores, kept or dropped.
    """

    quantity: str
    layer: Optional[int] = None
    relation: Optional[str] = None
    fraction: Optional[float] = None
    group: Optional[str] = None

    @property
    def name(self) -> str:
        """The flat name, for example `kept_layer_1`. It is for output only; nothing parses it."""
        fraction = None if self.fraction is None else f"{self.fraction:g}"
        parts = {"layer": self.layer, "relation": self.relation, "at": fraction, "group": self.group}
        return self.quantity + "".join(f"_{name}_{value}" for name, value in parts.items() if value is not None)


class Quantity(NamedTuple):
    """
    How to read one of the quantities that a metric gives: its direction (`"higher"` or `"lower"` is better, or `"zero"`, nearer to
    zero), its range, which may be infinite, the value of a perfect explanation, and its meaning in one sentence.
    """

    direction: str
    lowest: float
    highest: float
    best: float
    meaning: str


class Ratios(NamedTuple):
    """
    A quantity of a batch as a numerator and a denominator for each instance. Over several instances both are summed before they
    are divided. Where the denominator is zero the quantity is undefined for the instance. Shapes: `(batch_size,)`.
    """

    numerators: torch.Tensor
    denominators: torch.Tensor

    @classmethod
    def for_mean(cls, values: torch.Tensor, defined: Optional[torch.Tensor] = None) -> "Ratios":
        """Return ratios for the mean over the instances for which the quantity is defined. Shapes: `(batch_size,)`."""
        defined = torch.ones_like(values, dtype=torch.bool) if defined is None else defined
        return cls(values.masked_fill(~defined, 0), defined)


class EdgeMetric(CheckedParameters, Metric):
    """
    A metric of attributions. It is called with one `AttributionEvaluation` for each batch and keeps its numbers instance by
    instance, so that intervals over instances can be computed. No number depends on how instances are divided into batches.

    A subclass declares its `quantities` and implements `evaluate`. A quantity that is undefined for an instance (a precision where
    nothing is kept) does not count for it, and is `None` where it is undefined for all.

    In a distributed run each worker keeps the numbers of its own instances; `get_metric(reset=True)` joins them.
    """

    #: By name.
    quantities: ClassVar[Dict[str, Quantity]] = {}
    #: Whether the metric needs to know which messages matter.
    needs_truth: ClassVar[bool] = False

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        # The numerators and denominators of each batch, shape (batch_size, 2), and its size.
        self._batches: List[Tuple[Dict[MetricKey, numpy.ndarray], int]] = []

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        """
        Return the ratios of a batch. Those whose quantity is not among the metric's `quantities` are for `derive` only.
        """
        raise NotImplementedError

    def derive(self, values: Mapping[MetricKey, numpy.ndarray]) -> Dict[MetricKey, numpy.ndarray]:
        """Compute further quantities from the others, element by element; NaN stands for undefined."""
        return {}

    def __call__(self, explained: AttributionEvaluation) -> None:  # type: ignore[override]
        counts = explained.unmasked.focus.is_explained
        self.add(
            {key: Ratios(pair[0] * counts, pair[1] * counts) for key, pair in self.evaluate(explained).items()},
            explained.num_instances,
        )

    def add(self, ratios: Mapping[MetricKey, Ratios], num_instances: int) -> None:
        """
        Count a batch. Quantities that it lacks are undefined for its instances. Raise a `ValueError` if there is not
        one ratio for each instance.
        """
        arrays = {}
        for key, pair in ratios.items():
            arrays[key] = torch.stack([part.detach().double().cpu() for part in pair], dim=1).numpy()
            if arrays[key].shape != (num_instances, 2):
                raise ValueError(
                    f"{type(self).__name__} gives {len(pair[0])} values of '{key.name}' for a batch of {num_instances} instances."
                )
        self._batches.append((arrays, num_instances))

    @classmethod
    def pool(cls, metrics: Sequence["EdgeMetric"]) -> "EdgeMetric":
        """Return a metric with the sums, instance by instance, of several metrics of equal settings over the same instances."""
        pooled = copy.copy(metrics[0])
        columns = [metric.ratios() for metric in metrics]
        sums = {key: numpy.sum([column[key] for column in columns], axis=0) for key in columns[0]}
        pooled._batches = [(sums, metrics[0].num_instances)]
        return pooled

    @property
    def num_instances(self) -> int:
        return sum(size for _, size in self._batches)

    def ratios(self) -> Dict[MetricKey, numpy.ndarray]:
        """Return the numerators and denominators of all instances, in order. Shape of each: `(num_instances, 2)`."""
        keys = dict.fromkeys(key for arrays, _ in self._batches for key in arrays)
        columns = {key: [arrays.get(key, numpy.zeros((size, 2))) for arrays, size in self._batches] for key in keys}
        return {key: numpy.concatenate(parts) for key, parts in columns.items()}

    def per_instance(self) -> Dict[MetricKey, List[Optional[float]]]:
        """Return each quantity of each instance, in order; `None` where it is undefined."""
        values = self._complete({key: divide(*pairs.T) for key, pairs in self.ratios().items()})
        return {key: [_or_none(value) for value in column] for key, column in values.items()}

    def totals(self) -> Dict[MetricKey, Optional[float]]:
        """Return each quantity over all instances; `None` if it is undefined for all."""
        values = self._complete({key: divide(*pairs.sum(0)[:, None]) for key, pairs in self.ratios().items()})
        return {key: _or_none(value) for key, [value] in values.items()}

    def get_metric(self, reset: bool = False) -> Dict[str, Optional[float]]:
        """Return `totals` by the flat names of their keys, as AllenNLP expects them. With `reset` they are over all workers."""
        joined = copy.copy(self)
        if reset:
            joined._batches = sum(gather_over_workers(self._batches), [])
            self.reset()
        return {key.name: value for key, value in joined.totals().items()}

    def resampled(self, *, draws: int = 1000, seed: int = 0) -> Dict[MetricKey, numpy.ndarray]:
        """Return each quantity for resampled instances; see `bootstrap`. Shape of each: `(draws,)`."""
        return self._complete(bootstrap(self.ratios(), draws=draws, seed=seed))

    def intervals(
        self, *, draws: int = 1000, seed: int = 0, confidence: float = 0.95
    ) -> Dict[MetricKey, Optional[Tuple[float, float]]]:
        """Return bootstrap intervals over instances; see `percentile_interval`."""
        resampled = self.resampled(draws=draws, seed=seed)
        return {key: percentile_interval(values, confidence) for key, values in resampled.items()}

    def _complete(self, values: Dict[MetricKey, numpy.ndarray]) -> Dict[MetricKey, numpy.ndarray]:
        """Add what is derived from the values, and leave out what only that is for."""
        completed = {**values, **self.derive(values)}
        return {key: value for key, value in completed.items() if key.quantity in self.quantities}


def _or_none(value: Any) -> Optional[float]:
    return None if numpy.isnan(value) else float(value)
