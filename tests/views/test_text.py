import dataclasses
from pathlib import Path

import pytest

from allennlp_graphmask.explanation import ExplanationFormatError
from allennlp_graphmask.views import render_text
from allennlp_graphmask.views.text_layout import display_width
from tests.explanation.explanations import entity_explanation, question_explanation, role_explanation, role_prediction
from tests.views.explanations import ALL, explain


@pytest.mark.parametrize("name, explanation", [("sentence", role_explanation()), ("graph", entity_explanation())])
def test_golden(name, explanation):
    golden = Path(__file__).with_name("golden") / f"{name}.txt"
    assert render_text(explanation) + "\n" == golden.read_text()


def test_what_is_explained_and_what_was_added():
    focus = {"name": "A0", "kind": "role", "description": "the role A0", "nodes": (1, 4), "trained": False}
    added = ((next(number for number, edge in enumerate(role_explanation().edges) if edge.kept[0]), 0),)
    verification = {"changed_before": True, "max_divergence": None, "passes": 2, "added": added}
    masked = role_prediction([("A0", 1, 0, 4), ("A1", 6, 5, 7), ("AM-LOC", 3, 3, 4)])
    text = render_text(
        dataclasses.replace(role_explanation(masked=masked), focus=focus, verification=verification), width=200
    )
    for line in (
        'The role A0 of "saw" ("the cat that slept") needs 5 of the 16 messages along the arcs (8 in each of 2 layers); without the '
        "other 11 it stays the same.",
        "1 of the 5 were added when this was checked, because the prediction changed without them.",
        "The masker was trained to explain another part of the prediction.",
        "With the kept messages alone other words have roles, too (AM-LOC: slept)",
    ):
        assert line in " ".join(text.split())


def _with_prediction(prediction):
    return explain(1, [], [[]], prediction=prediction, tokens=["a"])


@pytest.mark.parametrize(
    "explanation, lines, missing",
    [
        (
            role_explanation(changed=True, masked=role_prediction([])),
            [
                "masked CHANGED: no arguments",
                "constraint at most 5 % of the predictions may change; this one changes: yes; in training: met",
            ],
            "unchanged",
        ),
        (
            role_explanation().threshold(0.5),
            [
                "masked not measured",
                "constraint at most 5 % of the predictions may change; this one changes: not known; in training: not known",
            ],
            "divergence",
        ),
        (explain(2, [], [[]], {"name": "random"}), ["kept 0 of 0 messages (random)"], "constraint"),
        (_with_prediction({"label": "é"}), ['prediction {"label": "é"}', "masked not measured"], "CHANGED"),
        (_with_prediction({"label": "no", "probability": 0.75}), ["prediction no (0.75)"], "label"),
        (_with_prediction({"nodes": [{"text": "b", "label": "x", "probability": 0.5}]}), ["prediction b: x"], "label"),
        (_with_prediction({"nodes": []}), ["prediction no nodes"], "[]"),
    ],
)
def test_what_was_predicted_and_measured(explanation, lines, missing):
    text = render_text(explanation, width=120)
    assert set(lines) <= {" ".join(line.split()) for line in text.splitlines()}
    assert missing not in text


def test_a_sentence_needs_a_node_for_each_token():
    with pytest.raises(ExplanationFormatError, match="3 nodes .* 5 tokens"):
        render_text(dataclasses.replace(entity_explanation(), kind="sentence"))


def _chain(words):
    edges = [(number, number + 1, "next") for number in range(len(words) - 1)]
    scores = [[0.6 + 0.3 * number / len(words) for number in range(len(edges))]]
    return explain(len(words), edges, scores, prediction=" ".join(words), tokens=words)


@pytest.mark.parametrize(
    "explanation, width", [(_chain([f"considerable-word-{number}" for number in range(40)]), 80), (ALL["question"], 60)]
)
def test_stays_within_the_width(explanation, width):
    assert max(map(len, render_text(explanation, width=width).splitlines())) <= width


def test_lists_the_highest_scores_of_a_large_graph():
    lines = render_text(_chain([f"w{number}" for number in range(100)]), max_edges=3).splitlines()
    assert [line.split()[0] for line in lines[-4:-1]] == ["w96", "w97", "w98"]
    assert lines[-1] == "  ... and 96 more"


def test_a_word_of_any_length_takes_linear_time():
    """Squared, this would be minutes."""
    word = "x" * 4_000_000
    assert len(render_text(explain(1, [], [[]], prediction=word, tokens=[word]))) < 500_000


def test_a_probability_that_is_none():
    prediction = {"answer": "a", "ranking": [{"text": "a", "probability": 10**400}, {"text": "b", "probability": -1}]}
    text = render_text(question_explanation(["a"], [(0, 0, 1)], original=prediction))
    assert "candidates" not in text


def test_very_long_text_is_cut():
    text = render_text(_chain([f"w{number}" for number in range(400)])).replace("\n", " ")
    assert "w299 ... (400 tokens)" in text and "w300 w301" not in text[: text.index("prediction")]


@pytest.mark.parametrize(
    "explanation",
    [
        *(ALL[name] for name in ("hostile sentence", "hostile question", "hostile graph")),
        _chain(["\x1b[31mred", "a\nb", "\u202eleft"]),
        question_explanation(["M\nu\u202e\x07", "\x00y"], [(0, 0, 5), (1, 0, 2)], [(0, 1, "\x1b")], [[0.9]]),
        question_explanation([], [], query="wh\x1bere\nis it", answer="\x07"),
    ],
)
def test_control_characters_do_not_reach_the_terminal(explanation):
    text = render_text(explanation)
    assert text.replace("\N{ZERO WIDTH JOINER}", "").replace("\n", "").isprintable()
    assert "\ufffd" in text


def test_wide_characters_are_in_columns():
    lines = render_text(_chain(["東京", "ab", "京"])).splitlines()[-2:]
    assert len({display_width(line[: line.index("--next")]) for line in lines}) == 1
    assert len({display_width(line) for line in lines}) == 1
