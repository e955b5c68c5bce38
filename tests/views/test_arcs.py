from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.explanation.explanation import ExplainedEdge
from allennlp_graphmask.graph import inverse_relation
from allennlp_graphmask.views.sentence.arcs import arcs_of, has_directions
from tests.explanation.explanations import entity_explanation, role_explanation


class _WithEdges:
    def __init__(self, edges):
        self.edges = edges


def test_a_tree_has_half_as_many_arcs_as_edges():
    explanation = role_explanation()
    arcs = arcs_of(explanation)
    assert has_directions(explanation)
    assert [(arc.source, arc.relation, arc.target) for arc in arcs] == [
        (4, "nsubj", 1),
        (1, "det", 0),
        (4, "obj", 6),
        (6, "det", 5),
    ]
    assert [arc.is_kept() for arc in arcs] == [True, False, True, True]
    assert arcs[0].along == explanation.edges[0] and arcs[0].against == explanation.edges[1]


def test_without_inverses_every_edge_is_an_arc():
    explanation = entity_explanation()
    assert not has_directions(explanation)
    assert [arc.edges() for arc in arcs_of(explanation)] == [[edge] for edge in explanation.edges]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(["a", "b", "a^-1", "b^-1"]))))
def test_every_edge_is_in_one_arc(edges):
    """Also of multigraphs, with loops and with inverses that lack what they are the inverse of."""
    explained = [ExplainedEdge(*edge, (float(number),), (True,)) for number, edge in enumerate(edges)]
    arcs = arcs_of(_WithEdges(explained))  # type: ignore[arg-type]
    assert sorted((edge for arc in arcs for edge in arc.edges()), key=lambda edge: edge.score) == explained
    for arc in arcs:
        if arc.along is not None:
            assert (arc.along.source, arc.along.target, arc.along.type) == (
                arc.source,
                arc.target,
                arc.relation,
            )
        if arc.against is not None:
            ends = (arc.against.source, arc.against.target)
            assert ends == (arc.target, arc.source)
            assert arc.against.type == inverse_relation(arc.relation)
    # As few as can be: of each arc only one of the two edges may lack its other half.
    for key in {arc[:3] for arc in arcs}:
        of_key = [arc for arc in arcs if arc[:3] == key]
        assert not (any(arc.along is None for arc in of_key) and any(arc.against is None for arc in of_key))
