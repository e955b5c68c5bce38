"""Choosing the gate threshold on development data, for a largest share of changed predictions."""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.nn.util import dist_reduce_sum, move_to_device

from allennlp_graphmask.checks import check_fraction
from allennlp_graphmask.interpret.graphmask.graph_mask import GraphMask
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.training import gather_over_workers


class NothingToExplain(ConfigurationError):
    """No message of a data set can have an effect on what is explained."""


class ThresholdPoint(NamedTuple):
    """The effect of a threshold on a data set: the share of messages kept, and of instances with a changed prediction."""

    threshold: float
    kept: float
    changed: float


def focused_passes(model: GraphMask, batch: Any, focus: str) -> List[UnmaskedPass]:
    """
    Return the unmasked pass of a batch for each part of the predictions that the name of a focus stands for; where few instances have
    the part, a pass over these.
    """
    masked_model = model.masked_model
    passes = []
    for unmasked in masked_model.focused(masked_model.record(batch), focus):
        instances = unmasked.focus.is_explained.nonzero().squeeze(-1)
        few = 0 < 2 * len(instances) < unmasked.graph.num_graphs
        passes.append((masked_model.select(unmasked, instances) if few else None) or unmasked)
    return passes


@torch.no_grad()
def gate_locations(model: GraphMask, unmasked: UnmaskedPass) -> torch.Tensor:
    """
    Return the locations of all gates of messages that can have an effect on the focus, one enabled layer after another. Shape:
    `(num_gates,)`.
    """
    locations = torch.cat([location for location in model.locations(unmasked) if location is not None])
    return locations[locations > float("-inf")]


@torch.no_grad()
def mask_at_thresholds(
    model: GraphMask, unmasked: UnmaskedPass, thresholds: Sequence[float]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """
    Mask a batch by hard gates at other thresholds than the model's. This counts into none of its metrics.

    Return for each threshold the number of messages that each instance keeps, and whether its predictions changed, both of shape
    `(num_thresholds, batch_size)`.
    """
    kept, changed = [], []
    for num_kept, masked in passes_at_thresholds(model, unmasked, thresholds):
        kept.append(num_kept)
        changed.append(model.masked_model.changed(unmasked, masked))
    return torch.stack(kept), torch.stack(changed)


def passes_at_thresholds(
    model: GraphMask, unmasked: UnmaskedPass, thresholds: Sequence[float]
) -> Iterator[Tuple[torch.Tensor, Dict[str, Any]]]:
    """
    Yield for each threshold the number of messages that each instance keeps, shape `(batch_size,)`, and the output of the masked pass.
    There is one pass for neighbouring thresholds with the same gates. It counts into none of the model's metrics.
    """
    locations, graph, is_open = model.locations(unmasked), unmasked.graph, model.gate_distribution.is_open
    previous: Optional[torch.Tensor] = None
    for threshold in thresholds:
        gates = [None if location is None else is_open(location, threshold) for location in locations]
        opened = torch.stack([torch.ones_like(graph.edge_type) if gate is None else gate.long() for gate in gates])
        # All workers of a distributed run make the pass if one does: metrics of the target may exchange numbers in it.
        if previous is None or dist_reduce_sum(int(not torch.equal(opened, previous))):
            masked = model.masked_model.masked(unmasked, model.with_baselines(gates))
            num_kept = sum_per_graph(opened.sum(0), graph)
        previous = opened
        yield num_kept, masked


def threshold_curve(
    model: GraphMask, batches: Iterable[Any], thresholds: Sequence[float], *, focus: Optional[str] = None
) -> List[ThresholdPoint]:
    """
    Measure thresholds, in their order, on a data set, for a focus (that of training if not given). Instances in which there is
    nothing to explain do not count. The model is in evaluation mode; `batches`, a data loader for example, are read once. In a
    distributed run all workers measure together, each its share of the batches.
    """
    # Of each threshold, and at the end the number of messages and of instances.
    kept = torch.zeros(len(thresholds) + 1, dtype=torch.float64)
    changed = torch.zeros(len(thresholds) + 1, dtype=torch.float64)
    for batch in _in_step(model, batches):
        for unmasked in focused_passes(model, batch, focus or model.focus):
            is_explained = unmasked.focus.is_explained
            num_messages = unmasked.graph.edges_per_graph()[is_explained].sum() * model.num_layers
            batch_kept, batch_changed = mask_at_thresholds(model, unmasked, thresholds)
            kept += torch.cat([batch_kept[:, is_explained].sum(-1), num_messages.view(1)]).cpu()
            changed += torch.cat([batch_changed[:, is_explained].sum(-1), is_explained.sum().view(1)]).cpu()
    *kept_counts, num_messages = dist_reduce_sum(kept).tolist()
    *changed_counts, num_instances = dist_reduce_sum(changed).tolist()
    if not num_instances:
        raise ConfigurationError("Thresholds cannot be compared without data: there is no instance to explain.")
    return [
        ThresholdPoint(threshold, k / num_messages if num_messages else 1.0, c / num_instances)
        for threshold, k, c in zip(thresholds, kept_counts, changed_counts)
    ]


def choose_threshold(
    model: GraphMask,
    data_loader: Iterable[Any],
    max_changed: float,
    *,
    steps: int = 7,
    rounds: int = 4,
    focus: Optional[str] = None,
) -> List[ThresholdPoint]:
    """
    Find the threshold that keeps the fewest messages with at most the share `max_changed`, in [0, 1], of instances with
    any changed prediction: first among quantiles of the gates' locations, then, in each further round more finely, between the best
    of them and the next one that keeps less.

    # Parameters

    model : `GraphMask`
        In evaluation mode.
    data_loader : `Iterable[Dict[str, Any]]`
        Read once, and again in each round; development data, which must not be those that the result is reported on. In a distributed
        run all workers choose together, each from its share of the batches, and get the same points.
    max_changed : `float`
    steps, rounds : `int`, optional (default = `7`, `4`)
        The number of thresholds that a round compares, and of rounds.
    focus : `str`, optional (default = that of training)

    Return all points that were measured, by threshold, the chosen one first. If no threshold satisfies the bound, all
    gates are open.
    """
    check_fraction("choose_threshold", max_changed=max_changed)
    focus = focus or model.focus
    per_batch = [
        gate_locations(model, unmasked).cpu()
        for batch in _in_step(model, data_loader)
        for unmasked in focused_passes(model, batch, focus)
    ]
    locations = torch.cat(gather_over_workers(torch.cat([torch.zeros(0), *per_batch]).double()))
    if not locations.numel():
        raise NothingToExplain(f"A threshold cannot be chosen for the focus '{focus}': the data have no edges for it.")
    ordered = locations.sort().values

    def dropping_shares(shares: torch.Tensor) -> List[float]:
        return ordered[(shares * (len(ordered) - 1)).long()].unique().tolist()

    # The last drops everything: some models need none of their messages.
    coarse = dropping_shares(torch.linspace(0.02, 1.0, steps, dtype=torch.float64))
    everything_open = float(ordered[0]) - 1.0
    points = threshold_curve(model, data_loader, [everything_open, *coarse], focus=focus)
    # Messages without a gate, and those that have no effect, are the same at every threshold.
    most, least = points[0].kept, points[-1].kept
    for _ in range(rounds - 1):
        best = choose_point(points, max_changed)
        lower = max((point.kept for point in points if point.kept < best.kept), default=least)
        kept_shares = torch.linspace(best.kept, lower, steps + 2, dtype=torch.float64)[1:-1]
        shares = ((most - kept_shares) / max(most - least, 1e-9)).clamp(0, 1)
        known = {point.threshold for point in points}
        thresholds = [threshold for threshold in dropping_shares(shares) if threshold not in known]
        if not thresholds:
            break
        points += threshold_curve(model, data_loader, thresholds, focus=focus)
    best = choose_point(points, max_changed)
    return [best] + sorted(point for point in points if point != best)


def _in_step(model: GraphMask, batches: Iterable[Any]) -> Iterator[Any]:
    """
    Yield the batches, on the model's device, until a worker of a distributed run has no more: as in the trainer, since metrics of
    the target may exchange numbers with each batch.
    """
    device, iterator = model._get_prediction_device(), iter(batches)
    while True:
        batch = next(iterator, None)
        if dist_reduce_sum(int(batch is None)):
            return
        yield move_to_device(batch, device)


def choose_point(points: Sequence[ThresholdPoint], max_changed: float) -> ThresholdPoint:
    """
    Return the point that keeps the fewest messages of those with at most this share of changed predictions; that with the lowest
    threshold, which keeps all messages, if there is none.
    """
    feasible = [point for point in points if point.changed <= max_changed] or [min(points)]
    return min(feasible, key=lambda point: (point.kept, point.changed))
