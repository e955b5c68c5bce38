"""`allennlp explain`: files in another format than the archive's reader expects, and where explanations come from."""

import json
from pathlib import Path
from typing import Any, Dict

import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views import render_text
from tests.commands.explaining import explain, explain_some, explained, explanations_in, write_lines
from tests.data.real_data import DATA, needs_data
from tests.predictors.inputs import CONLL, QUESTION, TOKENS
from tests.predictors.test_graph_qa import HOTPOTQA_FILE, without

PROPOSITIONS = Path(__file__).parents[2] / "fixtures" / "universal_propositions" / "sentences.conllu"
TYPED = without(QUESTION, "candidates", "subjects")


def untraced(explanation: Explanation) -> Dict[str, Any]:
    return {**explanation.to_dict(), "input": None}


@needs_data
def test_propositions_are_recognised_by_an_archive_of_conll2009(tmp_path, graphmask_archive_file, capsys) -> None:
    file = DATA / "srl_formats" / "en_ewt-up-dev.first300.conllu"
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, file)
    shown = capsys.readouterr().err
    assert f"{file}: read as CoNLL-U" in shown and "of 300 inputs" in shown
    assert len(found) > 300 and found[0].metadata["roles"] == {"2": "A2", "5": "A1"}
    assert found[0].input == {"file": str(file), "number": 1, "place": "sentence at line 1"}


@pytest.mark.parametrize("propositions", [True, False])
def test_columns_that_the_model_cannot_take_are_one_complaint(tmp_path, graphmask_archive_file, propositions) -> None:
    lines = PROPOSITIONS.read_text().split("\n")[:14]
    if not propositions:
        lines = ["\t".join(line.split("\t")[:10]) for line in lines]
    # In another scheme.
    (tmp_path / "file.conllu").write_text("\n".join(line.replace("\tnsubj\t", "\tnsubjpass\t") for line in lines))
    with pytest.raises(ConfigurationError, match=r"(?s)file.conllu.*'nsubjpass'.*line 1: .*CoNLL-U.*CoNLL-2009"):
        explain(graphmask_archive_file, tmp_path / "file.conllu", "-o", tmp_path / "out.jsonl")


def test_trees_without_predicates_are_explained_for_their_verbs(tmp_path, graphmask_archive_file, capsys) -> None:
    blocks = [
        "\n".join("\t".join(line.split("\t")[:10]) for line in block.split("\n"))
        for block in PROPOSITIONS.read_text().strip().split("\n\n")[:3]
    ]
    broken = blocks[1].replace("\tnsubj\t", "\tnsubjpass\t")
    (tmp_path / "trees.conllu").write_text("\n\n".join([blocks[0], broken, blocks[2]]) + "\n\n")
    explain_some(graphmask_archive_file, tmp_path / "trees.conllu", "-o", tmp_path / "out.jsonl")
    shown = capsys.readouterr().err
    assert "trees.conllu: read as CoNLL-U" in shown and "verbs" in shown and "'nsubjpass'" in shown
    found = explanations_in(tmp_path / "out.jsonl")
    lines = write_lines(tmp_path / "lines.jsonl", [{"conll": blocks[0]}, {"conll": blocks[2]}])
    expected = explained(tmp_path / "lines_out.jsonl", graphmask_archive_file, lines)
    assert list(map(untraced, found)) == list(map(untraced, expected))
    second_line = 2 + blocks[0].count("\n") + 1
    assert f"sentence at line {second_line}" in shown and found[0].input["place"] == "sentence at line 1"


def test_a_tab_in_a_text_makes_no_columns(tmp_path, graphmask_archive_file, universal_pipeline, capsys) -> None:
    arguments = ["--predictor-args", json.dumps({"spacy_model": universal_pipeline})]
    (tmp_path / "text.txt").write_text("# Notes\nShe sings.\nAnn\thas seen the dog.\n")
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, tmp_path / "text.txt", *arguments)
    assert "read as plain text" in capsys.readouterr().err
    assert {one.input["place"] for one in found} == {"line 2", "line 3"}


def test_questions_for_a_model_of_roles_are_refused_as_a_whole(tmp_path, graphmask_archive_file) -> None:
    (tmp_path / "questions.json").write_text(json.dumps([QUESTION] * 3))
    with pytest.raises(ConfigurationError, match=r"(?s)questions.json cannot be read.*'question'"):
        explain(graphmask_archive_file, tmp_path / "questions.json", "-o", tmp_path / "out.jsonl")


def test_several_exports(tmp_path, graphmask_archive_file) -> None:
    lines = write_lines(tmp_path / "lines.jsonl", [TOKENS])
    exports = ["--export", "svg", tmp_path / "svg", "--export", "conllu", tmp_path / "trees"]
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, lines, *exports)
    for name, folder in (("svg", "svg"), ("conllu", "trees")):
        assert len(list((tmp_path / folder).glob(f"*.{name}"))) == len(found) > 0


def test_what_is_replaced_is_stated(tmp_path, graphmask_archive_file, capsys) -> None:
    lines = write_lines(tmp_path / "lines.jsonl", [TOKENS])
    for is_there in (False, True):
        explained(tmp_path / "out.jsonl", graphmask_archive_file, lines)
        assert (f"{tmp_path / 'out.jsonl'} exists" in capsys.readouterr().err) == is_there


def test_plain_text_is_explained_line_by_line(tmp_path, graphmask_archive_file, universal_pipeline, capsys) -> None:
    arguments = ["--predictor-args", json.dumps({"spacy_model": universal_pipeline})]
    texts = ["Ann has seen the dog.", "", "The dog.", "She sings."]
    (tmp_path / "sentences.txt").write_text("\n".join(texts))
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, tmp_path / "sentences.txt", *arguments)
    shown = capsys.readouterr().err
    assert "sentences.txt: read as plain text; each line is an input." in shown
    assert "Nothing to explain in 1 input: line 3 (no predicate: no word is a VERB)." in shown
    places = [(one.input["number"], one.input["place"]) for one in found if one.input is not None]
    assert places == [(1, "line 1"), (1, "line 1"), (3, "line 4")]
    lines = write_lines(tmp_path / "lines.jsonl", [{"sentence": text} for text in texts if text])
    as_json = explained(tmp_path / "json.jsonl", graphmask_archive_file, lines, *arguments)
    assert list(map(untraced, found)) == list(map(untraced, as_json))


def test_columns_divided_by_spaces_are_not_text(tmp_path, graphmask_archive_file) -> None:
    (tmp_path / "spaces.conll09").write_text(CONLL.replace("\t", " "))
    explain_some(graphmask_archive_file, tmp_path / "spaces.conll09", "-o", tmp_path / "out.jsonl")
    assert explanations_in(tmp_path / "out.jsonl") == []


def test_hotpotqa_for_an_archive_of_wikihop(tmp_path, qa_graphmask_archive_file, capsys) -> None:
    questions = [question for question in json.loads(HOTPOTQA_FILE.read_text()) if question["context"]]
    (tmp_path / "hotpotqa.json").write_text(json.dumps(questions))
    found = explained(tmp_path / "out.jsonl", qa_graphmask_archive_file, tmp_path / "hotpotqa.json")
    assert "read by the model's predictor" in capsys.readouterr().err
    assert [one.metadata["id"] for one in found] == [question["_id"] for question in questions]
    assert all("pretrained:en-ewt-parser" in str(one.metadata["candidates_found_by"]) for one in found)


@pytest.mark.parametrize("form", ["lines", "object", "text"])
def test_a_question_typed_by_hand(tmp_path, qa_graphmask_archive_file, form, capsys) -> None:
    """In each form that people write: one line of JSON, JSON over several lines, plain text."""
    typed = {**TYPED, "paragraphs": [p if isinstance(p, str) else p["text"] for p in TYPED["paragraphs"]]}
    text = "\n\n".join([typed["question"], *typed["paragraphs"]]) + "\n"
    contents = {"lines": json.dumps(typed), "object": json.dumps(typed, indent=1), "text": text}
    (tmp_path / "question").write_text(contents[form])
    [found] = explained(tmp_path / "out.jsonl", qa_graphmask_archive_file, tmp_path / "question")
    assert found.metadata["query"] == typed["question"] and found.metadata["supports"] == typed["paragraphs"]
    assert found.metadata["subjects"] == ["Tern Lighthouse"]
    shown = render_text(found)
    assert "pretrained:en-ewt-parser" in shown and "Ostby" in shown


def test_text_without_a_question_is_refused(tmp_path, qa_graphmask_archive_file) -> None:
    (tmp_path / "text.txt").write_text("who ?\nno name at all .\n")
    with pytest.raises(ConfigurationError, match=r"(?s)text\.txt.*JSON list.*proper nouns.*--input-format"):
        explain(qa_graphmask_archive_file, tmp_path / "text.txt")


def test_complaints_that_are_alike_are_counted(tmp_path, graphmask_archive_file, capsys) -> None:
    lines = [{**TOKENS, "heads": [number] * 6} for number in range(7, 19)] + [{"sentence": 3}, TOKENS]
    file = write_lines(tmp_path / "inputs.jsonl", [*lines[-2:], *lines[:-2]])
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl")
    shown = capsys.readouterr().err
    assert shown.count("Not explained: ") == 1 + 5 + 1
    assert "Not explained: 7 more for the same reason as line 3." in shown
    assert f"NOT EXPLAINED: 13 inputs of {file}: line 1, " in shown


@pytest.mark.parametrize("form", [TOKENS, {"conll": CONLL}])
def test_an_id_is_taken_over(tmp_path, graphmask_archive_file, form) -> None:
    file = write_lines(tmp_path / "inputs.jsonl", [form, {**form, "id": "a7"}])
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, file)
    assert {one.metadata["sentence_id"] for one in found if one.input and one.input["number"] == 2} == {"a7"}
    assert "a7" not in {one.metadata["sentence_id"] for one in found if one.input and one.input["number"] == 1}
    assert f"a7, line 2 of {file}" in " ".join(render_text(found[-1], width=500).split())
