import re
from pathlib import Path

import pytest

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.views import get_view, render_text
from tests.explanation.explanations import question_explanation, ranking

GOLDEN = Path(__file__).with_name("golden")
SUPPORTS = [
    "Mumbai is a city in India; Mumbai has a harbour.",
    "Nothing is here.",
    "The Hanging Gardens of Mumbai overlook the Arabian Sea.",
    "The Arabian Sea is south of Iran.",
]
PLACES = [(0, 0, 6), (0, 20, 25), (0, 27, 33), (2, 4, 29), (2, 23, 29), (3, 28, 32)]
EDGES = [(0, 4, "MATCH"), (4, 0, "MATCH"), (3, 4, "DOC-BASED"), (4, 3, "DOC-BASED"), (0, 1, "DOC-BASED")] + [
    (1, 0, "DOC-BASED"),
    (5, 1, "COMPLEMENT"),
    (2, 4, "MATCH"),
]
SCORES = [[0.7, 0.95, 0.1, 0.9, 0.2, 0.3, 0.4, 0.9], [0.1, 0.1, 0.2, 0.2, 0.6, 0.99, 0.51, 0.1]]


def _hanging_gardens(**changes) -> Explanation:
    return question_explanation(SUPPORTS, PLACES, EDGES, SCORES, **changes)


def test_a_question():
    masked = ranking(("India", 0.5), ("Iran", 0.5))
    original = ranking(("India", 0.75), ("Iran", 0.25), ("Utopia", None))
    explanation = _hanging_gardens(answer="India", original=original, masked=masked)
    assert render_text(explanation, width=80) + "\n" == (GOLDEN / "question.txt").read_text()


def test_a_changed_answer_is_shown_wherever_it_was():
    countries = ["India", "Iran", "Oman", "Nepal", "Bhutan", "Yemen", "Qatar", "Chad"]
    original = ranking(*((country, 0.3 - 0.04 * number) for number, country in enumerate(countries)))
    masked = ranking(("Qatar", 0.9), ("India", 0.1))
    lines = render_text(_hanging_gardens(original=original, masked=masked)).splitlines()
    assert "masked      CHANGED: Qatar (0.90)" in lines
    rows = [line.split() for line in lines if line.split()[:1] and line.split()[0] in countries]
    assert [row[0] for row in rows] == [*countries[:5], "Qatar"]
    assert rows[0][1:] == ["0.30", "0.10"] and rows[-1][1:] == ["0.06", "0.90"]
    assert "  ... and 2 more" in lines


@pytest.mark.parametrize(
    "support, places, marked",
    [
        ("New York City Hall", [(0, 13), (4, 18), (9, 13)], "[[New [[York [[City]]]][0] Hall]][1]"),
        ("___MASK2______MASK1___", [(0, 11), (11, 22)], "[[___MASK2___]][[___MASK1___]]"),
    ],
)
def test_overlapping_mentions_have_numbers(support, places, marked):
    text = render_text(question_explanation([support], [(0, *place) for place in places]))
    assert f"support 0   {marked}\n" in text


def test_the_highest_scores_first_and_no_more_than_asked_for():
    lines = render_text(_hanging_gardens(), max_edges=1).splitlines()
    layer = lines.index("layer 0, bottom: kept 4 of 8 messages, 50 %")
    assert lines[layer + 1].endswith("0.70, 0.95") and lines[layer + 2] == "  ... and 2 more"
    assert "more" not in render_text(_hanging_gardens(), max_edges=100)


def test_equal_edges_and_an_edge_to_itself():
    edges = [(0, 0, "MATCH"), (0, 1, "MATCH"), (0, 1, "MATCH")]
    explanation = question_explanation(["a b"], [(0, 0, 1), (0, 2, 3)], edges, [[0.9, 0.8, 0.7]])
    assert render_text(explanation).splitlines()[-2:] == [
        "  support 0 'a' -MATCH-> support 0 'a'  0.90",
        "  support 0 'a' -MATCH-> support 0 'b'  0.80, 0.70",
    ]


def test_a_very_long_support_is_shown_around_its_mentions():
    words = [f"word{number}" for number in range(1000)]
    support = " ".join([*words[:500], "Mumbai", *words[500:]])
    start = support.index("Mumbai")
    text = " ".join(render_text(question_explanation([support], [(0, start, start + 6)])).split())
    before = " ".join(f"word{number}" for number in range(493, 500))
    after = " ".join(f"word{number}" for number in range(500, 507))
    assert f"support 0 ... {before} [[Mumbai]] {after} ... No" in text


def test_a_support_that_is_all_mentions_is_cut_off():
    support = "Mumbai " * 400
    places = [(0, 7 * number, 7 * number + 6) for number in range(400)]
    text = render_text(question_explanation([support], places))
    assert "[[Mumbai]][99] ... (2800 characters)" in text.replace("\n            ", " ")


def test_many_supports():
    supports = [f"Mumbai {number}" for number in range(30)]
    places = [(number, 0, 6) for number in range(30)]
    edges = [(number, 0, "MATCH") for number in range(12, 30)]
    text = render_text(question_explanation(supports, places, edges, [[0.9] * len(edges)]))
    shown = [int(line.split()[1]) for line in text.splitlines() if line.startswith("support ")]
    assert shown == [0, 1, *range(12, 30)]
    assert "... and 10 supports that fewer kept messages touch" in text


@pytest.mark.parametrize(
    "changes, place",
    [
        ({"supports": "x"}, "metadata.supports "),
        ({"supports": [SUPPORTS[0]]}, "metadata.nodes[3] "),
        ({"query": None}, "metadata.query "),
        ({"candidates": None}, "metadata.candidates "),
        ({"nodes": []}, "metadata.nodes "),
        ({"nodes": [3] * len(PLACES)}, "metadata.nodes[0] "),
        ({"nodes": [{"support": 0, "start_char": 5, "end_char": 4}] * len(PLACES)}, "metadata.nodes[0] "),
    ],
)
def test_wrong_metadata_are_named(changes, place):
    data = _hanging_gardens().to_dict()
    data["metadata"].update(changes)
    with pytest.raises(ExplanationFormatError, match=f"^{re.escape(place)}"):
        get_view(Explanation.from_dict(data))


def _with_prediction(prediction):
    data = _hanging_gardens().to_dict()
    data["prediction"].update(original=prediction, masked=None, changed=None)
    return Explanation.from_dict(data)


@pytest.mark.parametrize(
    "explanation, lines, missing",
    [
        (
            question_explanation(["Nothing.", ""], [], original=ranking(("India", None))),
            ["answer none", "India not mentioned", "2 of 2 supports without a mention"],
            "[[",
        ),
        (question_explanation([], []), ["no supports", "layer 0: kept 0 of 0 messages"], "without a mention"),
        (
            _hanging_gardens().threshold(0.5),
            ["masked not measured", "candidates: probability", "India 0.75", "Iran 0.25"],
            "after masking",
        ),
        (_with_prediction(None), ["answer none", "masked not measured"], "candidates"),
        (_with_prediction("India"), ["answer India"], "candidates"),
        (_with_prediction({"answer": "India"}), ["answer India"], "candidates"),
        (_with_prediction({"ranking": [{"text": "India"}]}), ["answer none"], "candidates"),
        (_with_prediction(["India", 1]), ['answer ["India", 1]'], "candidates"),
    ],
)
def test_what_was_predicted_and_measured(explanation, lines, missing):
    text = render_text(explanation)
    assert set(lines) <= {" ".join(line.split()) for line in text.splitlines()}
    assert missing not in text


def test_the_chain_from_the_subject_to_the_answer():
    """Two hops over the bridge, in ascending layers; the other mention of the answer has a chain as well."""
    places = [(0, 0, 6), (0, 11, 17), (1, 0, 6), (1, 11, 17), (1, 22, 28)]
    supports = ["Harbou by  Quilla .", "Quilla in  Gothen or  Gothen ."]
    edges = [(0, 1, "DOC-BASED"), (1, 2, "MATCH"), (2, 3, "DOC-BASED"), (1, 3, "COMPLEMENT"), (0, 4, "COMPLEMENT")]
    scores = [[0.9, 0.1, 0.1, 0.1, 0.1], [0.1, 0.8, 0.1, 0.9, 0.6], [0.1, 0.1, 0.7, 0.1, 0.1]]
    original = ranking(("Gothen", 0.75), ("Oslo", 0.25))
    original["ranking"][0]["mentions"] = [3, 4]
    explanation = question_explanation(supports, places, edges, scores, original=original)
    for node, is_subject in zip(explanation.metadata["nodes"], (True, *[False] * 4)):
        node["is_subject"] = is_subject
    lines = render_text(explanation).splitlines()
    start = lines.index("from the subject to the answer: hop, layer and score")
    names = ["support 0 'Harbou'", "support 0 'Quilla'", "support 1 'Quilla'", "support 1 'Gothen'[3]"]
    relations = ["DOC-BASED", "MATCH", "DOC-BASED"]
    assert lines[start + 1 : start + 5] == [
        *(
            f"  {source} -{relation}-> {target}  {layer}  {score}"
            for layer, (source, relation, target, score) in enumerate(
                zip(names, relations, names[1:], ("0.90", "0.80", "0.70"))
            )
        ),
        "  ... and 1 more, to other mentions of the answer",
    ]
