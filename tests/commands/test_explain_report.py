"""`allennlp explain-report`."""

import argparse
import csv
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.evaluate import evaluate_from_archive

from allennlp_graphmask.commands.explain_report import ExplainReport
from tests.commands.explaining import explained
from tests.predictors.inputs import QUESTIONS_FILE


def report(*arguments: object) -> Any:
    """In this process."""
    parser = argparse.ArgumentParser()
    ExplainReport().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["explain-report", *map(str, arguments)])
    return args.func(args)


def read(path: Path) -> Any:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(params=["srl", "qa"])
def archive_and_data(request, graphmask_archive_file, qa_graphmask_archive_file, conll_file):
    if request.param == "srl":
        return graphmask_archive_file, conll_file
    return qa_graphmask_archive_file, QUESTIONS_FILE


def test_totals_equal_those_of_evaluate(archive_and_data, tmp_path):
    archive, data = archive_and_data
    metrics = evaluate_from_archive(archive, str(data))
    explained(tmp_path / "verified.jsonl", archive, data)
    explained(tmp_path / "single.jsonl", archive, data, "--no-verify")
    report(tmp_path / "verified.jsonl", tmp_path / "single.jsonl", "-o", tmp_path / "report")
    verified, single = read(tmp_path / "report" / "predictions.csv")
    assert (verified["verified"], single["verified"]) == ("yes", "no")
    assert 0 < metrics["kept"] < 1
    assert float(single["kept_share"]) == pytest.approx(metrics["kept"], rel=1e-5)
    assert float(single["changed_share"]) == pytest.approx(metrics["changed"], rel=1e-5)
    assert float(verified["changed_before_share"]) == pytest.approx(metrics["changed"], rel=1e-5)
    assert float(verified["kept_share"]) - float(verified["added_share"]) == pytest.approx(metrics["kept"], rel=1e-4)
    assert float(verified["changed_share"]) == 0
    for layer, row in enumerate(read(tmp_path / "report" / "layers.csv")[-2:]):
        assert float(row["kept_share"]) == pytest.approx(metrics[f"kept_layer_{layer}"], rel=1e-5)


def test_a_new_report_replaces_an_earlier_one(conll_file, graphmask_archive_file, tmp_path):
    path = tmp_path / "explanations.jsonl"
    explained(path, graphmask_archive_file, conll_file)
    report(path, "-o", tmp_path / "report", "--latex")
    names = {file.name for file in (tmp_path / "report").iterdir()}
    report(path, "-o", tmp_path / "report")
    assert {file.name for file in (tmp_path / "report").iterdir()} == {n for n in names if not n.endswith(".tex")}
