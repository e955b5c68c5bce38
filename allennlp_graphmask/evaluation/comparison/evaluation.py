import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from allennlp_graphmask.evaluation.comparison.tuned_threshold import TunedThreshold
from allennlp_graphmask.evaluation.metrics import (
    AttributionEvaluation,
    EdgeAgreement,
    EdgeMetric,
    MetricKey,
    percentile_interval,
    read_truth,
)
from allennlp_graphmask.interpret.interpreters import InformationBottleneck, Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel


class Sampling(NamedTuple):
    """
    How chance is measured: the seed of random controls and intervals, the number of random controls of each attribution, that of
    bootstrap samples, and the confidence of the intervals.
    """

    seed: int = 0
    num_random_controls: int = 3
    bootstrap_draws: int = 1000
    confidence: float = 0.95

    def control_seeds(self) -> List[int]:
        """Return a seed for each random control. Those of different `seed`s have nothing in common."""
        return numpy.random.SeedSequence(self.seed).generate_state(self.num_random_controls).tolist()


def fit_interpreter(
    interpreter: Interpreter, masked_model: MaskedModel, batches: Iterable[Dict[str, Any]]
) -> Optional[Dict[str, Any]]:
    """
    Let an interpreter take from data what it needs before it explains others: the threshold of `tuned_threshold`, and
    the statistics of messages of `information_bottleneck`. Return JSON: the `Cut`, if one was chosen, and
    `cpu_seconds`; `None` for interpreters that need nothing.
    """
    started = time.process_time()
    inner = interpreter.interpreter if isinstance(interpreter, TunedThreshold) else interpreter
    if isinstance(inner, InformationBottleneck):
        inner.collect_statistics(masked_model, batches)
    elif inner is interpreter:
        return None
    found: Dict[str, Any] = {}
    if isinstance(interpreter, TunedThreshold):
        found = interpreter.fit(masked_model, batches)._asdict()
    return {**found, "cpu_seconds": time.process_time() - started}


def evaluate_interpreter(
    interpreters: Sequence[Interpreter],
    masked_model: MaskedModel,
    batches: Iterable[Dict[str, Any]],
    make_metrics: Callable[[], Dict[str, EdgeMetric]],
    sampling: Sampling,
) -> Dict[str, Any]:
    """
    Compute metrics of an interpreter and of its random controls.

    # Parameters

    interpreters : `Sequence[Interpreter]`
        The interpreter, and others whose agreement with it is measured: the same with other seeds, or trained with others.
    masked_model : `MaskedModel`
    batches : `Iterable[Dict[str, Any]]`
        The model's inputs, on its device.
    make_metrics : `Callable[[], Dict[str, EdgeMetric]]`
        Makes new metrics, by label. Those that need the truth skip batches in which nothing is known.
    sampling : `Sampling`

    # Returns

    JSON: `instances`, `cpu_seconds_per_explanation`, for each label in `metrics` the result of `describe_metric`, with
    several interpreters `agreement` in the same form, and `per_instance` values.
    """
    metrics = make_metrics()
    controls = [(seed, make_metrics()) for seed in sampling.control_seeds()]
    agreement = EdgeAgreement()
    needs_truth = any(metric.needs_truth for metric in metrics.values())
    seconds, num_instances = 0.0, 0
    for batch in batches:
        started = time.process_time()
        with masked_model.explaining():
            unmasked = masked_model.unmasked(batch)
        attributions = [interpreters[0].attribute(masked_model, unmasked)]
        seconds += time.process_time() - started
        masked_model.check_finite(masked_model.target, unmasked.output, attributions[0].scores)
        graph = attributions[0].graph
        num_instances += graph.num_graphs
        explained = AttributionEvaluation(
            masked_model,
            unmasked,
            attributions[0],
            truth=read_truth(batch, graph, attributions[0].num_layers) if needs_truth else None,
            interpreter=interpreters[0],
        )
        _count(metrics, explained)
        for seed, control in controls:
            _count(control, explained.random_control(seed))
        if len(interpreters) > 1:
            attributions += [other.attribute(masked_model, unmasked) for other in interpreters[1:]]
            agreement(attributions)
    described = {
        label: describe_metric(metric, [control[label] for _, control in controls], sampling)
        for label, metric in metrics.items()
    }
    result: Dict[str, Any] = {
        "instances": num_instances,
        "cpu_seconds_per_explanation": seconds / max(num_instances, 1),
        "metrics": described,
    }
    if len(interpreters) > 1:
        result["agreement"] = describe_metric(agreement, [], sampling)
        seeds = [interpreter.seed for interpreter in interpreters]
        # Maskers that were trained with different seeds draw nothing now.
        if len(set(seeds)) == len(seeds):
            result["seeds"] = seeds
    result["per_instance"] = {
        label: {key.name: values for key, values in metric.per_instance().items()} for label, metric in metrics.items()
    }
    return result


def _count(metrics: Dict[str, EdgeMetric], explained: AttributionEvaluation) -> None:
    for metric in metrics.values():
        if metric.needs_truth and explained.truth is None:
            metric.add({}, explained.num_instances)
        else:
            metric(explained)


def describe_metric(
    metric: EdgeMetric, controls: Sequence[EdgeMetric], sampling: Sampling
) -> Dict[str, Dict[str, Any]]:
    """
    Describe each number of a metric beside that of the random controls: the same metric of controls of the same
    instances, in the same order.

    Return JSON by flat name, with the fields of its `MetricKey` and of its `Quantity` (the `range` is `null` where it
    has no bound); `value` and `interval`; `control` and `difference` (value minus control, over the same resampled
    instances), each with the same two; and `instances`, the number for which it is defined.
    """
    per_instance = metric.per_instance()

    def compute(source: EdgeMetric) -> Tuple[Dict[MetricKey, Optional[float]], Dict[MetricKey, numpy.ndarray]]:
        return source.totals(), source.resampled(draws=sampling.bootstrap_draws, seed=sampling.seed)

    def estimate(value: Optional[float], draws: numpy.ndarray) -> Dict[str, Any]:
        return {"value": value, "interval": percentile_interval(draws, sampling.confidence)}

    values, draws = compute(metric)
    control_values, control_draws = compute(metric.pool(controls)) if controls else ({}, {})
    described: Dict[str, Dict[str, Any]] = {}
    for key, value in values.items():
        row = {**key._asdict(), **estimate(value, draws[key]), "control": None, "difference": None}
        if key in control_values:
            control = control_values[key]
            difference = None if value is None or control is None else value - control
            row["control"] = estimate(control, control_draws[key])
            row["difference"] = estimate(difference, draws[key] - control_draws[key])
        quantity = metric.quantities[key.quantity]._asdict()
        ends = (quantity.pop("lowest"), quantity.pop("highest"))
        row["instances"] = sum(value is not None for value in per_instance[key])
        row["range"] = [end if numpy.isfinite(end) else None for end in ends]
        described[key.name] = {**row, **quantity}
    return described
