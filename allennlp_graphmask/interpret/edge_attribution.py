from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.intervention import Gate
from allennlp_graphmask.rounding import RELATIVE_ROUNDING


class AttributedEdge(NamedTuple):
    """One edge of one graph with its scores and decisions; see `EdgeAttribution.edges`."""

    source: int
    target: int
    relation: str
    scores: List[float]
    kept: List[bool]


class Verification(NamedTuple):
    """What `verify` did to a decision, for a batch of graphs."""

    #: The decision before, for each layer. Shape of each: `(num_edges,)`, `torch.bool`.
    kept_before: List[torch.Tensor]
    #: The number of further passes that each instance took. Shape: `(num_graphs,)`.
    num_passes: torch.Tensor
    #: Whether a prediction had changed before. Shape: `(num_graphs,)`, `torch.bool`.
    changed_before: torch.Tensor
    #: The largest divergence that was accepted, if there is a bound.
    max_divergence: Optional[float]


def score_rounding(scores: Sequence[torch.Tensor], graph: Graph) -> List[torch.Tensor]:
    """
    Return by how much scores may be off by rounding: as much as the largest of their graph, as a small one may be the difference
    of large numbers. Shape of each: `(num_edges,)`.
    """
    largest = torch.zeros(graph.num_graphs, dtype=torch.get_default_dtype(), device=graph.edge_graph.device)
    for layer in scores:
        largest = largest.scatter_reduce(0, graph.edge_graph, layer.detach().abs().to(largest.dtype), "amax")
    return [RELATIVE_ROUNDING * largest.index_select(0, graph.edge_graph)] * len(scores)


class EdgeAttribution:
    """
    An interpreter's scores and decisions for every edge in every layer, for a batch of graphs.

    # Parameters

    graph : `Graph`
        The graphs whose edges are scored.
    scores : `Sequence[torch.Tensor]`
        One tensor for each layer of the encoder, from the bottom; a higher score means a more important edge. Scores of one
        attribution can be compared, those of different interpreters cannot. Shape of each: `(num_edges,)`.
    kept : `Sequence[torch.Tensor]`
        The hard decision: `True` for edges that are part of the explanation. Shape of each: `(num_edges,)`, `torch.bool`.
    relation_names : `Sequence[str]`
        The name of each edge type.
    replacements : `Sequence[Optional[torch.Tensor]]`, optional (default = `None`)
        What replaces dropped messages, for each layer; `None` stands for zeros. Shape of each: `(message_dim,)`, or `(num_edges,
        message_dim)`, or `(num_graphs, message_dim)` with `replacements_per_graph`.
    replacements_per_graph : `bool`, optional (default = `False`)
        Whether row g of each replacement is for the edges of graph g.
    rounding : `Sequence[torch.Tensor]`, optional (default = `None`)
        By how much scores may be off by rounding; as in `score_rounding` if not given. Shape of each: `(num_edges,)`.
    verification : `Verification`, optional (default = `None`)
        If the decision was verified.

    # Raises

    `ValueError` if the tensors do not fit the graph, or there are not as many layers of scores as of decisions.
    """

    def __init__(
        self,
        graph: Graph,
        scores: Sequence[torch.Tensor],
        kept: Sequence[torch.Tensor],
        relation_names: Sequence[str],
        *,
        replacements: Optional[Sequence[Optional[torch.Tensor]]] = None,
        replacements_per_graph: bool = False,
        rounding: Optional[Sequence[torch.Tensor]] = None,
        verification: Optional[Verification] = None,
    ) -> None:
        if replacements is None:
            replacements = [None] * len(scores)
        if len(replacements) != len(scores):
            raise ValueError(
                f"An attribution of {len(scores)} layers needs as many replacements, or none: got {len(replacements)}."
            )
        if len(scores) != len(kept):
            raise ValueError(
                f"An attribution needs scores and decisions for each layer: got {len(scores)} and {len(kept)}."
            )
        for name, layers in (("scores", scores), ("kept", kept)):
            for number, layer in enumerate(layers):
                if layer.shape != (graph.num_edges,):
                    raise ValueError(
                        f"{name} of layer {number} have shape {tuple(layer.shape)}, expected ({graph.num_edges},): one for "
                        "each edge."
                    )
        for number, layer in enumerate(kept):
            if layer.dtype != torch.bool:
                raise ValueError(f"kept of layer {number} has type {layer.dtype}, expected torch.bool.")
        self.graph = graph
        self.scores = [layer.detach() for layer in scores]
        self.kept = [layer.detach() for layer in kept]
        self.relation_names = list(relation_names)
        self.replacements = [None if layer is None else layer.detach() for layer in replacements]
        self.replacements_per_graph = replacements_per_graph
        self.verification = verification
        self._rounding = rounding

    @property
    def rounding(self) -> List[torch.Tensor]:
        """By how much scores may be off by rounding. Shape of each: `(num_edges,)`."""
        return list(score_rounding(self.scores, self.graph) if self._rounding is None else self._rounding)

    @property
    def num_layers(self) -> int:
        return len(self.scores)

    @property
    def kept_before(self) -> List[torch.Tensor]:
        """The decision before it was verified. Shape of each layer: `(num_edges,)`, `torch.bool`."""
        return self.kept if self.verification is None else self.verification.kept_before

    def with_decisions(
        self,
        kept: Sequence[torch.Tensor],
        *,
        scores: Optional[Sequence[torch.Tensor]] = None,
        rounding: Optional[Sequence[torch.Tensor]] = None,
        verification: Optional[Verification] = None,
    ) -> "EdgeAttribution":
        """
        Return the same with other decisions and, if given, other scores with their rounding. Shape of each layer: `(num_edges,)`.
        """
        return EdgeAttribution(
            self.graph,
            self.scores if scores is None else scores,
            kept,
            self.relation_names,
            replacements=self.replacements,
            replacements_per_graph=self.replacements_per_graph,
            rounding=self._rounding if scores is None else rounding,
            verification=verification,
        )

    def select(self, graphs: torch.Tensor) -> "EdgeAttribution":
        """Return the attribution of some graphs of the batch, numbers in ascending order."""
        edges = self.graph.edges_of(graphs)
        rows = graphs if self.replacements_per_graph else edges
        verification = self.verification and Verification(
            [layer[edges] for layer in self.verification.kept_before],
            self.verification.num_passes[graphs],
            self.verification.changed_before[graphs],
            self.verification.max_divergence,
        )
        return EdgeAttribution(
            self.graph.select(graphs),
            [layer[edges] for layer in self.scores],
            [layer[edges] for layer in self.kept],
            self.relation_names,
            replacements=[
                layer[rows] if layer is not None and layer.dim() > 1 else layer for layer in self.replacements
            ],
            replacements_per_graph=self.replacements_per_graph,
            rounding=self._rounding and [layer[edges] for layer in self._rounding],
            verification=verification,
        )

    def kept_share(self) -> float:
        """Return the share of the messages (edges times layers) that are kept; 1.0 if there are none."""
        total = self.num_layers * self.graph.num_edges
        return sum(int(layer.sum()) for layer in self.kept) / total if total else 1.0

    def gates(self, kept: Optional[Sequence[torch.Tensor]] = None) -> List[Gate]:
        """
        Return the gates that keep the kept messages and replace the others, for `MaskedModel.masked`; with `kept`,
        those of other decisions than its own. Shape of each: `(num_edges,)`, `torch.bool`.
        """
        return [
            Gate(layer, replacement, per_graph=self.replacements_per_graph)
            for layer, replacement in zip(self.kept if kept is None else kept, self.replacements)
        ]

    def edges(self) -> List[AttributedEdge]:
        """List all edges in order, with node numbers of the batch (of the graph itself, after `split`)."""
        # Each tensor leaves its device once.
        scores = torch.stack(self.scores, dim=1).tolist() if self.scores else [[]] * self.graph.num_edges
        kept = torch.stack(self.kept, dim=1).tolist() if self.kept else [[]] * self.graph.num_edges
        return [
            AttributedEdge(source, target, self.relation_names[edge_type], edge_scores, edge_kept)
            for source, target, edge_type, edge_scores, edge_kept in zip(
                self.graph.sources.tolist(),
                self.graph.targets.tolist(),
                self.graph.edge_type.tolist(),
                scores,
                kept,
            )
        ]

    def split(self) -> List["EdgeAttribution"]:
        """Return one attribution for each graph of the batch, with nodes numbered from 0."""
        cpu = torch.device("cpu")
        edge_graph = self.graph.edge_graph.to(cpu)
        # The edges of a batch usually stand graph by graph, but need not.
        order = torch.argsort(edge_graph, stable=True)
        counts = torch.bincount(edge_graph, minlength=self.graph.num_graphs).tolist()

        def split_edges(tensor: torch.Tensor) -> Tuple[torch.Tensor, ...]:
            return tensor.to(cpu).index_select(-1, order).split(counts, dim=-1)

        # Shapes: (2, num_edges of the graph), and (num_edges of the graph,)
        edge_indices, edge_types = split_edges(self.graph.edge_index), split_edges(self.graph.edge_type)
        zeros = torch.zeros_like(edge_graph).split(counts)
        scores = [split_edges(layer) for layer in self.scores]
        kept = [split_edges(layer) for layer in self.kept]
        rounding = [split_edges(layer) for layer in self._rounding or ()]
        kept_before = [split_edges(layer) for layer in self.kept_before]
        replacements = [self._split_replacement(layer, order, counts) for layer in self.replacements]
        first_nodes = self.graph.first_node_of_graph().tolist()
        sizes = self.graph.nodes_per_graph.tolist()
        parts = []
        for number, (first_node, size) in enumerate(zip(first_nodes, sizes)):
            graph = Graph(
                edge_index=edge_indices[number] - first_node,
                edge_type=edge_types[number],
                edge_graph=zeros[number],
                nodes_per_graph=torch.tensor([size]),
                num_nodes=size,
            )
            parts.append(
                EdgeAttribution(
                    graph,
                    [layer[number] for layer in scores],
                    [layer[number] for layer in kept],
                    self.relation_names,
                    replacements=[layer[number] for layer in replacements],
                    rounding=[layer[number] for layer in rounding] or None,
                    verification=self.verification
                    and self.verification._replace(
                        kept_before=[layer[number] for layer in kept_before],
                        num_passes=self.verification.num_passes[number : number + 1].to(cpu),
                        changed_before=self.verification.changed_before[number : number + 1].to(cpu),
                    ),
                )
            )
        return parts

    def _split_replacement(
        self, replacement: Optional[torch.Tensor], order: torch.Tensor, counts: List[int]
    ) -> Sequence[Optional[torch.Tensor]]:
        """Return one for each graph: the same, unless there is one for each edge or graph."""
        if replacement is None or replacement.dim() == 1:
            return [replacement] * len(counts)
        if self.replacements_per_graph:
            return replacement.to(order.device).unbind()
        return replacement.to(order.device).index_select(0, order).split(counts)

    def to_json(self) -> Dict[str, Any]:
        """Return plain Python data; AllenNLP's `sanitize` calls this."""
        return {
            "num_nodes": self.graph.num_nodes,
            "edges": [dict(zip(("source", "target", "type", "score", "kept"), edge)) for edge in self.edges()],
        }
