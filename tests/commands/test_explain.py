"""
`allennlp explain`.
"""

import argparse
import gzip
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import pytest
import torch
from allennlp.commands.predict import _PredictManager
from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, DatasetReader
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.commands import explain as explain_module
from allennlp_graphmask.commands.explain import SOME_INPUTS_BAD, Explain, parse_interpreter
from allennlp_graphmask.commands.resumable_lines import ResumableLines
from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.interpret.interpreters import Interpreter, LayerScores, LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.predictors import GraphMaskPredictor
from allennlp_graphmask.views import render_text
from allennlp_graphmask.views.html import render_html
from tests.commands.conftest import GRAPHS
from tests.predictors.conftest import (  # noqa: F401
    entity_pipeline,
    qa_archive_file,
    qa_graphmask_archive_file,
    universal_pipeline,
)
from tests.predictors.inputs import CONLL, QUERIES, TOKENS


def explain(*arguments: object) -> Any:
    """In this process."""
    parser = argparse.ArgumentParser()
    Explain().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["explain", *map(str, arguments)])
    return args.func(args)


def explain_some(*arguments: object) -> None:
    """Where some inputs cannot be explained."""
    with pytest.raises(SystemExit) as ended:
        explain(*arguments)
    assert ended.value.code == SOME_INPUTS_BAD


def explanations_in(path: Path) -> List[Explanation]:
    return list(read_explanations(path))


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    """JSON, or bytes as they are."""
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return path


def repeated(path: Path, times: int) -> Path:
    """The sentences of CONLL, many times."""
    path.write_text(CONLL * times)
    return path


# --- What comes out


def test_the_file_is_that_of_allennlp_predict(tmp_path, graphmask_archive_file, conll_file) -> None:
    outcome = explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl")
    # The third sentence has no predicate.
    assert (outcome.num_records, outcome.num_explanations, outcome.num_bad) == (3, 3, 0)
    predictor = Predictor.from_archive(load_archive(graphmask_archive_file))
    _PredictManager(predictor, conll_file, str(tmp_path / "predicted.jsonl"), 32, False, True).run()
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "predicted.jsonl").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["out.jsonl", "predicted.jsonl"]


def test_text_is_shown_where_no_file_is_asked_for(
    tmp_path, graphmask_archive_file, conll_file, capsys
) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl")
    quiet = capsys.readouterr()
    assert quiet.out == "" and "3 explanations of 3 inputs written to" in quiet.err
    separator = "\n" + "-" * 88 + "\n"
    expected = separator.join(map(render_text, explanations_in(tmp_path / "out.jsonl"))) + "\n"
    explain(graphmask_archive_file, conll_file)
    shown = capsys.readouterr()
    assert shown.out == expected and "[[sings]]" in expected
    assert "3 explanations of 3 inputs." in shown.err
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "both.jsonl", "--view", "text")
    assert capsys.readouterr().out == expected
    assert (tmp_path / "both.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


def test_small_batches_give_the_same(tmp_path, graphmask_archive_file, conll_file) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "a.jsonl")
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "b.jsonl", "--batch-size", "1")
    for one, other in zip(explanations_in(tmp_path / "a.jsonl"), explanations_in(tmp_path / "b.jsonl")):
        assert [edge.kept for edge in one.edges] == [edge.kept for edge in other.edges]
        assert one.metadata == other.metadata


def test_a_raw_text(graphmask_archive_file, universal_pipeline, capsys) -> None:  # noqa: F811
    arguments = json.dumps({"spacy_model": universal_pipeline})
    explain(graphmask_archive_file, "--text", "Ann has seen the dog.", "--predictor-args", arguments)
    shown = capsys.readouterr()
    assert "Ann has [[seen]] the dog ." in shown.out
    assert "1 explanation of 1 input." in shown.err
    outcome = explain(graphmask_archive_file, "--text", "The dog.", "--predictor-args", arguments)
    shown = capsys.readouterr()
    assert shown.out == "" and "Nothing in it is explained: a sentence without a predicate" in shown.err
    assert outcome.num_explanations == 0


def test_a_text_for_a_predictor_that_takes_none(graph_archive_file) -> None:
    with pytest.raises(ConfigurationError, match="GraphClassifierPredictor, which takes no raw text"):
        explain(graph_archive_file, "--text", "She sings.", "--interpreter", "random")


# --- Pages


@pytest.mark.parametrize("with_lines", [False, True])
def test_html_pages(tmp_path, graphmask_archive_file, conll_file, capsys, with_lines) -> None:
    options = ["-o", tmp_path / "out.jsonl"] if with_lines else []
    explain(graphmask_archive_file, conll_file, "--view", "html", "--view-dir", tmp_path / "pages", *options)
    shown = capsys.readouterr()
    assert shown.out == "" and f"shown in {tmp_path / 'pages' / 'index.html'}" in shown.err
    assert sorted(os.listdir(tmp_path)) == (["out.jsonl"] if with_lines else []) + ["pages"]
    names = sorted(os.listdir(tmp_path / "pages"))
    assert len(names) == 4 and names[-1] == "index.html"
    index = (tmp_path / "pages" / "index.html").read_text()
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "again.jsonl")
    for name, explanation in zip(names, explanations_in(tmp_path / "again.jsonl")):
        assert f'href="{name}"' in index
        assert (tmp_path / "pages" / name).read_text() == render_html(explanation)


def test_pages_of_an_interrupted_run_are_all_there(
    tmp_path, graphmask_archive_file, monkeypatch, capsys
) -> None:
    file = repeated(tmp_path / "sentences.conll09", 2)
    options = ["--batch-size", "2", "-o", tmp_path / "out.jsonl"]
    undo = killed_at(monkeypatch, 2, True)
    with pytest.raises(Killed):
        explain(graphmask_archive_file, file, *options)
    undo()
    # Views may be chosen anew.
    explain(graphmask_archive_file, file, *options, "--view", "html", "--view-dir", tmp_path / "pages")
    assert "Going on after" in capsys.readouterr().err
    assert len(list((tmp_path / "pages").glob("*.html"))) == 7


def test_text_in_pages_is_text(tmp_path, graphmask_archive_file, conll_file) -> None:
    hostile = "<script>alert(1)</script>"
    tokens = {**TOKENS, "tokens": [hostile, *TOKENS["tokens"][1:]], "predicates": [3]}
    file = write_lines(tmp_path / "inputs.jsonl", [tokens])
    explain(graphmask_archive_file, file, "--view", "html", "--view-dir", tmp_path / "pages")
    for page in (tmp_path / "pages").iterdir():
        assert hostile not in (text := page.read_text()) and "&lt;script&gt;" in text


def test_a_folder_for_pages_that_is_none(tmp_path, graphmask_archive_file, conll_file) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="--view-dir .* cannot be a folder for pages"):
        explain(graphmask_archive_file, conll_file, "--view", "html", "--view-dir", tmp_path / "file")


# --- Who reads what


def test_json_lines_go_to_the_predictor(tmp_path, graphmask_archive_file) -> None:
    file = write_lines(tmp_path / "inputs.jsonl", [TOKENS, {"conll": CONLL}])
    explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl")
    predictor = Predictor.from_archive(load_archive(graphmask_archive_file))
    assert isinstance(predictor, GraphMaskPredictor)
    instances = [*predictor.json_to_instances(TOKENS), *predictor.json_to_instances({"conll": CONLL})]
    expected = predictor.explain_instances(instances)
    assert explanations_in(tmp_path / "out.jsonl") == expected and len(expected) == 5


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("content", ["conll", "lines"])
def test_standard_input(
    tmp_path, graphmask_archive_file, conll_file, monkeypatch, content, compressed, capsys
) -> None:
    raw = Path(conll_file).read_bytes() if content == "conll" else json.dumps({"conll": CONLL}).encode()
    monkeypatch.setattr(
        sys, "stdin", argparse.Namespace(buffer=io.BytesIO(gzip.compress(raw) if compressed else raw))
    )
    explain(graphmask_archive_file, "-", "-o", tmp_path / "out.jsonl")
    assert [found.metadata["predicate_index"] for found in explanations_in(tmp_path / "out.jsonl")] == [
        1,
        4,
        6,
    ]


def test_what_is_wrong_on_standard_input_is_not_called_by_a_temporary_name(
    tmp_path, graphmask_archive_file, monkeypatch, capsys
) -> None:
    lines = json.dumps(TOKENS) + "\n{\n"
    monkeypatch.setattr(sys, "stdin", argparse.Namespace(buffer=io.BytesIO(lines.encode())))
    explain_some(graphmask_archive_file, "-", "-o", tmp_path / "out.jsonl")
    assert "Not explained: standard input, line 2: not JSON" in capsys.readouterr().err


def test_questions(tmp_path, qa_graphmask_archive_file) -> None:  # noqa: F811
    (tmp_path / "questions.json").write_text(json.dumps(QUERIES))
    explain(qa_graphmask_archive_file, tmp_path / "questions.json", "-o", tmp_path / "list.jsonl")
    write_lines(tmp_path / "questions.jsonl", QUERIES)
    explain(qa_graphmask_archive_file, tmp_path / "questions.jsonl", "-o", tmp_path / "lines.jsonl")
    by_reader = explanations_in(tmp_path / "list.jsonl")
    by_predictor = explanations_in(tmp_path / "lines.jsonl")
    assert [found.metadata["id"] for found in by_reader] == [query["id"] for query in QUERIES]
    # The predictor does not look at answers.
    assert any(found.metadata["answer"] for found in by_reader)
    assert not any(found.metadata["answer"] for found in by_predictor)
    for one, other in zip(by_reader, by_predictor, strict=True):
        assert one.nodes == other.nodes and [edge.kept for edge in one.edges] == [
            edge.kept for edge in other.edges
        ]


@DatasetReader.register("lines_of_conll_for_test")
class LinesOfConllReader(DatasetReader):
    """JSON lines that are no inputs of the predictor, by a reader as third parties write them."""

    def _read(self, file_path):
        predictor = self.predictor
        for line in Path(file_path).read_text().splitlines():
            [instance] = predictor.json_to_instances(json.loads(line)["whole sentence"])
            yield instance

    def apply_token_indexers(self, instance):
        self.predictor._dataset_reader.apply_token_indexers(instance)


def test_json_lines_of_a_readers_own(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    predictor = Predictor.from_archive(load_archive(graphmask_archive_file))
    one = {"whole sentence": {**TOKENS, "predicates": [3]}}
    file = write_lines(tmp_path / "sentences.jsonl", [one, one, {"whole sentence": TOKENS}, one])
    with pytest.raises(ConfigurationError, match="(?s)neither the predictor nor the reader.*--read-by"):
        explain(graphmask_archive_file, file)

    load = explain_module.load_archive

    def with_reader(*arguments: Any, **options: Any) -> Any:
        archive = load(*arguments, **options)
        reader = LinesOfConllReader()
        reader.predictor = predictor
        return archive._replace(validation_dataset_reader=reader)

    monkeypatch.setattr(explain_module, "load_archive", with_reader)
    # The third stops this reader for good: it is no reader of records.
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl")
    assert len(explanations_in(tmp_path / "out.jsonl")) == 2
    shown = capsys.readouterr().err
    assert "not enough values to unpack" in shown or "too many values to unpack" in shown
    assert "What follows the first 2 inputs" in shown
    explain_some(graphmask_archive_file, file, "--read-by", "predictor")
    assert "NOT EXPLAINED: 4 inputs" in capsys.readouterr().err


# --- Bad inputs


def test_bad_lines_are_reported_and_do_not_lose_the_others(tmp_path, graphmask_archive_file, capsys) -> None:
    one = {**TOKENS, "predicates": [3]}
    lines = [
        one,
        b'{"tokens": [',
        {"tokens": ["She"]},
        b"\xff",
        {**one, "heads": [1, 2]},
        b"",
        b"[1]",
        {**one, "predicates": [5]},
    ]
    file = write_lines(tmp_path / "inputs.jsonl", lines)
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "2")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["predicate_index"] for explanation in found] == [3, 5]
    shown = capsys.readouterr().err
    for line, reason in [
        (2, "not JSON"),
        (3, "lacks 'lemmas'"),
        (4, "not UTF-8"),
        (5, ""),
        (7, "no JSON object"),
    ]:
        assert any(
            text.rpartition("\r")[2].strip().startswith(f"Not explained: {file}, line {line}: ")
            and reason in text
            for text in shown.splitlines()
        ), line
    assert f"NOT EXPLAINED: 5 inputs of {file}: line 2, line 3, line 4, line 5, line 7. Why" in shown
    assert not list(tmp_path.glob("*.partial*"))


def test_strict_stops_at_the_first(tmp_path, graphmask_archive_file) -> None:
    file = write_lines(tmp_path / "inputs.jsonl", [TOKENS, {"tokens": ["She"]}, TOKENS])
    with pytest.raises(ConfigurationError, match="inputs.jsonl, line 2: .* lacks 'lemmas'"):
        explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--strict", "--batch-size", "1")
    assert not (tmp_path / "out.jsonl").exists()
    # Without --strict it goes on from there.
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "1")
    assert len(explanations_in(tmp_path / "out.jsonl")) == 4


def test_a_bad_sentence_in_conll_columns(tmp_path, graphmask_archive_file, capsys) -> None:
    good, cut, bytes_ = CONLL.encode(), CONLL.replace("\t", " ", 1).encode(), b"1\t\xff\n\n"
    (tmp_path / "sentences.conll09").write_bytes(good + cut + bytes_ + good)
    explain_some(graphmask_archive_file, tmp_path / "sentences.conll09", "-o", tmp_path / "out.jsonl")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["sentence_id"] for explanation in found] == [
        "1",
        "2",
        "2",
        "5",
        "5",
        "8",
        "9",
        "9",
    ]
    shown = capsys.readouterr().err
    first = good.count(b"\n")
    second = first + cut.count(b"\n")
    assert f"sentences.conll09, line {first + 1}: the ID is '1 She'" in shown
    assert f"sentences.conll09, line {second + 1}: not UTF-8" in shown
    assert f"sentence at line {first + 1}, sentence at line {second + 1}." in shown


def test_a_bad_question_and_a_file_that_is_cut_off(
    tmp_path,
    qa_graphmask_archive_file,  # noqa: F811
    capsys,
) -> None:
    bad = {key: value for key, value in QUERIES[1].items() if key != "supports"}
    text = json.dumps([QUERIES[0], bad, QUERIES[2], QUERIES[3]])
    (tmp_path / "questions.json").write_text(text)
    explain_some(qa_graphmask_archive_file, tmp_path / "questions.json", "-o", tmp_path / "out.jsonl")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["id"] for explanation in found] == [
        QUERIES[number]["id"] for number in (0, 2, 3)
    ]
    shown = capsys.readouterr().err
    assert f"question '{bad['id']}' (number 2, byte " in shown and "supports" in shown
    (tmp_path / "cut.json").write_text(text[:-20])
    explain_some(qa_graphmask_archive_file, tmp_path / "cut.json", "-o", tmp_path / "out.jsonl")
    assert len(explanations_in(tmp_path / "out.jsonl")) == 2
    shown = capsys.readouterr().err
    assert "the file is cut off within an object" in shown
    assert "What follows the first 3 inputs of" in shown and "NOT EXPLAINED: 2 inputs" in shown


def test_bad_graphs(tmp_path, graph_archive_file, capsys) -> None:
    lines: List[Any] = [json.loads(line) for line in GRAPHS.read_text().splitlines()[:4]]
    lines[1]["edges"] = [{"source": 0, "target": 99, "type": "x"}]
    lines[2] = b"nothing"
    file = write_lines(tmp_path / "graphs.jsonl", lines)
    for number, read_by in enumerate(("reader", "predictor")):
        out = tmp_path / f"{number}.jsonl"
        explain_some(graph_archive_file, file, "-o", out, "--interpreter", "all_edges", "--read-by", read_by)
        assert "NOT EXPLAINED: 2 inputs" in (shown := capsys.readouterr().err)
        assert f"{file}, line 2: " in shown and f"{file}, line 3: not JSON" in shown
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()
    assert len(explanations_in(tmp_path / "0.jsonl")) == 2


def test_what_the_model_cannot_explain(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 4)
    before = GraphMaskPredictor.explain_batch

    def failing(self: Any, instances: Any) -> Any:
        if any(instance.fields["metadata"]["sentence_id"] == "5" for instance in instances):
            raise RuntimeError("no memory")
        return before(self, instances)

    monkeypatch.setattr(GraphMaskPredictor, "explain_batch", failing)
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["sentence_id"] for explanation in found] == [
        *("1", "2", "2"),
        "4",
        *("7", "8", "8"),
        *("10", "11", "11"),
    ]
    # The fifth sentence is the second one of the second CONLL.
    line = CONLL.count("\n") + CONLL[: CONLL.index("\n\n")].count("\n") + 3
    assert (
        f"Not explained: {file}, sentence at line {line}: RuntimeError: no memory" in capsys.readouterr().err
    )
    with pytest.raises(ConfigurationError, match=f"sentence at line {line}: RuntimeError: no memory"):
        explain(graphmask_archive_file, file, "--strict")


@pytest.mark.parametrize(
    "content, message",
    [(None, "does not exist"), (b"", "has no sentence"), (b"{", "neither the predictor nor the reader")],
)
def test_a_file_with_nothing_to_read(tmp_path, graphmask_archive_file, content, message) -> None:
    if content is not None:
        (tmp_path / "input").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        explain(graphmask_archive_file, tmp_path / "input", "-o", tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out.jsonl*"))


# --- Interpreters


def test_an_interpreter_of_a_plain_archive(tmp_path, srl_archive_file, conll_file) -> None:
    settings = {"type": "leave_one_edge_out", "top_fraction": 0.25}
    explain(srl_archive_file, conll_file, "-o", tmp_path / "out.jsonl", "--interpreter", json.dumps(settings))
    found = explanations_in(tmp_path / "out.jsonl")
    archive = load_archive(srl_archive_file)
    instances = list(archive.validation_dataset_reader.read(conll_file))
    masked_model = MaskedModel(archive.model.eval())
    predictor = Predictor.from_archive(archive)
    for instance, explanation in zip(instances, found, strict=True):
        batch = batch_of(archive.model, [instance])
        attribution = LeaveOneEdgeOut(top_fraction=0.25).interpret(masked_model, batch)
        assert [edge.kept for edge in explanation.edges] == [tuple(edge.kept) for edge in attribution.edges()]
        for edge, expected in zip(explanation.edges, attribution.edges()):
            assert edge.score == pytest.approx(expected.scores, rel=1e-3, abs=1e-6)
        prediction = predictor.predict_instance(instance)["prediction"]
        original = explanation.prediction["original"]
        assert original["predicate"] == prediction["predicate"]
        assert [argument["role"] for argument in original["arguments"]] == [
            argument["role"] for argument in prediction["arguments"]
        ]
        assert explanation.prediction["masked"] is not None and explanation.divergence is not None
        assert explanation.interpreter == {
            "name": "leave_one_edge_out",
            "settings": {"top_fraction": 0.25},
            "seed": 0,
            "divergence": "saturating_kl",
        }
        assert explanation.constraint is None
        assert explanation.provenance["seeds"]["random_seed"] == 13370


def batch_of(model: Any, instances: Any) -> Dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(model.vocab)
    return batch.as_tensor_dict()


def test_all_edges_change_nothing(tmp_path, graph_archive_file) -> None:
    explain(graph_archive_file, GRAPHS, "-o", tmp_path / "out.jsonl", "--interpreter", "all_edges")
    found = explanations_in(tmp_path / "out.jsonl")
    assert len(found) == len(GRAPHS.read_text().splitlines())
    for explanation in found:
        assert explanation.prediction["changed"] is False and explanation.kept_share() == 1
        assert explanation.prediction["original"]["label"] == explanation.prediction["masked"]["label"]
        assert explanation.divergence is not None and explanation.divergence["value"] < 1e-6


def test_a_masker_by_its_archive(tmp_path, graphmask_archive_file, srl_archive_file, conll_file) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "own.jsonl")
    config = json.dumps({"type": "graphmask", "archive_file": graphmask_archive_file})
    explain(srl_archive_file, conll_file, "-o", tmp_path / "named.jsonl", "--interpreter", config)
    for own, named in zip(
        explanations_in(tmp_path / "own.jsonl"), explanations_in(tmp_path / "named.jsonl"), strict=True
    ):
        assert own.edges == named.edges and own.constraint == named.constraint
        assert own.prediction == named.prediction and own.divergence == named.divergence
        assert own.provenance == named.provenance
    # Other decisions than those it was selected with: the promise does not hold for them.
    (tmp_path / "share.jsonnet").write_text('{ type: "graphmask", top_fraction: 1 / 2 }')
    explain(
        graphmask_archive_file,
        conll_file,
        "-o",
        tmp_path / "share.jsonl",
        "--interpreter",
        tmp_path / "share.jsonnet",
    )
    for own, half in zip(
        explanations_in(tmp_path / "own.jsonl"), explanations_in(tmp_path / "share.jsonl"), strict=True
    ):
        assert half.kept_share() == 0.5 and half.constraint is None
        assert [edge.score for edge in own.edges] == [edge.score for edge in half.edges]


def test_another_interpreter_of_a_graphmask_archive(tmp_path, graphmask_archive_file, conll_file) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl", "--interpreter", "random")
    found = explanations_in(tmp_path / "out.jsonl")
    assert {explanation.interpreter["name"] for explanation in found} == {"random"}
    assert 0 < found[0].kept_share() < 1


def test_a_masker_of_another_model(graphmask_archive_file, srl_archive_file, conll_file, monkeypatch) -> None:
    load = explain_module.load_archive

    def other(*arguments: Any, **options: Any) -> Any:
        archive = load(*arguments, **options)
        with torch.no_grad():
            next(archive.model.parameters()).add_(1)
        return archive

    monkeypatch.setattr(explain_module, "load_archive", other)
    config = json.dumps({"type": "graphmask", "archive_file": graphmask_archive_file})
    with pytest.raises(ConfigurationError, match="was trained for another model"):
        explain(srl_archive_file, conll_file, "--interpreter", config)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--interpreter", "gradients"], "no interpreter is registered as 'gradients'; known are all_edges"),
        (["--interpreter", '{"top_fraction": 1}'], 'has no "type"'),
        (["--interpreter", '{"type"'], "is no JSON"),
        (["--interpreter", "nowhere.jsonnet"], "'nowhere.jsonnet', which does not exist"),
        (["--interpreter", '{"type": "random", "shares": 1}'], "shares"),
        (["--interpreter", "graphmask"], 'give "archive_file"'),
        ([], "holds a GcnSemanticRoleLabeler and no masker.*--interpreter, one of all_edges"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--view", "html"], "need each other"),
        (["--view-dir", "pages"], "need each other"),
        (["--text", "She sings."], "not both"),
        (["--predictor-args", "spacy"], "is no JSON"),
        (["--predictor-args", "[]"], "is no JSON object"),
        (
            ["--interpreter", "random", "--predictor-args", '{"spacy_modle": "x"}'],
            "does not take spacy_modle",
        ),
        (["--interpreter", "random", "--encoder", "bert"], "no GraphEncoder named 'bert'"),
        (["--interpreter", "random", "-o", "nowhere/out.jsonl"], "there is no folder 'nowhere'"),
        (["--interpreter", "random", "-o", "."], "is a folder"),
    ],
)
def test_bad_arguments(arguments, message, srl_archive_file, conll_file, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=message):
        explain(srl_archive_file, conll_file, *arguments)
    assert os.listdir(tmp_path) == []


def test_neither_input_nor_text_and_no_archive(srl_archive_file, conll_file) -> None:
    with pytest.raises(ConfigurationError, match="not neither"):
        explain(srl_archive_file)
    with pytest.raises(ConfigurationError, match="The archive 'nowhere.tar.gz' does not exist"):
        explain("nowhere.tar.gz", conll_file)


def test_names_and_settings_of_interpreters(tmp_path) -> None:
    assert parse_interpreter("attention") == {"type": "attention"}
    assert parse_interpreter('{"type": "integrated_gradients", "num_steps": 50}') == {
        "type": "integrated_gradients",
        "num_steps": 50,
    }


# --- Interrupted runs


@Interpreter.register("global_random_for_test")
class GlobalRandomInterpreter(Interpreter):
    """As third parties may write one: its numbers are drawn from generators that all share."""

    default_threshold = 0.5

    def score(self, masked_model, unmasked, generator):
        edges = unmasked.layers[0].graph.num_edges
        return LayerScores([torch.rand(edges) * 0.5 + random.random() * 0.5 for _ in unmasked.layers])


class Killed(BaseException):
    """Stands for SIGKILL: nobody expects it."""


def killed_at(monkeypatch: Any, call: int, half_a_line: bool) -> Callable[[], None]:
    """Ends a run when lines are added for the given time, before or after they are written. Gives what undoes that."""
    add = ResumableLines.add
    calls: List[int] = []

    def killed(self: ResumableLines, lines: Sequence[str], *arguments: Any) -> None:
        calls.append(1)
        if len(calls) == call:
            if half_a_line:
                # Some lines have reached the disk, and half of one.
                self._file.write("\n".join(lines).encode()[:-20])
                self._file.flush()
            raise Killed
        add(self, lines, *arguments)

    monkeypatch.setattr(ResumableLines, "add", killed)
    return lambda: monkeypatch.setattr(ResumableLines, "add", add)


@pytest.mark.parametrize("interpreter", [None, "random", "global_random_for_test"])
def test_an_interrupted_run_goes_on_with_the_same_bytes(
    tmp_path, graphmask_archive_file, monkeypatch, capsys, interpreter
) -> None:
    lines = [{"conll": CONLL}, TOKENS, b"bad", {"conll": CONLL}, {"conll": ""}, TOKENS, b"{}", TOKENS] * 2
    file = write_lines(tmp_path / "inputs.jsonl", lines)
    options: List[object] = [file, "--batch-size", "3"]
    if interpreter is not None:
        options += ["--interpreter", interpreter]
    explain_some(graphmask_archive_file, *options, "-o", tmp_path / "whole.jsonl")
    out = tmp_path / "out.jsonl"
    for call, half_a_line in ((1, True), (3, False), (2, True)):
        undo = killed_at(monkeypatch, call, half_a_line)
        with pytest.raises(Killed):
            explain(graphmask_archive_file, *options, "-o", out)
        undo()
        assert not out.exists() and Path(f"{out}.partial").stat().st_size
    # As a process leaves it that is killed between its lines and its note of them.
    with open(f"{out}.partial", "ab") as partial:
        partial.write(b'{"schema": "allennlp_gra')
    capsys.readouterr()
    explain_some(graphmask_archive_file, *options, "-o", out, "--view", "text")
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    shown = capsys.readouterr()
    assert "Going on after" in shown.err
    assert "line 3, line 7, line 11, line 15." in shown.err
    separator = "\n" + "-" * 88 + "\n"
    assert shown.out == separator.join(map(render_text, explanations_in(out))) + "\n"
    assert not list(tmp_path.glob("*.partial*"))


def test_ctrl_c(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 3)
    before, calls = GraphMaskPredictor.explain_batch, []

    def interrupted(self: Any, instances: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return before(self, instances)

    monkeypatch.setattr(GraphMaskPredictor, "explain_batch", interrupted)
    with pytest.raises(SystemExit) as ended:
        explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "2")
    assert ended.value.code == 130 and "The same command goes on from here." in capsys.readouterr().err
    explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "2")
    explain(graphmask_archive_file, file, "-o", tmp_path / "whole.jsonl", "--batch-size", "2")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_other_arguments_do_not_go_on(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 3)
    out = tmp_path / "out.jsonl"
    undo = killed_at(monkeypatch, 2, False)
    with pytest.raises(Killed):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2")
    undo()
    left = {path: path.read_bytes() for path in tmp_path.glob("*.partial*")}
    assert len(left) == 2
    with pytest.raises(ConfigurationError, match="beginning of other lines: batch_size differs.*--force"):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "3")
    with pytest.raises(ConfigurationError, match="other lines: interpreter differs"):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2", "--interpreter", "random")
    repeated(file, 4)
    with pytest.raises(ConfigurationError, match="other lines: input differs"):
        explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2")
    assert {path: path.read_bytes() for path in tmp_path.glob("*.partial*")} == left
    explain(graphmask_archive_file, file, "-o", out, "--batch-size", "2", "--force")
    assert "Going on" not in capsys.readouterr().err
    assert len(explanations_in(out)) == 12
    # A whole file is replaced when the new one is whole.
    explain(graphmask_archive_file, file, "-o", out, "--interpreter", "random")
    assert explanations_in(out)[0].interpreter["name"] == "random"


def test_two_processes_do_not_write_one_file(tmp_path) -> None:
    first = ResumableLines(str(tmp_path / "out"), {"a": 1})
    with pytest.raises(ConfigurationError, match="Another process is writing"):
        ResumableLines(str(tmp_path / "out"), {"a": 1})
    first.add(["x", "y"], 1, {})
    first.close()
    second = ResumableLines(str(tmp_path / "out"), {"a": 1})
    assert (second.num_records, second.num_lines, list(second.written())) == (1, 2, ["x", "y"])
    second.finish()
    assert (tmp_path / "out").read_text() == "x\ny\n" and os.listdir(tmp_path) == ["out"]


def test_a_finished_run_that_could_not_clear_up(tmp_path, monkeypatch) -> None:
    lines = ResumableLines(str(tmp_path / "out"), {"a": 1})
    lines.add(["x"], 1, {})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "remove", lambda path: (_ for _ in ()).throw(Killed()))
        lines.finish()
    lines.close()
    # Its note has no lines any more, and stops nobody, whatever the settings.
    again = ResumableLines(str(tmp_path / "out"), {"a": 2})
    assert again.num_records == 0
    again.add(["z"], 1, {})
    again.finish()
    assert (tmp_path / "out").read_text() == "z\n" and os.listdir(tmp_path) == ["out"]


def test_a_progress_file_that_was_changed(tmp_path) -> None:
    lines = ResumableLines(str(tmp_path / "out"), {"a": 1})
    lines.add(["x"], 1, {})
    lines.close()
    (tmp_path / "out.partial.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is no JSON"):
        ResumableLines(str(tmp_path / "out"), {"a": 1})


# --- Processes of their own


def process(folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "allennlp", "explain", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_from_an_empty_folder(tmp_path, graphmask_archive_file) -> None:
    os.symlink(graphmask_archive_file, tmp_path / "model.tar.gz")
    write_lines(tmp_path / "inputs.jsonl", [TOKENS, b"bad", TOKENS])
    running = process(tmp_path, "model.tar.gz", "inputs.jsonl", "-o", "out.jsonl", "--view", "text")
    output, _ = running.communicate(timeout=300)
    assert running.returncode == SOME_INPUTS_BAD, output
    assert "4 explanations of 3 inputs written to out.jsonl." in output and "100%" in output
    assert "The dog has [[seen]] Ann sing" in output
    assert "Not explained: inputs.jsonl, line 2: not JSON" in output
    assert sorted(os.listdir(tmp_path)) == ["inputs.jsonl", "model.tar.gz", "out.jsonl"]


@pytest.mark.long
def test_sigkill_at_ten_random_points(tmp_path, graphmask_archive_file) -> None:
    os.symlink(graphmask_archive_file, tmp_path / "model.tar.gz")
    repeated(tmp_path / "sentences.conll09", 300)
    options = ["model.tar.gz", "sentences.conll09", "--batch-size", "8"]
    running = process(tmp_path, *options, "-o", "whole.jsonl")
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    size = (tmp_path / "whole.jsonl").stat().st_size
    generator = random.Random(5)
    points = sorted(generator.uniform(0, 0.95) * size for _ in range(10))
    partial = tmp_path / "out.jsonl.partial"
    num_torn = 0
    for point in points:
        running = process(tmp_path, *options, "-o", "out.jsonl")
        deadline = time.monotonic() + 300
        while not partial.exists() or partial.stat().st_size < point:
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.0005)
        time.sleep(generator.uniform(0, 0.03))
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        assert running.returncode == -signal.SIGKILL
        assert not (tmp_path / "out.jsonl").exists()
        progress = stored_progress(tmp_path)
        num_torn += progress is None or partial.stat().st_size > progress["bytes"]
    running = process(tmp_path, *options, "-o", "out.jsonl")
    output, _ = running.communicate(timeout=600)
    assert running.returncode == 0, output
    assert "Going on after" in output
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    print(f"{num_torn} of 10 kills left lines without their note")


def stored_progress(folder: Path) -> Optional[Dict[str, Any]]:
    path = folder / "out.jsonl.partial.json"
    return json.loads(path.read_text()) if path.exists() else None


def test_it_is_registered() -> None:
    assert Subcommand.by_name("explain") is Explain
