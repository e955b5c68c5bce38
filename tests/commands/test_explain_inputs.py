"""`allennlp explain`: who reads its input, and inputs that cannot be read or explained."""

import argparse
import dataclasses
import gzip
import importlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any, List

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.commands import explain as explain_module
from allennlp_graphmask.predictors import ExplainingPredictor, GraphMaskPredictor
from tests.commands.conftest import GRAPHS
from tests.commands.explaining import explain, explain_some, explained, explanations_in, repeated, write_lines
from tests.predictors.inputs import CONLL, QUERIES, TOKENS

# --- Who reads what


def test_json_lines_go_to_the_predictor(tmp_path, graphmask_archive_file) -> None:
    file = write_lines(tmp_path / "inputs.jsonl", [TOKENS, {"conll": CONLL}])
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, file)
    predictor = Predictor.from_archive(load_archive(graphmask_archive_file))
    assert isinstance(predictor, GraphMaskPredictor)
    instances = [*predictor.json_to_instances(TOKENS), *predictor.json_to_instances({"conll": CONLL})]
    expected = predictor.explain_instances(instances)
    assert [dataclasses.replace(one, input=None) for one in found] == expected and len(expected) == 6
    # Four predicates of the first line, the sentences of the second line have two.
    assert [one.input for one in found] == [
        {"file": str(file), "number": number, "place": f"line {number}"} for number in (1, 1, 1, 2, 2, 2)
    ]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("content", ["conll", "lines"])
def test_standard_input(tmp_path, graphmask_archive_file, conll_file, monkeypatch, content, compressed, capsys) -> None:
    raw = Path(conll_file).read_bytes() if content == "conll" else json.dumps({"conll": CONLL}).encode()
    monkeypatch.setattr(sys, "stdin", argparse.Namespace(buffer=io.BytesIO(gzip.compress(raw) if compressed else raw)))
    explanations = explained(tmp_path / "out.jsonl", graphmask_archive_file, "-")
    assert [found.metadata["predicate_index"] for found in explanations] == [1, 4, 6]


def test_what_is_wrong_on_standard_input_is_not_called_by_a_temporary_name(
    tmp_path, graphmask_archive_file, monkeypatch, capsys
) -> None:
    lines = json.dumps(TOKENS) + "\n{\n"
    monkeypatch.setattr(sys, "stdin", argparse.Namespace(buffer=io.BytesIO(lines.encode())))
    explain_some(graphmask_archive_file, "-", "-o", tmp_path / "out.jsonl")
    assert "Not explained: standard input, line 2: " in capsys.readouterr().err


def test_questions(tmp_path, qa_graphmask_archive_file) -> None:
    (tmp_path / "questions.json").write_text(json.dumps(QUERIES))
    by_reader = explained(tmp_path / "list.jsonl", qa_graphmask_archive_file, tmp_path / "questions.json")
    lines = write_lines(tmp_path / "questions.jsonl", QUERIES)
    by_predictor = explained(tmp_path / "lines.jsonl", qa_graphmask_archive_file, lines)
    assert [found.metadata["id"] for found in by_reader] == [query["id"] for query in QUERIES]
    # The predictor does not look at answers.
    assert any(found.metadata["answer"] for found in by_reader)
    assert not any(found.metadata["answer"] for found in by_predictor)
    for one, other in zip(by_reader, by_predictor, strict=True):
        assert one.nodes == other.nodes and [edge.kept for edge in one.edges] == [edge.kept for edge in other.edges]


@DatasetReader.register("lines_of_conll_for_test")
class LinesOfConllReader(DatasetReader):
    """JSON lines that are not inputs of the predictor, by a reader as third parties write them."""

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
    with pytest.raises(ConfigurationError, match="(?s)sentences.jsonl.*--input-format"):
        explain(graphmask_archive_file, file)

    load = explain_module.load_archive

    def with_reader(*arguments: Any, **options: Any) -> Any:
        archive = load(*arguments, **options)
        reader = LinesOfConllReader()
        reader.predictor = predictor
        return archive._replace(validation_dataset_reader=reader)

    monkeypatch.setattr(explain_module, "load_archive", with_reader)
    # The third stops this reader for good: it is not a RecordReader.
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl")
    assert len(explanations_in(tmp_path / "out.jsonl")) == 2
    shown = capsys.readouterr().err
    assert "not enough values to unpack" in shown or "too many values to unpack" in shown
    assert "What follows the first 2 inputs" in shown
    explain_some(graphmask_archive_file, file, "--input-format", "predictor")
    assert "NOT EXPLAINED: 4 inputs" in capsys.readouterr().err


# --- Bad inputs


def test_bad_lines_are_reported_and_do_not_lose_the_others(tmp_path, graphmask_archive_file, capsys) -> None:
    one = {**TOKENS, "predicates": [3]}
    lines = [one, b'{"tokens": [', {"tokens": ["She"]}, b"\xff", {**one, "heads": [1, 2]}, b"", b"[1]"]
    lines.append({**one, "predicates": [5]})
    file = write_lines(tmp_path / "inputs.jsonl", lines)
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "2")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["predicate_index"] for explanation in found] == [3, 5]
    shown = capsys.readouterr().err
    for line, reason in [(2, "JSON"), (3, "lemmas"), (4, "UTF-8"), (5, "heads"), (7, r"\[1\]")]:
        assert re.search(f"Not explained: {file}, line {line}: .*{reason}", shown)
    assert f"NOT EXPLAINED: 5 inputs of {file}: line 2, line 3, line 4, line 5, line 7" in shown
    assert not list(tmp_path.glob("*.partial*"))


def test_strict_stops_at_the_first(tmp_path, graphmask_archive_file) -> None:
    file = write_lines(tmp_path / "inputs.jsonl", [TOKENS, {"tokens": ["She"]}, TOKENS])
    with pytest.raises(ConfigurationError, match="inputs.jsonl, line 2: .*lemmas"):
        explain(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--strict", "--batch-size", "1")
    assert not (tmp_path / "out.jsonl").exists()
    # Without --strict it continues from there.
    explain_some(graphmask_archive_file, file, "-o", tmp_path / "out.jsonl", "--batch-size", "1")
    assert len(explanations_in(tmp_path / "out.jsonl")) == 6


def test_a_bad_question_and_a_file_that_is_cut_off(tmp_path, qa_graphmask_archive_file, capsys) -> None:
    bad = {key: value for key, value in QUERIES[1].items() if key != "supports"}
    text = json.dumps([QUERIES[0], bad, QUERIES[2], QUERIES[3]])
    (tmp_path / "questions.json").write_text(text)
    explain_some(qa_graphmask_archive_file, tmp_path / "questions.json", "-o", tmp_path / "out.jsonl")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["id"] for explanation in found] == [QUERIES[number]["id"] for number in (0, 2, 3)]
    shown = capsys.readouterr().err
    assert f"question '{bad['id']}' (number 2, byte " in shown and "supports" in shown
    (tmp_path / "cut.json").write_text(text[:-20])
    explain_some(qa_graphmask_archive_file, tmp_path / "cut.json", "-o", tmp_path / "out.jsonl")
    assert len(explanations_in(tmp_path / "out.jsonl")) == 2
    shown = capsys.readouterr().err
    assert "What follows the first 3 inputs of" in shown and "NOT EXPLAINED: 2 inputs" in shown


def test_bad_graphs(tmp_path, graph_archive_file, capsys) -> None:
    lines: List[Any] = [json.loads(line) for line in GRAPHS.read_text().splitlines()[:4]]
    lines[1]["edges"] = [{"source": 0, "target": 99, "type": "x"}]
    lines[2] = b"nothing"
    file = write_lines(tmp_path / "graphs.jsonl", lines)
    for number, input_format in enumerate(("reader", "predictor")):
        out = tmp_path / f"{number}.jsonl"
        explain_some(graph_archive_file, file, "-o", out, "--interpreter", "all_edges", "--input-format", input_format)
        assert "NOT EXPLAINED: 2 inputs" in (shown := capsys.readouterr().err)
        assert f"{file}, line 2: " in shown and f"{file}, line 3: " in shown
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "1.jsonl").read_bytes()
    assert len(explanations_in(tmp_path / "0.jsonl")) == 2


def test_an_error_of_the_model_stops_the_run(tmp_path, graphmask_archive_file, monkeypatch, capsys) -> None:
    file = repeated(tmp_path / "sentences.conll09", 4)
    before = ExplainingPredictor._explain_batch

    def failing(self: Any, instances: Any) -> Any:
        if any(instance.fields["metadata"]["sentence_id"] == "5" for instance in instances):
            raise RuntimeError("no memory")
        return before(self, instances)

    monkeypatch.setattr(ExplainingPredictor, "_explain_batch", failing)
    out = ["-o", tmp_path / "out.jsonl", "--batch-size", "2"]
    with pytest.raises(RuntimeError, match="no memory") as error:
        explain(graphmask_archive_file, file, *out)
    assert any(f"{file}, sentence at line" in note and "--skip-errors" in note for note in error.value.__notes__)
    assert not (tmp_path / "out.jsonl").exists()
    # It continues with the batch that failed.
    explain_some(graphmask_archive_file, file, *out, "--skip-errors")
    found = explanations_in(tmp_path / "out.jsonl")
    assert [explanation.metadata["sentence_id"] for explanation in found] == [
        *("1", "2", "2"),
        "4",
        *("7", "8", "8"),
        *("10", "11", "11"),
    ]
    # The fifth sentence is the second one of the second CONLL.
    line = CONLL.count("\n") + CONLL[: CONLL.index("\n\n")].count("\n") + 3
    shown = capsys.readouterr().err
    assert f"Not explained: {file}, sentence at line {line}: RuntimeError: no memory" in shown


@pytest.mark.parametrize(
    "content, message", [(None, "input"), (b"", "input"), (b"{", "(?s)input.*The predictor.*The reader")]
)
def test_a_file_with_nothing_to_read(tmp_path, graphmask_archive_file, content, message) -> None:
    if content is not None:
        (tmp_path / "input").write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        explain(graphmask_archive_file, tmp_path / "input", "-o", tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out.jsonl*"))


def test_text_may_be_repeated(tmp_path, graphmask_archive_file, universal_pipeline, capsys) -> None:
    texts = ("--text", "She sings.", "--text", "Ann sings.")
    options = ("--predictor-args", json.dumps({"spacy_model": universal_pipeline}))
    found = explained(tmp_path / "out.jsonl", graphmask_archive_file, *texts, *options)
    assert [(one.input["place"], one.tokens[0]) for one in found] == [("text 1", "She"), ("text 2", "Ann")]
    assert "2 explanations of 2 inputs" in capsys.readouterr().err


# --- Tables of texts


def write_table(path: Path, columns: Any) -> Path:
    pyarrow = pytest.importorskip("pyarrow", reason="Parquet files need the extra `table`")
    importlib.import_module("pyarrow.parquet").write_table(pyarrow.table(columns), path, row_group_size=2)
    return path


def test_texts_in_a_table_are_those_on_lines(tmp_path, graphmask_archive_file, universal_pipeline) -> None:
    texts = ["She sings.", "The dog has often seen Ann sing.", "No dog.", "Ann sings."]
    table = write_table(tmp_path / "texts.parquet", {"number": [1, 2, 3, 4], "sentence": texts})
    lines = tmp_path / "texts.txt"
    lines.write_text("".join(f"{text}\n" for text in texts))
    options = ["--predictor-args", json.dumps({"spacy_model": universal_pipeline})]
    found = explained(
        tmp_path / "table.jsonl",
        graphmask_archive_file,
        table,
        *options,
        "--text-column",
        "sentence",
        "--batch-size",
        1,
    )
    expected = explained(tmp_path / "lines.jsonl", graphmask_archive_file, lines, *options, "--batch-size", 1)
    assert [dataclasses.replace(one, input=None) for one in found] == [
        dataclasses.replace(one, input=None) for one in expected
    ]
    assert found[-1].input == {"file": str(table), "number": 4, "place": "row 4"}


def test_tables_that_hold_no_text(tmp_path, graphmask_archive_file, universal_pipeline, capsys) -> None:
    options = ["--predictor-args", json.dumps({"spacy_model": universal_pipeline}), "-o", tmp_path / "out.jsonl"]
    table = write_table(tmp_path / "texts.parquet", {"text": ["She sings.", None], "number": [1, 2]})
    explain_some(graphmask_archive_file, table, *options)
    assert "texts.parquet, row 2: the column 'text'" in capsys.readouterr().err
    for column, named in (("sentence", "'sentence', found no such column"), ("number", "'number'.*int64")):
        with pytest.raises(ConfigurationError, match=f"texts.parquet.*{named}.*: text; .*--text-column"):
            explain(graphmask_archive_file, table, *options, "--text-column", column)
    table.write_bytes(b"PAR1")
    with pytest.raises(ConfigurationError, match="texts.parquet: not a whole Parquet file"):
        explain(graphmask_archive_file, table, *options)
