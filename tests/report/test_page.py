"""The page of a report as a document; tests/browser/test_report.py has what needs a browser."""

import dataclasses
import json

import pytest

from allennlp_graphmask.explanation import write_explanations
from allennlp_graphmask.report import build_report, parse_runs
from tests.report.random_explanations import TASKS, explanations
from tests.views.explanations import HOSTILE, HOSTILE_SHOWN
from tests.views.test_page import Page


def pages_of(tmp_path, made, **options):
    write_explanations(tmp_path / "one.jsonl", made)
    files = build_report(parse_runs([str(tmp_path / "one.jsonl")]), **options).files
    return {name: text for name, text in files.items() if name.endswith(".html")}


@pytest.mark.parametrize("task", TASKS)
def test_is_well_formed_loads_nothing_and_links_to_what_there_is(task, tmp_path):
    pages = pages_of(tmp_path, explanations(task), num_examples=4)
    page = Page(pages["index.html"])
    assert page.inside == []
    for _, attributes in page.elements:
        assert not {"src", "srcset", "style", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    linked = {attributes["href"] for attributes in page.find("a")}
    assert linked == set(pages) - {"index.html"} and len(linked) == 4
    titles = {"roles": "semantic roles", "questions": "questions", "graphs": "graphs"}
    assert ("title", f"What is kept in explanations of {titles[task]}") in page.texts


def test_without_examples_nothing_is_linked(tmp_path):
    pages = pages_of(tmp_path, explanations("roles"))
    assert list(pages) == ["index.html"] and Page(pages["index.html"]).find("a") == []


def test_markup_is_text(tmp_path):
    made = [
        dataclasses.replace(one, edges=tuple(dataclasses.replace(edge, type=HOSTILE) for edge in one.edges))
        for one in explanations("graphs")
    ]
    text = pages_of(tmp_path, made)["index.html"]
    page = Page(text)
    assert ("bdi", HOSTILE_SHOWN) in page.texts and len(page.find("script")) == 2
    data = next(text for tag, text in page.texts if tag == "script" and text.startswith("{"))
    assert json.loads(data)["cubes"]["messages"]["dimensions"]["relation"]["values"] == [HOSTILE]
