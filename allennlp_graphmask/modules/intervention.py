"""
The one hook through which every interpreter reads or changes the messages of a graph encoder.

Each layer of a `GraphEncoder` shows its messages to the interventions that are active for it, as one lazy `Messages` object,
and aggregates what the answering `Gate` leaves of them. The encoder keeps nothing: an intervention is active only inside
`with intervening(encoder, intervention):`, for the thread (or task) that entered it.
"""

import contextlib
import contextvars
from typing import Callable, Dict, Iterator, NamedTuple, Optional, Tuple, TypeVar

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.restoring import restoring


class Gate(NamedTuple):
    """
    What a layer aggregates instead of each message: `scale * message + (1 - scale) * replacement`. A scale of one keeps the
    message, a scale of zero drops it. The layer's normalisation stays as it is without a gate.
    """

    #: One number for each edge; a boolean tensor keeps (`True`) or drops (`False`) messages exactly, even where a dropped message
    #: is infinite or not a number. Shape: `(num_edges,)`.
    scale: torch.Tensor
    #: Zeros by default. Shape: `(message_dim,)` for one vector for all edges, `(num_relations, message_dim)` with `per_relation`,
    #: `(num_graphs, message_dim)` with `per_graph`, else `(num_edges, message_dim)`. The last makes every layer, also a
    #: factorised one, work edge by edge.
    replacement: Optional[torch.Tensor] = None
    #: Whether row r of `replacement` is for the edges of type r.
    per_relation: bool = False
    #: Whether row g of `replacement` is for the edges of graph g of the batch; not together with `per_relation`.
    per_graph: bool = False


class Messages:
    """
    What a layer shows to an intervention. Everything but `layer`, `node_states` and `graph` is computed when it is first read,
    so that reading only the sources does not make a factorised layer compute its messages one by one.

    # Parameters

    layer : `int`
        The layer's number, from 0 (the layer that reads the encoder's input).
    node_states : `torch.Tensor`
        The states that the messages are computed from. Shape: `(num_nodes, node_dim)`.
    graph : `Graph`
    compute_values : `Callable[[], torch.Tensor]`
        Computes the messages. Shape of its result: `(num_edges, message_dim)`.
    compute_weights : `Callable[[], torch.Tensor]`, optional (default = `None`)
        Of a layer with attention: computes its weights. Shape of its result: `(num_edges, num_heads)`.
    """

    def __init__(
        self,
        layer: int,
        node_states: torch.Tensor,
        graph: Graph,
        compute_values: Callable[[], torch.Tensor],
        compute_weights: Optional[Callable[[], torch.Tensor]] = None,
    ) -> None:
        self.layer = layer
        self.node_states = node_states
        self.graph = graph
        self._compute_values = compute_values
        self._compute_weights = compute_weights
        self._values: Optional[torch.Tensor] = None
        self._shared: Dict[str, torch.Tensor] = {}

    @property
    def sources(self) -> torch.Tensor:
        """The state of each edge's source. Shape: `(num_edges, node_dim)`."""
        return self.node_states.index_select(0, self.graph.sources)

    @property
    def targets(self) -> torch.Tensor:
        """The state of each edge's target. Shape: `(num_edges, node_dim)`."""
        return self.node_states.index_select(0, self.graph.targets)

    @property
    def values(self) -> torch.Tensor:
        """The messages. Shape: `(num_edges, message_dim)`."""
        if self._values is None:
            self._values = self._compute_values()
        return self._values

    @property
    def weights(self) -> Optional[torch.Tensor]:
        """
        The attention that each edge gets from its target, which `values` contain already, before any dropout; `None` if the
        layer has no attention. Computed at each reading. Shape: `(num_edges, num_heads)`.
        """
        return None if self._compute_weights is None else self._compute_weights()

    def shared(self, name: str, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """
        Return something else that the layer computes from the node states alone, such as a node's message to itself; passes with the
        same node states share it under its name.
        """
        if name not in self._shared:
            self._shared[name] = compute()
        return self._shared[name]

    def reuse(self, recorded: "Messages") -> None:
        """
        Take the values of the same layer's messages in an earlier pass, and what else is `shared`, for a caller who knows that nothing
        they are computed from has changed since. What that pass has not computed either is computed when it is asked for.
        """
        self._compute_values = lambda: recorded.values
        self._shared = recorded._shared


#: An intervention is given the messages of a layer and answers with a gate, or with `None` to leave them as they are.
Intervention = Callable[[Messages], Optional[Gate]]
InterventionType = TypeVar("InterventionType", bound=Intervention)


class OneCall:
    """
    Shows an intervention one call of an encoder that runs several times in a forward pass, and leaves the others as they are.

    # Parameters

    intervention : `Intervention`
    call : `int`
        The number of the call, from 0.
    """

    def __init__(self, intervention: Intervention, call: int) -> None:
        self._intervention = intervention
        self._call = call
        self._current = -1

    def __call__(self, messages: Messages) -> Optional[Gate]:
        self._current += messages.layer == 0
        return self._intervention(messages) if self._current == self._call else None


# A context variable and not an attribute of the encoder: an intervention is often a `torch.nn.Module`, which an attribute
# would make a sub-module of the encoder (in its state dict, in its optimizer). A context variable is also restored after
# an exception or Ctrl-C, and other threads do not see it.
_active_interventions: contextvars.ContextVar[Tuple[Tuple[torch.nn.Module, Intervention], ...]] = (
    contextvars.ContextVar("active_interventions", default=())
)


@contextlib.contextmanager
def intervening(encoder: torch.nn.Module, intervention: InterventionType) -> Iterator[InterventionType]:
    """
    Show the messages of every forward pass of `encoder`, a `GraphEncoder`, in this thread to `intervention` while the
    context is open; the context manager gives the intervention. Several interventions may read the messages; at most
    one may answer for a layer.
    """
    own = (encoder, intervention)

    def end() -> None:
        # Not what was active before: it may have ended since.
        _active_interventions.set(tuple(entry for entry in _active_interventions.get() if entry is not own))

    with restoring(end):
        _active_interventions.set((*_active_interventions.get(), own))
        yield intervention


def consult_interventions(encoder: torch.nn.Module, messages: Messages) -> Optional[Gate]:
    """
    Show messages to the interventions that are active for an encoder. Return the one answer, if there is any. Raise a
    `RuntimeError` if two interventions answer, a `ValueError` if a gate does not fit the messages.
    """
    gate: Optional[Gate] = None
    for active_encoder, intervention in _active_interventions.get():
        if active_encoder is not encoder:
            continue
        answer = intervention(messages)
        if answer is None:
            continue
        if gate is not None:
            raise RuntimeError(
                f"Two interventions answered for layer {messages.layer}: which messages to keep is ambiguous. When interventions "
                "are nested, only one may answer for a layer; the others return None."
            )
        if answer.scale.shape != (messages.graph.num_edges,):
            raise ValueError(
                f"A gate's scale has shape {tuple(answer.scale.shape)} in layer {messages.layer}, whose "
                f"{messages.graph.num_edges} messages need shape ({messages.graph.num_edges},)."
            )
        gate = answer
    return gate


def apply_gate(values: torch.Tensor, gate: Optional[Gate], graph: Graph) -> torch.Tensor:
    """
    Compute `scale * message + (1 - scale) * replacement` for each edge of the graph; without a gate, return the
    messages as they are. Shape of both: `(num_edges, message_dim)`.
    """
    if gate is None:
        return values
    scale = gate.scale.unsqueeze(-1)  # Shape: (num_edges, 1)
    replacement = gate.replacement
    if replacement is not None and gate.per_relation:
        replacement = replacement.index_select(0, graph.edge_type)  # Shape: (num_edges, message_dim)
    elif replacement is not None and gate.per_graph:
        replacement = replacement.index_select(0, graph.edge_graph)  # Shape: (num_edges, message_dim)
    if gate.scale.dtype == torch.bool:
        return torch.where(scale, values, values.new_zeros(()) if replacement is None else replacement)
    if replacement is None:
        return scale * values
    return scale * values + (1 - scale) * replacement
