"""Edges as files hold them: a list for each field, which takes a third of the room of an object for each edge."""

from typing import Any, Dict, List, Sequence

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


def to_columns(edges: Sequence[ExplainedEdge], num_layers: int) -> EdgeColumns:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(edge.type for edge in edges))}
    return {
        "relations": list(numbers),
        "type": [numbers[edge.type] for edge in edges],
        "source": [edge.source for edge in edges],
        "target": [edge.target for edge in edges],
        "score": [[edge.score[layer] for edge in edges] for layer in range(num_layers)],
        "kept": [[number for number, edge in enumerate(edges) if edge.kept[layer]] for layer in range(num_layers)],
    }


def from_columns(value: Any, num_layers: Any) -> List[Dict[str, Any]]:
    """
    Return the fields of each edge.

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
    kept = [[False] * num_edges for _ in columns["kept"]]
    for layer, positions in enumerate(columns["kept"]):
        _check_positions(f"edges.kept[{layer}]", positions, num_edges, "the edges")
        for position in positions:
            kept[layer][position] = True
        if sum(kept[layer]) != len(positions):
            raise ExplanationFormatError(f"edges.kept[{layer}] has an edge twice.")
    return [
        {"source": source, "target": target, "type": columns["relations"][relation], "score": scores, "kept": decisions}
        for source, target, relation, scores, decisions in zip(
            columns["source"], columns["target"], columns["type"], zip(*columns["score"]), zip(*kept)
        )
    ]


def _check_positions(name: str, positions: Sequence[int], count: int, what: str) -> None:
    for number, position in enumerate(positions):
        if not 0 <= position < count:
            raise ExplanationFormatError(
                f"{name}[{number}] is {position}, expected a position among {what}: 0 to {count - 1}."
            )
