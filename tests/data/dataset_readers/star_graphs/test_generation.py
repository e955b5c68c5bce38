import hashlib
import itertools
import json
from collections import Counter
from typing import Any, Dict, List

import pytest

from allennlp_graphmask.data.dataset_readers.star_graphs import StarGraph, generate_star_graphs
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import VARIANTS
from tests.data.malformed import refused


def generated(split: str = "train", num_graphs: int = 400, **settings: Any) -> List[StarGraph]:
    return list(generate_star_graphs(split, num_graphs, **settings))


def without_id(graph: StarGraph) -> str:
    return json.dumps({**graph.to_json(), "id": None})


def test_the_graphs_are_those_of_every_machine() -> None:
    """Figures measured elsewhere are of these graphs, which must not depend on the process's hashes of strings."""
    graph = generated(num_graphs=1)[0]
    assert graph.graph_id == "train-0"
    digest = hashlib.sha256(
        "\n".join(
            without_id(graph) for variant in VARIANTS for graph in generated("test", 500, variant=variant)
        ).encode()
    )
    assert digest.hexdigest() == "b55ab5cabbbaeb932e6941466511fefb620281387a01919cbc1763349c6d07eb"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_graphs_do_not_depend_on_how_many_there_are(variant: str) -> None:
    few, many = generated(num_graphs=3, variant=variant), generated(num_graphs=1100, variant=variant)
    assert len(few) == 3 and len(many) == 1100
    assert few == many[:3]
    assert [graph.graph_id for graph in many[998:1002]] == [f"train-{number}" for number in range(998, 1002)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_splits_and_seeds_are_different_streams(variant: str) -> None:
    streams = [
        set(map(without_id, generated(split, variant=variant, seed=seed)))
        for split, seed in itertools.product(("train", "dev", "test"), (0, 1))
    ]
    for one, other in itertools.combinations(streams, 2):
        # A few small graphs are drawn twice by chance.
        assert len(one & other) < 0.01 * len(one)


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_is_drawn_uniformly(variant: str) -> None:
    graphs = generated(num_graphs=6000, variant=variant)
    num_leaves: Counter = Counter()
    colours: Counter = Counter()
    queries: Counter = Counter()
    num_branches: Counter = Counter()
    for graph in graphs:
        leaves = [name for name in graph.edge_types if name != "to_centre"]
        num_leaves[len(leaves)] += 1
        colours.update(leaves)
        queries[graph.query] += 1
        num_branches[graph.edge_types.count("to_centre")] += 1
        assert graph.variant == variant
    assert set(num_leaves) == set(range(6, 13))
    assert len(colours) == 6 and len(queries) == 30
    assert set(num_branches) == ({0} if variant == "single_layer" else {3, 4, 5})
    for counts in (num_leaves, colours, queries, num_branches):
        expected = sum(counts.values()) / len(counts)
        # Five standard deviations.
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    labels = Counter(graph.label for graph in graphs)
    # By symmetry the rest of the graphs is half "more": those with as many edges of the one as of the other are not.
    assert 0.36 < labels["more"] / len(graphs) < 0.44


def test_the_least_that_can_be_asked_for() -> None:
    [graph] = generated(num_graphs=1, num_colours=2, min_leaves=1, max_leaves=1)
    assert len(graph.edges) == 1 and set(graph.query) == {"red", "blue"}
    assert generated(num_graphs=0) == []


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({"split": "valid"}, "'valid'"),
        ({"variant": "three_layer"}, "'three_layer'"),
        ({"num_colours": 1}, "num_colours is 1"),
        ({"min_leaves": 3, "max_leaves": 2}, "min_leaves is 3 and max_leaves is 2"),
        ({"min_branches": 0}, "min_branches is 0 and max_branches is 5"),
        ({"num_graphs": -1}, "-1 graphs"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_drawn(settings: Dict[str, Any], expected: str) -> None:
    # At the call and not when the first graph is asked for.
    with refused(expected):
        generate_star_graphs(**{"split": "train", "num_graphs": 1, **settings})
