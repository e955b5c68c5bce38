"""Edges as columns: what is written is read, and errors name the list and the place in it."""

import dataclasses

import pytest

from allennlp_graphmask.explanation.columns import Edges, from_columns, to_columns
from allennlp_graphmask.explanation.schema import ExplainedEdge
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from tests.explanation.explanations import entity_explanation, role_explanation

EDGES = [
    ExplainedEdge(1, 0, "det", (0.5, 1.0), (False, True)),
    ExplainedEdge(0, 1, "det^-1", (0.25, 0.0), (False, False)),
    ExplainedEdge(2, 0, "det", (0.75, 0.0), (True, True)),
]
COLUMNS = {
    "relations": ["det", "det^-1"],
    "type": [0, 1, 0],
    "source": [1, 0, 2],
    "target": [0, 1, 0],
    "score": [[0.5, 0.25, 0.75], [1.0, 0.0, 0.0]],
    "kept": [[2], [0, 2]],
}


def test_the_form():
    assert to_columns(Edges.from_edges(EDGES, 2)) == COLUMNS
    assert to_columns(Edges.from_edges([], 2)) == {
        name: [[], []] if name in ("score", "kept") else [] for name in COLUMNS
    }


@pytest.mark.parametrize("edges", [EDGES, [], role_explanation().edges, entity_explanation().edges])
def test_round_trip(edges):
    num_layers = len(edges[0].score) if edges else 3
    columns = to_columns(Edges.from_edges(edges, num_layers))
    read = from_columns(columns, num_layers)
    assert list(read) == list(edges) and read == Edges.from_edges(tuple(edges), num_layers)
    assert to_columns(read) == columns
    for edge in read:
        assert edge == ExplainedEdge(**vars(edge))  # the types are checked


def test_edges_are_a_sequence():
    edges = Edges.from_edges(EDGES, 2)
    assert len(edges) == 3 and edges[0] is edges[0] and edges[1:] == tuple(EDGES[1:]) and edges == tuple(EDGES)
    assert hash(edges) == hash(Edges.from_edges(EDGES, 2)) and edges != EDGES[:2]
    assert list(edges.select([2])) == EDGES[2:]
    assert [edge.kept for edge in edges.threshold(0.5)] == [(False, True), (False, False), (True, False)]


@pytest.mark.parametrize(
    "name, value, place, named",
    [
        ("relations", ["det"], "edges.type[1]", "1"),
        ("relations", ["det", 7], "edges.relations[1]", "7"),
        ("type", [0, -1, 0], "edges.type[1]", "-1"),
        ("type", [0, 1], "edges.type", "2"),
        ("source", [1, True, 2], "edges.source[1]", "True"),
        ("source", [1, 0], "edges.type", "3"),
        ("target", [0, 1], "edges.target", "2"),
        ("score", [[0.5, 0.25, 0.75]], "num_layers", "1"),
        ("score", [[0.5, 0.25], [1.0, 0.0, 0.0]], "edges.score[0]", "2"),
        ("score", [[0.5, 0.25, float("nan")], [1.0, 0.0, 0.0]], "edges.score[0][2]", "nan"),
        ("kept", [[2], [0, 3]], "edges.kept[1][1]", "3"),
        ("kept", [[2, 2], [0]], "edges.kept[0]", "twice"),
        ("kept", [[]], "num_layers", "1"),
        ("weight", [1, 2, 3], "edges.weight", ""),
    ],
)
def test_names_the_place(name, value, place, named):
    with pytest.raises(ExplanationFormatError) as error:
        from_columns({**COLUMNS, name: value}, 2)
    assert str(error.value).startswith(f"{place} ") and named in str(error.value)


@pytest.mark.parametrize("value, place", [([dataclasses.asdict(EDGES[0])], "edges"), ({}, "edges.relations")])
def test_refuses_another_form(value, place):
    with pytest.raises(ExplanationFormatError, match=f"^{place} is "):
        from_columns(value, 2)
