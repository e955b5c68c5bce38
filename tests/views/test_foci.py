"""Several explanations of one prediction on one page."""

import dataclasses
import re

import pytest

from allennlp_graphmask.views import render_html, write_html_pages
from tests.explanation.explanations import entity_explanation, role_explanation
from tests.views.explanations import sentence
from tests.views.test_page import Page

KEPT = {"all roles": [0, 1, 5], "A0: the cat that slept": [0, 1], "A1: the dog": [5]}


def focused(name, kind, description, nodes, kept, explanation=None):
    """An explanation that keeps these edges in the bottom layer, for a focus."""
    explanation = explanation or role_explanation()
    edges = tuple(
        dataclasses.replace(edge, kept=(number in kept, False)) for number, edge in enumerate(explanation.edges)
    )
    focus = {"name": name, "kind": kind, "description": description, "nodes": nodes, "trained": None}
    # Each kind of focus has a threshold of its own.
    interpreter = {**explanation.interpreter, "threshold": float(len(kind))}
    return dataclasses.replace(explanation, edges=edges, focus=focus, interpreter=interpreter)


def roles(explanation=None):
    return [
        focused("roles", "assigned", "the roles A0, A1 that the model assigns", (1, 4, 6), [0, 1, 5], explanation),
        focused("roles", "role", "the role A0 that the model assigns", (1, 4), [0, 1], explanation),
        focused("roles", "role", "the role A1 that the model assigns", (4, 6), [5], explanation),
    ]


def test_a_page_has_a_choice_of_roles_and_starts_with_all():
    page = Page(render_html(*roles()))
    choices = [item for item in page.find("input") if item.get("name") == "focus"]
    assert ["checked" in item for item in choices] == [True, False, False]
    assert [data for tag, data in page.texts if tag == "bdi" and data in KEPT] == list(KEPT)
    text = page.text("style", "script")
    for statement in (
        'The roles of "saw" need 3 of the 16 messages',
        'The role A0 of "saw" ("the cat that slept") needs 2 of the 16 messages',
        'The role A1 of "saw" ("the dog") needs 1 of the 16 messages',
    ):
        assert statement in text
    # The sentence is drawn once, with the decisions of all.
    arcs = page.find_groups("arc")
    assert len(arcs) == 4
    for number, kept in enumerate(KEPT.values()):
        messages = [item for item in page.find_groups("message") if f"k{number or ''}-0" in item["class"].split()]
        assert len(messages) == len(kept)
    assert any("kept for all roles (layer 0 kept" in item["aria-label"] for item in arcs)


def test_explanations_of_other_predictions_share_no_page():
    first, second, _ = roles()
    others = [
        first,
        dataclasses.replace(second, metadata={**first.metadata, "sentence_id": "s-2"}),
        dataclasses.replace(second, interpreter={"name": "random"}),
        dataclasses.replace(second, edges=second.edges[::-1]),
        dataclasses.replace(second, prediction={**second.prediction, "original": "another"}),
    ]
    for other in others:
        with pytest.raises(ValueError, match="one prediction"):
            render_html(first, other)
    # The view of a graph has no choice.
    graph = dataclasses.replace(first, kind="graph"), dataclasses.replace(second, kind="graph")
    with pytest.raises(ValueError, match="one prediction"):
        render_html(*graph)


def test_pages_of_a_folder_group_what_belongs_together(tmp_path):
    again = role_explanation(sentence_id="s-2")
    # Explanations without a focus, twice the same sentence, and one with another focus after it.
    explanations = [*roles(), *roles(), *roles(again), role_explanation(), role_explanation(), entity_explanation()]
    assert write_html_pages(explanations, tmp_path) == 6
    foci = [len(re.findall(r'id="focus-\d"', path.read_text())) for path in sorted(tmp_path.glob("0*.html"))]
    assert foci == [3, 3, 3, 0, 0, 0]
    index = Page((tmp_path / "index.html").read_text())
    # One title for all predicates of the sentence, and one for the graph.
    assert len([item for item in index.find("tr") if item.get("class") == "text"]) == 2
    assert len(index.find("a")) == 6
    assert "3 of 16 messages, 19 %" in index.text()


def test_other_predicates_of_a_sentence_come_under_one_title(tmp_path):
    words = "the ship that came sank".split()
    write_html_pages([sentence(words, 3), sentence(words, 4), sentence(words[:-1], 3)], tmp_path)
    index = Page((tmp_path / "index.html").read_text())
    titles = [item for item in index.find("tr") if item.get("class") == "text"]
    assert len(titles) == 2
    assert [data for tag, data in index.texts if tag == "bdi" and "(" in data] == [
        "came (came)",
        "sank (sank)",
        "came (came)",
    ]


def test_one_layer_needs_no_switch():
    page = render_html(sentence(["She", "sings"]))
    assert 'name="layer"' in page
    explanation = sentence(["She", "sings"])
    edges = tuple(dataclasses.replace(edge, score=edge.score[:1], kept=edge.kept[:1]) for edge in explanation.edges)
    page = render_html(dataclasses.replace(explanation, edges=edges, num_layers=1))
    assert 'name="layer"' not in page and "layer 0" not in page
