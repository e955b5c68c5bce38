"""
The messages of PyTorch Geometric's convolutions, as the layers of a `GraphEncoder` show theirs: through the hooks that PyG documents.

A layer is what a convolution sends over each edge once. One that sends over the same edges again in a call (`APPNP`, `TAGConv`) has
several layers; one that sends over the edges of each relation by itself (`RGCNConv`) has one.
"""

import inspect
import math
from typing import Any, Dict, NamedTuple, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.intervention import Gate, apply_gate


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
    #: Whether self-loops that the convolution adds are edges of the graph, too.
    has_self_loops: bool = False

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
        Return the edge of the graph that each message belongs to; -1 for self-loops that the convolution adds, unless the graph has them.
        It puts them in the place of the graph's own, which then have no message. `None` if a message belongs to no edge that is free. Shape: from `(num_edges,)`,
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
        if adds_loops and not self.has_self_loops:
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


class Observer:
    """
    What is done with the messages of a pass; active inside `observing`.

    # Parameters

    graph : `Graph`
    has_self_loops : `bool`, optional (default = `False`)
        Whether the graph has an edge for each self-loop that a convolution can add.
    """

    def __init__(self, graph: Graph, has_self_loops: bool = False) -> None:
        self.graph = graph
        self.has_self_loops = has_self_loops
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
        self._propagation = Propagation(*self._call, edge_index, self.has_self_loops)

    def sent(self, output: torch.Tensor) -> Optional[torch.Tensor]:
        """Take note of the messages. Return others to be aggregated in their place, or `None`."""
        assert self._propagation is not None
        return self.message(self._propagation, output)

    def message(self, propagation: Propagation, output: torch.Tensor) -> Optional[torch.Tensor]:
        """Do the same for one propagation."""
        raise NotImplementedError
