import json
from typing import Any, List, Set, Tuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.graph_jsonl import TextGraph
from allennlp_graphmask.data.dataset_readers.star_graphs import StarGraph
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import colour_names
from tests.data.malformed import DELETED, changed, refused

COLOURS = colour_names(4)

queries = st.permutations(COLOURS).map(lambda names: (names[0], names[1]))


@st.composite
def star_graphs(draw, in_branches: bool) -> StarGraph:
    leaf_colours = draw(st.lists(st.sampled_from(COLOURS), min_size=0, max_size=9))
    if not in_branches:
        return StarGraph.from_leaves(draw(queries), leaf_colours)
    num_branches = draw(st.integers(1, 4))
    return StarGraph.from_leaves(
        draw(queries),
        leaf_colours,
        leaf_branches=[draw(st.integers(0, num_branches - 1)) for _ in leaf_colours],
        num_branches=num_branches,
    )


def difference(graph: StarGraph, dropped: Set[Tuple[int, int]]) -> int:
    """
    What reaches the centre of a network that counts, one for each edge of the first and minus one for each of the second colour
    of the query, when the messages (layer, edge) are dropped.
    """
    num_layers = 2 if "to_centre" in graph.edge_types else 1
    state = [0] * len(graph.node_texts)
    for layer in range(num_layers):
        new = list(state)
        for number, ((source, target), edge_type) in enumerate(zip(graph.edges, graph.edge_types)):
            if (layer, number) not in dropped:
                own = (edge_type == graph.query[0]) - (edge_type == graph.query[1])
                # In the first layer leaves send their colours, in the second branches send what they have received.
                new[target] += own if layer == 0 else (edge_type == "to_centre") * state[source]
        state = new
    return state[0]


def messages(graph: StarGraph, truth: Any) -> Set[Tuple[int, int]]:
    return {
        (layer, number)
        for number, layers in enumerate(graph.truth)
        for layer, matters in enumerate(layers)
        if matters is truth
    }


@pytest.mark.parametrize("in_branches", [False, True])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_truth_and_label_against_a_network_that_counts(in_branches: bool, data) -> None:
    graph = data.draw(star_graphs(in_branches))
    everything = difference(graph, set())
    assert graph.label == ("more" if everything > 0 else "not_more")
    irrelevant, open_ones = messages(graph, False), messages(graph, None)
    # Nothing that does not matter is missed, not even all of it at once, with or without what is not defined.
    assert difference(graph, irrelevant) == everything
    assert difference(graph, irrelevant | open_ones) == everything
    # Everything that matters is missed, also when all that does not matter is gone already.
    for message in messages(graph, True):
        assert difference(graph, {message}) != everything
        assert difference(graph, irrelevant | open_ones | {message}) != everything
    if not in_branches:
        assert not open_ones
    for layer, number in open_ones:
        # Its branch has as many leaves of the one colour as of the other.
        source, target = graph.edges[number]
        branch = target if layer == 0 else source
        reached_by = [name for (_, end), name in zip(graph.edges, graph.edge_types) if end == branch]
        assert reached_by.count(graph.query[0]) == reached_by.count(graph.query[1]) > 0


def test_an_example_with_branches() -> None:
    """Branch 1 has red, red, blue; branch 2 red, blue (a tie); branch 3 green; branch 4 nothing."""
    graph = StarGraph.from_leaves(
        ("red", "blue"),
        ["red", "red", "blue", "red", "blue", "green"],
        leaf_branches=[0, 0, 0, 1, 1, 2],
        num_branches=4,
        graph_id="example",
    )
    assert graph.node_texts[:6] == ("centre", "branch 1", "branch 2", "branch 3", "branch 4", "leaf 1")
    assert graph.edges[:6] == ((5, 1), (6, 1), (7, 1), (8, 2), (9, 2), (10, 3))
    assert graph.edges[6:] == ((1, 0), (2, 0), (3, 0), (4, 0))
    assert graph.truth == [
        *[(True, False)] * 3,
        *[(None, False)] * 2,
        (False, False),
        (False, True),
        (False, None),
        (False, False),
        (False, False),
    ]
    assert (graph.label, graph.variant) == ("more", "two_layer")


@pytest.mark.parametrize("in_branches", [False, True])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_only_leaves_know_the_query(in_branches: bool, data) -> None:
    graph = data.draw(star_graphs(in_branches))
    features = graph.node_features(COLOURS)
    assert features.shape == (len(graph.node_texts), 8) and features.dtype == np.float32
    for text, row in zip(graph.node_texts, features.tolist()):
        expected = [-1.0] * 8
        if text.startswith("leaf"):
            first = [float(name == graph.query[0]) for name in COLOURS]
            expected = first + [float(name == graph.query[1]) for name in COLOURS]
        assert row == expected


@pytest.mark.parametrize("in_branches", [False, True])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_json_and_back(in_branches: bool, data) -> None:
    graph = data.draw(star_graphs(in_branches))
    content = json.loads(json.dumps(graph.to_json()))
    assert StarGraph.from_json(content) == graph
    # Other tools can read it as a graph over text.
    assert TextGraph.from_json(content).label == graph.label
    del content["label"]
    for edge in content["edges"]:
        del edge["matters"]
    assert StarGraph.from_json(content) == graph


def test_colours_have_names_however_many_there_are() -> None:
    assert colour_names(2) == ["red", "blue"]
    assert colour_names(8)[5:] == ["orange", "colour_7", "colour_8"]
    assert len(set(colour_names(50))) == 50


EXAMPLE = StarGraph.from_leaves(("red", "blue"), ["red", "green"], leaf_branches=[0, 1], num_branches=2).to_json()


@pytest.mark.parametrize(
    "path, value, expected",
    [
        ("query", DELETED, "query is missing"),
        ("query", None, "query is None"),
        ("query", ["red"], "query[1] is missing"),
        ("query", ["red", "blue", "green"], "query is ['red', 'blue', 'green']"),
        ("query", [1, 2], "query[0] is 1"),
        ("query", ["red", "red"], "['red', 'red']"),
        ("label", "not_more", "label is 'not_more', but the edges and the query give 'more'"),
        ("edges[0].matters", [False, False], "edges[0].matters is [False, False], but"),
        ("edges[0]", DELETED, "nodes[3]"),
        ("edges[4]", {"source": 3, "target": 2, "type": "red"}, "edges[4], of type 'red', goes from node 3 to node 2"),
        ("edges[4]", {"source": 0, "target": 2, "type": "red"}, "edges[4], of type 'red', goes from node 0 to node 2"),
        ("edges[0].target", 0, "edges[0], of type 'red', goes from node 3 to node 0, expected it to go to a branch"),
        (
            "edges[2].target",
            2,
            "edges[2], of type 'to_centre', goes from node 1 to node 2, expected it to go to the centre",
        ),
        ("edges[0].source", 99, "edges[0].source is 99"),
    ],
)
def test_what_is_not_a_star_graph(path, value, expected: str) -> None:
    with refused(expected):
        StarGraph.from_json(changed(EXAMPLE, path, value))


def test_a_graph_without_nodes() -> None:
    with refused("no nodes"):
        StarGraph.from_json({**EXAMPLE, "nodes": [], "edges": []})


@pytest.mark.parametrize(
    "query, colours, groups",
    [
        # Two red edges win over one blue one.
        (("red", "blue"), ["red", "red", "blue", "green"], ["winning", "winning", "losing", None]),
        (("green", "red"), ["red", "red", "green", "blue"], ["winning", "winning", "losing", None]),
        # A tie.
        (("green", "red"), ["green", "red", "blue", "red", "green"], [None] * 5),
    ],
)
def test_edge_groups(query: Tuple[str, str], colours: List[str], groups: List[Any]) -> None:
    assert StarGraph.from_leaves(query, colours).edge_groups == groups
    in_branch = StarGraph.from_leaves(query, colours, leaf_branches=[0] * len(colours), num_branches=1)
    assert in_branch.edge_groups == [*groups, None]
