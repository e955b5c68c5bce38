"""Every number of a report equals a count by brute force."""

import csv
import io
import itertools
import json
import lzma
import math
import statistics
from pathlib import Path

import pytest
from allennlp.common.checks import ConfigurationError
from scipy import stats

from allennlp_graphmask.explanation import write_explanations
from allennlp_graphmask.report import build_report, parse_runs
from allennlp_graphmask.report.tables import FORMS, interval
from tests.commands.explaining import explained
from tests.data.real_data import DATA, needs_data
from tests.report.random_explanations import TASKS, explanations
from tests.report.recount import recount

SERIES = ("source", "focus", "verified")


@pytest.fixture(params=TASKS)
def files(request, tmp_path):
    """Three files of a task, two of them of one source, as (source, path, explanations)."""
    found = []
    for seed, source in enumerate(("one", "two", "two")):
        path = tmp_path / f"{seed}.jsonl"
        made = explanations(request.param, seed=seed)
        write_explanations(path, made)
        found.append((source, path, made))
    return request.param, found


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def report_of(files):
    return build_report(parse_runs([f"{source}={path}" for source, path, _ in files]), latex=True)


def test_every_table_equals_a_recount(files):
    task, files = files
    report = report_of(files)
    written = {name for name in report.files if name.endswith(".csv")}
    assert {"predictions.csv", "relations.csv", "sizes.csv"} <= written
    assert (task == "roles") == ("predicates.csv" in written) and (task != "graphs") == ("kept_paths.csv" in written)
    check_tables(report, files)


@needs_data
@pytest.mark.parametrize(
    ("archive", "data", "start", "end", "separator"),
    [
        ("propbank-srl", "propbank_ewt/ewt_dev.conll09.xz", "", "\n\n", "\n\n"),
        ("multihop-qa", "qa_wikihop_format/redocred_dev.json.xz", "[", "]", ","),
    ],
)
def test_fifty_explanations_of_real_data(archive, data, start, end, separator, tmp_path):
    content = lzma.decompress((DATA / data).read_bytes()).decode("utf-8")
    items = map(json.dumps, json.loads(content)) if start else content.split("\n\n")
    inputs = tmp_path / Path(data).stem
    inputs.write_text(start + separator.join(itertools.islice(items, 50)) + end, encoding="utf-8")
    path = tmp_path / "explanations.jsonl"
    made = explained(path, f"pretrained:{archive}", inputs)
    assert len(made) >= 50
    check_tables(build_report(parse_runs([str(path)])), [("explanations", path, made)])


def check_tables(report, files):
    """All columns of all rows, but for examples."""
    records = [
        (form, {**record, "source": source, "run": str(path)})
        for source, path, made in files
        for explanation in made
        for form, record in recount(explanation)
    ]
    by_name = {f"{form.name}.csv": form for form in FORMS}
    for name in (name for name in report.files if name.endswith(".csv")):
        form = by_name[name]
        own = [record for cube, record in records if cube == form.cube]
        rows = read(report.files[name])
        keys = [tuple(row[column] for column in (*SERIES, *form.keys)) for row in rows]
        expected_keys = {tuple(str(record[column]) for column in (*SERIES, *form.keys)) for record in own}
        assert len(set(keys)) == len(keys) and set(keys) == expected_keys, name
        for row, key in zip(rows, keys):
            same = [one for one in own if tuple(str(one[column]) for column in (*SERIES, *form.keys)) == key]
            series = [one for one in own if tuple(one[column] for column in SERIES) == key[:3]]
            assert int(row["runs"]) == len({one["run"] for one in series})
            for column in form.counts:
                assert int(row[column]) == sum(one[column] for one in same), (name, key, column)
            for ratio in form.ratios:
                total = sum(one[ratio.denominator] for one in (series if ratio.of_all else same))
                share = sum(one[ratio.numerator] for one in same) / total if total else None
                found = row[ratio.name]
                assert (found == "") if share is None else float(found) == pytest.approx(share, rel=1e-5), (name, key)
                shares = []
                for run in {one["run"] for one in series}:
                    parts = [[one for one in some if one["run"] == run] for some in (same, series)]
                    total = sum(one[ratio.denominator] for one in parts[ratio.of_all])
                    shares += [sum(one[ratio.numerator] for one in parts[0]) / total] if total else []
                bounds = row[f"{ratio.name}_lower"], row[f"{ratio.name}_upper"]
                if len(shares) < 2:
                    assert bounds == ("", "")
                    continue
                half = stats.t.ppf(0.975, len(shares) - 1) * stats.sem(shares)
                lower, upper = (statistics.mean(shares) + sign * half for sign in (-1, 1))
                expected = max(0, lower), upper if ratio.name == "times_random" else min(1, upper)
                assert tuple(map(float, bounds)) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_interval_over_runs():
    low, high = interval([0.2, 0.3, 0.4])
    # Student's t with two degrees of freedom: 4.30265.
    assert (low, high) == pytest.approx((0.3 - 4.302653 * 0.1 / math.sqrt(3), 0.3 + 4.302653 * 0.1 / math.sqrt(3)))
    assert interval([0.5]) == (None, None) == interval([])
    assert interval([0.0, 1.0]) == (0.0, 1.0)


def test_examples_are_of_their_row(files):
    files = files[1]
    paths = {str(path): made for _, path, made in files}
    for name, column in (("path_shapes", "shape"), ("kept_paths", "chain")):
        for row in read(report_of(files).files.get(f"{name}.csv", "")):
            path, number = row["example"].split(", explanation ")
            found = [record for _, record in recount(paths[path][int(number) - 1])]
            assert any(record.get(column) == row[column] and record["focus"] == row["focus"] for record in found)


def test_latex_has_the_rows_of_the_csv_file(files):
    report = report_of(files[1])
    for name, text in report.files.items():
        if name.endswith(".tex"):
            lines = [line for line in text.splitlines() if line.endswith(r"\\")]
            assert len({line.count(" & ") for line in lines}) == 1
            assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
            assert not set("^_↑↓%") & set(text.replace(r"\%", "").replace(r"\_", "").replace(r"\textasciicircum", ""))


def test_plots_have_the_values_of_the_csv_file_beside_them(files):
    pytest.importorskip("matplotlib")
    runs = parse_runs([f"{source}={path}" for source, path, _ in files[1]])
    report = build_report(runs, plots=True)
    names = {name.removesuffix(".svg") for name in report.files if name.endswith(".svg")}
    assert names == {name.removesuffix(".csv") for name in report.files if name.endswith(".csv")} - {"predictions"}
    assert report.files == build_report(runs, plots=True).files
    for relation in {row["relation"] for row in read(report.files["relations.csv"])}:
        assert f">{relation}</text>" in report.files["relations.svg"]


def test_plots_without_matplotlib(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install matplotlib"):
        build_report([], plots=True)


def test_a_folder_of_a_corpus_is_as_one_file(tmp_path):
    pytest.importorskip("pyarrow", reason="parts are Parquet files")
    found = list(explanations("roles", 7))
    write_explanations(tmp_path / "whole.parquet", found)
    (tmp_path / "corpus").mkdir()
    for number, part in enumerate((found[:3], [], found[3:])):
        write_explanations(tmp_path / "corpus" / f"part-{number:05}.parquet", part)
    (tmp_path / "corpus" / "manifest.json").write_text('{"num_shards": 3}')
    whole, corpus = (
        build_report(parse_runs([f"same={tmp_path / name}"])).files for name in ("whole.parquet", "corpus")
    )
    for name in whole:
        if name.endswith(".csv"):
            assert corpus[name].replace(f"{tmp_path}/corpus", f"{tmp_path}/whole.parquet") == whole[name]
    assert parse_runs([f"{tmp_path}/corpus/"])[0].source == "corpus"
    (tmp_path / "corpus" / "part-00001.parquet").unlink()
    with pytest.raises(ConfigurationError, match="part-00001.parquet"):
        build_report(parse_runs([str(tmp_path / "corpus")]))
