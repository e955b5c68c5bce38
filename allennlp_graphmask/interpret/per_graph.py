"""What interpreters share that differentiate predictions by the gates of a batch: gradients, and sums over the edges of a graph."""

from typing import List, Optional, Sequence

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.divergences import PredictionNll
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.modules.intervention import Gate


def log_likelihood(masked_model: MaskedModel, unmasked: UnmaskedPass, gates: Sequence[Optional[Gate]]) -> torch.Tensor:
    """
    Return the log likelihood, with gates, of the model's prediction on the whole graph, summed over an instance's positions. Shape:
    `(batch_size,)`.
    """
    masked = masked_model.masked(unmasked, gates)
    return -masked_model.divergence(PredictionNll(), unmasked, masked, precise=True)


def gate_gradients(
    masked_model: MaskedModel,
    unmasked: UnmaskedPass,
    scale: float,
    replacements: Optional[Sequence[torch.Tensor]] = None,
) -> List[torch.Tensor]:
    """
    Differentiate each instance's `log_likelihood` by the scale of each of its gates, if all gates of all layers have
    the same scale and replace by zeros, or by a vector for each layer, shape `(message_dim,)`. A graph's prediction depends
    on its own gates only, so one backward pass is enough for a batch. Shape of each layer's gradients: `(num_edges,)`.
    """
    # Predictors run without gradients.
    with torch.enable_grad():
        scales = [
            messages.node_states.new_full((messages.graph.num_edges,), scale, requires_grad=True)
            for messages in unmasked.layers
        ]
        vectors = [None] * len(scales) if replacements is None else [vector.detach() for vector in replacements]
        likelihood = log_likelihood(masked_model, unmasked, list(map(Gate, scales, vectors)))
        if not likelihood.requires_grad:  # the model reads no node
            return [torch.zeros_like(layer) for layer in scales]
        # A message of the top layer into a node that the model does not read has no gradient: it is zero.
        return list(torch.autograd.grad(likelihood.sum(), scales, materialize_grads=True))


def sum_per_graph(values: torch.Tensor, graph: Graph) -> torch.Tensor:
    """Sum numbers or vectors of edges, `(num_edges, ...)`, over each graph, `(num_graphs, ...)`."""
    return values.new_zeros(graph.num_graphs, *values.shape[1:]).index_add(0, graph.edge_graph, values)


def mean_per_graph(values: torch.Tensor, graph: Graph) -> torch.Tensor:
    """Return the mean over the edges of each graph; zero for a graph without edges."""
    counts = graph.edges_per_graph().clamp(min=1)
    return sum_per_graph(values, graph) / counts.view(-1, *[1] * (values.dim() - 1))
