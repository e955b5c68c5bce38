from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.multihop_qa import MENTION_RELATIONS, link_mentions
from allennlp_graphmask.data.fields import GraphField


@st.composite
def mentions(draw):
    size = draw(st.integers(0, 8))
    supports = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    entities = draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))
    cluster = st.lists(st.integers(0, size - 1), max_size=4) if size else st.just([])
    return supports, entities, draw(st.lists(cluster, max_size=3))


def brute_force(supports, entities, clusters, relations, within):
    edges = []
    for a, b in permutations(range(len(supports)), 2):
        same_support = supports[a] == supports[b]
        holds = {
            "DOC-BASED": same_support,
            "MATCH": entities[a] == entities[b] >= 0 and (within or not same_support),
            "COREF": any(a in cluster and b in cluster for cluster in clusters),
        }
        found = [relation for relation in relations if holds.get(relation)]
        if not found and "COMPLEMENT" in relations:
            found = ["COMPLEMENT"]
        edges += [(a, b, relation) for relation in found]
    return edges


@given(mentions(), st.sets(st.sampled_from(MENTION_RELATIONS)), st.booleans())
@settings(deadline=None, max_examples=300)
def test_links_as_by_looking_at_every_pair(question, relations, within):
    edges, labels = link_mentions(*question, relations, match_within_supports=within)
    found = [(a, b, MENTION_RELATIONS[label]) for (a, b), label in zip(edges.tolist(), labels.tolist())]
    # Sorted, not as sets: an edge given twice would be noticed.
    assert sorted(found) == sorted(brute_force(*question, relations, within))


@pytest.mark.parametrize("size", [0, 1])
def test_no_pair_has_no_link(size):
    edges, labels = link_mentions([0] * size, [0] * size, [])
    assert edges.shape == (0, 2) and labels.shape == (0,)


def test_a_graph_of_the_largest_size_has_all_links():
    """500 mentions, all pairs linked: about a quarter of a million edges."""
    generator = np.random.default_rng(0)
    supports, entities = generator.integers(0, 60, 500), generator.integers(0, 80, 500)
    clusters = [generator.integers(0, 500, 5).tolist() for _ in range(50)]
    edges, labels = link_mentions(supports, entities, clusters)
    assert set(map(tuple, edges.tolist())) == {(a, b) for a in range(500) for b in range(500) if a != b}
    field = GraphField(500, edges, labels, label_names=MENTION_RELATIONS)
    assert len(field.edges) == len(edges)
