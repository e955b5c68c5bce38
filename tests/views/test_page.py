import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views import render_html, write_html_pages
from allennlp_graphmask.views.question.question_view import QuestionView
from allennlp_graphmask.views.question.supports import split_support
from allennlp_graphmask.views.text_widths import is_right_to_left, text_width
from tests.explanation.explanations import entity_explanation, question_explanation, role_explanation, role_prediction
from tests.views.explanations import ALL, HEBREW, HOSTILE, HOSTILE_SHOWN, question


class Page(HTMLParser):
    """The elements of a page, and its text by element."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.inside = []
        #: The element and the text in it.
        self.texts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "path", "rect", "line", "br"):
            self.inside.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.inside.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.inside[-1] if self.inside else "", data))

    def find(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def find_groups(self, name):
        """The attributes of the drawing's groups of this class."""
        return [item for item in self.find("g") if name in item.get("class", "").split()]

    def text(self, *without):
        return " ".join(" ".join(data for tag, data in self.texts if tag not in without).split())


def show(explanation, **options):
    return Page(render_html(explanation, **options))


@pytest.fixture(scope="module", params=list(ALL))
def page(request):
    return show(ALL[request.param])


def test_is_well_formed_and_loads_nothing(page):
    assert page.inside == []
    loading = {"link", "img", "iframe", "object", "embed", "base", "form"}
    assert not loading & {tag for tag, _ in page.elements}
    for _, attributes in page.elements:
        assert not {"src", "srcset", "href", "style", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_allows_the_style_and_the_script_and_nothing_else(page):
    [policy] = [item["content"] for item in page.find("meta") if item.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    for tag, name in (("style", "style-src"), ("script", "script-src")):
        text = next(data for inside, data in page.texts if inside == tag and "{" in data and data[0] != "{")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[name] == f"'sha256-{digest}'"
    # Data, which is not run.
    assert all(item == {} or item.get("type") == "application/json" for item in page.find("script"))


def test_no_character_that_html_forbids_or_that_turns_other_text(page):
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", page.text())


@pytest.mark.parametrize("name", ["hostile sentence", "hostile question", "hostile graph"])
def test_markup_is_text(name):
    page = show(ALL[name], title=HOSTILE)
    assert page.text().count(HOSTILE_SHOWN) >= 3
    assert ("title", HOSTILE_SHOWN) in page.texts and ("bdi", HOSTILE_SHOWN) in page.texts
    assert len(page.find("script")) == (2 if name == "hostile question" else 1)


def test_title():
    assert ("title", "saw: the cat that slept saw the dog") in show(role_explanation()).texts
    assert ("title", "mine") in show(role_explanation(), title="mine").texts
    data = question(1, 2).to_dict()
    data["metadata"].update(relation="capital_of/part_of", subject="nepal")
    assert ("title", "nepal: capital of / part of") in show(Explanation.from_dict(data)).texts


def test_every_arc_has_relation_layer_and_gate():
    arcs = show(role_explanation()).find_groups("arc")
    assert len(arcs) == 4
    assert (
        "nsubj: saw → cat\n"
        "along the arc, saw to cat: layer 0 kept, gate 0.90; layer 1 dropped, gate 0.10\n"
        "against the arc, cat to saw: layer 0 kept, gate 0.80; layer 1 kept, gate 0.99"
    ) in [arc["aria-label"] for arc in arcs]


def test_what_is_kept_is_marked_by_layer_and_direction():
    page = show(role_explanation())
    messages = [item["class"].split() for item in page.find_groups("message")]
    assert len(messages) == 8
    for layer, expected in ((0, ["along", "against", "against", "against"]), (1, ["against"])):
        assert sorted(item[1] for item in messages if f"k-{layer}" in item) == sorted(expected)
    assert sum("k-none" in item for item in messages) == 4
    assert len([item for item in page.find("input") if item.get("name") == "layer"]) == 3


def test_the_table_has_what_the_drawing_shows():
    text = show(role_explanation()).text("style", "script")
    for row in ("saw nsubj cat along 0.90 kept 0.10", "cat nsubj saw against 0.80 kept 0.99 kept"):
        assert row in text
    assert "Kept in at least one layer: 4" in text and "Dropped in every layer: 4" in text


def test_predicate_and_arguments_are_marked():
    page = show(role_explanation(changed=True, masked=role_prediction([("A1", 1, 0, 4)])))
    kinds = [item["class"].split()[1] for item in page.find_groups("word")]
    assert kinds == 2 * (["argument"] * 4 + ["predicate"] + ["argument"] * 2)
    roles = [item["aria-label"] for item in page.find_groups("role")]
    assert roles == 2 * ["A0: the cat that slept (0.90)", "A1: the dog (0.90)", "A1: the cat that slept (0.90)"]
    assert "CHANGED" in page.text()


def test_arguments_before_and_after_masking():
    text = show(role_explanation(masked=role_prediction([("A1", 1, 0, 4)]))).text("style", "script")
    for row in ("A0 the cat that slept 0.90 none", "A1 the dog 0.90 none", "A1 the cat that slept none 0.90"):
        assert row in text
    assert "A1 the dog 0.90 not measured" in show(role_explanation().threshold(0.5)).text()


def test_a_sentence_that_is_written_from_right_to_left_is_mirrored():
    explanation = ALL["right to left"]
    line = re.search(r'<svg class="line .*?</svg>', render_html(explanation), flags=re.DOTALL)
    words = re.findall(r'<g class="word .*?<text x="([\d.]+)"', line[0], flags=re.DOTALL)
    places = list(map(float, words))
    assert len(places) == len(HEBREW) and places == sorted(places, reverse=True)
    assert is_right_to_left("שלום abc") and not is_right_to_left("abc 12") and not is_right_to_left("")


@pytest.mark.parametrize(
    "name, shape",
    [("long sentence", "column"), ("long right to left", "column"), ("roles", "line"), ("right to left", "line")],
)
def test_a_long_sentence_is_a_column(name, shape):
    drawing, *small = [item for item in show(ALL[name]).find("svg") if "data-roving" in item]
    assert drawing["class"].split()[0] == shape and float(drawing["width"]) < 1500
    # A small screen gets a column, unless the line fits.
    assert [item["class"] for item in small] == (["column narrow"] if name == "right to left" else [])


def test_no_more_than_asked_for_and_the_rest_is_counted():
    page = show(ALL["long sentence"], max_edges=50)
    arcs = page.find_groups("arc")
    assert len(arcs) == 50 and all("k-any" in item["class"].split() for item in arcs)
    explanation = ALL["long sentence"]
    kept = len(explanation.kept_edges())
    assert f"{kept - 50:,} more kept messages are not listed here" in page.text()
    assert f"Kept in at least one layer: {kept:,}" in page.text()
    assert "349 more arcs are not drawn" in page.text()


def get_links(page):
    [data] = [data for tag, data in page.texts if tag == "script" and data.startswith('{"')]
    columns = json.loads(data)["links"]
    return [dict(zip(columns, values)) for values in zip(*columns.values(), strict=True)]


def test_a_large_question_has_its_chains_and_the_links_into_the_answer_first():
    explanation = ALL["large question"]
    page = show(explanation, max_edges=30)
    links = get_links(page)
    assert len(links) == 30
    chains = [link for link in links if link["chain"]]
    assert 1 <= len(chains) <= 9 and links[: len(chains)] == chains
    answer = explanation.prediction["original"]["ranking"][0]["mentions"]
    assert all(link["target"] in answer for link in links)
    assert f"{len(explanation.kept_edges()) - 30:,} more kept links are not drawn" in page.text()
    marked = " ".join(item["data-nodes"] for item in page.find("mark") if "data-nodes" in item)
    assert set(map(int, marked.split())) == set(range(500))


def test_links_are_the_kept_messages():
    kept = ALL["question"].kept_edges()
    links = get_links(show(ALL["question"]))
    assert sorted((link["source"], link["target"], link["kept"]) for link in links) == sorted(
        (edge.source, edge.target, [layer for layer in range(3) if edge.kept[layer]]) for edge in kept
    )


def test_the_chain_is_a_list_of_hops():
    supports = ["The Hanging Gardens of Mumbai are high.", "Mumbai is in India."]
    places = [(0, 4, 29), (0, 23, 29), (1, 0, 6), (1, 13, 18)]
    edges = [(0, 1, "DOC-BASED"), (1, 2, "MATCH"), (2, 3, "DOC-BASED")]
    scores = [[0.9, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.7]]
    data = question_explanation(supports, places, edges, scores).to_dict()
    data["metadata"]["nodes"][0]["is_subject"] = True
    data["metadata"]["nodes"][3]["candidate"] = 0
    text = render_html(Explanation.from_dict(data))
    [chain] = re.findall(r'<ol class="hops.*?</ol>', text, re.DOTALL)
    assert [Page(hop + "</li>").text() for hop in chain.split("</li>")[:-1]] == [
        "1 Hanging Gardens of Mumbai [0] in support 0 DOC-BASED → Mumbai [1] in support 0 layer 0, gate 0.90",
        "2 Mumbai [1] in support 0 MATCH → Mumbai [2] in support 1 layer 1, gate 0.80",
        "3 Mumbai [2] in support 1 DOC-BASED → India [3] in support 1 layer 2, gate 0.70",
    ]
    data["edges"]["kept"] = [[0], [], [2]]
    assert "No chain of kept messages leads" in show(Explanation.from_dict(data)).text()
    data["metadata"]["nodes"][0]["is_subject"] = False
    assert "The subject of the query is not mentioned" in show(Explanation.from_dict(data)).text()


def test_the_candidate_that_is_best_after_masking_is_listed():
    countries = [f"country {number}" for number in range(20)]
    entries = [
        {"text": text, "probability": 0.05, "score": None if number == 1 else 1.0}
        for number, text in enumerate(countries)
    ]
    data = question_explanation([], []).to_dict()
    data["prediction"]["original"] = {"answer": countries[0], "ranking": entries}
    data["prediction"]["masked"] = {"answer": countries[12], "ranking": [entries[12]]}
    text = show(Explanation.from_dict(data)).text()
    assert "country 0 0.05 not measured country 1 not mentioned country 2" in text
    assert "country 7 0.05 not measured country 12 0.05 0.05 and 11 more" in text


@pytest.mark.parametrize("first_near", range(4))
def test_the_pieces_of_a_support_are_its_text(first_near):
    supports = ["New York City Hall and so on. " + "word " * 100 + "Mumbai" + " word" * 100 + " the end"]
    start = supports[0].index("Mumbai")
    places = [(0, 0, 13), (0, 4, 18), (0, 9, 13), (0, start, start + 6)]
    mentions = QuestionView(question_explanation(supports, places)).mentions
    near = mentions[first_near:]
    runs = split_support(supports[0], mentions, near)
    pieces = [piece for run in runs for piece in run.pieces]
    assert "".join(piece.text for piece in pieces) == supports[0]
    for mention in mentions:
        within = [piece for piece in pieces if mention in piece.mentions]
        assert "".join(piece.text for piece in within) == mention.text
        assert sum(mention in piece.starts for piece in pieces) == 1
    assert {run.is_folded for run in runs} == {True, False}
    folded = [piece for run in runs if run.is_folded for piece in run.pieces]
    assert not any(mention in piece.mentions for piece in folded for mention in near)


def test_a_notebook_gets_a_frame_of_its_own():
    page = Page(role_explanation()._repr_html_())
    [(tag, attributes)] = page.elements
    assert tag == "iframe" and attributes["sandbox"] == "allow-scripts"
    assert attributes["srcdoc"] == render_html(role_explanation())
    [(_, hostile)] = Page(ALL["hostile question"]._repr_html_()).elements
    assert hostile["srcdoc"] == render_html(ALL["hostile question"])


def test_widths_are_not_too_small():
    # By Arial's own advances, in thousandths: p 556, r 333, e 556, s 500, e 556, n 556, t 278, a 556, t 278, i 222, o 556, n 556.
    arial = 5.503 * 16
    assert arial <= text_width("presentation", 16) <= 1.3 * arial
    assert text_width("漢字", 16) >= 32
    assert text_width("e\u0301", 16) == text_width("e", 16)


def test_a_folder_of_pages(tmp_path):
    folder = tmp_path / "new" / "pages"
    assert write_html_pages(iter([role_explanation(), entity_explanation()]), folder) == 2
    assert sorted(file.name for file in folder.iterdir()) == ["0001.html", "0002.html", "index.html"]
    assert (folder / "0001.html").read_text(encoding="utf-8") == render_html(role_explanation())
    index = Page((folder / "index.html").read_text(encoding="utf-8"))
    assert [item["href"] for item in index.find("a")] == ["0001.html", "0002.html"]
    assert "2 pages" in index.text() and "changed" in index.text()


def test_pages_of_an_earlier_run_with_more_are_removed(tmp_path):
    write_html_pages([role_explanation(), entity_explanation(), role_explanation()], tmp_path)
    (tmp_path / "0005.html").write_text("not of that run")
    write_html_pages([entity_explanation()], tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0001.html", "0005.html", "index.html"]


def test_a_failure_leaves_whole_pages_and_no_index(tmp_path):
    def fails():
        yield role_explanation()
        raise KeyError("gone")

    with pytest.raises(KeyError):
        write_html_pages(fails(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["0001.html"]
    assert (tmp_path / "0001.html").read_text(encoding="utf-8") == render_html(role_explanation())


def test_no_explanations(tmp_path):
    assert write_html_pages([], tmp_path) == 0
    assert "No explanations." in (tmp_path / "index.html").read_text()


def test_messages_that_verification_added_are_marked():
    explanation = role_explanation()
    position = next(number for number, edge in enumerate(explanation.edges) if edge.kept[0])
    verification = {"changed_before": True, "max_divergence": None, "passes": 1, "added": ((position, 0),)}
    page = render_html(dataclasses.replace(explanation, verification=verification))
    assert page.count(" kept, added") == 1 and len(re.findall(r'<g class="message [^"]* a-any a-0">', page)) == 1
    assert " a-any" not in re.sub("<style.*?</style>", "", render_html(explanation), flags=re.S)
    assert " added" not in re.sub("<style.*?</style>", "", render_html(explanation), flags=re.S)
