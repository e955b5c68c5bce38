import subprocess
import sys

import pytest
from allennlp.data import Instance
from allennlp.data.fields import MetadataField

from allennlp_graphmask.explanation.files import write_explanations
from allennlp_graphmask.interpret.build_explanation import build_explanation
from allennlp_graphmask.views import render_text
from allennlp_graphmask.views.sentence.text import main
from tests.explanation.explanations import (
    INTERPRETER,
    PROVENANCE,
    attribution,
    entity_explanation,
    role_explanation,
    role_prediction,
)


def test_roles():
    assert render_text(role_explanation()) == "\n".join(
        [
            "the cat that slept [[saw]] the dog",
            "",
            "predicate   saw (see)",
            "prediction  A0: the cat that slept | A1: the dog",
            "masked      unchanged",
            "divergence  0.01235 (saturating_kl)",
            "constraint  changed at most 0.055; met here: yes, in training: yes",
            "kept        5 of 16 messages, 31 % (graphmask)",
            "",
            "layer 0, bottom: kept 4 of 8 messages, 50 %",
            "  saw --nsubj--> cat     down 0.90, up 0.80",
            "  dog --det-->   the[5]  up 0.51",
            "  saw --obj-->   dog     up 0.70",
            "",
            "layer 1, top: kept 1 of 8 messages, 12 %",
            "  saw --nsubj--> cat  up 0.99",
        ]
    )


def test_a_changed_prediction_is_shown():
    text = render_text(role_explanation(changed=True, masked=role_prediction([])))
    assert "masked      CHANGED: no arguments" in text
    assert "met here: no" in text


def test_nothing_was_measured():
    text = render_text(role_explanation().threshold(0.5))
    assert "masked      not measured" in text
    assert "met here: not known, in training: not known" in text
    assert "divergence" not in text


def test_a_graph_of_another_task():
    assert render_text(entity_explanation()) == "\n".join(
        [
            "New York is not York",
            "",
            "prediction  New York",
            "masked      CHANGED: York",
            "divergence  0.5 (saturating_kl)",
            "constraint  changed at most 0.055; met here: no, in training: yes",
            "kept        2 of 3 messages, 67 % (graphmask)",
            "",
            "layer 0: kept 2 of 3 messages, 67 %",
            "  query    --COMPLEMENT--> New York  0.60",
            "  New York --MATCH-->      York      0.90",
        ]
    )


def test_a_graph_without_text_and_without_edges():
    output = {"attribution": attribution(2, [], [[]]), "original_prediction": {"label": "é"}}
    explanation = build_explanation(
        Instance({}), output, interpreter={"name": "random"}, provenance=PROVENANCE
    )
    assert render_text(explanation) == "\n".join(
        [
            'prediction  {"label": "é"}',
            "masked      not measured",
            "kept        0 of 0 messages (random)",
            "",
            "layer 0: kept 0 of 0 messages",
        ]
    )


def _chain(words, width=88, **options):
    edges = [(number, number + 1, "next") for number in range(len(words) - 1)]
    scores = [[0.6 + 0.3 * number / len(words) for number in range(len(edges))]]
    instance = Instance({"metadata": MetadataField({"tokens": words})})
    output = {"attribution": attribution(len(words), edges, scores), "original_prediction": " ".join(words)}
    explanation = build_explanation(instance, output, interpreter=INTERPRETER, provenance=PROVENANCE)
    return render_text(explanation, width=width, **options)


def test_stays_within_the_width():
    text = _chain([f"considerable-word-{number}" for number in range(40)], width=80)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_lists_the_highest_scores_of_a_large_graph():
    lines = _chain([f"w{number}" for number in range(100)], max_edges=3).splitlines()
    assert [line.split()[0] for line in lines[-4:-1]] == ["w96", "w97", "w98"]
    assert lines[-1] == "  ... and 96 more"


def test_very_long_text_is_cut():
    assert "w299 ... (400 tokens)" in _chain([f"w{number}" for number in range(400)]).replace("\n", " ")


def test_control_characters_do_not_reach_the_terminal():
    text = _chain(["\x1b[31mred", "a\nb", "\u202eleft"])
    assert all(character.isprintable() for line in text.split("\n") for character in line)


def test_columns_of_wide_characters():
    lines = _chain(["東京", "ab", "京"]).splitlines()
    assert lines[-2:] == ["  東京 --next--> ab  0.60", "  ab   --next--> 京  0.70"]


@pytest.fixture()
def explanation_file(tmp_path):
    path = tmp_path / "explanations.jsonl"
    write_explanations(path, [role_explanation(), entity_explanation()])
    return path


def test_command_prints_a_file(explanation_file, capsys):
    assert main([str(explanation_file)]) == 0
    rule = "-" * 88
    expected = f"{render_text(role_explanation())}\n{rule}\n{render_text(entity_explanation())}\n"
    assert capsys.readouterr().out == expected


def test_command_prints_the_first_ones(explanation_file, capsys):
    # What comes after is not even read.
    with open(explanation_file, "a") as file:
        file.write("broken\n")
    assert main([str(explanation_file), "--max", "1"]) == 0
    assert capsys.readouterr().out == render_text(role_explanation()) + "\n"


def test_command_names_the_broken_line(explanation_file, capsys):
    with open(explanation_file, "a") as file:
        file.write("broken\n")
    assert main([str(explanation_file)]) == 1
    assert "explanations.jsonl, line 3: " in capsys.readouterr().err


def test_command_without_a_file(tmp_path, capsys):
    assert main([str(tmp_path / "none.jsonl")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_runs_as_a_module_without_a_warning(explanation_file):
    command = [
        sys.executable,
        "-W",
        "error::RuntimeWarning:runpy",
        "-m",
        "allennlp_graphmask.views.sentence.text",
    ]
    result = subprocess.run(
        [*command, str(explanation_file)], capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    assert "layer 1, top" in result.stdout


def test_the_reader_may_have_seen_enough(tmp_path):
    """`... | head` ends without a traceback."""
    path = tmp_path / "many.jsonl"
    write_explanations(path, [role_explanation()] * 500)
    with subprocess.Popen(
        [sys.executable, "-m", "allennlp_graphmask.views.sentence.text", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout and command.stderr
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 0
