import time
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence

import numpy
import torch

from allennlp_graphmask.evaluation.metrics import (
    AttributionEvaluation,
    EdgeAgreement,
    EdgeMetric,
    EdgeTruth,
    bootstrap,
    percentile_interval,
    truth_of_batch,
)
from allennlp_graphmask.evaluation.metrics.resampling import divide
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel


class Sampling(NamedTuple):
    """
    How chance is measured.

    # Parameters

    seed : `int`, optional (default = `0`)
        Of the random controls and of the intervals.
    num_random_controls : `int`, optional (default = `3`)
        How many random controls each attribution has.
    bootstrap_draws : `int`, optional (default = `1000`)
    confidence : `float`, optional (default = `0.95`)
        Of the intervals.
    """

    seed: int = 0
    num_random_controls: int = 3
    bootstrap_draws: int = 1000
    confidence: float = 0.95


def evaluate_interpreter(
    interpreters: Sequence[Interpreter],
    masked_model: MaskedModel,
    batches: Iterable[Dict[str, Any]],
    make_metrics: Callable[[], Dict[str, EdgeMetric]],
    sampling: Sampling,
) -> Dict[str, Any]:
    """
    What metrics say of an interpreter and of its random controls.

    # Parameters

    interpreters : `Sequence[Interpreter]`
        The interpreter, and others whose agreement with it is measured: the same with other seeds, or trained with others.
    masked_model : `MaskedModel`
        The model to explain.
    batches : `Iterable[Dict[str, Any]]`
        Its inputs, on its device.
    make_metrics : `Callable[[], Dict[str, EdgeMetric]]`
        Gives new metrics, by label. `edge_truth` is passed over in batches of which nothing is known.
    sampling : `Sampling`

    # Returns

    `Dict[str, Any]`
        JSON: `instances`, `cpu_seconds_per_explanation`, for each label in `metrics` what `describe_metric` gives, with several
        interpreters `agreement` in the same form, and `per_instance` values.
    """
    metrics = make_metrics()
    controls = [make_metrics() for _ in range(sampling.num_random_controls)]
    agreement = EdgeAgreement()
    generator = torch.Generator().manual_seed(sampling.seed)
    seconds, num_instances = 0.0, 0
    for batch in batches:
        started = time.process_time()
        attribution = interpreters[0].interpret(masked_model, batch)
        seconds += time.process_time() - started
        graph = attribution.graph
        num_instances += graph.num_graphs
        evaluation = AttributionEvaluation(
            masked_model,
            batch,
            attribution,
            truth=truth_of_batch(batch, graph, attribution.num_layers),
            interpreter=interpreters[0],
        )
        _count(metrics, evaluation)
        for control in controls:
            _count(control, evaluation.random_control(generator))
        if len(interpreters) > 1:
            agreement(
                [
                    attribution,
                    *(interpreter.interpret(masked_model, batch) for interpreter in interpreters[1:]),
                ]
            )
    result: Dict[str, Any] = {
        "instances": num_instances,
        "cpu_seconds_per_explanation": seconds / num_instances if num_instances else None,
        "metrics": {
            label: describe_metric(metric, [control[label] for control in controls], sampling)
            for label, metric in metrics.items()
        },
    }
    if len(interpreters) > 1:
        result["agreement"] = describe_metric(agreement, [], sampling)
        seeds = [interpreter.seed for interpreter in interpreters]
        # Maskers that were trained differently draw nothing now.
        if len(set(seeds)) == len(seeds):
            result["seeds"] = seeds
    result["per_instance"] = {label: metric.per_instance() for label, metric in metrics.items()}
    return result


def _count(metrics: Mapping[str, EdgeMetric], evaluation: AttributionEvaluation) -> None:
    for metric in metrics.values():
        if evaluation.truth is None and isinstance(metric, EdgeTruth):
            metric.add({}, evaluation.num_instances)
        else:
            metric(evaluation)


def describe_metric(
    metric: EdgeMetric, controls: Sequence[EdgeMetric], sampling: Sampling
) -> Dict[str, Dict[str, Any]]:
    """
    Each quantity of a metric beside that of the random controls.

    # Parameters

    metric : `EdgeMetric`
    controls : `Sequence[EdgeMetric]`
        The same metric of random controls of the same instances, in the same order.
    sampling : `Sampling`

    # Returns

    `Dict[str, Dict[str, Any]]`
        For each quantity JSON with `value` and `interval`; `control` and `difference` (value minus control, over the same
        resampled instances), each with the same two; `instances`, for how many it is defined; `direction`, `range` (`null` for an
        end without bound), `best` and `meaning`.
    """
    per_instance = metric.per_instance()
    values, resampled = (
        metric.get_metric(),
        metric.resampled(draws=sampling.bootstrap_draws, seed=sampling.seed),
    )
    control_values, control_resampled = _pooled(metric, controls, sampling)
    described: Dict[str, Dict[str, Any]] = {}
    for name, value in values.items():
        quantity = metric.quantity(name)
        row: Dict[str, Any] = {
            "value": value,
            "interval": _interval(resampled[name], sampling),
            "control": None,
            "difference": None,
        }
        if name in control_values:
            control = control_values[name]
            row["control"] = {
                "value": control,
                "interval": _interval(control_resampled[name], sampling),
            }
            row["difference"] = {
                "value": None if value is None or control is None else value - control,
                "interval": _interval(resampled[name] - control_resampled[name], sampling),
            }
        row.update(
            instances=sum(value is not None for value in per_instance[name]),
            direction=quantity.direction,
            range=[end if numpy.isfinite(end) else None for end in (quantity.lowest, quantity.highest)],
            best=quantity.best,
            meaning=quantity.meaning,
        )
        described[name] = row
    return described


def _pooled(metric: EdgeMetric, controls: Sequence[EdgeMetric], sampling: Sampling) -> Any:
    """The values of all controls together, and the same for resampled instances, by name."""
    pooled: Dict[str, numpy.ndarray] = {}
    for control in controls:
        for name, ratios in control.ratios().items():
            pooled[name] = pooled[name] + ratios if name in pooled else ratios
    whole = metric.complete({name: divide(*pairs.sum(0)[:, None]) for name, pairs in pooled.items()})
    resampled = bootstrap(pooled, draws=sampling.bootstrap_draws, seed=sampling.seed, derive=metric.derive)
    return {
        name: None if numpy.isnan(value[0]) else float(value[0]) for name, value in whole.items()
    }, resampled


def _interval(resampled: numpy.ndarray, sampling: Sampling) -> Optional[List[float]]:
    interval = percentile_interval(resampled, sampling.confidence)
    return None if interval is None else list(interval)
