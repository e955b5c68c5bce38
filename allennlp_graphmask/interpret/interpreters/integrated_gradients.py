import logging
from typing import Any, List, Optional, Sequence

import numpy
import torch

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import gate_gradients, log_likelihood, sum_per_graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate

logger = logging.getLogger(__name__)


@Interpreter.register("integrated_gradients")
class IntegratedGradients(Interpreter):
    """
    Integrated gradients ([Sundararajan, Taly and Yan, 2017](https://arxiv.org/abs/1703.01365), equation 1) of the log likelihood
    f of the model's prediction, over messages. The path leads from no messages (each is replaced by zeros) to the whole graph,
    opening the gates z of all messages of all layers together:

    `score_e = integral over t from 0 to 1 of  df/dz_e (z = t, ..., t) dt`

    The signed scores of an instance, all layers together, add up to `f(whole graph) - f(no messages)` (completeness). With
    several positions in an instance, f is the sum of their log likelihoods.

    The integral is a Gauss-Legendre quadrature, whose weights add up to one: scores neither grow with the number of steps, nor does
    a step count more the further along the path it is.

    `num_steps` forward and backward passes for a batch, and one forward pass to check completeness.

    Registered as an `Interpreter` with name "integrated_gradients".

    # Parameters

    num_steps : `int`, optional (default = `50`)
        The number of points on the path. Smooth encoders (`entity_gcn`) need few. With ReLU each kink costs precision in proportion
        to one over the number of steps, and two digits of the sum take hundreds.
    signed : `bool`, optional (default = `False`)
        See `GradientTimesMessage`.
    completeness_tolerance : `float`, optional (default = `0.05`)
        By how many nats the scores of an instance may miss their sum before a warning asks for more steps; `None` for no check.

    # Raises

    `ConfigurationError` if `num_steps` is below 1 or the tolerance is negative.
    """

    ranks_only = True

    def __init__(
        self,
        *,
        num_steps: int = 50,
        signed: bool = False,
        completeness_tolerance: Optional[float] = 0.05,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least("integrated_gradients", 1, num_steps=num_steps)
        check_at_least("integrated_gradients", 0, completeness_tolerance=completeness_tolerance or 0)
        self.num_steps = num_steps
        self.signed = signed
        self.completeness_tolerance = completeness_tolerance

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        # Points and weights for [-1, 1], moved to [0, 1].
        points, weights = numpy.polynomial.legendre.leggauss(self.num_steps)
        states = [messages.node_states for messages in unmasked.layers]
        num_edges = unmasked.graph.num_edges
        # Single precision would lose digits in the sum over many steps.
        totals = [layer.new_zeros(num_edges, dtype=torch.double) for layer in states]
        for point, weight in zip((points + 1) / 2, weights / 2):
            gradients = gate_gradients(masked_model, unmasked, float(point), self.replacements)
            for total, gradient in zip(totals, gradients):
                total += float(weight) * gradient
        scores = [total.to(layer.dtype) for total, layer in zip(totals, states)]
        if self.completeness_tolerance is not None:
            self._check_completeness(masked_model, unmasked, totals, self.completeness_tolerance)
        return LayerScores(scores if self.signed else [layer.abs() for layer in scores])

    def _check_completeness(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, scores: List[torch.Tensor], tolerance: float
    ) -> None:
        graph = unmasked.graph
        with torch.no_grad():
            whole: List[Optional[Gate]] = [None] * len(scores)
            no_edge = torch.zeros(graph.num_edges, dtype=torch.bool, device=graph.edge_index.device)
            vectors: Sequence[Optional[torch.Tensor]] = self.replacements or [None] * len(scores)
            nothing = [Gate(no_edge, vector) for vector in vectors]
            difference = log_likelihood(masked_model, unmasked, whole) - log_likelihood(masked_model, unmasked, nothing)
        # Shape: (num_graphs,)
        missed = (sum_per_graph(torch.stack(scores).sum(0), graph) - difference).abs()
        too_far = int((missed > tolerance).sum())
        if too_far:
            logger.warning(
                "integrated_gradients: the scores of %d of %d instances miss the sum that they should have, by up to %.3g nats "
                "(more than %g). Raise num_steps, which is %d.",
                too_far,
                graph.num_graphs,
                float(missed.max()),
                tolerance,
                self.num_steps,
            )
