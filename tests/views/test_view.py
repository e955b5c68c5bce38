"""The registry of views, a view of a third party, and the command that shows a file."""

import dataclasses
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from allennlp_graphmask.explanation.files import write_explanations
from allennlp_graphmask.views import GraphView, QuestionView, SentenceView, get_view, render_html, render_text
from allennlp_graphmask.views.__main__ import main
from tests.compat.conftest import run_python
from tests.explanation.explanations import entity_explanation, question_explanation, role_explanation
from tests.views.explanations import sentence

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("-W", "error::RuntimeWarning:runpy", "-m", "allennlp_graphmask.views")
QUESTION = question_explanation(["In Mumbai."], [(0, 3, 9)])


@pytest.mark.parametrize(
    "explanation, view, heading",
    [
        (role_explanation(), SentenceView, "The sentence and its arcs"),
        (QUESTION, QuestionView, "Supports and the links between their mentions"),
        (entity_explanation(), GraphView, "The graph"),
    ],
)
def test_the_kind_chooses_the_view(explanation, view, heading):
    assert type(get_view(explanation)) is view
    assert f">{heading}</h2>" in render_html(explanation)
    # Not what the explanation looks like.
    assert type(get_view(dataclasses.replace(explanation, kind="graph"))) is GraphView


@pytest.mark.parametrize("kind", ["tree", "this.View"])
def test_an_unknown_kind_is_shown_as_a_graph_with_one_warning(kind, caplog):
    explanation = dataclasses.replace(role_explanation(), kind=kind)
    with caplog.at_level(logging.WARNING, logger="allennlp_graphmask"):
        assert type(get_view(explanation)) is GraphView
        assert "--nsubj-->" in render_text(explanation)
        assert "The graph" in render_html(explanation)
    [record] = caplog.records
    for name in (repr(kind), "graph", "question", "sentence"):
        assert name in record.getMessage()
    # No module is imported because a file names it.
    assert "this" not in sys.modules


# --- A view of a third party


def test_a_view_of_a_third_party_shows_its_kind(tmp_path):
    shutil.copy(ROOT / "fixtures" / "extension" / "my_view.py", tmp_path)
    (tmp_path / ".allennlp_plugins").write_text("my_view\n")
    # As `build_explanation` reads it from the metadata.
    explanation = role_explanation(explanation_kind="my_neighbors")
    assert explanation.kind == "my_neighbors"
    write_explanations(tmp_path / "explanations.jsonl", [role_explanation(), explanation])
    sentence, text = run_python(*COMMAND, "explanations.jsonl", folder=tmp_path).split("-" * 88 + "\n")
    assert sentence == render_text(role_explanation()) + "\n"
    assert "prediction " in text and "layer 0" not in text
    assert [line.split(":")[0] for line in text.splitlines()[-2:]] == ["  cat (nsubj^-1)", "  dog (obj^-1)"]
    run_python(*COMMAND, "explanations.jsonl", "-o", "pages", folder=tmp_path)
    page = (tmp_path / "pages" / "0002.html").read_text(encoding="utf-8")
    assert "What <q>saw</q> hears from" in page and "<b>cat</b> (nsubj^-1): 0.99" in page
    assert "ol b { color: #14539a; }" in page and "Kept in at least one layer: 4" in page
    # Without the plugin it is shown as a graph.
    (tmp_path / ".allennlp_plugins").unlink()
    output = run_python(*COMMAND, "explanations.jsonl", folder=tmp_path)
    assert "my_neighbors" in output and "--nsubj-->" in output.split("-" * 88)[1]


# --- The command


@pytest.fixture()
def file(tmp_path):
    path = tmp_path / "explanations.jsonl"
    write_explanations(path, [role_explanation(), QUESTION])
    return path


def test_prints_text(file, capsys):
    assert main([str(file), "--max-edges", "1", "--width", "60"]) == 0
    texts = [render_text(item, max_edges=1, width=60) + "\n" for item in (role_explanation(), QUESTION)]
    assert capsys.readouterr().out == ("-" * 60 + "\n").join(texts)


@pytest.mark.parametrize("is_html", [False, True])
def test_a_broken_file(file, capsys, is_html):
    index = file.parent / "pages" / "index.html"
    options = ["-o", str(index.parent)] if is_html else []
    file.write_text(file.read_text() + "broken\n")
    assert main([str(file), *options]) == 1
    assert "explanations.jsonl, line 3: " in capsys.readouterr().err
    # What is not asked for is not even read.
    assert main([str(file), "--max", "1", *options]) == 0
    text = f"1 page: {index}" if is_html else render_text(role_explanation())
    assert capsys.readouterr().out == text + "\n"
    assert main([str(file.parent / "none.jsonl"), *options]) == 1
    assert "none.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--max", "--max-edges", "--width"])
def test_numbers_of_less_than_one_are_refused(file, option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(file), option, "0"])
    assert f"{option} is 0" in capsys.readouterr().err


def test_a_terminal_that_cannot_show_a_character_shows_a_question_mark(file):
    write_explanations(file, [sentence(["Zoë"])])
    assert run_python(*COMMAND, file.name, folder=file.parent, PYTHONIOENCODING="ascii").startswith("[[Zo?]]")


def test_the_reader_may_have_seen_enough(file):
    """`... | head` ends without a traceback."""
    write_explanations(file, [role_explanation()] * 500)
    arguments = [sys.executable, *COMMAND, str(file)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        assert command.stdout and command.stderr
        command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 0
