"""
The messages of PyTorch Geometric's convolutions, as the layers of a `GraphEncoder` show theirs: through the hooks that PyG documents.

A layer is what a convolution sends over each edge once. One that sends over the same edges again in a call (`APPNP`, `TAGConv`) has
several layers; one that sends over the edges of each relation by itself (`RGCNConv`) has one.
"""

import contextlib
import contextvars
import inspect
import math
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, apply_gate
from allennlp_graphmask.restoring import restoring


class PropagationLayer(NamedTuple):
    """A layer that a recorded pass found."""

    #: The path of the convolution in the model.
    convolution: str
    node_dim: int
    message_dim: int


class Propagation(NamedTuple):
    """One of the times that a convolution, in a call, sends messages."""

    convolution: Any
    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    #: Shape: `(2, num_messages)`.
    edge_index: torch.Tensor

    def node_states(self, graph: Graph) -> torch.Tensor:
        """Return the states that the call is given; raise a `ConfigurationError` if they are not those of the graph's nodes."""
        states = self.args[0] if self.args else self.kwargs.get("x")
        if isinstance(states, torch.Tensor) and states.is_floating_point() and states.dim() == 2:
            if states.size(0) == graph.num_nodes:
                return states
            found = f"states of shape {tuple(states.shape)} for {graph.num_nodes} nodes"
        else:
            found = "two sets of nodes (bipartite)" if isinstance(states, tuple) else f"a {type(states).__name__}"
        raise ConfigurationError(
            f"{type(self.convolution).__name__} is called with {found}; only convolutions of the graph's own nodes can be explained, "
            "whose first argument is a tensor of their states, shape (num_nodes, node_dim)."
        )

    def find_edges(self, graph: Graph, free: torch.Tensor) -> Optional[torch.Tensor]:
        """
        Return the edge of the graph that each message belongs to; -1 for self-loops that the convolution adds. It puts them in the place
        of the graph's own, which then have no message. `None` if a message belongs to no edge that is free. Shape: from `(num_edges,)`,
        `torch.bool`, to `(num_messages,)`.

        Of several edges between two nodes the convolution is taken to keep the order, or to go through them relation by relation.
        """
        sources, targets = self.edge_index
        is_loop = sources == targets
        adds_loops = bool(
            getattr(self.convolution, "add_self_loops", False) or is_loop.sum() > (graph.sources == graph.targets).sum()
        )
        if not adds_loops and bool(free.all()) and torch.equal(self.edge_index, graph.edge_index):
            return torch.arange(graph.num_edges, device=sources.device)
        edges = free.nonzero().squeeze(-1)
        if (
            inspect.signature(self.convolution.forward).bind(*self.args, **self.kwargs).arguments.get("edge_type")
            is not None
        ):
            edges = edges[torch.argsort(graph.edge_type[edges], stable=True)]
        keys, order = (graph.sources * graph.num_nodes + graph.targets)[edges].sort(stable=True)
        edges = edges[order]
        wanted, order = (sources * graph.num_nodes + targets).sort(stable=True)
        # The n-th message between two nodes is that of the n-th edge between them.
        ranks = torch.arange(len(wanted), device=wanted.device) - torch.searchsorted(wanted, wanted)
        places = torch.searchsorted(keys, wanted) + ranks
        exists = places < len(keys)
        exists[exists.clone()] = keys[places[exists]] == wanted[exists]
        found = torch.full_like(wanted, -1)
        found[order[exists]] = edges[places[exists]]
        if adds_loops:
            found[is_loop] = -1
        return None if bool(((found < 0) & ~(is_loop & adds_loops)).any()) else found

    def match_edges(self, graph: Graph, free: Optional[torch.Tensor] = None) -> torch.Tensor:
        """Return the same, by default with all edges free; raise a `ConfigurationError` where it is `None`."""
        found = self.find_edges(graph, torch.ones_like(graph.edge_type, dtype=torch.bool) if free is None else free)
        if found is None:
            raise ConfigurationError(
                f"{type(self.convolution).__name__} sends messages over edges that are not edges of the graph (a pooled graph, or "
                "neighbours that it finds itself, for example), which cannot be explained."
            )
        return found

    def flatten(self, output: torch.Tensor) -> torch.Tensor:
        """Return the messages with heads and the like one after another. Shape: `(num_messages, message_dim)`."""
        moved = output.movedim(self.convolution.node_dim, 0)
        return moved.reshape(len(moved), math.prod(moved.shape[1:]))

    def spread(self, output: torch.Tensor, edges: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return the messages of the graph's edges, zero for those without one. Shape: `(num_edges, message_dim)`."""
        flat, belongs = self.flatten(output), edges >= 0
        return flat.new_zeros(graph.num_edges, flat.size(1)).index_copy(0, edges[belongs], flat[belongs])

    def apply(self, gate: Gate, output: torch.Tensor, edges: torch.Tensor, graph: Graph) -> torch.Tensor:
        """Return what the gate leaves of the messages, in their own shape."""

        def for_messages(of_edges: torch.Tensor, of_loops: int) -> torch.Tensor:
            # -1 is the last row.
            return torch.cat([of_edges, of_edges.new_full((1, *of_edges.shape[1:]), of_loops)])[edges]

        scale, replacement = for_messages(gate.scale, 1), gate.replacement
        if replacement is not None and replacement.dim() > 1 and not (gate.per_relation or gate.per_graph):
            replacement = for_messages(replacement, 0)
        graph = graph._replace(edge_type=for_messages(graph.edge_type, 0), edge_graph=for_messages(graph.edge_graph, 0))
        flat = apply_gate(self.flatten(output), gate._replace(scale=scale, replacement=replacement), graph)
        node_dim = self.convolution.node_dim
        return flat.reshape(output.movedim(node_dim, 0).shape).movedim(0, node_dim)


#: See `ShownMessages`.
Matches = Dict[int, Tuple[torch.Tensor, torch.Tensor]]


class Observer:
    """What is done with the messages of a pass; active inside `observing`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._call: Tuple[Any, Tuple[Any, ...], Dict[str, Any]] = (None, (), {})
        self._propagation: Optional[Propagation] = None

    def called(self, convolution: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
        """Note that a convolution is called."""
        self._call = (convolution, args, kwargs)

    def propagated(self, edge_index: Any) -> None:
        """Note that it sends messages over these edges. Raise a `ConfigurationError` if they are not given as they have to be."""
        convolution = self._call[0]
        if not isinstance(edge_index, torch.Tensor) or edge_index.layout != torch.strided:
            raise ConfigurationError(
                f"{type(convolution).__name__} is called with edges as a {type(edge_index).__name__}; explaining needs them as an "
                "edge_index, a tensor of shape (2, num_edges)."
            )
        if convolution.flow != "source_to_target":
            raise ConfigurationError(
                f"The flow of {type(convolution).__name__} is {convolution.flow!r}; only 'source_to_target' can be explained."
            )
        self._propagation = Propagation(*self._call, edge_index)

    def sent(self, output: torch.Tensor) -> Optional[torch.Tensor]:
        """Take note of the messages. Return others to be aggregated in their place, or `None`."""
        assert self._propagation is not None
        return self.message(self._propagation, output)

    def message(self, propagation: Propagation, output: torch.Tensor) -> Optional[torch.Tensor]:
        """Do the same for one propagation."""
        raise NotImplementedError


class Recorder(Observer):
    """
    Finds the layers of a pass, in their order.

    # Parameters

    graph : `Graph`
    names : `Dict[int, str]`
        By its identity the path of each convolution in the model.
    """

    def __init__(self, graph: Graph, names: Dict[int, str]) -> None:
        super().__init__(graph)
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

    def __init__(self, graph: Graph, numbers: range) -> None:
        super().__init__(graph)
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
    """

    def __init__(
        self, encoder: GraphEncoder, graph: Graph, plan: Sequence[int], matches: Optional[Matches] = None
    ) -> None:
        super().__init__(graph)
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
            collector = _Collector(graph, range(first, first + count))
            with hooked(propagation.convolution, collector):
                propagation.convolution(*propagation.args, **propagation.kwargs)
            values: torch.Tensor = collector.values
            return values

        return collect


_observer: contextvars.ContextVar[Optional[Observer]] = contextvars.ContextVar("observer", default=None)


@contextlib.contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let the observer see what convolutions with hooks do in this thread while the context is open."""
    outer = _observer.get()
    with restoring(lambda: _observer.set(outer)):
        _observer.set(observer)
        yield


@contextlib.contextmanager
def left_as_they_were(convolutions: Iterable[Any]) -> Iterator[None]:
    """Put the attributes of convolutions back when the context closes: flags, caches, and what an error kept them from clearing."""
    before = [(convolution, dict(vars(convolution))) for convolution in convolutions]

    def restore() -> None:
        for convolution, attributes in before:
            for name in vars(convolution).keys() - attributes.keys():
                del vars(convolution)[name]
            vars(convolution).update(attributes)

    with restoring(restore):
        yield


#: Where a convolution keeps the hooks of `add_hooks`.
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_propagate_forward_pre_hooks",
    "_message_forward_hooks",
)


@contextlib.contextmanager
def hooked(model: torch.nn.Module, observer: Observer) -> Iterator[None]:
    """
    Let the observer see the convolutions of somebody's model while the context is open. They compute what they otherwise keep (cached
    normalisation), message by message, and are left as they were. Those with `explain = False` are not seen.
    """
    convolutions = [module for _, module in named_convolutions(model)]
    with left_as_they_were(convolutions), observing(observer):
        for convolution in convolutions:
            attributes = vars(convolution)
            attributes.update({name: None for name in attributes if name.startswith("_cached")})
            if "cached" in attributes:
                convolution.cached = False
            convolution.fuse = False
            convolution.decomposed_layers = 1
            if convolution.explain is not False and _after_message not in convolution._message_forward_hooks.values():
                # Copies, so that an error between two steps leaves nothing behind.
                attributes.update({name: attributes[name].copy() for name in _HOOKS})
                add_hooks(convolution)
        yield


def named_convolutions(model: torch.nn.Module) -> Iterator[Tuple[str, Any]]:
    """Yield the convolutions of a model with their paths."""
    from torch_geometric.nn import MessagePassing

    for name, module in model.named_modules():
        if isinstance(module, MessagePassing):
            yield name, module


def add_hooks(convolution: Any) -> None:
    """Give a convolution the hooks by which the active `Observer` sees it. They do nothing where there is none."""
    convolution.register_forward_pre_hook(_before_call, with_kwargs=True)
    convolution.register_propagate_forward_pre_hook(_before_propagation)
    convolution.register_message_forward_hook(_after_message)


def _before_call(convolution: Any, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> None:
    observer = _observer.get()
    if observer is not None:
        observer.called(convolution, args, kwargs)


def _before_propagation(convolution: Any, inputs: Tuple[Any, ...]) -> None:
    observer = _observer.get()
    if observer is not None:
        observer.propagated(inputs[0])


def _after_message(convolution: Any, inputs: Tuple[Any, ...], output: torch.Tensor) -> Optional[torch.Tensor]:
    observer = _observer.get()
    return None if observer is None else observer.sent(output)
