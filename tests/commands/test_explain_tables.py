"""`allennlp explain`: tables of explanations and of messages, and files for other tools."""

import csv
import importlib.util

import pytest
from allennlp.common.checks import ConfigurationError

from tests.commands.conftest import GRAPHS
from tests.commands.explaining import explain, explanations_in


def test_a_table_holds_the_explanations_of_the_lines(tmp_path, graphmask_archive_file, conll_file) -> None:
    pytest.importorskip("pyarrow", reason="Parquet files need the extra `table`")
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl")
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.parquet")
    explanations = explanations_in(tmp_path / "out.jsonl")
    assert explanations_in(tmp_path / "out.parquet") == explanations and len(explanations) == 3
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "half.parquet", "--score-type", "float16")
    kept = [one.edges.kept.tolist() for one in explanations_in(tmp_path / "half.parquet")]
    assert kept == [one.edges.kept.tolist() for one in explanations]


@pytest.mark.parametrize("with_file", [True, False])
def test_messages(tmp_path, graphmask_archive_file, conll_file, capsys, with_file) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl")
    explanations = explanations_in(tmp_path / "out.jsonl")
    capsys.readouterr()
    output = ["-o", tmp_path / "again.jsonl"] if with_file else []
    explain(graphmask_archive_file, conll_file, "--table", tmp_path / "messages.csv", *output)
    shown = capsys.readouterr()
    assert shown.out == "" and "messages.csv" in shown.err
    with open(tmp_path / "messages.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(one.edges.score.size for one in explanations)
    assert sum(row["kept"] == "True" for row in rows) == sum(one.num_kept() for one in explanations)
    assert {path.name for path in tmp_path.iterdir()} <= {"out.jsonl", "again.jsonl", "messages.csv"}


@pytest.mark.parametrize("option, name", [("-o", "out.parquet"), ("--table", "messages.parquet")])
def test_without_pyarrow(tmp_path, graphmask_archive_file, conll_file, monkeypatch, option, name) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda found, *rest: None if found == "pyarrow" else find_spec(found, *rest)
    )
    with pytest.raises(ConfigurationError, match=rf"{option} .*{name}.*pyarrow"):
        explain(graphmask_archive_file, conll_file, option, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_table_in_a_form_that_is_not_known(tmp_path, graphmask_archive_file, conll_file) -> None:
    with pytest.raises(ConfigurationError, match=r"--table .*messages\.xlsx.*\.csv"):
        explain(graphmask_archive_file, conll_file, "--table", tmp_path / "messages.xlsx")


@pytest.mark.parametrize("name", ["conllu", "svg"])
def test_exports(tmp_path, graphmask_archive_file, conll_file, capsys, name) -> None:
    explain(graphmask_archive_file, conll_file, "-o", tmp_path / "out.jsonl", "--export", name, tmp_path / "files")
    assert capsys.readouterr().out == ""
    for number, explanation in enumerate(explanations_in(tmp_path / "out.jsonl"), start=1):
        expected = explanation.to_svg() if name == "svg" else explanation.to_conllu()
        assert (tmp_path / "files" / f"explanation_{number}.{name}").read_text(encoding="utf-8") == expected
    assert len(list((tmp_path / "files").iterdir())) == 3


def test_what_cannot_be_exported(tmp_path, graph_archive_file) -> None:
    arguments = [graph_archive_file, GRAPHS, "--interpreter", "gradient_x_message", "--export"]
    with pytest.raises(ConfigurationError, match="svgs.*svg"):
        explain(*arguments, "svgs", tmp_path)
    with pytest.raises(ConfigurationError, match="Explanation 1 .*conllu"):
        explain(*arguments, "conllu", tmp_path)
    assert not list(tmp_path.iterdir())
