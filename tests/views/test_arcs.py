from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.explanation.explanation import ExplainedEdge
from allennlp_graphmask.graph import inverse_relation
from allennlp_graphmask.views.arcs import build_arcs, has_directions
from tests.explanation.explanations import entity_explanation, role_explanation


def test_a_tree_has_half_as_many_arcs_as_edges():
    edges = role_explanation().edges
    arcs = build_arcs(edges)
    assert has_directions(edges)
    assert [arc[:3] for arc in arcs] == [(4, "nsubj", 1), (1, "det", 0), (4, "obj", 6), (6, "det", 5)]
    assert [arc.kept for arc in arcs] == [[True, True], [False, False], [True, False], [True, False]]
    assert arcs[0].messages == [("along", edges[0]), ("against", edges[1])]


def test_without_inverses_every_edge_is_an_arc():
    edges = entity_explanation().edges
    assert not has_directions(edges)
    assert [arc.messages for arc in build_arcs(edges)] == [[("along", edge)] for edge in edges]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["a", "b", "a^-1", "b^-1"]))))
def test_every_edge_is_in_one_arc(edges):
    """Also of multigraphs, with loops and with inverses of relations that are not there."""
    explained = [ExplainedEdge(*edge, (float(number),), (True,)) for number, edge in enumerate(edges)]
    arcs = build_arcs(explained)
    assert sorted((edge for arc in arcs for _, edge in arc.messages), key=lambda edge: edge.score) == explained
    for source, relation, target, along, against in arcs:
        if along is not None:
            assert (along.source, along.type, along.target) == (source, relation, target)
        if against is not None:
            assert (against.source, against.type, against.target) == (target, inverse_relation(relation), source)
    # As few arcs as possible: of those between the same nodes, either none lacks one edge or none lacks the other.
    for key in {arc[:3] for arc in arcs}:
        same = [arc for arc in arcs if arc[:3] == key]
        assert all(arc.along for arc in same) or all(arc.against for arc in same)
