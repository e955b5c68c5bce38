from typing import Any, List, Optional

import torch
from torch.nn import functional

from allennlp_graphmask.checks import check_above, check_at_least, check_choice
from allennlp_graphmask.interpret.divergences import Divergence, PredictionNll
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import mean_per_graph, sum_per_graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate


@Interpreter.register("gnn_explainer")
class GnnExplainer(Interpreter):
    """
    GNNExplainer ([Ying et al., 2019](https://arxiv.org/abs/1903.03894), equation 5 with the regularisation of section 4.2 and of
    the authors' code): for each instance, gates `z = sigmoid(l)` in (0, 1) are optimised by Adam, from a random start, for

    `divergence + size_coefficient * sum of z + entropy_coefficient * mean of H(z)`

    H being the entropy of a gate, which drives gates to 0 or 1. A message becomes `z m`. The score of a message is its gate.

    Differences from the original: gates belong to messages, not edges, so that **each layer has its own** (the original has one gate
    for an edge in all layers; with a single layer they are the same); edges are directed; features of nodes are not masked; the
    entropy is averaged over messages, not over all pairs of nodes. Instances of a batch are optimised together with a loss, gates
    and optimizer state of their own, as if one by one.

    With these coefficients the entropy decides wherever the likelihood is flat, and drives all gates open: choose both coefficients
    on data (docs/interpreters.md).

    An explanation is fitted to the one prediction that it explains, and can be a mask that happens to give the same output (the
    GraphMask paper, section 2, calls this hindsight bias).

    `num_epochs` forward and backward passes for a batch.

    Registered as an `Interpreter` with name "gnn_explainer". Without another rule, messages with a gate above 0.5 are kept.

    # Parameters

    divergence : `Divergence`, optional (default = `prediction_nll`)
        The loss that preserves the prediction; the default is the paper's.
    num_epochs : `int`, optional (default = `100`)
    learning_rate : `float`, optional (default = `0.1`)
        PyTorch Geometric's default is 0.01, with which gates hardly leave their start in 100 epochs.
    size_coefficient : `float`, optional (default = `0.005`)
    size_reduction : `str`, optional (default = `"sum"`)
        `"sum"` or `"mean"` of the gates of all the instance's messages. The sum presses more on larger graphs.
    entropy_coefficient : `float`, optional (default = `1.0`)
        The weight of the entropy's mean over all the instance's messages.
    initial_mean : `float`, optional (default = `1.0`)
        The logits start from a normal distribution with this mean. (PyTorch Geometric: 0.)
    initial_std : `float`, optional (default = `None`)
        The standard deviation of the start; `sqrt(2 / num_nodes)` of each graph if not given.

    # Raises

    `ConfigurationError` for a number that is out of range or an unknown reduction.
    """

    renamed_parameters = {"initial_standard_deviation": "initial_std"}
    default_threshold = 0.5

    def __init__(
        self,
        *,
        divergence: Optional[Divergence] = None,
        num_epochs: int = 100,
        learning_rate: float = 0.1,
        size_coefficient: float = 0.005,
        size_reduction: str = "sum",
        entropy_coefficient: float = 1.0,
        initial_mean: float = 1.0,
        initial_std: Optional[float] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least(
            "gnn_explainer",
            0,
            num_epochs=num_epochs,
            size_coefficient=size_coefficient,
            entropy_coefficient=entropy_coefficient,
            initial_std=0 if initial_std is None else initial_std,
        )
        check_above("gnn_explainer", 0, learning_rate=learning_rate)
        check_choice("gnn_explainer", ("sum", "mean"), size_reduction=size_reduction)
        self.divergence = divergence or PredictionNll()
        self.num_epochs = num_epochs
        self.learning_rate = learning_rate
        self.size_coefficient = size_coefficient
        self.size_reduction = size_reduction
        self.entropy_coefficient = entropy_coefficient
        self.initial_mean = initial_mean
        self.initial_std = initial_std

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        logits = self._start(unmasked, random)
        optimizer = torch.optim.Adam(logits, lr=self.learning_rate)
        with torch.enable_grad():  # predictors run without gradients
            for _ in range(self.num_epochs):
                optimizer.zero_grad()
                gates = [Gate(torch.sigmoid(layer)) for layer in logits]
                masked = masked_model.masked(unmasked, gates)
                divergence = masked_model.divergence(self.divergence, unmasked, masked)
                # A sum, not a mean: an instance must not depend on the number of others.
                loss = (divergence + self._regularisation(logits, unmasked)).sum()
                loss.backward(inputs=logits)
                optimizer.step()
        return LayerScores([torch.sigmoid(layer.detach()) for layer in logits])

    def _start(self, unmasked: UnmaskedPass, random: PerGraphRandom) -> List[torch.Tensor]:
        """Draw the initial logits of the gates. Shape of each: `(num_edges,)`."""
        graph = unmasked.graph
        logits = []
        for messages in unmasked.layers:
            noise = random.normal(messages.node_states)
            if self.initial_std is None:
                nodes = graph.nodes_per_graph.index_select(0, graph.edge_graph).to(noise.dtype)
                deviation = (2 / nodes).sqrt()
            else:
                deviation = torch.full_like(noise, self.initial_std)
            logits.append((self.initial_mean + deviation * noise).requires_grad_())
        return logits

    def _regularisation(self, logits: List[torch.Tensor], unmasked: UnmaskedPass) -> torch.Tensor:
        """Shape: `(num_graphs,)`."""
        graph = unmasked.graph
        num_layers = len(logits)
        stacked = torch.stack(logits)  # Shape: (num_layers, num_edges)
        gates = torch.sigmoid(stacked)
        # By log sigmoids, because the logarithm of a gate that has reached 0 has no gradient.
        entropies = -gates * functional.logsigmoid(stacked) - (1 - gates) * functional.logsigmoid(-stacked)
        size = sum_per_graph(gates.sum(0), graph)
        if self.size_reduction == "mean":
            size = mean_per_graph(gates.sum(0), graph) / num_layers
        entropy = mean_per_graph(entropies.sum(0), graph) / num_layers
        return self.size_coefficient * size + self.entropy_coefficient * entropy
