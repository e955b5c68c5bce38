from typing import Any, Callable, Dict, Optional, Sequence, Union

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom


class AttributionEvaluation:
    """
    An attribution of a batch together with the model that it explains: the input of metrics. Passes that several metrics need
    are computed once.

    # Parameters

    masked_model : `MaskedModel`
        The explained model.
    batch : `Dict[str, Any]` or `UnmaskedPass`
        Its inputs, or its unmasked pass over them.
    attribution : `EdgeAttribution`
        The interpreter's result for the batch. Messages that are dropped are replaced by its `replacements`.
    truth : `Sequence[torch.Tensor]`, optional (default = `None`)
        For each layer whether each message matters: 1, 0, or -1 where it is not known; see `read_truth`. Shape of each:
        `(num_edges,)`.
    interpreter : `Interpreter`, optional (default = `None`)
        The one that made the attribution, for metrics that call it again.

    # Raises

    `ValueError` if the attribution or the truth do not fit the batch.
    """

    def __init__(
        self,
        masked_model: MaskedModel,
        batch: Union[Dict[str, Any], UnmaskedPass],
        attribution: EdgeAttribution,
        *,
        truth: Optional[Sequence[torch.Tensor]] = None,
        interpreter: Optional[Interpreter] = None,
    ) -> None:
        self.masked_model = masked_model
        if isinstance(batch, UnmaskedPass):
            self.unmasked = batch
        else:
            with torch.no_grad(), masked_model.explaining():
                self.unmasked = masked_model.unmasked(batch, "unreported")
        self.attribution = attribution
        self.truth = None if truth is None else list(truth)
        self._interpreter = interpreter
        self._kept_output: Optional[Dict[str, Any]] = None
        #: What does not depend on the attribution, by name; random controls have it too.
        self._shared: Dict[Any, Any] = {}
        #: That of a random control.
        self._control_seed: Optional[int] = None
        expected = [(self.graph.num_edges,)] * self.num_layers
        for name, layers in (("attribution", attribution.scores), ("truth", self.truth)):
            shapes = expected if layers is None else [tuple(layer.shape) for layer in layers]
            if shapes != expected:
                raise ValueError(
                    f"The {name} has layers of shapes {shapes}, expected {len(expected)} of ({self.graph.num_edges},): it belongs to "
                    "another batch or another model."
                )

    @property
    def graph(self) -> Graph:
        return self.unmasked.layers[0].graph

    @property
    def num_layers(self) -> int:
        return len(self.unmasked.layers)

    @property
    def num_instances(self) -> int:
        return self.graph.num_graphs

    @property
    def interpreter(self) -> Interpreter:
        """The interpreter, for metrics that call it again. If it was not given, this raises a `ConfigurationError`."""
        if self._interpreter is None:
            raise ConfigurationError(
                "This metric calls the interpreter again: give AttributionEvaluation its `interpreter`."
            )
        return self._interpreter

    @property
    def kept_output(self) -> Dict[str, Any]:
        """The model's output with nothing but the explanation."""
        if self._kept_output is None:
            self._kept_output = self.output_with(self.attribution.kept)
        return self._kept_output

    def output_with(self, kept: Sequence[torch.Tensor]) -> Dict[str, Any]:
        """
        Return the model's output when only these messages are kept and all others replaced. Shape of each layer:
        `(num_edges,)`, `torch.bool`.
        """
        with torch.no_grad(), self.masked_model.explaining():
            return self.masked_model.masked(self.unmasked, self.attribution.gates(kept), "unreported")

    def shared(self, name: Any, compute: Callable[[], Any]) -> Any:
        """Return the result of `compute`, which is called once for this object and its random controls."""
        if name not in self._shared:
            self._shared[name] = compute()
        return self._shared[name]

    def random(self, seed: int) -> PerGraphRandom:
        """Return random numbers that depend on the seed and on each instance, but not on the batch."""
        return PerGraphRandom(self.graph, self.unmasked.batch, seed)

    def random_control(self, seed: int) -> "AttributionEvaluation":
        """
        Return the same with scores and decisions exchanged at random within each layer of each graph, among the messages that can
        have an effect on the focus: the same number of messages is kept, and scores have the same distribution. The exchange depends
        on the seed and the instance only.
        """
        control = AttributionEvaluation(
            self.masked_model,
            self.unmasked,
            self._exchanged(self.attribution, seed),
            truth=self.truth,
            interpreter=self._interpreter,
        )
        control._shared = self._shared
        control._control_seed = seed
        return control

    def as_here(self, attribution: EdgeAttribution) -> EdgeAttribution:
        """
        Return another attribution of the batch, one that is `shared`, as a metric compares it with this one: a random control exchanges
        it as its own.
        """
        return attribution if self._control_seed is None else self._exchanged(attribution, self._control_seed)

    def _exchanged(self, attribution: EdgeAttribution, seed: int) -> EdgeAttribution:
        return shuffled_attribution(attribution, self.random(seed), self.unmasked.reachable())


def shuffled_attribution(
    attribution: EdgeAttribution, random: PerGraphRandom, reachable: Sequence[torch.Tensor]
) -> EdgeAttribution:
    """
    Exchange scores and decisions at random (together) within each layer of each graph, among the messages that can have an effect
    on the focus. What replaces a message stays with its edge.
    """
    edge_graph = attribution.graph.edge_graph
    # However they are listed.
    edges = attribution.graph.edge_order()
    orders = []
    for reaches in reachable:
        places = edges[reaches[edges]]
        order = torch.arange(len(edge_graph), device=edge_graph.device)
        order[places] = places[random.order(edge_graph[places])]
        orders.append(order)
    return reorder_decisions(attribution, attribution, orders)


def reorder_decisions(
    attribution: EdgeAttribution, found: EdgeAttribution, orders: Sequence[torch.Tensor]
) -> EdgeAttribution:
    """
    Return the attribution with the scores and decisions of another one, in another order: for each layer the edges that they are
    of, shape `(num_edges,)`.
    """
    scores, kept, rounding = (
        [layer[order] for layer, order in zip(layers, orders)] for layers in (found.scores, found.kept, found.rounding)
    )
    return attribution.with_decisions(kept, scores=scores, rounding=rounding)


def sum_by_graph(values: torch.Tensor, graph: Graph) -> torch.Tensor:
    """
    Add up numbers of edges, `(num_edges,)`, or of messages, `(num_layers, num_edges)`, for each graph. Shape: `(num_graphs,)`,
    `torch.double`.
    """
    of_edges = values.double() if values.dim() == 1 else values.double().sum(0)
    return sum_per_graph(of_edges, graph)
