import math
from typing import Any, ClassVar, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation, sum_by_graph
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.rounding import rank_with_ties

#: The key of an instance's metadata for the truth: a list of layers from the bottom, each a list with `True`, `False` or `None`
#: (not known, not counted) for each edge of the instance's graph, in the order of its `GraphField`.
TRUTH_KEY = "edge_truth"

#: The key of an instance's metadata for a list with an object for each edge (see the readers `graph_jsonl` and `star_graphs`).
EDGES_KEY = "edge_metadata"

#: The truth about one edge in such an object: one value for all layers, or a list with one for each.
MATTERS_KEY = "matters"

#: The name of a group of edges in such an object.
GROUP_KEY = "edge_group"


def has_truth(metadata: Any) -> bool:
    """Return whether an instance's metadata state which messages matter."""
    return isinstance(metadata, Mapping) and (metadata.get(TRUTH_KEY) is not None or _is_given(metadata, MATTERS_KEY))


def read_truth(batch: Dict[str, Any], graph: Graph, num_layers: int) -> Optional[List[torch.Tensor]]:
    """
    Read from the `metadata` of a batch which messages matter: from `edge_truth`, or else from the entries of
    `edge_metadata` that have `matters`. An entry without it does not matter if another of the same graph has it. Where
    the graph has twice as many edges as entries, those of the second half are the inverses and have the entries of the
    first.

    Return 1 for messages that matter, 0 for those that do not, -1 where it is not known; `None` if no instance has a
    truth. Shape of each layer: `(num_edges,)`, `torch.long`.

    # Raises

    `ConfigurationError` if the truth of an instance does not fit its graph or the layers of the model, or has a value
    other than true, false and null.
    """
    rows: List[Sequence[Any]] = []  # of each edge, instance by instance, the values of the layers
    known = False
    for metadata, num_edges, where in _iterate(batch, graph):
        if has_truth(metadata):
            known = True
            rows += _read_rows(metadata, num_edges, num_layers, where)
        else:
            rows += [[None] * num_layers] * num_edges
    if not known:
        return None
    numbers = torch.tensor([[-1 if value is None else int(value) for value in row] for row in rows])
    truth = torch.empty(num_layers, graph.num_edges, dtype=torch.long)
    truth[:, torch.argsort(graph.edge_graph.cpu(), stable=True)] = numbers.long().view(-1, num_layers).t()
    return list(truth.to(graph.edge_graph.device))


def read_edge_groups(batch: Dict[str, Any], graph: Graph) -> Dict[str, torch.Tensor]:
    """
    Read from `edge_metadata` the groups of edges that its entries name by `edge_group`: by name, which edges of the
    batch belong to the group. Inverse edges are as in `read_truth`. Shape of each: `(num_edges,)`, `torch.bool`.

    # Raises

    `ConfigurationError` if a group is neither a string nor null.
    """
    names: List[Any] = []  # of each edge, instance by instance
    for metadata, num_edges, where in _iterate(batch, graph):
        given = _is_given(metadata, GROUP_KEY)
        own = _read_entries(metadata, num_edges, GROUP_KEY, where) if given else [None] * num_edges
        for number, name in enumerate(own):
            if name is not None and not isinstance(name, str):
                raise ConfigurationError(
                    f"'{GROUP_KEY}' of edge {number} of {where} is {name!r:.80}, expected a string or null."
                )
        names += own
    places = torch.argsort(graph.edge_graph, stable=True)
    groups = {}
    for name in sorted(set(names) - {None}):
        groups[name] = torch.zeros_like(graph.edge_graph, dtype=torch.bool)
        groups[name][places] = torch.tensor([other == name for other in names], device=places.device)
    return groups


def _iterate(batch: Dict[str, Any], graph: Graph) -> Iterable[Tuple[Mapping[str, Any], int, str]]:
    """Yield the metadata, the number of edges and a description of each instance of a batch."""
    metadata = batch.get("metadata")
    for number, num_edges in enumerate(graph.edges_per_graph().tolist()):
        own = metadata[number] if isinstance(metadata, (list, tuple)) else None
        own = own if isinstance(own, Mapping) else {}
        yield own, num_edges, f"instance {number} of a batch (id {own.get('id')!r})"


def _is_given(metadata: Mapping[str, Any], key: str) -> bool:
    """Return whether the metadata of any edge have a value for the key."""
    entries = metadata.get(EDGES_KEY)
    entries = entries if isinstance(entries, (list, tuple)) else ()
    return any(isinstance(entry, Mapping) and entry.get(key) is not None for entry in entries)


def _read_entries(metadata: Mapping[str, Any], num_edges: int, key: str, where: str, default: Any = None) -> List[Any]:
    """Return for each edge the value of the key in its metadata."""
    entries = metadata[EDGES_KEY]
    if len(entries) not in (num_edges, num_edges / 2):
        raise ConfigurationError(
            f"'{EDGES_KEY}' of {where} has {len(entries)} entries with '{key}', expected one for each of the graph's {num_edges} "
            "edges, or for the first half of them if the second are their inverses."
        )
    values = [entry.get(key, default) if isinstance(entry, Mapping) else default for entry in entries]
    return values * (num_edges // len(entries))


def _read_rows(metadata: Mapping[str, Any], num_edges: int, num_layers: int, where: str) -> List[Sequence[Any]]:
    """Return for each edge the values of the layers: true, false or null."""
    layers, key = metadata.get(TRUTH_KEY), TRUTH_KEY
    rows: List[Sequence[Any]]
    if layers is None:
        key = MATTERS_KEY
        values = _read_entries(metadata, num_edges, key, where, default=False)
        rows = [value if isinstance(value, (list, tuple)) else [value] * num_layers for value in values]
    else:
        lists = layers if isinstance(layers, (list, tuple)) else []
        if [len(layer) for layer in lists if isinstance(layer, (list, tuple))] != [num_edges] * num_layers:
            raise ConfigurationError(
                f"'{key}' of {where} is {layers!r:.80}, expected a list of {num_layers} layers, those of the explained encoder from "
                f"the bottom, each a list of true, false or null for each of the graph's {num_edges} edges."
            )
        rows = list(zip(*lists))
    for number, row in enumerate(rows):
        wrong = [value for value in row if not (value is None or isinstance(value, bool))]
        if wrong or len(row) != num_layers:
            raise ConfigurationError(
                f"'{key}' of edge {number} of {where} is {(wrong or [row])[0]!r:.80}, expected true, false or null (not counted), or "
                f"a list with one of them for each of the {num_layers} layers of the explained encoder, from the bottom."
            )
    return rows


@Metric.register("edge_truth")
class EdgeTruth(EdgeMetric):
    """
    Scores and decisions against a known truth: which messages matter is given by how the data were made. Messages of which
    nothing is known are left out.

    `precision`, `recall` and `f1` of the kept messages are micro averages: counts of all instances are summed first. A precision
    is undefined where nothing is kept, a recall where nothing matters, an F1 where neither is. `auroc` (area under the receiver
    operating characteristic) and `average_precision` rate the scores, within each instance, as scores of different instances
    need not be comparable; they are means over the instances in which some messages matter and others do not. All are given for
    all layers together and for each layer. `recall` is also given for each group of edges that the metadata name (see
    `read_edge_groups`).

    Registered as a `Metric` with name "edge_truth".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "precision": Quantity("higher", 0.0, 1.0, 1.0, "Share of the kept messages that matter."),
        "recall": Quantity("higher", 0.0, 1.0, 1.0, "Share of the messages that matter that are kept."),
        "f1": Quantity("higher", 0.0, 1.0, 1.0, "Harmonic mean of precision and recall."),
        "auroc": Quantity(
            "higher", 0.0, 1.0, 1.0, "Chance that a message that matters has a higher score than one that does not."
        ),
        "average_precision": Quantity("higher", 0.0, 1.0, 1.0, "Mean precision over the ranking's hits."),
    }
    needs_truth = True

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        """Compare with the truth. If it is not given, raise a `ConfigurationError`."""
        if explained.truth is None:
            raise ConfigurationError(
                f"The metric edge_truth needs to know which messages matter: the instances' metadata must have '{TRUTH_KEY}', a list "
                "of layers, each a list of true, false or null for each edge."
            )
        graph = explained.graph
        attribution = explained.attribution
        truth, kept, scores, rounding = (
            torch.stack(list(layers))  # Shape: (num_layers, num_edges)
            for layers in (explained.truth, attribution.kept, attribution.scores, attribution.rounding)
        )
        ratios = _compute_ratios(truth, kept, scores, rounding, graph)
        for layer in range(explained.num_layers):
            only = slice(layer, layer + 1)
            ratios.update(_compute_ratios(truth[only], kept[only], scores[only], rounding[only], graph, layer=layer))
        for name, members in read_edge_groups(explained.unmasked.batch, graph).items():
            matter = (truth == 1) & members
            ratios[MetricKey("recall", group=name)] = Ratios(
                sum_by_graph(matter & kept, graph), sum_by_graph(matter, graph)
            )
        return ratios


def _compute_ratios(
    truth: torch.Tensor, kept: torch.Tensor, scores: torch.Tensor, rounding: torch.Tensor, graph: Graph, **part: Any
) -> Dict[MetricKey, Ratios]:
    """Shapes: `(num_layers, num_edges)`."""
    hits = sum_by_graph(kept & (truth == 1), graph)
    num_kept = sum_by_graph(kept & (truth >= 0), graph)
    num_true = sum_by_graph(truth == 1, graph)
    known = (truth >= 0).flatten()
    owner = graph.edge_graph.repeat(len(truth))[known].cpu().numpy()
    columns = [tensor.flatten()[known].cpu().numpy() for tensor in (truth, scores, rounding)]
    rated = [_rate_ranking(*(column[owner == n] for column in columns)) for n in range(graph.num_graphs)]
    auroc, average_precision = torch.tensor(rated, dtype=torch.double).view(-1, 2).unbind(1)
    return {
        MetricKey("precision", **part): Ratios(hits, num_kept),
        MetricKey("recall", **part): Ratios(hits, num_true),
        MetricKey("f1", **part): Ratios(2 * hits, num_kept + num_true),
        MetricKey("auroc", **part): Ratios.for_mean(auroc, ~auroc.isnan()),
        MetricKey("average_precision", **part): Ratios.for_mean(average_precision, ~auroc.isnan()),
    }


def _rate_ranking(labels: numpy.ndarray, scores: numpy.ndarray, rounding: numpy.ndarray) -> Tuple[float, float]:
    """
    Compute area and average precision; NaN unless there are labels of both kinds. Each pair with equal scores counts half for the
    area, and equal scores, but for rounding, enter the ranking together. (scikit-learn takes a millisecond
    for each of many small instances.)
    """
    if not 0 < labels.sum() < len(labels):
        return math.nan, math.nan
    tie = rank_with_ties(-scores, rounding)  # the highest score first
    hits, errors = numpy.bincount(tie, labels), numpy.bincount(tie, 1 - labels)
    hits_so_far, errors_so_far = hits.cumsum(), errors.cumsum()
    auroc = (errors * (hits_so_far - hits / 2)).sum() / (hits.sum() * errors.sum())
    average_precision = (hits * hits_so_far / (hits_so_far + errors_so_far)).sum() / hits.sum()
    return float(auroc), float(average_precision)
