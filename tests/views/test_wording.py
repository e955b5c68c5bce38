import dataclasses
import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.views import get_view, render_html, render_text
from allennlp_graphmask.views.wording import describe_constraint, format_share
from tests.explanation.explanations import entity_explanation, role_explanation
from tests.views.explanations import ALL


@given(st.floats(0, 1))
def test_a_percentage_is_near_the_share(share):
    percentage = float(format_share(share).removesuffix(" %"))
    assert abs(percentage - 100 * share) <= (0.5 if share >= 0.0995 else max(0.05 * 100 * share, 1e-9)) + 1e-9


@pytest.mark.parametrize("share, text", [(0.05, "5 %"), (0.055, "5.5 %"), (0.3, "30 %"), (0, "0 %"), (1, "100 %")])
def test_a_percentage(share, text):
    assert format_share(share) == text


@pytest.mark.parametrize(
    "kind, bound, allowance, met, text",
    [
        (
            "changed",
            0.055,
            0.05,
            True,
            "at most 5 % of the predictions may change; this one changes: no; in training: met",
        ),
        # A bound of its own, of a divergence whose allowance is not a share.
        (
            "changed",
            0.1,
            0.003,
            False,
            "at most 10 % of the predictions may change; this one changes: yes; in training: met",
        ),
        ("divergence", 0.0123456, 0.01, None, "divergence at most 0.0123; met here: not known; in training: met"),
    ],
)
def test_a_constraint(kind, bound, allowance, met, text):
    constraint = {"kind": kind, "bound": bound, "allowance": allowance, "met": met, "met_in_training": True}
    assert describe_constraint(constraint) == text


def _with_kept(explanation, kept, changed):
    edges = tuple(
        dataclasses.replace(edge, kept=tuple(number < kept for _ in edge.kept))
        for number, edge in enumerate(explanation.edges)
    )
    return dataclasses.replace(explanation, edges=edges, prediction={**explanation.prediction, "changed": changed})


@pytest.mark.parametrize(
    "kept, changed, statement",
    [
        (0, False, "The whole prediction needs none of the 3 messages; without any it stays the same."),
        (1, False, "The whole prediction needs 1 of the 3 messages; without the other 2 it stays the same."),
        (1, None, "The whole prediction needs 1 of the 3 messages."),
        (3, False, "The whole prediction needs all 3 messages."),
        (1, True, "1 of the 3 messages are not enough: the whole prediction CHANGES without the others."),
    ],
)
def test_the_statement_comes_first(kept, changed, statement):
    explanation = _with_kept(entity_explanation(), kept, changed)
    assert get_view(explanation).get_statement() == statement
    text, page = " ".join(render_text(explanation).split()), render_html(explanation)
    assert text.startswith(f"{' '.join(explanation.tokens)} {statement}")
    assert page.index(statement) < page.index('class="facts"') < page.index("<svg")
    # Where no message is kept, both state what that means and where to read on.
    assert ("docs/choosing.md" in text) == ("docs/choosing.md" in page) == (kept == 0)


@pytest.mark.parametrize("figures", [{}, {"original_f1": 0.75, "dropped_f1": 0.5}, {"original_f1": 0.75}, None])
@pytest.mark.parametrize("kept", [0, 1])
def test_how_good_the_model_is_without_messages_is_stated_where_none_is_kept(figures, kept):
    explanation = _with_kept(entity_explanation(), kept, False)
    explanation = dataclasses.replace(explanation, interpreter={"name": "graphmask", "training_summary": figures})
    for show in (render_text, render_html):
        is_stated = "f1 is 0.75, and without any message 0.50" in " ".join(html.unescape(show(explanation)).split())
        assert is_stated == (len(figures or ()) == 2 and kept == 0)


def test_a_graph_without_edges():
    explanation = dataclasses.replace(role_explanation(), num_edges=0, edges=())
    assert "depend on no message: the graph has no edges" in render_text(explanation).replace("\n", " ")


@pytest.mark.parametrize("name", ["roles", "question", "graph", "entities"])
def test_edges_that_are_not_stored_are_counted_and_stated(name):
    explanation = ALL[name]
    kept = explanation.kept_only()
    left_out = len(explanation.edges) - len(kept.edges)
    assert left_out
    statement = get_view(explanation).get_statement()
    for show in (render_text, render_html):
        text = html.unescape(" ".join(show(kept).split()))
        assert statement in text and f"{left_out} edges whose messages are dropped" in text
        assert "not stored" in text and "not stored" not in " ".join(show(explanation).split())


def test_a_graph_of_which_no_edge_is_stored():
    explanation = ALL["roles"].threshold(1.0)
    assert not explanation.kept_only().edges
    for show in (render_text, render_html):
        assert "0 of 16 messages" in show(explanation.kept_only()).replace("\n", " ")


def test_a_budget_is_kept_to_and_not_a_finding():
    explanation = _with_kept(entity_explanation(), 1, False)
    interpreter = {**explanation.interpreter, "settings": {"top_fraction": 0.3}}
    statement = get_view(dataclasses.replace(explanation, interpreter=interpreter)).get_statement()
    assert statement.startswith("The whole prediction keeps 1 of the 3 messages;")
