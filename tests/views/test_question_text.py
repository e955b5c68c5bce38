import re

import pytest

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import write_explanations
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.views import render_html, render_text
from allennlp_graphmask.views.sentence.text import main
from tests.explanation.explanations import question_explanation, ranking, role_explanation

SUPPORTS = [
    "Mumbai is a city in India; Mumbai has a harbour.",
    "Nothing is here.",
    "The Hanging Gardens of Mumbai overlook the Arabian Sea.",
    "The Arabian Sea is south of Iran.",
]
PLACES = [(0, 0, 6), (0, 20, 25), (0, 27, 33), (2, 4, 29), (2, 23, 29), (3, 28, 32)]
EDGES = [
    (0, 4, "MATCH"),
    (4, 0, "MATCH"),
    (3, 4, "DOC-BASED"),
    (4, 3, "DOC-BASED"),
    (0, 1, "DOC-BASED"),
    (1, 0, "DOC-BASED"),
    (5, 1, "COMPLEMENT"),
    (2, 4, "MATCH"),
]
SCORES = [
    [0.7, 0.95, 0.1, 0.9, 0.2, 0.3, 0.4, 0.9],
    [0.1, 0.1, 0.2, 0.2, 0.6, 0.99, 0.51, 0.1],
]


def _hanging_gardens(**changes) -> Explanation:
    return question_explanation(SUPPORTS, PLACES, EDGES, SCORES, **changes)


def test_a_question():
    masked = ranking(("India", 0.5), ("Iran", 0.5))
    original = ranking(("India", 0.75), ("Iran", 0.25), ("Utopia", None))
    explanation = _hanging_gardens(answer="India", original=original, masked=masked)
    assert render_text(explanation, width=80) == "\n".join(
        [
            "question    country hanging gardens",
            "true answer India",
            "answer      India (0.75)",
            "masked      unchanged: India (0.50)",
            "divergence  0.25 (saturating_kl)",
            "constraint  changed at most 0.055; met here: yes, in training: yes",
            "kept        7 of 16 messages, 44 % (graphmask)",
            "",
            "candidates: probability before and after masking",
            "  India   0.75  0.50",
            "  Iran    0.25  0.50",
            "  Utopia  not mentioned",
            "",
            "support 0   [[Mumbai]][0] is a city in [[India]]; [[Mumbai]][2] has a harbour.",
            "support 2   The [[Hanging Gardens of [[Mumbai]]]] overlook the Arabian Sea.",
            "support 3   The Arabian Sea is south of [[Iran]].",
            "1 of 4 supports without a mention",
            "",
            "layer 0, bottom: kept 4 of 8 messages, 50 %",
            "  support 0 'Mumbai'[0] <-MATCH-> support 2 'Mumbai'  0.70, 0.95",
            "  support 0 'Mumbai'[2] -MATCH-> support 2 'Mumbai'  0.90",
            "  support 2 'Mumbai' -DOC-BASED-> support 2 'Hanging Gardens of Mumbai'  0.90",
            "",
            "layer 1, top: kept 3 of 8 messages, 38 %",
            "  support 0 'Mumbai'[0] <-DOC-BASED-> support 0 'India'  0.60, 0.99",
            "  support 3 'Iran' -COMPLEMENT-> support 0 'India'  0.51",
        ]
    )


def test_a_changed_answer_is_shown_wherever_it_was():
    countries = ["India", "Iran", "Oman", "Nepal", "Bhutan", "Yemen", "Qatar", "Chad"]
    original = ranking(*((country, 0.3 - 0.04 * number) for number, country in enumerate(countries)))
    masked = ranking(("Qatar", 0.9), ("India", 0.1))
    lines = render_text(_hanging_gardens(original=original, masked=masked)).splitlines()
    assert "masked      CHANGED: Qatar (0.90)" in lines
    first = lines.index("candidates: probability before and after masking")
    assert lines[first + 1 : first + 8] == [
        "  India   0.30  0.10",
        "  Iran    0.26",
        "  Oman    0.22",
        "  Nepal   0.18",
        "  Bhutan  0.14",
        "  Qatar   0.06  0.90",
        "  ... and 2 more",
    ]


def test_no_mention():
    explanation = question_explanation(["Nothing.", ""], [], original=ranking(("India", None)))
    assert render_text(explanation) == "\n".join(
        [
            "question    country hanging gardens",
            "answer      none",
            "masked      unchanged",
            "divergence  0.25 (saturating_kl)",
            "constraint  changed at most 0.055; met here: yes, in training: yes",
            "kept        0 of 0 messages (graphmask)",
            "",
            "candidates: probability before and after masking",
            "  India  not mentioned",
            "",
            "2 of 2 supports without a mention",
            "",
            "layer 0: kept 0 of 0 messages",
        ]
    )
    assert "no supports" in render_text(question_explanation([], []))


def test_what_was_not_measured():
    text = render_text(_hanging_gardens().threshold(0.5))
    assert "masked      not measured" in text
    assert "candidates: probability\n  India  0.75\n  Iran   0.25\n" in text


def test_overlapping_mentions_have_numbers():
    explanation = question_explanation(["New York City Hall"], [(0, 0, 13), (0, 4, 18), (0, 9, 13)])
    assert "support 0   [[New [[York [[City]]]][0] Hall]][1]" in render_text(explanation)


def test_mentions_side_by_side():
    explanation = question_explanation(["___MASK2______MASK1___"], [(0, 0, 11), (0, 11, 22)])
    assert "support 0   [[___MASK2___]][[___MASK1___]]\n" in render_text(explanation)


def test_the_highest_scores_first_and_no_more_than_asked_for():
    lines = render_text(_hanging_gardens(), max_edges=1).splitlines()
    layer = lines.index("layer 0, bottom: kept 4 of 8 messages, 50 %")
    assert lines[layer + 1] == "  support 0 'Mumbai'[0] <-MATCH-> support 2 'Mumbai'  0.70, 0.95"
    assert lines[layer + 2] == "  ... and 2 more"
    assert "more" not in render_text(_hanging_gardens(), max_edges=None)


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
    lines = render_text(question_explanation([support], [(0, start, start + 6)])).splitlines()
    [first] = [number for number, line in enumerate(lines) if line.startswith("support 0")]
    shown = " ".join(" ".join(lines[first : lines.index("", first)]).split())
    assert shown == (
        "support 0 ... word493 word494 word495 word496 word497 word498 word499 [[Mumbai]] word500 word501 word502 "
        "word503 word504 word505 word506 ..."
    )


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


def test_stays_within_the_width():
    text = render_text(_hanging_gardens(), width=40)
    assert max(len(line) for line in text.splitlines() if not line.startswith(("candidates", "layer"))) <= 40


def test_control_characters_do_not_reach_the_terminal():
    explanation = question_explanation(
        ["\x1b[31mMum\nbai\u202e \x07 red", "x\x1b\x00y"],
        [(0, 5, 12), (1, 0, 4)],
        [(0, 1, "MA\x1bTCH")],
        [[0.9]],
        query="wh\x1bere\nis it",
        original=ranking(("\x1b[2J", 1.0)),
        answer="\x07",
    )
    text = render_text(explanation)
    assert all(character.isprintable() for line in text.split("\n") for character in line)
    assert "support 0 'Mum bai' -MA\ufffdTCH-> support 1 'x\ufffd\ufffdy'  0.90" in text


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
@pytest.mark.parametrize("render", [render_text, render_html])
def test_wrong_metadata_are_named(changes, place, render):
    data = _hanging_gardens().to_dict()
    data["metadata"].update(changes)
    with pytest.raises(ExplanationFormatError, match=f"^{re.escape(place)}"):
        render(Explanation.from_dict(data))


@pytest.mark.parametrize(
    "prediction, answer",
    [
        (None, "none"),
        ("India", "India"),
        ({"answer": "India"}, "India"),
        ({"ranking": [{"text": "India"}]}, "none"),
        (["India", 1], '["India", 1]'),
    ],
)
def test_other_predictions(prediction, answer):
    data = _hanging_gardens().to_dict()
    data["prediction"].update(original=prediction, masked=None, changed=None)
    text = render_text(Explanation.from_dict(data))
    assert "candidates" not in text
    assert f"answer      {answer}\nmasked      not measured\n" in text


def test_command_shows_both_kinds(tmp_path, capsys):
    path = tmp_path / "explanations.jsonl"
    write_explanations(path, [role_explanation(), _hanging_gardens()])
    assert main([str(path), "--max-edges", "1"]) == 0
    texts = capsys.readouterr().out.rstrip("\n").split("\n" + "-" * 88 + "\n")
    assert texts == [
        render_text(explanation, max_edges=1) for explanation in (role_explanation(), _hanging_gardens())
    ]
