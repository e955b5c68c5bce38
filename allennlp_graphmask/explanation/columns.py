"""Edges as files hold them: a list for each field, which takes a third of the room of an object for each edge."""

from functools import cached_property
from typing import Any, Iterator, List, Sequence, Tuple

import numpy
from pydantic import with_config
from typing_extensions import TypedDict

from allennlp_graphmask.explanation.schema import CONFIG, ExplainedEdge
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.validation import Integer, Number, String, validate


@with_config(CONFIG)
class EdgeColumns(TypedDict):
    """
    Edges in their order: the relations that there are, and for each edge the position of its relation among them and the ids of its
    nodes; for each layer the scores of all edges; and for each layer the positions of the edges whose message is kept, ascending.
    """

    relations: List[String]
    type: List[Integer]
    source: List[Integer]
    target: List[Integer]
    score: List[List[Number]]
    kept: List[List[Integer]]


class Edges(Sequence[ExplainedEdge]):
    """
    The edges of an explanation: a sequence of `ExplainedEdge`, which are made when the first is asked for. A large graph has thousands,
    and most that is done with an explanation needs its columns.

    # Parameters

    relations : `Sequence[str]`
    type, source, target : `numpy.ndarray`
        The position of each edge's relation, and the ids of its nodes. Shape: `(num_edges,)`.
    score, kept : `numpy.ndarray`
        In double precision, and boolean. Shape: `(num_layers, num_edges)`.
    """

    def __init__(
        self,
        relations: Sequence[str],
        type: numpy.ndarray,
        source: numpy.ndarray,
        target: numpy.ndarray,
        score: numpy.ndarray,
        kept: numpy.ndarray,
    ) -> None:
        self.relations = relations
        self.type, self.source, self.target = type, source, target
        self.score, self.kept = score, kept

    @classmethod
    def from_edges(cls, edges: Sequence[ExplainedEdge], num_layers: int) -> "Edges":
        """Raise an `ExplanationFormatError` if an edge does not have one score and one decision for each layer."""
        if isinstance(edges, cls):
            return edges
        for position, edge in enumerate(edges):
            if not len(edge.score) == len(edge.kept) == num_layers:
                raise ExplanationFormatError(
                    f"edges[{position}] has {len(edge.score)} scores and {len(edge.kept)} decisions, expected {num_layers} of each: "
                    "one for each layer."
                )
        numbers = {name: number for number, name in enumerate(dict.fromkeys(edge.type for edge in edges))}
        shape = len(edges), num_layers
        return cls(
            list(numbers),
            _integers([numbers[edge.type] for edge in edges]),
            _integers([edge.source for edge in edges]),
            _integers([edge.target for edge in edges]),
            numpy.array([edge.score for edge in edges], dtype=float).reshape(shape).T,
            numpy.array([edge.kept for edge in edges], dtype=bool).reshape(shape).T,
        )

    @cached_property
    def _edges(self) -> Tuple[ExplainedEdge, ...]:
        names = [self.relations[number] for number in self.type.tolist()]
        columns = self.source.tolist(), self.target.tolist(), names, self.score.T.tolist(), self.kept.T.tolist()
        return tuple(_make_edge(*fields) for fields in zip(*columns))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, position: Any) -> Any:
        return self._edges[position]

    def __iter__(self) -> Iterator[ExplainedEdge]:
        return iter(self._edges)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._edges)

    def __repr__(self) -> str:
        return repr(self._edges)

    def select(self, positions: Sequence[int]) -> "Edges":
        """Return the edges at some positions."""
        chosen = numpy.array(positions, dtype=int)
        return Edges(
            self.relations,
            self.type[chosen],
            self.source[chosen],
            self.target[chosen],
            self.score[:, chosen],
            self.kept[:, chosen],
        )

    def compact(self) -> "Edges":
        """Return the edges with those relations that occur, in the order in which they do, as files hold them."""
        present, first, number = numpy.unique(self.type, return_index=True, return_inverse=True)
        names = [self.relations[relation] for relation in present[numpy.argsort(first)].tolist()]
        numbers = {name: position for position, name in enumerate(dict.fromkeys(names))}
        renumbered = numpy.array([numbers[self.relations[relation]] for relation in present.tolist()], dtype=int)
        return Edges(list(numbers), renumbered[number], self.source, self.target, self.score, self.kept)

    def threshold(self, threshold: float) -> "Edges":
        """Return the edges with those messages kept whose score is greater."""
        return Edges(self.relations, self.type, self.source, self.target, self.score, self.score > threshold)

    def check(self, num_nodes: int, num_layers: int) -> None:
        """
        Check that edges join nodes, and that scores are finite and there for each layer.

        # Raises

        `ExplanationFormatError` naming the first edge.
        """
        joins = (0 <= self.source) & (self.source < num_nodes) & (0 <= self.target) & (self.target < num_nodes)
        if not joins.all():
            position = int(joins.argmin())
            raise ExplanationFormatError(
                f"edges[{position}] goes from node {self.source[position]} to node {self.target[position]}, but the {num_nodes} nodes "
                f"are numbered 0 to {num_nodes - 1}."
            )
        if len(self.score) != num_layers:
            raise ExplanationFormatError(f"num_layers is {num_layers}, but edges have {len(self.score)} scores.")
        finite = numpy.isfinite(self.score)
        if not finite.all():
            position, layer = map(int, numpy.argwhere(~finite.T)[0])
            raise ExplanationFormatError(
                f"edges[{position}].score[{layer}] is {self.score[layer, position]}: input should be a finite number."
            )


def _make_edge(source: int, target: int, type: str, score: List[float], kept: List[bool]) -> ExplainedEdge:
    edge: ExplainedEdge = object.__new__(ExplainedEdge)
    # Without the checks of its constructor, which these fields have passed as columns.
    vars(edge).update(source=source, target=target, type=type, score=tuple(score), kept=tuple(kept))
    return edge


def _integers(values: Sequence[int]) -> numpy.ndarray:
    try:
        return numpy.array(values, dtype=numpy.int64)
    except OverflowError:  # as in a file: what refuses it names it
        return numpy.array(values, dtype=object)


def to_columns(edges: Edges) -> EdgeColumns:
    """Return edges as JSON holds them."""
    edges = edges.compact()
    return {
        "relations": list(edges.relations),
        "type": edges.type.tolist(),
        "source": edges.source.tolist(),
        "target": edges.target.tolist(),
        "score": edges.score.tolist(),
        "kept": [numpy.flatnonzero(layer).tolist() for layer in edges.kept],
    }


def from_columns(value: Any, num_layers: Any) -> Edges:
    """
    Return edges from what files hold.

    # Raises

    `ExplanationFormatError` if the value does not have the form of `EdgeColumns`, or its lists do not fit together or the number of
    layers.
    """
    columns = validate(EdgeColumns, value, ExplanationFormatError, "edges")
    num_edges = len(columns["source"])
    for name in ("score", "kept"):
        if len(columns[name]) != num_layers:
            raise ExplanationFormatError(
                f"num_layers is {num_layers!r}, but edges.{name} has {len(columns[name])} lists, expected one for each layer."
            )
    by_edge = {"type": columns["type"], "target": columns["target"]}
    by_edge.update((f"score[{layer}]", scores) for layer, scores in enumerate(columns["score"]))  # type: ignore[misc]
    for name, column in by_edge.items():
        if len(column) != num_edges:
            raise ExplanationFormatError(
                f"edges.{name} has {len(column)} entries, but edges.source {num_edges}, expected as many: one for each edge."
            )
    _check_positions("edges.type", columns["type"], len(columns["relations"]), "the relations")
    kept = numpy.zeros((len(columns["kept"]), num_edges), dtype=bool)
    for layer, positions in enumerate(columns["kept"]):
        _check_positions(f"edges.kept[{layer}]", positions, num_edges, "the edges")
        kept[layer, positions] = True
        if kept[layer].sum() != len(positions):
            raise ExplanationFormatError(f"edges.kept[{layer}] has an edge twice.")
    return Edges(
        columns["relations"],
        _integers(columns["type"]),
        _integers(columns["source"]),
        _integers(columns["target"]),
        numpy.array(columns["score"], dtype=float).reshape(kept.shape),
        kept,
    )


def _check_positions(name: str, positions: Sequence[int], count: int, what: str) -> None:
    for number, position in enumerate(positions):
        if not 0 <= position < count:
            raise ExplanationFormatError(
                f"{name}[{number}] is {position}, expected a position among {what}: 0 to {count - 1}."
            )
