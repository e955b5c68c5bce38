"""Attributions without a model, drawn by hypothesis."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from hypothesis import strategies as st

from allennlp_graphmask.evaluation.metrics import AttributionEvaluation
from allennlp_graphmask.focus import whole_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.modules.intervention import Messages

RELATIONS = ["a", "b", "c"]


def build_graph(owner: Sequence[int], num_graphs: int, edge_types: Optional[Sequence[int]] = None) -> Graph:
    """Graphs of one node each; only which graph an edge belongs to, and its type, matter."""
    owners = torch.tensor(list(owner), dtype=torch.long)
    return Graph(
        edge_index=owners.expand(2, -1),
        edge_type=torch.tensor(edge_types or [0] * len(owner), dtype=torch.long),
        edge_graph=owners,
        nodes_per_graph=torch.ones(num_graphs, dtype=torch.long),
        num_nodes=num_graphs,
    )


def build_attribution(graph: Graph, scores: Any, kept: Any) -> EdgeAttribution:
    return EdgeAttribution(
        graph,
        [torch.tensor(layer, dtype=torch.float) for layer in scores],
        [torch.tensor(layer, dtype=torch.bool) for layer in kept],
        RELATIONS,
    )


def without_model(
    attribution: EdgeAttribution, truth: Any = None, batch: Optional[Dict[str, Any]] = None
) -> AttributionEvaluation:
    """For metrics that make no pass."""
    graph = attribution.graph
    states = torch.zeros(graph.num_nodes, 1)
    layers = [
        Messages(number, states, graph, lambda: torch.zeros(graph.num_edges, 1))
        for number in range(attribution.num_layers)
    ]
    tensors = None if truth is None else [torch.tensor(layer, dtype=torch.long) for layer in truth]
    unmasked = UnmaskedPass(batch or {}, {}, layers, {}, whole_prediction(None, graph))
    return AttributionEvaluation(None, unmasked, attribution, truth=tensors)  # type: ignore[arg-type]


def flatten(layers: Any, graph: Graph, instance: Optional[int] = None, layer: Optional[int] = None) -> List:
    """The values of the messages, of one instance or one layer."""
    owner = graph.edge_graph.tolist()
    return [
        value
        for number, values in enumerate(layers)
        for value, edge_owner in zip(values, owner)
        if instance in (None, edge_owner) and layer in (None, number)
    ]


@st.composite
def batches(draw: Any, layers_of_values: int = 1) -> Tuple[Graph, List[List[List[int]]]]:
    """A graph and, several times, a small number for each message of each layer."""
    sizes = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    num_layers = draw(st.integers(1, 2))
    owner = draw(st.permutations([graph for graph, size in enumerate(sizes) for _ in range(size)]))
    types = draw(st.lists(st.integers(0, 2), min_size=len(owner), max_size=len(owner)))
    numbers = st.lists(st.integers(0, 3), min_size=len(owner), max_size=len(owner))
    values = [draw(st.lists(numbers, min_size=num_layers, max_size=num_layers)) for _ in range(layers_of_values)]
    return build_graph(owner, len(sizes), types), values
