from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.graph_jsonl import TextGraph

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
    """The types of the edges that leave leaves: red, blue, ..., colour_7, colour_8, ..."""
    others = (f"colour_{number}" for number in range(len(_COLOURS) + 1, num_colours + 1))
    return [*_COLOURS[:num_colours], *others]


@dataclass(frozen=True)
class StarGraph:
    """
    A star graph: leaves with edges of several colours to one centre, and a query of two of the colours. The question is
    whether there are strictly more edges of the first than of the second.

    Of the variant `"two_layer"` the leaves' edges lead to branches, and one edge of the type `to_centre` from each branch to
    the centre.

    # Parameters

    query : `Tuple[str, str]`
        Two different colours.
    edges : `Tuple[Tuple[int, int], ...]`
        (source, target) pairs of node numbers. The centre has number 0.
    edge_types : `Tuple[str, ...]`
        One for each edge: a colour, or `to_centre`.
    node_texts : `Tuple[str, ...]`
        One for each node.
    graph_id : `str`, optional (default = `None`)

    # Raises

    `ConfigurationError` if it is no star graph.
    """

    query: Tuple[str, str]
    edges: Tuple[Tuple[int, int], ...]
    edge_types: Tuple[str, ...]
    node_texts: Tuple[str, ...]
    graph_id: Any = None

    def __post_init__(self) -> None:
        if self.query[0] == self.query[1]:
            raise ConfigurationError(f"the query is {list(self.query)}, expected two different colours.")
        if not self.node_texts:
            raise ConfigurationError("the graph has no nodes, expected at least the centre.")
        branches = {
            source for (source, _), edge_type in zip(self.edges, self.edge_types) if edge_type == TO_CENTRE
        }
        sources = set()
        for number, ((source, target), edge_type) in enumerate(zip(self.edges, self.edge_types)):
            where = f"edges[{number}], of type {edge_type!r}, goes from node {source} to node {target}"
            if source == CENTRE or source in sources:
                raise ConfigurationError(
                    f"{where}, but the centre, node {CENTRE}, must have no edge that leaves it, and every other node exactly one."
                )
            sources.add(source)
            to_branch = edge_type != TO_CENTRE and bool(branches)
            if (target not in branches) if to_branch else (target != CENTRE):
                raise ConfigurationError(
                    f"{where}, expected it to go to "
                    + (
                        "a branch: a node that has an edge of type 'to_centre'."
                        if to_branch
                        else f"the centre, node {CENTRE}."
                    )
                )
        if len(sources) != len(self.node_texts) - 1:
            [lonely, *_] = set(range(1, len(self.node_texts))) - sources
            raise ConfigurationError(
                f"nodes[{lonely}] has no edge that leaves it, but every node except for the centre must."
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
        # Parameters

        query : `Tuple[str, str]`
        leaf_colours : `Sequence[str]`
            The colour of the edge of each leaf.
        leaf_branches : `Sequence[int]`, optional
            The branch that each leaf has its edge to, from 0; for the variant `"two_layer"`.
        num_branches : `int`, optional (default = `0`)
            For the variant `"two_layer"`.
        graph_id : `str`, optional (default = `None`)
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
        first, second = (sum(counts) for counts in zip(*self._counts.values()))
        return MORE if first > second else NOT_MORE

    @property
    def edge_groups(self) -> List[Optional[str]]:
        """
        For each edge of the colours of the query `"winning"` if its colour has more edges than the other, `"losing"` if it has
        fewer; `None` for other edges, and for all if neither has more.
        """
        first, second = (sum(counts) for counts in zip(*self._counts.values()))
        if first == second:
            return [None] * len(self.edges)
        groups = dict(zip(self.query, ("winning", "losing") if first > second else ("losing", "winning")))
        return [groups.get(edge_type) for edge_type in self.edge_types]

    @property
    def truth(self) -> List[Truth]:
        """
        For each edge whether it matters in each layer of a network with as many layers as there are steps to the centre.

        The edges of the colours of the query matter, and no others. With two layers they do so in the bottom layer, and in
        the top layer the edges to the centre from branches that such edges reach. An edge that carries nothing in a layer,
        as what reaches its target there does not reach the centre any more, or has not started from a leaf, does not matter.
        Of a branch with as many edges of one colour as of the other nobody can tell: it says as much as a branch
        with neither. For its edges of these colours in the bottom layer, and for its own in the top layer, the truth is
        `None`.
        """
        if self.variant == "single_layer":
            return [(edge_type in self.query,) for edge_type in self.edge_types]
        truth: List[Truth] = []
        for (source, target), edge_type in zip(self.edges, self.edge_types):
            first, second = self._counts[source if edge_type == TO_CENTRE else target]
            # Whether the branch that the edge leaves or reaches says anything.
            says: Optional[bool] = None if first == second > 0 else first != second
            if edge_type == TO_CENTRE:
                truth.append((False, says))
            else:
                truth.append((says if edge_type in self.query else False, False))
        return truth

    def node_features(self, colours: Sequence[str]) -> np.ndarray:
        """
        The inputs of nodes. A leaf has a one at the first colour of the query and one at the second, each among as many
        numbers as there are colours; all others, and so all other nodes, are to know nothing of the query: all their numbers
        are -1.

        # Parameters

        colours : `Sequence[str]`

        # Returns

        `numpy.ndarray`
            Shape: `(num_nodes, 2 * num_colours)`, float32.
        """
        features = np.full((len(self.node_texts), 2 * len(colours)), -1, dtype=np.float32)
        query = np.zeros(2 * len(colours), dtype=np.float32)
        query[colours.index(self.query[0])] = 1
        query[len(colours) + colours.index(self.query[1])] = 1
        leaves = [
            source for (source, _), edge_type in zip(self.edges, self.edge_types) if edge_type != TO_CENTRE
        ]
        features[leaves] = query
        return features

    def to_json(self) -> Dict[str, Any]:
        """As a line of a file has it: an object that the reader `graph_jsonl` takes, too."""
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
        The inverse of `to_json`. `label` and `matters` follow from the rest: they may be missing, but not be wrong.

        # Raises

        `ConfigurationError` if it is no star graph.
        """
        graph = TextGraph.from_json(content)
        query = (graph.graph_metadata or {}).get("query")
        if not (isinstance(query, list) and len(query) == 2 and all(isinstance(name, str) for name in query)):
            raise ConfigurationError(
                f"'query' is {query!r:.80}, expected a list of two colours, the types of edges that are to be compared."
            )
        star = cls(
            query=(query[0], query[1]),
            edges=graph.edges,
            edge_types=graph.edge_types,
            node_texts=tuple(node.text for node in graph.nodes),
            graph_id=graph.graph_id,
        )
        if graph.label not in (None, star.label):
            raise ConfigurationError(
                f"'label' is {graph.label!r}, but the edges and the query give {star.label!r}. Mend one of them, or leave 'label' "
                "out."
            )
        for number, (metadata, matters) in enumerate(zip(graph.edge_metadata, star.truth)):
            given = metadata.get("matters")
            if given not in (None, list(matters)):
                raise ConfigurationError(
                    f"edges[{number}].matters is {given!r:.80}, but the graph gives {list(matters)}. Mend one of them, or leave "
                    "'matters' out."
                )
        return star
