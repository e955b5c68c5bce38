"""
What interpreters share that differentiate a batch's predictions by the gates of its messages, and must tell no graph of a batch
what the others are: sums over a graph's edges, and random numbers.
"""

from typing import List, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.divergences import PredictionNll
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.modules.intervention import Gate


def log_likelihood(
    masked_model: MaskedModel, unmasked: UnmaskedPass, gates: Sequence[Optional[Gate]]
) -> torch.Tensor:
    """
    The log likelihood, with gates, of what the model predicts on the whole graph, summed over an instance's positions. Shape:
    `(batch_size,)`.
    """
    masked = masked_model.masked(unmasked, gates, "unreported")
    return -masked_model.divergence(PredictionNll(), unmasked.output, masked)


def gate_gradients(masked_model: MaskedModel, unmasked: UnmaskedPass, scale: float) -> List[torch.Tensor]:
    """
    The derivative of each instance's `log_likelihood` by the scale of each of its gates, where all gates of all layers have the
    same scale and replace by zeros. A graph's prediction depends on its own gates only, so that one backward pass does a batch.

    # Parameters

    masked_model : `MaskedModel`
    unmasked : `UnmaskedPass`
    scale : `float`

    # Returns

    `List[torch.Tensor]`
        Shape of each: `(num_edges,)`.
    """
    # Predictors run without gradients.
    with torch.enable_grad():
        scales = [
            messages.node_states.new_full((messages.graph.num_edges,), scale, requires_grad=True)
            for messages in unmasked.layers
        ]
        likelihood = log_likelihood(masked_model, unmasked, [Gate(layer) for layer in scales])
        if not likelihood.requires_grad:  # the model reads no node
            return [torch.zeros_like(layer) for layer in scales]
        # A message of the top layer into a node that the model does not read has no gradient: it is zero.
        return list(torch.autograd.grad(likelihood.sum(), scales, materialize_grads=True))


def sum_per_graph(values: torch.Tensor, graph: Graph) -> torch.Tensor:
    """From one number for each edge, `(num_edges,)`, to one for each graph, `(num_graphs,)`."""
    return values.new_zeros(graph.num_graphs).index_add(0, graph.edge_graph, values)


def mean_per_graph(values: torch.Tensor, graph: Graph) -> torch.Tensor:
    """The same; the mean of no edges is zero."""
    return sum_per_graph(values, graph) / graph.edges_per_graph().clamp(min=1)


class PerGraphRandom:
    """
    Random numbers for the edges of a batch that do not depend on what else is in the batch: each graph has a generator of its
    own, all of them start from one seed (itself the first number of the interpreter's generator), and a graph's edges draw in
    their order. Equal graphs of a batch draw equal numbers; as graphs are optimised apart, nothing is lost by that.

    # Parameters

    graph : `Graph`
    generator : `torch.Generator`
        On the CPU; one number is drawn from it.
    """

    def __init__(self, graph: Graph, generator: torch.Generator) -> None:
        seed = int(torch.randint(2**62, (1,), generator=generator))
        self._counts = graph.edges_per_graph().tolist()
        self._generators = [torch.Generator().manual_seed(seed) for _ in self._counts]
        # The edges of a batch usually stand graph by graph, but nothing promises that.
        order = torch.argsort(graph.edge_graph, stable=True)
        self._place = torch.empty_like(order)
        self._place[order] = torch.arange(len(order), device=order.device)

    def normal(self, like: torch.Tensor, size: Tuple[int, ...] = ()) -> torch.Tensor:
        """
        Standard normal numbers of the type and on the device of `like`; equal for single and double precision but for
        rounding. Shape: `(num_edges, *size)`.
        """
        return self._in_order([torch.randn(shape, generator=own) for shape, own in self._shapes(size)], like)

    def uniform(self, like: torch.Tensor, size: Tuple[int, ...] = ()) -> torch.Tensor:
        """The same, uniform on [0, 1)."""
        return self._in_order([torch.rand(shape, generator=own) for shape, own in self._shapes(size)], like)

    def uniform_of_graphs(self, like: torch.Tensor, size: int) -> torch.Tensor:
        """For each graph, not edge, numbers that are uniform on [0, 1). Shape: `(num_graphs, size)`."""
        draws = [torch.rand(size, generator=own) for own in self._generators]
        return torch.stack(draws).to(like) if draws else like.new_zeros(0, size)

    def _shapes(self, size: Tuple[int, ...]) -> List[Tuple[Tuple[int, ...], torch.Generator]]:
        return [((count, *size), own) for count, own in zip(self._counts, self._generators)]

    def _in_order(self, draws: List[torch.Tensor], like: torch.Tensor) -> torch.Tensor:
        if not draws:
            return like.new_zeros(0)
        return torch.cat(draws).to(like).index_select(0, self._place)


def check_number(
    interpreter: str, name: str, value: float, *, least: float, is_open: bool = False, meaning: str = ""
) -> None:
    """
    # Raises

    `ConfigurationError` if the value is below `least`, or not above it if `is_open`.
    """
    if value < least or (is_open and value == least) or value != value:
        expected = f"{'above' if is_open else 'at least'} {least:g}"
        raise ConfigurationError(f"{interpreter}: {name} is {value}, expected a number {expected}{meaning}.")
