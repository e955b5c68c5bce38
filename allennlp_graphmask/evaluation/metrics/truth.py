from typing import Any, ClassVar, Dict, List, Optional, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric
from sklearn.metrics import average_precision_score, roc_auc_score

from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation, sum_by_graph
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, Quantity, Ratios, mean_of
from allennlp_graphmask.graph import Graph

#: The key of an instance's metadata under which a reader says what matters: a list of layers from the bottom, each a list with
#: `True`, `False` or `None` (not known, not counted) for each edge of the instance's graph, in the order of its `GraphField`.
TRUTH_KEY = "edge_truth"

#: What an entry of the metadata `edge_metadata` (see the readers `graph_jsonl` and `star_graphs`) says of an edge: one value
#: for all layers, or a list with one for each.
MATTERS_KEY = "matters"


def truth_of_batch(batch: Dict[str, Any], graph: Graph, num_layers: int) -> Optional[List[torch.Tensor]]:
    """
    What is known of the messages of a batch, from its `metadata`: `edge_truth`, or else the entries of `edge_metadata` that have
    `matters`. Of the latter, one that lacks it does not matter if another of the same graph has it, and where the graph has twice
    as many edges as entries, those of the second half are the inverses and are judged as the first.

    # Parameters

    batch : `Dict[str, Any]`
        Inputs of a model.
    graph : `Graph`
        That of the batch.
    num_layers : `int`

    # Returns

    `List[torch.Tensor]`, or `None` if no instance says anything
        1 for messages that matter, 0 for those that do not, -1 where it is not known. Shape of each: `(num_edges,)`,
        `torch.long`.

    # Raises

    `ConfigurationError` if the truth of an instance does not fit its graph or the layers of the model.
    """
    metadata = batch.get("metadata")
    if not isinstance(metadata, (list, tuple)):
        return None
    edges_of_graph = graph.edges_per_graph().tolist()
    per_instance = [
        _truth_of_instance(said, number, num_edges, num_layers) if isinstance(said, dict) else None
        for number, (said, num_edges) in enumerate(zip(metadata, edges_of_graph))
    ]
    if all(layers is None for layers in per_instance):
        return None
    places = torch.argsort(graph.edge_graph.cpu(), stable=True)
    truth = []
    for layer in range(num_layers):
        values: List[int] = []
        for layers, num_edges in zip(per_instance, edges_of_graph):
            values += [-1] * num_edges if layers is None else layers[layer]
        tensor = torch.full((graph.num_edges,), -1)
        tensor[places] = torch.tensor(values, dtype=torch.long)
        truth.append(tensor.to(graph.edge_graph.device))
    return truth


def _truth_of_instance(
    metadata: Dict[str, Any], number: int, num_edges: int, num_layers: int
) -> Optional[List[List[int]]]:
    layers = metadata.get(TRUTH_KEY)
    if layers is None:
        return _truth_of_edge_metadata(metadata.get("edge_metadata"), num_edges, num_layers)
    if not isinstance(layers, (list, tuple)) or len(layers) != num_layers:
        raise ConfigurationError(
            f"'{TRUTH_KEY}' of instance {number} of a batch has "
            f"{len(layers) if isinstance(layers, (list, tuple)) else 'no'} layers, the explained encoder {num_layers}: the reader "
            "must give one list for each layer of the model, from the bottom (null for an edge of which nothing is known)."
        )
    for layer, values in enumerate(layers):
        if not isinstance(values, (list, tuple)) or len(values) != num_edges:
            raise ConfigurationError(
                f"'{TRUTH_KEY}' of instance {number} of a batch, layer {layer}, must be a list with one of true, false and null "
                f"for each of the graph's {num_edges} edges, got {values!r:.80}."
            )
        wrong = [value for value in values if value not in (True, False, None)]
        if wrong:
            raise ConfigurationError(
                f"'{TRUTH_KEY}' of instance {number} of a batch, layer {layer}, has the value {wrong[0]!r}, expected true, false "
                "or null."
            )
    return [[-1 if value is None else int(value) for value in values] for values in layers]


def _truth_of_edge_metadata(entries: Any, num_edges: int, num_layers: int) -> Optional[List[List[int]]]:
    if not isinstance(entries, (list, tuple)) or len(entries) not in (num_edges, num_edges / 2):
        return None
    if not any(isinstance(entry, dict) and entry.get(MATTERS_KEY) is not None for entry in entries):
        return None
    by_edge = [_truth_of_edge(entry, position, num_layers) for position, entry in enumerate(entries)]
    repeats = num_edges // len(by_edge)
    return [[values[layer] for values in by_edge] * repeats for layer in range(num_layers)]


def _truth_of_edge(entry: Any, position: int, num_layers: int) -> List[int]:
    """One number for each layer."""
    matters = entry.get(MATTERS_KEY) if isinstance(entry, dict) else None
    if not isinstance(matters, (list, tuple)):
        return [int(bool(matters))] * num_layers
    if len(matters) != num_layers or any(value not in (True, False, None) for value in matters):
        raise ConfigurationError(
            f"'{MATTERS_KEY}' of edge {position} is {matters!r:.80}, expected true or false, or a list of the "
            f"{num_layers} layers of the explained encoder with true, false or null (not counted) for each, from the bottom."
        )
    return [-1 if value is None else int(value) for value in matters]


@Metric.register("edge_truth")
class EdgeTruth(EdgeMetric):
    """
    Scores and decisions against a known truth: which messages matter is given by how the data were made. Messages of which
    nothing is known are left out.

    `precision`, `recall` and `f1` of the kept messages are micro averages: counts of all instances are summed first. A precision
    is undefined where nothing is kept, a recall where nothing matters, an F1 where neither is. `auroc` (area under the receiver
    operating characteristic) and `average_precision` judge the scores, within each instance, as scores of different instances
    need not be comparable; they are means over the instances in which some messages matter and others do not. All are given for
    all layers together and, with `_layer_N`, for each.

    Registered as a `Metric` with name "edge_truth".
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "precision": Quantity("higher", 0.0, 1.0, 1.0, "Share of the kept messages that matter."),
        "recall": Quantity("higher", 0.0, 1.0, 1.0, "Share of the messages that matter that are kept."),
        "f1": Quantity("higher", 0.0, 1.0, 1.0, "Harmonic mean of precision and recall."),
        "auroc": Quantity(
            "higher",
            0.0,
            1.0,
            1.0,
            "Chance that a message that matters has a higher score than one that does not.",
        ),
        "average_precision": Quantity("higher", 0.0, 1.0, 1.0, "Mean precision over the ranking's hits."),
    }

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        """
        # Raises

        `ConfigurationError` if the truth is not given.
        """
        if evaluation.truth is None:
            raise ConfigurationError(
                f"The metric edge_truth needs to know which messages matter: the instances' metadata must have '{TRUTH_KEY}', a list "
                "of layers, each a list of true, false or null for each edge."
            )
        ratios = self._ratios(evaluation, range(evaluation.num_layers), "")
        for layer in range(evaluation.num_layers):
            ratios.update(self._ratios(evaluation, [layer], f"_layer_{layer}"))
        return ratios

    def _ratios(
        self, evaluation: AttributionEvaluation, layers: Sequence[int], suffix: str
    ) -> Dict[str, Ratios]:
        assert evaluation.truth is not None
        graph = evaluation.graph
        zeros = torch.zeros(graph.num_graphs, dtype=torch.double, device=graph.edge_graph.device)
        hits, kept, matter = zeros, zeros, zeros
        for layer in layers:
            truth, decisions = evaluation.truth[layer], evaluation.attribution.kept[layer]
            hits = hits + sum_by_graph(decisions & (truth == 1), graph)
            kept = kept + sum_by_graph(decisions & (truth >= 0), graph)
            matter = matter + sum_by_graph(truth == 1, graph)
        auroc, average_precision, defined = self._rankings(evaluation, layers)
        return {
            f"precision{suffix}": Ratios(hits, kept),
            f"recall{suffix}": Ratios(hits, matter),
            f"f1{suffix}": Ratios(2 * hits, kept + matter),
            f"auroc{suffix}": mean_of(auroc, defined),
            f"average_precision{suffix}": mean_of(average_precision, defined),
        }

    def _rankings(self, evaluation: AttributionEvaluation, layers: Sequence[int]) -> Sequence[torch.Tensor]:
        """Area, average precision, and whether they are defined, for each instance. Shapes: `(batch_size,)`."""
        assert evaluation.truth is not None
        num_graphs = evaluation.num_instances
        auroc = torch.zeros(num_graphs, dtype=torch.double)
        average_precision = torch.zeros(num_graphs, dtype=torch.double)
        defined = torch.zeros(num_graphs, dtype=torch.bool)
        owner = evaluation.graph.edge_graph.cpu().repeat(len(layers))
        truth = torch.cat([evaluation.truth[layer].cpu() for layer in layers])
        scores = torch.cat([evaluation.attribution.scores[layer].cpu() for layer in layers])
        for number in range(num_graphs):
            chosen = (owner == number) & (truth >= 0)
            labels = truth[chosen]
            if 0 < int(labels.sum()) < labels.numel():
                values = scores[chosen].numpy()
                auroc[number] = float(roc_auc_score(labels.numpy(), values))
                average_precision[number] = float(average_precision_score(labels.numpy(), values))
                defined[number] = True
        return auroc, average_precision, defined
