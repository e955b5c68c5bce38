"""What any explanation should stand up to: another order of the edges, other numbers of the nodes, another model."""

import contextlib
import math
import re
from typing import Any, ClassVar, Dict, Iterator, List, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.agreement import similarity
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import (
    AttributionEvaluation,
    shuffled_within_graphs,
    sum_by_graph,
)
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, Quantity, Ratios, mean_of
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution


def reorder_edges(batch: Dict[str, Any], graph: Graph, order: torch.Tensor) -> Dict[str, Any]:
    """
    The same batch with the edges of its graph in another order.

    # Parameters

    batch : `Dict[str, Any]`
        Inputs of a model.
    graph : `Graph`
        The graph that is explained; all inputs that are this graph are reordered.
    order : `torch.Tensor`
        Which edge comes at each place. Shape: `(num_edges,)`.

    # Raises

    `ConfigurationError` if no input is the graph.
    """
    reordered = graph._replace(
        edge_index=graph.edge_index[:, order],
        edge_type=graph.edge_type[order],
        edge_graph=graph.edge_graph[order],
    )
    return _replace_graph(batch, graph, reordered)


def relabel_nodes(
    batch: Dict[str, Any], graph: Graph, numbers: torch.Tensor, node_fields: Sequence[str]
) -> Dict[str, Any]:
    """
    The same batch with other numbers for the nodes of each graph; the edges stay in order.

    # Parameters

    batch : `Dict[str, Any]`
        Inputs of a model.
    graph : `Graph`
        The graph that is explained; all inputs that are this graph are relabelled.
    numbers : `torch.Tensor`
        The new number of each node, among those of the same graph. Shape: `(num_nodes,)`.
    node_fields : `Sequence[str]`
        The inputs that have a row for each node. Shape of each: `(num_graphs, max_nodes, ...)`.

    # Raises

    `ConfigurationError` if no input is the graph, or a field is no such tensor.
    """
    relabelled = _replace_graph(batch, graph, graph._replace(edge_index=numbers[graph.edge_index]))
    for name in node_fields:
        field = batch.get(name)
        if not isinstance(field, torch.Tensor) or field.dim() < 2 or field.size(0) != graph.num_graphs:
            raise ConfigurationError(
                f"node_fields names '{name}', which is no input of shape (batch_size, num_nodes, ...); the inputs are "
                f"{sorted(batch)}."
            )
        flat = graph.flatten_nodes(field)
        moved = torch.empty_like(flat)
        moved[numbers] = flat
        padded = field.clone()
        padded[graph.node_mask(field.size(1))] = moved
        relabelled[name] = padded
    return relabelled


def _replace_graph(batch: Dict[str, Any], graph: Graph, other: Graph) -> Dict[str, Any]:
    names = [
        name
        for name, value in batch.items()
        if isinstance(value, Graph)
        and torch.equal(value.edge_index, graph.edge_index)
        and torch.equal(value.edge_type, graph.edge_type)
    ]
    if not names:
        raise ConfigurationError(
            f"None of the model's inputs {sorted(batch)} is the graph that its encoder reads, so that its edges and nodes cannot be "
            "put into another order."
        )
    return {**batch, **{name: other for name in names}}


@contextlib.contextmanager
def randomised(model: torch.nn.Module, *, seed: int = 0, parameters: str = "") -> Iterator[None]:
    """
    While open, the entries of each parameter of the model stand at random places, so that each has the distribution that it had
    and none of what was learnt. They are restored bitwise in any case.

    # Parameters

    model : `torch.nn.Module`
    seed : `int`, optional (default = `0`)
    parameters : `str`, optional (default = `""`, all)
        A regular expression that is searched for in the names of parameters.

    # Raises

    `ConfigurationError` if no parameter has such a name.
    """
    chosen = [
        parameter for name, parameter in sorted(model.named_parameters()) if re.search(parameters, name)
    ]
    if not chosen:
        raise ConfigurationError(
            f"No parameter of {type(model).__name__} matches {parameters!r}; it has "
            f"{sorted(name for name, _ in model.named_parameters())[:10]} and others."
        )
    generator = torch.Generator().manual_seed(seed)
    before = [parameter.detach().clone() for parameter in chosen]
    try:
        with torch.no_grad():
            for parameter in chosen:
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
        yield
    finally:
        with torch.no_grad():
            for parameter, values in zip(chosen, before):
                parameter.copy_(values)


class _Invariance(EdgeMetric):
    """The attribution of the same graphs in another guise, beside the first."""

    needs_interpreter = True

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def other_guise(self, evaluation: AttributionEvaluation) -> EdgeAttribution:
        """The interpreter's attribution of it, with edges in the order of the batch."""
        raise NotImplementedError

    def compare(self, evaluation: AttributionEvaluation, name: str) -> Dict[str, Ratios]:
        other = evaluation.shared((type(self), self.seed), lambda: self.other_guise(evaluation))
        graph, attribution = evaluation.graph, evaluation.attribution
        edges = graph.edges_per_graph()
        same = torch.stack([first == second for first, second in zip(attribution.kept, other.kept)])
        difference = torch.stack(
            [(first - second).abs() for first, second in zip(attribution.scores, other.scores)]
        ).amax(0)  # Shape: (num_edges,)
        largest = torch.zeros(graph.num_graphs, dtype=difference.dtype, device=difference.device)
        largest = largest.scatter_reduce(0, graph.edge_graph, difference, "amax")
        return {
            f"{name}_same_decisions": Ratios(
                sum_by_graph(same.sum(0), graph), edges.double() * evaluation.num_layers
            ),
            f"{name}_score_difference": mean_of(largest.double(), edges > 0),
        }


_SAME_DECISIONS = Quantity("higher", 0.0, 1.0, 1.0, "Share of messages with the same decision.")
_SCORE_DIFFERENCE = Quantity(
    "lower", 0.0, math.inf, 0.0, "Largest difference of an instance's scores; rounding remains."
)


@Metric.register("edge_order_invariance")
class EdgeOrderInvariance(_Invariance):
    """
    Explains the batch again with the edges of each graph in a random order: nothing may change but by rounding, as graphs have no
    order of edges. `edge_order_same_decisions` is over messages, `edge_order_score_difference` the mean over instances of their
    largest difference. An interpreter that draws random numbers for each edge fails unless it has converged.

    Registered as a `Metric` with name "edge_order_invariance".

    # Parameters

    seed : `int`, optional (default = `0`)
        Of the order.
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "edge_order_same_decisions": _SAME_DECISIONS,
        "edge_order_score_difference": _SCORE_DIFFERENCE,
    }

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        return self.compare(evaluation, "edge_order")

    def other_guise(self, evaluation: AttributionEvaluation) -> EdgeAttribution:
        order = shuffled_within_graphs(evaluation.graph, torch.Generator().manual_seed(self.seed))
        batch = reorder_edges(evaluation.unmasked.batch, evaluation.graph, order)
        found = evaluation.interpreter.interpret(evaluation.masked_model, batch)

        def back(layers: List[torch.Tensor]) -> List[torch.Tensor]:
            restored = [torch.empty_like(layer) for layer in layers]
            for layer, place in zip(layers, restored):
                place[order] = layer
            return restored

        return EdgeAttribution(evaluation.graph, back(found.scores), back(found.kept), found.relation_names)


@Metric.register("edge_node_invariance")
class EdgeNodeInvariance(_Invariance):
    """
    Explains the batch again with the nodes of each graph numbered at random: nothing may change but by rounding, for models to
    which the numbers say nothing (not for text, whose nodes are words in order). `node_same_decisions` is over messages,
    `node_score_difference` the mean over instances of their largest difference.

    Registered as a `Metric` with name "edge_node_invariance".

    # Parameters

    node_fields : `List[str]`
        The model's inputs that have a row for each node, of shape `(batch_size, num_nodes, ...)`.
    seed : `int`, optional (default = `0`)
        Of the numbers.
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "node_same_decisions": _SAME_DECISIONS,
        "node_score_difference": _SCORE_DIFFERENCE,
    }

    def __init__(self, node_fields: List[str], seed: int = 0) -> None:
        super().__init__(seed)
        self.node_fields = list(node_fields)

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        return self.compare(evaluation, "node")

    def other_guise(self, evaluation: AttributionEvaluation) -> EdgeAttribution:
        graph = evaluation.graph
        generator = torch.Generator().manual_seed(self.seed)
        numbers = [
            first + torch.randperm(size, generator=generator)
            for first, size in zip(graph.first_node_of_graph().tolist(), graph.nodes_per_graph.tolist())
        ]
        order = torch.cat(numbers).to(graph.edge_index.device)
        batch = relabel_nodes(evaluation.unmasked.batch, graph, order, self.node_fields)
        found = evaluation.interpreter.interpret(evaluation.masked_model, batch)
        return EdgeAttribution(graph, found.scores, found.kept, found.relation_names)


@Metric.register("edge_randomisation")
class EdgeRandomisation(EdgeMetric):
    """
    Explains the batch again after what the model has learnt has been shuffled away ([Adebayo et al.,
    2018](https://arxiv.org/abs/1810.03292)): an explanation that stays the same does not speak of the model. Given are, as means
    over instances, Spearman's rank correlation of the scores and the Jaccard index of what is kept, before and after.

    How much two explanations have in common by chance depends on how much is kept: the random control tells.

    Registered as a `Metric` with name "edge_randomisation".

    # Parameters

    seed : `int`, optional (default = `0`)
    parameters : `str`, optional (default = `""`, all)
        A regular expression that is searched for in the names of the model's parameters; those that match are randomised.
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "randomised_rank_correlation": Quantity(
            "zero", -1.0, 1.0, 0.0, "Rank correlation of scores before and after the model is randomised."
        ),
        "randomised_jaccard": Quantity(
            "lower", 0.0, 1.0, 0.0, "Overlap of what is kept before and after the model is randomised."
        ),
    }
    needs_interpreter = True

    def __init__(self, seed: int = 0, parameters: str = "") -> None:
        super().__init__()
        self.seed = seed
        self.parameters = parameters

    def evaluate(self, evaluation: AttributionEvaluation) -> Dict[str, Ratios]:
        def of_randomised_model() -> EdgeAttribution:
            with randomised(evaluation.masked_model.target, seed=self.seed, parameters=self.parameters):
                return evaluation.interpreter.interpret(evaluation.masked_model, evaluation.unmasked.batch)

        other = evaluation.shared((type(self), self.seed, self.parameters), of_randomised_model)
        correlation, overlap = similarity(evaluation.attribution, other)
        return {"randomised_rank_correlation": correlation, "randomised_jaccard": overlap}
