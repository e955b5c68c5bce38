"""Sanity checks of any explanation: another order of the edges, other numbers of the nodes, another model."""

import contextlib
import math
import re
from typing import Any, ClassVar, Dict, Iterator, List, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric

from allennlp_graphmask.evaluation.metrics.agreement import similarity
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import (
    AttributionEvaluation,
    reorder_decisions,
    sum_by_graph,
)
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.model_state import one_thread_at_a_time
from allennlp_graphmask.restoring import restoring


def reorder_edges(batch: Dict[str, Any], graph: Graph, order: torch.Tensor) -> Dict[str, Any]:
    """
    Return the same inputs of a model with the edges of the graph that is explained in another order: `order` gives the edge at
    each place, shape `(num_edges,)`.

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
    Return the same inputs of a model with other numbers for the nodes of the graph that is explained; the edges stay in
    order. `numbers` gives the new number of each node, among those of the same graph, shape `(num_nodes,)`.
    `node_fields` are the inputs that have a row for each node. Shape of each: `(num_graphs, max_nodes, ...)`.

    # Raises

    `ConfigurationError` if no input is the graph, or a field is not such a tensor.
    """
    relabelled = _replace_graph(batch, graph, graph._replace(edge_index=numbers[graph.edge_index]))
    for name in node_fields:
        field = batch.get(name)
        if not isinstance(field, torch.Tensor) or field.dim() < 2 or field.size(0) != graph.num_graphs:
            raise ConfigurationError(
                f"node_fields names '{name}', which is not an input of shape (batch_size, num_nodes, ...); the inputs are "
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
def randomized(model: torch.nn.Module, *, seed: int = 0, parameters: str = "") -> Iterator[None]:
    """
    While open, the entries of each parameter of the model stand at random places: each parameter has the same distribution, and
    what was learned is gone. The parameters are restored bitwise in any case. `parameters` is a regular expression that is
    searched for in the names of those to shuffle.

    # Raises

    `ConfigurationError` if no parameter has such a name.
    """
    names = sorted(name for name, _ in model.named_parameters())
    chosen = [model.get_parameter(name) for name in names if re.search(parameters, name)]
    if not chosen:
        raise ConfigurationError(
            f"No parameter of {type(model).__name__} matches {parameters!r}; it has {names[:10]} and others."
        )
    generator = torch.Generator().manual_seed(seed)
    before = [parameter.detach().clone() for parameter in chosen]

    @torch.no_grad()
    def restore() -> None:
        for parameter, values in zip(chosen, before):
            parameter.copy_(values)

    # What another thread explains meanwhile would be wrong.
    with one_thread_at_a_time(model), restoring(restore):
        with torch.no_grad():
            for parameter in chosen:
                order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
        yield


def explain_again(explained: AttributionEvaluation, batch: Dict[str, Any]) -> EdgeAttribution:
    """
    Call the interpreter for other inputs. Raise a `ConfigurationError` if the pass that was explained has another kind of focus than
    the `MaskedModel`.
    """
    masked_model, interpreter = explained.masked_model, explained.interpreter
    with masked_model.explaining():
        unmasked = masked_model.unmasked(batch)
        if unmasked.focus.kind != explained.unmasked.focus.kind:
            raise ConfigurationError(
                f"The pass was explained for a focus of the kind '{explained.unmasked.focus.kind}', but this metric explains again for "
                f"that of the MaskedModel, '{masked_model.focus}': give the MaskedModel the same focus."
            )
        return interpreter.attribute(masked_model, unmasked)


def _invariance_quantities(name: str) -> Dict[str, Quantity]:
    return {
        f"{name}_same_decisions": Quantity("higher", 0.0, 1.0, 1.0, "Share of messages with the same decision."),
        f"{name}_score_difference": Quantity(
            "lower", 0.0, math.inf, 0.0, "Largest difference of an instance's scores; rounding remains."
        ),
    }


class _Invariance(EdgeMetric):
    """Compares the attribution with that of the same graphs in another form."""

    #: The beginning of the names of its quantities.
    name: ClassVar[str]

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self._settings: Tuple[Any, ...] = (type(self), seed)

    def explain_transformed(self, explained: AttributionEvaluation) -> EdgeAttribution:
        """Call the interpreter for the other form; return its attribution with edges in the order of the batch."""
        raise NotImplementedError

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        other = explained.shared(self._settings, lambda: self.explain_transformed(explained))
        graph, attribution = explained.graph, explained.attribution
        edges = graph.edges_per_graph()
        same = torch.stack(attribution.kept) == torch.stack(other.kept)
        difference = (torch.stack(attribution.scores) - torch.stack(other.scores)).abs().amax(0)
        largest = torch.zeros(graph.num_graphs, dtype=difference.dtype, device=difference.device)
        largest = largest.scatter_reduce(0, graph.edge_graph, difference, "amax")
        return {
            MetricKey(f"{self.name}_same_decisions"): Ratios(
                sum_by_graph(same, graph), edges.double() * explained.num_layers
            ),
            MetricKey(f"{self.name}_score_difference"): Ratios.for_mean(largest.double(), edges > 0),
        }


@Metric.register("edge_order_invariance")
class EdgeOrderInvariance(_Invariance):
    """
    Explains the batch again with the edges of each graph in a random order. As graphs have no order of edges, only rounding may
    differ. `edge_order_same_decisions` is over messages, `edge_order_score_difference` the mean over instances of their largest
    difference. An interpreter that draws random numbers for each edge fails unless it has converged.

    Registered as a `Metric` with name "edge_order_invariance".

    # Parameters

    seed : `int`, optional (default = `0`)
        Of the order.
    """

    name = "edge_order"
    quantities: ClassVar[Dict[str, Quantity]] = _invariance_quantities(name)

    def explain_transformed(self, explained: AttributionEvaluation) -> EdgeAttribution:
        order = explained.random(self.seed).order(explained.graph.edge_graph)
        batch = reorder_edges(explained.unmasked.batch, explained.graph, order)
        found = explain_again(explained, batch)
        return reorder_decisions(explained.attribution, found, [torch.argsort(order)] * found.num_layers)


@Metric.register("edge_node_invariance")
class EdgeNodeInvariance(_Invariance):
    """
    Explains the batch again with the nodes of each graph numbered at random. Only rounding may differ, for models in which the
    numbers have no meaning (not for text, whose nodes are words in order). `node_same_decisions` is over messages,
    `node_score_difference` the mean over instances of their largest difference.

    Registered as a `Metric` with name "edge_node_invariance".

    # Parameters

    node_fields : `List[str]`
        The model's inputs that have a row for each node, of shape `(batch_size, num_nodes, ...)`.
    seed : `int`, optional (default = `0`)
        Of the numbers.
    """

    name = "node"
    quantities: ClassVar[Dict[str, Quantity]] = _invariance_quantities(name)

    def __init__(self, node_fields: List[str], seed: int = 0) -> None:
        super().__init__(seed)
        self.node_fields = list(node_fields)
        self._settings += tuple(node_fields)

    def explain_transformed(self, explained: AttributionEvaluation) -> EdgeAttribution:
        graph = explained.graph
        owner = torch.arange(graph.num_graphs, device=graph.nodes_per_graph.device)
        numbers = explained.random(self.seed).order(owner.repeat_interleave(graph.nodes_per_graph))
        batch = relabel_nodes(explained.unmasked.batch, graph, numbers, self.node_fields)
        return explain_again(explained, batch)


@Metric.register("edge_randomization")
class EdgeRandomization(EdgeMetric):
    """
    Explains the batch again after the model's parameters have been shuffled ([Adebayo et al.,
    2018](https://arxiv.org/abs/1810.03292)): an explanation that stays the same does not depend on what the model has learned.
    The quantities are, as means over instances, Spearman's rank correlation of the scores and the Jaccard index of what is kept,
    before and after.

    How much two explanations have in common by chance depends on how much is kept: see the random control.

    Registered as a `Metric` with name "edge_randomization".

    # Parameters

    seed : `int`, optional (default = `0`)
    parameters : `str`, optional (default = `""`, all)
        A regular expression that is searched for in the names of the model's parameters; those that match are shuffled.
    """

    quantities: ClassVar[Dict[str, Quantity]] = {
        "randomized_rank_correlation": Quantity(
            "zero", -1.0, 1.0, 0.0, "Rank correlation of scores before and after the model is randomized."
        ),
        "randomized_jaccard": Quantity(
            "lower", 0.0, 1.0, 0.0, "Overlap of what is kept before and after the model is randomized."
        ),
    }

    def __init__(self, seed: int = 0, parameters: str = "") -> None:
        super().__init__()
        self.seed = seed
        self.parameters = parameters

    def evaluate(self, explained: AttributionEvaluation) -> Dict[MetricKey, Ratios]:
        def explain_randomized() -> EdgeAttribution:
            with randomized(explained.masked_model.target, seed=self.seed, parameters=self.parameters):
                return explain_again(explained, explained.unmasked.batch)

        other = explained.shared((type(self), self.seed, self.parameters), explain_randomized)
        correlation, overlap = similarity(explained.attribution, other)
        return {
            MetricKey("randomized_rank_correlation"): correlation,
            MetricKey("randomized_jaccard"): overlap,
        }
