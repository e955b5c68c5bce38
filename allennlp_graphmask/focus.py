"""What part of a prediction an explanation answers for, and which messages can have an effect on it."""

from typing import Any, Dict, List, NamedTuple, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model

from allennlp_graphmask.graph import Graph

#: The focus that every model has: its whole prediction.
WHOLE_PREDICTION = "all"


class Focus(NamedTuple):
    """
    The part of each prediction of a batch that is explained.

    A model offers parts of its predictions by a method

        get_foci(focus: str, batch: Dict[str, Any], output: Dict[str, Any], graph: Graph) -> List[Focus]

    for the name of a focus, its inputs, its output for them and their graph. Most names give one `Focus`; one that stands for several
    parts (each role that is assigned) gives as many as an instance of the batch has, empty for the instances with fewer. A name
    that the model does not know is a `ConfigurationError`. Four attributes go with it: `default_focus`, a name; `foci`, for each
    kind of focus a name that covers it (`{"role": "each"}`); if pages should have a choice, `page_focus`, the name of the foci
    on them; and `without_focus`, in which predictions there is nothing to explain, as in "where the model assigns no role". Models
    without them have the focus `"all"` only.

    # Parameters

    kind : `str`
        Foci of one kind share a threshold of GraphMask.
    descriptions : `List[Optional[str]]`
        For each instance what is explained, in words, to be continued as in "Explained: ..."; `None` for an instance in which there
        is nothing to explain.
    mask : `torch.Tensor`, optional
        Which positions or classes of the logits count. Shape: that of the logits, or without their last dimension. `None` for all.
    nodes : `torch.Tensor`
        The nodes from whose states of the graph encoder these logits are computed. Shape: `(num_nodes,)`, `torch.bool`.
    anchors : `torch.Tensor`, optional
        For each instance the node that its prediction is about: the predicate of semantic roles. Maskers can use it. Shape:
        `(batch_size,)`, `torch.long`.
    """

    kind: str
    descriptions: List[Optional[str]]
    mask: Optional[torch.Tensor]
    nodes: torch.Tensor
    anchors: Optional[torch.Tensor] = None

    @property
    def is_explained(self) -> torch.Tensor:
        """Whether there is something to explain. Shape: `(batch_size,)`, `torch.bool`."""
        found = [description is not None for description in self.descriptions]
        return torch.tensor(found, dtype=torch.bool, device=self.nodes.device)

    def select(self, instances: torch.Tensor, graph: Graph) -> "Focus":
        """Return the focus of some instances, numbers in ascending order, of a batch with this graph."""
        return Focus(
            self.kind,
            [self.descriptions[number] for number in instances.tolist()],
            None if self.mask is None else self.mask[instances],
            self.nodes[graph.nodes_of(instances)],
            None if self.anchors is None else _renumber(self.anchors[instances], graph.nodes_of(instances)),
        )


def _renumber(nodes: torch.Tensor, are_left: torch.Tensor) -> torch.Tensor:
    """Return the numbers of some nodes among those that are left of a batch. Shapes: `(num_chosen,)`, `(num_nodes,)`."""
    return (are_left.cumsum(0) - 1)[nodes]


def whole_prediction(
    mask: Optional[torch.Tensor],
    graph: Graph,
    nodes: Optional[torch.Tensor] = None,
    anchors: Optional[torch.Tensor] = None,
) -> Focus:
    """
    Return the focus on everything that the model predicts, computed from all nodes or from some. `mask` and `anchors` as in `Focus`.
    """
    if nodes is None:
        nodes = torch.ones(graph.num_nodes, dtype=torch.bool, device=graph.edge_type.device)
    return Focus(WHOLE_PREDICTION, ["the whole prediction"] * graph.num_graphs, mask, nodes, anchors)


def default_focus(model: Model) -> str:
    """Return the name of the focus that a model is explained with if none is asked for."""
    return getattr(model, "default_focus", WHOLE_PREDICTION)


def page_focus(model: Model) -> str:
    """Return the name of the foci among which the page of a prediction has a choice."""
    return getattr(model, "page_focus", default_focus(model))


def without_focus(model: Model) -> str:
    """Return in which predictions of a model there is nothing to explain, to be continued after "where"."""
    return getattr(model, "without_focus", "nothing is in the focus")


def foci_by_kind(model: Model) -> Dict[str, str]:
    """Return for each kind of focus of a model a name that covers it."""
    return getattr(model, "foci", {WHOLE_PREDICTION: WHOLE_PREDICTION})


def unknown_focus(model: Model, focus: str, known: str) -> ConfigurationError:
    """Return the error for a name that a model does not know; `known` says in words which it does."""
    return ConfigurationError(f"{type(model).__name__} has no focus {focus!r}, expected {known}.")


def reachable_messages(graph: Graph, nodes: torch.Tensor, num_layers: int) -> List[torch.Tensor]:
    """
    Return the messages that can have an effect on the states of some nodes above the last layer: those of the last layer into one
    of these nodes, and so on downwards from the nodes that send such messages. A node's own state, and those that are sent to it,
    are what its next state is computed from. Shape of each layer: `(num_edges,)`, of the nodes: `(num_nodes,)`; both `torch.bool`.
    """
    layers: List[torch.Tensor] = []
    for _ in range(num_layers):
        reaches = nodes[graph.targets]
        layers.append(reaches)
        nodes = nodes.clone()
        nodes[graph.sources[reaches]] = True
    return layers[::-1]


def select_states(states: Any, instances: torch.Tensor, graph: Graph) -> Any:
    """
    Return what belongs to some instances, numbers in ascending order, of tensors with a row for each node or for each instance of a
    batch with this graph, alone or in a tuple. Raise a `TypeError` for anything else.
    """
    if isinstance(states, tuple):
        return tuple(select_states(value, instances, graph) for value in states)
    if isinstance(states, torch.Tensor) and states.dim() and graph.num_nodes != graph.num_graphs:
        if len(states) == graph.num_nodes:
            return states[graph.nodes_of(instances)]
        if len(states) == graph.num_graphs:
            return states[instances]
    raise TypeError(f"A {type(states).__name__} does not have a row for each node or each instance.")


def select_instances(batch: Any, instances: torch.Tensor, batch_size: int) -> Any:
    """
    Return the inputs of some instances of a collated batch, numbers in ascending order. AllenNLP collates fields to tensors and lists
    with an entry for each instance; anything else raises a `TypeError`.
    """
    if isinstance(batch, Graph):
        return batch.select(instances)
    if isinstance(batch, dict):
        return {name: select_instances(value, instances, batch_size) for name, value in batch.items()}
    if isinstance(batch, torch.Tensor) and batch.dim() and len(batch) == batch_size:
        return batch[instances]
    if isinstance(batch, (list, tuple)) and len(batch) == batch_size:
        return [batch[number] for number in instances.tolist()]
    if batch is None:
        return None
    raise TypeError(f"A {type(batch).__name__} is not collated with one entry for each of {batch_size} instances.")
