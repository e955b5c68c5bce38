"""What is done with the messages of a pass: finding its layers, and showing them to interventions."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages
from allennlp_graphmask.pyg.hooks import hooked
from allennlp_graphmask.pyg.propagation import Observer, Propagation, PropagationLayer

#: See `ShownMessages`.
Matches = Dict[int, Tuple[torch.Tensor, torch.Tensor]]


class Recorder(Observer):
    """
    Finds the layers of a pass, in their order.

    # Parameters

    graph : `Graph`
    names : `Dict[int, str]`
        By its identity the path of each convolution in the model.
    has_self_loops : `bool`, optional (default = `False`)
    """

    def __init__(self, graph: Graph, names: Dict[int, str], has_self_loops: bool = False) -> None:
        super().__init__(graph, has_self_loops)
        self.layers: List[PropagationLayer] = []
        #: The layer of each propagation.
        self.plan: List[int] = []
        self._names = names
        # The edges over which the current layer has not sent yet. Shape: `(num_edges,)`, `torch.bool`.
        self._free: Optional[torch.Tensor] = None

    def called(self, convolution: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        super().called(convolution, args, kwargs)
        self._free = None

    def message(self, propagation: Propagation, output: torch.Tensor) -> Optional[torch.Tensor]:
        # In the call of a convolution a layer ends where an edge would have another message.
        edges = None if self._free is None else propagation.find_edges(self.graph, self._free)
        if edges is None or self._free is None:
            edges = propagation.match_edges(self.graph)
            self._free = torch.ones_like(self.graph.edge_type, dtype=torch.bool)
            name = self._names.get(id(propagation.convolution), type(propagation.convolution).__name__)
            states = propagation.node_states(self.graph)
            self.layers.append(PropagationLayer(name, states.size(1), propagation.flatten(output).size(1)))
        self._free[edges[edges >= 0]] = False
        self.plan.append(len(self.layers) - 1)
        return None


class _Collector(Observer):
    """Collects the messages of one layer that a call sends in several propagations, those with these numbers."""

    def __init__(self, graph: Graph, numbers: range, has_self_loops: bool) -> None:
        super().__init__(graph, has_self_loops)
        self.values: Any = 0.0
        self._numbers = numbers
        self._next = 0
        self._free = torch.ones_like(graph.edge_type, dtype=torch.bool)

    def message(self, propagation: Propagation, output: torch.Tensor) -> Optional[torch.Tensor]:
        if self._next in self._numbers:
            edges = propagation.match_edges(self.graph, self._free)
            self._free[edges[edges >= 0]] = False
            self.values = self.values + propagation.spread(output, edges, self.graph)
        self._next += 1
        return None


class ShownMessages(Observer):
    """
    Shows the messages of a pass to the interventions of an encoder, and applies their gates.

    # Parameters

    encoder : `GraphEncoder`
    graph : `Graph`
    plan : `Sequence[int]`
        The layer of each propagation, as `Recorder` found them.
    matches : `Matches`, optional
        What passes over the same graph share: for propagations, by their number, the edges that they send over and the edge of the
        graph that each message belongs to.
    has_self_loops : `bool`, optional (default = `False`)
    """

    def __init__(
        self,
        encoder: GraphEncoder,
        graph: Graph,
        plan: Sequence[int],
        matches: Optional[Matches] = None,
        has_self_loops: bool = False,
    ) -> None:
        super().__init__(graph, has_self_loops)
        self._encoder = encoder
        self._plan = plan
        self._matches: Matches = {} if matches is None else matches
        self._position = 0
        self._first_of_call = 0
        self._layer = -1
        self._gate: Optional[Gate] = None
        self._free = torch.empty(0)

    def called(self, convolution: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        super().called(convolution, args, kwargs)
        self._first_of_call = self._position

    def message(self, propagation: Propagation, output: torch.Tensor) -> Optional[torch.Tensor]:
        graph = self.graph
        if self._position == len(self._plan):
            raise RuntimeError(
                f"The model sends messages more often than the {len(self._plan)} times of the pass that was recorded: its layers depend "
                "on its input, so that it cannot be explained."
            )
        layer, self._position = self._plan[self._position], self._position + 1
        if layer != self._layer:
            self._layer = layer
            self._free = torch.ones_like(graph.edge_type, dtype=torch.bool)
            messages = Messages(
                layer, propagation.node_states(graph), graph, self._messages_of(layer, propagation, output)
            )
            self._gate = self._encoder.intervene(messages)
        if self._gate is None:
            return None
        edges = self._match(self._position - 1, propagation, self._free)
        self._free[edges[edges >= 0]] = False
        return propagation.apply(self._gate, output, edges, graph)

    def _match(self, number: int, propagation: Propagation, free: torch.Tensor) -> torch.Tensor:
        edge_index, edges = self._matches.get(number, (None, None))
        if edges is None or edge_index is None or not torch.equal(edge_index, propagation.edge_index):
            edges = propagation.match_edges(self.graph, free)
            self._matches[number] = propagation.edge_index, edges
        return edges

    def _messages_of(self, layer: int, propagation: Propagation, output: torch.Tensor) -> Callable[[], torch.Tensor]:
        graph, count = self.graph, self._plan.count(layer)
        number, free = self._position - 1, self._free.clone()
        if count == 1:
            return lambda: propagation.spread(output, self._match(number, propagation, free), graph)
        first = number - self._first_of_call

        def collect() -> torch.Tensor:
            # The others have not been computed yet.
            collector = _Collector(graph, range(first, first + count), self.has_self_loops)
            with hooked(propagation.convolution, collector):
                propagation.convolution(*propagation.args, **propagation.kwargs)
            values: torch.Tensor = collector.values
            return values

        return collect
