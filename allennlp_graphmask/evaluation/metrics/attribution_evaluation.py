from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass, evaluating


class AttributionEvaluation:
    """
    An attribution of a batch beside the model that it explains: what metrics look at. Passes that several metrics need are
    computed once.

    # Parameters

    masked_model : `MaskedModel`
        The explained model.
    batch : `Dict[str, Any]` or `UnmaskedPass`
        Its inputs, or its unmasked pass over them.
    attribution : `EdgeAttribution`
        What an interpreter says of the batch. Messages that are dropped are replaced by its `replacements`.
    truth : `Sequence[torch.Tensor]`, optional (default = `None`)
        For each layer whether each message matters: 1, 0, or -1 where it is not known; see `truth_of_batch`. Shape of each:
        `(num_edges,)`.
    interpreter : `Interpreter`, optional (default = `None`)
        Whose attribution it is, for metrics that ask it again.

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
            with torch.no_grad(), evaluating(masked_model.target):
                self.unmasked = masked_model.unmasked(batch, "unreported")
        self.attribution = attribution
        self.truth = None if truth is None else list(truth)
        self._interpreter = interpreter
        self._kept_output: Optional[Dict[str, Any]] = None
        #: What does not depend on the attribution, by name; random controls have it too.
        self._shared: Dict[Any, Any] = {}
        num_layers, num_edges = len(self.unmasked.layers), self.graph.num_edges
        for name, layers in (("attribution", attribution.scores), ("truth", self.truth)):
            if layers is None:
                continue
            shapes = [tuple(layer.shape) for layer in layers]
            if shapes != [(num_edges,)] * num_layers:
                raise ValueError(
                    f"The {name} has layers of shapes {shapes}, expected {num_layers} of ({num_edges},): it belongs to another "
                    "batch or another model."
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
        """
        # Raises

        `ConfigurationError` if it was not given.
        """
        if self._interpreter is None:
            raise ConfigurationError(
                "This metric asks the interpreter again: give AttributionEvaluation its `interpreter`."
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
        The model's output when only these messages are kept and all others replaced.

        # Parameters

        kept : `Sequence[torch.Tensor]`
            Shape of each: `(num_edges,)`, `torch.bool`.
        """
        with torch.no_grad(), evaluating(self.masked_model.target):
            return self.masked_model.masked(self.unmasked, self.attribution.gates(kept), "unreported")

    def shared(self, name: Any, compute: Callable[[], Any]) -> Any:
        """What `compute` gives; it is called once for this object and its random controls."""
        if name not in self._shared:
            self._shared[name] = compute()
        return self._shared[name]

    def random_control(self, generator: torch.Generator) -> "AttributionEvaluation":
        """
        The same with scores and decisions exchanged at random within each layer of each graph: as many messages are kept, and
        scores have the same distribution.

        # Parameters

        generator : `torch.Generator`
            On the CPU.
        """
        control = AttributionEvaluation(
            self.masked_model,
            self.unmasked,
            shuffled_attribution(self.attribution, generator),
            truth=self.truth,
            interpreter=self._interpreter,
        )
        control._shared = self._shared
        return control


def shuffled_attribution(attribution: EdgeAttribution, generator: torch.Generator) -> EdgeAttribution:
    """
    An attribution whose scores and decisions are exchanged at random (together) within each layer of each graph. What replaces
    a message stays with its edge.
    """
    graph = attribution.graph
    scores: List[torch.Tensor] = []
    kept: List[torch.Tensor] = []
    for layer_scores, layer_kept in zip(attribution.scores, attribution.kept):
        order = shuffled_within_graphs(graph, generator)
        scores.append(layer_scores[order])
        kept.append(layer_kept[order])
    return EdgeAttribution(
        graph,
        scores,
        kept,
        attribution.relation_names,
        replacements=attribution.replacements,
        replacements_per_graph=attribution.replacements_per_graph,
    )


def shuffled_within_graphs(graph: Graph, generator: torch.Generator) -> torch.Tensor:
    """
    A random order of the edges in which the place of every edge is taken by one of the same graph. Shape: `(num_edges,)`.
    """
    owner = graph.edge_graph.cpu()
    places = torch.argsort(owner, stable=True)
    shuffled = torch.randperm(graph.num_edges, generator=generator)
    shuffled = shuffled[torch.argsort(owner[shuffled], stable=True)]
    order = torch.empty_like(places)
    order[places] = shuffled
    return order.to(graph.edge_graph.device)


def sum_by_graph(values: torch.Tensor, graph: Graph) -> torch.Tensor:
    """From a number for each edge, `(num_edges,)`, to their sum for each graph, `(num_graphs,)`, `torch.double`."""
    sums = torch.zeros(graph.num_graphs, dtype=torch.double, device=values.device)
    return sums.index_add(0, graph.edge_graph, values.double())
