from typing import Any, Dict, Iterable, List, NamedTuple, Optional

import torch
from torch.nn import functional

from allennlp_graphmask.checks import check_above, check_at_least, check_choice
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.divergences import Divergence, PredictionNll
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import mean_per_graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate


class MessageStatistics(NamedTuple):
    """The distribution of one layer's noise. Shape of both: `(num_graphs, message_dim)`, or `(1, message_dim)` for all graphs."""

    mean: torch.Tensor
    std: torch.Tensor


def statistics_per_graph(values: torch.Tensor, graph: Graph, min_std: float) -> MessageStatistics:
    """
    Compute the mean and the (population's) standard deviation of each graph's messages, shape `(num_edges, message_dim)`, element by
    element. Smaller deviations are raised to `min_std`.
    """
    mean = mean_per_graph(values, graph)  # Shape: (num_graphs, message_dim)
    variance = mean_per_graph((values - mean.index_select(0, graph.edge_graph)).square(), graph)
    return MessageStatistics(mean, variance.sqrt().clamp(min=min_std))


def capacity(logits: torch.Tensor, values: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """
    Return the KL divergence, in nats, from noise N(mean, std^2) to what is left of a message m,
    `lambda m + (1 - lambda) noise` with `lambda = sigmoid(logits)`, element by element: with `r = (m - mean) / std`

    `-log(1 - lambda) + ((1 - lambda)^2 + lambda^2 r^2 - 1) / 2`

    (Schulz et al., 2020, section 3.1): an upper bound of the information that passes. Shape of the logits:
    `(num_edges,)`, of the messages and of the result: `(num_edges, message_dim)`; `mean` and `std` broadcast with them.
    """
    logits = logits.unsqueeze(-1)
    signal, noise = torch.sigmoid(logits), torch.sigmoid(-logits)
    normalised = (values - mean) / std
    # 1 - lambda would round to zero, whose logarithm is infinite.
    return -functional.logsigmoid(-logits) + (noise.square() + (signal * normalised).square() - 1) / 2


@Interpreter.register("information_bottleneck")
class InformationBottleneck(Interpreter):
    """
    The per-sample information bottleneck ([Schulz et al., 2020](https://arxiv.org/abs/2001.00396), section 3.1) over messages, a
    baseline of the GraphMask paper: each message m becomes `lambda m + (1 - lambda) epsilon`, with `epsilon ~ N(mean, std^2)` of the
    messages of its layer, element by element, and one `lambda = sigmoid(l)` for each message. The l of an instance are optimised by
    Adam for

    `expected divergence + beta * sum over layers of the mean capacity`

    where the capacity (see `capacity`) bounds the information that a message lets through, averaged over the messages of the
    layer and their elements; it is that of the messages on the whole graph. A dropped message is replaced by the mean.

    Mean and standard deviation are those of the data given to `collect_statistics`; without them, those of each graph's own
    messages. Few messages are a poor estimate of their distribution, and a single one is none: noise around the message itself
    removes nothing.

    Noise is drawn for every edge: relational encoders work edge by edge, at `(num_edges, message_dim)` of memory for each layer.
    `num_steps * samples_per_step` forward and backward passes for a batch.

    Registered as an `Interpreter` with name "information_bottleneck". Without another rule, messages with a lambda above 0.5 are
    kept, whatever the score.

    # Parameters

    divergence : `Divergence`, optional (default = `prediction_nll`)
    beta : `float`, optional (default = `10.0`)
        The weight of the capacity. The larger, the fewer messages are kept.
    num_steps : `int`, optional (default = `10`)
    samples_per_step : `int`, optional (default = `10`)
        The number of noise samples that estimate the expectation, in each step.
    learning_rate : `float`, optional (default = `1.0`)
    initial_logit : `float`, optional (default = `5.0`)
        At first nearly everything passes. These defaults are those of the paper and of its authors' code.
    min_std : `float`, optional (default = `0.01`)
        Smaller standard deviations of an element of the messages are raised to it.
    score : `str`, optional (default = `"gate"`)
        `"gate"`, the lambda of a message, or `"information"`, its capacity in nats, summed over its elements.

    # Raises

    `ConfigurationError` for a number that is out of range or an unknown score.
    """

    renamed_parameters = {"least_standard_deviation": "min_std", "open_above": "threshold"}

    def __init__(
        self,
        *,
        divergence: Optional[Divergence] = None,
        beta: float = 10.0,
        num_steps: int = 10,
        samples_per_step: int = 10,
        learning_rate: float = 1.0,
        initial_logit: float = 5.0,
        min_std: float = 0.01,
        score: str = "gate",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least("information_bottleneck", 0, beta=beta, num_steps=num_steps)
        check_at_least("information_bottleneck", 1, samples_per_step=samples_per_step)
        check_above("information_bottleneck", 0, learning_rate=learning_rate, min_std=min_std)
        check_choice("information_bottleneck", ("gate", "information"), score=score)
        self.divergence = divergence or PredictionNll()
        self.beta = beta
        self.num_steps = num_steps
        self.samples_per_step = samples_per_step
        self.learning_rate = learning_rate
        self.initial_logit = initial_logit
        self.min_std = min_std
        self.scored_by = score
        self._statistics: Optional[List[MessageStatistics]] = None

    def collect_statistics(self, masked_model: MaskedModel, batches: Iterable[Dict[str, Any]]) -> None:
        """
        Take the mean and the standard deviation of messages from batches of inputs of the model, for later
        explanations. Raise a `ValueError` if the data have no edge.
        """
        count = 0
        first: List[torch.Tensor] = []
        sums: List[torch.Tensor] = []
        squares: List[torch.Tensor] = []
        with masked_model.explaining(), torch.no_grad():
            for batch in batches:
                layers = masked_model.record(batch).layers
                if not layers[0].graph.num_edges:
                    continue
                count += layers[0].graph.num_edges
                # Around the first batch's mean, so that the difference of large squares does not lose the variance.
                if not first:
                    first = [messages.values.double().mean(0) for messages in layers]
                    sums = [torch.zeros_like(centre) for centre in first]
                    squares = [torch.zeros_like(centre) for centre in first]
                for number, messages in enumerate(layers):
                    centred = messages.values.double() - first[number]
                    sums[number] += centred.sum(0)
                    squares[number] += centred.square().sum(0)
        if not count:
            raise ValueError("The data have no messages to collect statistics from.")
        self._statistics = []
        for centre, total, square in zip(first, sums, squares):
            variance = square / count - (total / count) ** 2
            deviation = variance.clamp(min=0).sqrt().clamp(min=self.min_std)
            mean = centre + total / count
            self._statistics.append(MessageStatistics(mean.unsqueeze(0), deviation.unsqueeze(0)))

    def statistics(self, unmasked: UnmaskedPass) -> List[MessageStatistics]:
        """Return the distribution of the noise in each layer, for a batch."""
        if self._statistics is None:
            return [statistics_per_graph(messages.values, messages.graph, self.min_std) for messages in unmasked.layers]
        return [
            MessageStatistics(
                *(tensor.to(messages.node_states).expand(messages.graph.num_graphs, -1) for tensor in statistics)
            )
            for statistics, messages in zip(self._statistics, unmasked.layers)
        ]

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        graph = unmasked.graph
        with torch.no_grad():
            statistics = self.statistics(unmasked)
            values = [messages.values for messages in unmasked.layers]
            # Shape of each: (num_edges, message_dim)
            means = [layer.mean.index_select(0, graph.edge_graph) for layer in statistics]
            deviations = [layer.std.index_select(0, graph.edge_graph) for layer in statistics]
        logits = [layer.new_full((graph.num_edges,), self.initial_logit, requires_grad=True) for layer in values]

        def capacities() -> List[torch.Tensor]:
            """Shape of each: `(num_edges, message_dim)`."""
            return [capacity(*layer) for layer in zip(logits, values, means, deviations)]

        optimizer = torch.optim.Adam(logits, lr=self.learning_rate)
        with torch.enable_grad():  # predictors run without gradients
            for _ in range(self.num_steps):
                optimizer.zero_grad()
                for _ in range(self.samples_per_step):
                    gates = [
                        Gate(torch.sigmoid(logit), mean + deviation * random.normal(mean, mean.shape[1:]))
                        for logit, mean, deviation in zip(logits, means, deviations)
                    ]
                    masked = masked_model.masked(unmasked, gates)
                    divergence = masked_model.divergence(self.divergence, unmasked, masked)
                    # Backward sample by sample, so that the noise of one is in memory. A sum over instances, not a mean: an instance
                    # must not depend on the number of others.
                    (divergence.sum() / self.samples_per_step).backward(inputs=logits)
                penalties = [mean_per_graph(layer.mean(-1), graph).sum() for layer in capacities()]
                (self.beta * torch.stack(penalties).sum()).backward(inputs=logits)
                optimizer.step()
        with torch.no_grad():
            lambdas = [torch.sigmoid(logit) for logit in logits]
            informations = [layer.sum(-1) for layer in capacities()]
        return LayerScores(
            lambdas if self.scored_by == "gate" else informations,
            kept=[layer > 0.5 for layer in lambdas],
            replacements=[layer.mean for layer in statistics],
            replacements_per_graph=True,
        )
