import copy
import json
from typing import Any, Callable, Dict, List, Set, Tuple

import numpy as np
import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.graph_jsonl import TextGraph
from allennlp_graphmask.data.dataset_readers.star_graphs import StarGraph
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import colour_names

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
                # In the first layer leaves have something to say, in the second what has been told before is handed on.
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


EXAMPLE = StarGraph.from_leaves(
    ("red", "blue"), ["red", "green"], leaf_branches=[0, 1], num_branches=2
).to_json()


def changed(change: Callable[[Dict[str, Any]], Any]) -> Dict[str, Any]:
    content = copy.deepcopy(EXAMPLE)
    change(content)
    return content


MISTAKES: List[Tuple[Callable[[Dict[str, Any]], Any], str]] = [
    (lambda content: content.pop("query"), "'query' is None, expected a list of two colours"),
    (lambda content: content.update(query=["red"]), r"'query' is \['red'\], expected"),
    (lambda content: content.update(query=[1, 2]), r"'query' is \[1, 2\], expected"),
    (lambda content: content.update(query=["red", "red"]), "expected two different colours"),
    (lambda content: content.update(label="not_more"), "'label' is 'not_more', but .* give 'more'"),
    (
        lambda content: content["edges"][0].update(matters=[False, False]),
        r"edges\[0\].matters is \[False, False\], but the graph gives \[True, False\]",
    ),
    (lambda content: content["edges"].pop(0), r"nodes\[3\] has no edge that leaves it"),
    (
        lambda content: content["edges"].append({"source": 3, "target": 2, "type": "red"}),
        r"edges\[4\], of type 'red', goes from node 3 to node 2, but .* exactly one",
    ),
    (
        lambda content: content["edges"].append({"source": 0, "target": 2, "type": "red"}),
        r"edges\[4\].* but the centre, node 0, must have no edge that leaves it",
    ),
    (
        lambda content: content["edges"][0].update(target=0),
        r"edges\[0\], of type 'red', goes from node 3 to node 0, expected it to go to a branch",
    ),
    (
        lambda content: content["edges"][2].update(target=2),
        r"edges\[2\], of type 'to_centre', goes from node 1 to node 2, expected it to go to the centre, node 0",
    ),
    (lambda content: content.update(nodes=[], edges=[]), "the graph has no nodes"),
    (lambda content: content["edges"][0].update(source=99), "leaves the graph"),
]


@pytest.mark.parametrize("change, message", MISTAKES)
def test_what_is_no_star_graph(change, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        StarGraph.from_json(changed(change))


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
