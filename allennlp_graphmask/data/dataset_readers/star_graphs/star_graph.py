from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.graph_jsonl import TextGraph
from allennlp_graphmask.validation import String, validate

#: The two kinds of star graphs, with one and with two steps from the leaves to the centre.
VARIANTS = ("single_layer", "two_layer")

#: The number of the centre among the nodes.
CENTRE = 0
#: The type of the edges from branches to the centre.
TO_CENTRE = "to_centre"

#: Whether there are strictly more edges of the first colour of the query than of the second.
MORE, NOT_MORE = "more", "not_more"

_COLOURS = ("red", "blue", "green", "yellow", "purple", "orange")

#: Whether an edge matters in each layer, from the bottom; `None` where it is not defined.
Truth = Tuple[Optional[bool], ...]


def colour_names(num_colours: int) -> List[str]:
    """Name the types of the edges that leave leaves: red, blue, ..., colour_7, colour_8, ..."""
    others = (f"colour_{number}" for number in range(len(_COLOURS) + 1, num_colours + 1))
    return [*_COLOURS[:num_colours], *others]


@dataclass(frozen=True)
class StarGraph:
    """
    A star graph: leaves with edges of several colours to one centre, and a query of two of the colours. The question is
    whether there are strictly more edges of the first than of the second.

    In the variant `"two_layer"` the leaves' edges lead to branches, and one edge of the type `to_centre` from each branch to the
    centre.

    # Raises

    `ConfigurationError` if it is not a star graph.
    """

    #: Two different colours.
    query: Tuple[str, str]
    #: (source, target) pairs of node numbers. The centre has number 0.
    edges: Tuple[Tuple[int, int], ...]
    #: One for each edge: a colour, or `to_centre`.
    edge_types: Tuple[str, ...]
    #: One for each node.
    node_texts: Tuple[str, ...]
    graph_id: Any = None

    def __post_init__(self) -> None:
        if self.query[0] == self.query[1]:
            raise ConfigurationError(f"the query is {list(self.query)}, expected two different colours.")
        if not self.node_texts:
            raise ConfigurationError("the graph has no nodes, expected at least the centre.")
        branches = {source for (source, _), edge_type in zip(self.edges, self.edge_types) if edge_type == TO_CENTRE}
        sources = set()
        for number, ((source, target), edge_type) in enumerate(zip(self.edges, self.edge_types)):
            leads_to_branch = bool(branches) and edge_type != TO_CENTRE
            error = ""
            if source == CENTRE or source in sources:
                error = (
                    f"but the centre, node {CENTRE}, must have no edge that leaves it, and every other node exactly one"
                )
            elif leads_to_branch and target not in branches:
                error = f"expected it to go to a branch: a node that has an edge of type '{TO_CENTRE}'"
            elif not leads_to_branch and target != CENTRE:
                error = f"expected it to go to the centre, node {CENTRE}"
            if error:
                raise ConfigurationError(
                    f"edges[{number}], of type {edge_type!r}, goes from node {source} to node {target}, {error}."
                )
            sources.add(source)
        if len(sources) != len(self.node_texts) - 1:
            isolated = min(set(range(1, len(self.node_texts))) - sources)
            raise ConfigurationError(
                f"nodes[{isolated}] has no edge that leaves it, but every node except for the centre must."
            )

    @classmethod
    def from_leaves(
        cls,
        query: Tuple[str, str],
        leaf_colours: Sequence[str],
        *,
        leaf_branches: Sequence[int] = (),
        num_branches: int = 0,
        graph_id: Any = None,
    ) -> "StarGraph":
        """
        Build a graph from the colour of each leaf's edge and, for the variant `"two_layer"`, the branch that it goes to, from 0.
        """
        leaves = range(1 + num_branches, 1 + num_branches + len(leaf_colours))
        targets = [1 + branch for branch in leaf_branches] if num_branches else [CENTRE] * len(leaf_colours)
        branches = range(1, 1 + num_branches)
        return cls(
            query=query,
            edges=(*zip(leaves, targets, strict=True), *((branch, CENTRE) for branch in branches)),
            edge_types=(*leaf_colours, *([TO_CENTRE] * num_branches)),
            node_texts=(
                "centre",
                *(f"branch {branch}" for branch in branches),
                *(f"leaf {number}" for number in range(1, 1 + len(leaf_colours))),
            ),
            graph_id=graph_id,
        )

    @property
    def variant(self) -> str:
        return "two_layer" if TO_CENTRE in self.edge_types else "single_layer"

    @property
    def colours(self) -> List[str]:
        """Those of its edges and its query, sorted."""
        return sorted({*self.edge_types, *self.query} - {TO_CENTRE})

    @cached_property
    def _counts(self) -> Dict[int, List[int]]:
        """For each node how many edges of the first and of the second colour of the query reach it."""
        counts = {node: [0, 0] for node in range(len(self.node_texts))}
        for (_, target), edge_type in zip(self.edges, self.edge_types):
            if edge_type in self.query:
                counts[target][self.query.index(edge_type)] += 1
        return counts

    @property
    def label(self) -> str:
        first, second = map(self.edge_types.count, self.query)
        return MORE if first > second else NOT_MORE

    @property
    def edge_groups(self) -> List[Optional[str]]:
        """
        For each edge of the colours of the query `"winning"` if its colour has more edges than the other, `"losing"` if it has
        fewer; `None` for other edges, and for all if neither has more.
        """
        first, second = map(self.edge_types.count, self.query)
        if first == second:
            return [None] * len(self.edges)
        groups = dict(zip(self.query, ("winning", "losing") if first > second else ("losing", "winning")))
        return [groups.get(edge_type) for edge_type in self.edge_types]

    @property
    def truth(self) -> List[Truth]:
        """
        For each edge whether it matters in each layer of a network with as many layers as there are steps to the centre.

        The edges of the colours of the query matter, and no others. With two layers they do so in the bottom layer, and in
        the top layer the edges to the centre from branches that such edges reach. An edge whose message cannot reach the centre
        from a leaf in that layer does not matter. A branch with as many edges of the one colour as of the other sends what a
        branch with neither sends: for its edges of these colours in the bottom layer, and for its own in the top layer, the
        truth is not defined (`None`).
        """
        if self.variant == "single_layer":
            return [(edge_type in self.query,) for edge_type in self.edge_types]
        truth: List[Truth] = []
        for (source, target), edge_type in zip(self.edges, self.edge_types):
            first, second = self._counts[source if edge_type == TO_CENTRE else target]
            # Whether the branch that the edge leaves or reaches changes the difference of the two colours.
            counts: Optional[bool] = None if first == second > 0 else first != second
            if edge_type == TO_CENTRE:
                truth.append((False, counts))
            else:
                truth.append((counts if edge_type in self.query else False, False))
        return truth

    def node_features(self, colours: Sequence[str]) -> np.ndarray:
        """
        Build the inputs of nodes. A leaf has a one at the first colour of the query and one at the second, each among as many
        numbers as there are colours. All other nodes get no information about the query: all their numbers are -1.
        Shape: `(num_nodes, 2 * num_colours)`, float32.
        """
        features = np.full((len(self.node_texts), 2 * len(colours)), -1, dtype=np.float32)
        query = np.zeros(2 * len(colours), dtype=np.float32)
        query[colours.index(self.query[0])] = 1
        query[len(colours) + colours.index(self.query[1])] = 1
        leaves = [source for (source, _), edge_type in zip(self.edges, self.edge_types) if edge_type != TO_CENTRE]
        features[leaves] = query
        return features

    def to_json(self) -> Dict[str, Any]:
        """Return the graph as a line of a file has it: an object that the reader `graph_jsonl` takes, too."""
        return {
            "id": self.graph_id,
            "query": list(self.query),
            "nodes": [{"text": text} for text in self.node_texts],
            "edges": [
                {"source": source, "target": target, "type": edge_type, "matters": list(matters)}
                for (source, target), edge_type, matters in zip(self.edges, self.edge_types, self.truth)
            ],
            "label": self.label,
        }

    @classmethod
    def from_json(cls, content: Dict[str, Any]) -> "StarGraph":
        """
        Build a star graph from its JSON form. `label` and `matters` follow from the rest: they may be missing, but not wrong.

        # Raises

        `ConfigurationError` naming the field, if it is not a star graph.
        """
        line = validate(_StarGraphLine, content, ConfigurationError)
        graph = cls(
            query=line.query,
            edges=tuple((edge.source, edge.target) for edge in line.edges),
            edge_types=tuple(edge.type for edge in line.edges),
            node_texts=tuple(node.text for node in line.nodes),
            graph_id=line.id,
        )
        given: List[Tuple[str, Any, Any]] = [("label", line.label, graph.label)]
        for number, (edge, matters) in enumerate(zip(line.edges, graph.truth)):
            given.append((f"edges[{number}].matters", (edge.model_extra or {}).get("matters"), list(matters)))
        for path, value, expected in given:
            if value not in (None, expected):
                raise ConfigurationError(
                    f"{path} is {value!r:.80}, but the edges and the query give {expected!r}. Correct it, or leave it out."
                )
        return graph


class _StarGraphLine(TextGraph, frozen=True):
    """A star graph as a line of a file has it. `query` is two colours, the types of edges that are to be compared."""

    query: Tuple[String, String]
