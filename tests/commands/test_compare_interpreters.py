"""`allennlp compare-interpreters`."""

import csv
import importlib.util
import json
import re
from typing import Any, Dict, List

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.models import load_archive

from allennlp_graphmask.commands.compare_interpreters import parse_configs
from allennlp_graphmask.evaluation.comparison import Sampling, comparison
from allennlp_graphmask.evaluation.comparison.table import build_rows, format_summary, plot_fidelity, to_csv
from allennlp_graphmask.evaluation.metrics import AttributionEvaluation, EdgeFidelity, EdgeTruth, read_truth
from allennlp_graphmask.interpret.interpreters import LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel
from tests.commands.comparing import FEW, compare, compare_in
from tests.compat.conftest import run_python


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if "cpu_seconds" not in key}
    return value


def test_from_an_empty_folder(folder) -> None:
    """A process of its own; what it writes and prints."""
    command = ("-m", "allennlp", "compare-interpreters", "model.tar.gz", "graphs.jsonl", "-o", "out", *FEW)
    options = ("--interpreters", "leave_one_edge_out,random", "--seeds", "2")
    output = run_python(*command, *options, folder=folder)
    assert "Written to out" in output and "CPU seconds per explanation" in output
    names = {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*")}
    files = {"interpreters/leave_one_edge_out.json", "interpreters/random.json"}
    files |= {"results.csv", "results.json", "results.tex", "settings.json"}
    assert names - {"fidelity.png"} == {"interpreters", *files}
    results = json.loads((folder / "out" / "results.json").read_text())
    assert list(results["interpreters"]) == ["leave_one_edge_out", "random"] and results["version"] == 2
    assert len(results["provenance"]["weights_sha256"]) == len(results["provenance"]["data_sha256"]) == 64
    for result in results["interpreters"].values():
        assert result["instances"] == 7 and result["cpu_seconds_per_explanation"] > 0
        # The data have a truth.
        assert "edge_truth" in result["metrics"] and result["seeds"] == [0, 1]
        for numbers in result["metrics"].values():
            for row in numbers.values():
                assert (row["value"] is None) == (row["instances"] == 0)
    agreement = {name: result["agreement"] for name, result in results["interpreters"].items()}
    assert agreement["leave_one_edge_out"]["jaccard"]["value"] == 1
    assert abs(agreement["random"]["kappa"]["value"]) < 0.5
    assert agreement["random"]["kappa_layer_1"]["layer"] == 1
    assert agreement["random"]["jaccard_relation_eaten_by^-1"]["relation"] == "eaten_by^-1"
    with open(folder / "out" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    [row] = [row for row in rows if (row["interpreter"], row["quantity"], row["layer"]) == ("random", "kept", "")]
    expected = results["interpreters"]["random"]["metrics"]["edge_kept"]["kept"]
    assert float(row["value"]) == float(row["control"]) == expected["value"]
    assert [float(row["lower"]), float(row["upper"])] == expected["interval"]
    assert (row["direction"], float(row["best"]), row["defined_instances"]) == ("lower", 0.0, "7")
    sufficiency = [
        row["fraction"] for row in rows if (row["interpreter"], row["quantity"]) == ("random", "sufficiency")
    ]
    assert sufficiency == ["", "0.01", "0.05", "0.1", "0.2", "0.5"]


def read_latex(text: str) -> Dict[str, Dict[str, str]]:
    """The cells of a table by row and column, and what is under the table."""
    table, _, note = text.partition("\\end{tabular}")
    assert re.search(r"\\begin\{tabular\}\{(l)(c+)\}", table)
    rows = [
        re.split(r"(?<!\\) & ", line.removesuffix(" \\\\")) for line in table.splitlines() if line.endswith(" \\\\")
    ]
    [columns] = re.findall(r"\{l(c+)\}", table)
    assert {len(row) for row in rows} == {1 + len(columns)}
    header = [cell.split(" ")[0].replace("\\_", "_") for cell in rows[0][1:]]
    found, label = {}, ""
    for name, *cells in rows[1:]:
        label = f"{label}, random" if "random" in name and "quad" in name else name.replace("\\_", "_")
        found[label] = dict(zip(header, cells))
    return {**found, "note": {"": note}}


def test_the_latex_table(folder) -> None:
    compare_in(folder, "--interpreters", "leave_one_edge_out,random", "--metrics", "kept,fidelity,changed")
    found = read_latex((folder / "out" / "results.tex").read_text())
    compared = 0
    with open(folder / "out" / "results.csv", newline="") as file:
        for row in csv.DictReader(file):
            if not (row["layer"] or row["relation"] or row["fraction"] or row["group"]):
                for label, prefix in ((row["interpreter"], ""), (f"{row['interpreter']}, random", "control_")):
                    value, lower, upper = (
                        row[name] for name in (prefix.rstrip("_") or "value", f"{prefix}lower", f"{prefix}upper")
                    )
                    expected = f"{float(value):.3g} {{\\scriptsize [{float(lower):.3g}, {float(upper):.3g}]}}"
                    assert found[label][row["quantity"]] == expected
                    compared += 1
    assert compared == 2 * 2 * 7
    shares = [found[label]["kept"].split(" ")[0] for label in ("leave_one_edge_out", "random")]
    for label, share in zip(("leave\\_one\\_edge\\_out", "random"), shares, strict=True):
        assert re.search(rf"{re.escape(label)} {100 * float(share):.3g}", found["note"][""])


def test_numbers_are_those_of_the_metrics(folder) -> None:
    results = compare_in(folder, "--interpreters", "leave_one_edge_out", "--metrics", "fidelity,edge_truth")
    [result] = results["interpreters"].values()
    archive = load_archive(folder / "model.tar.gz")
    masked_model = MaskedModel(archive.model)
    loader = MultiProcessDataLoader(archive.validation_dataset_reader, str(folder / "graphs.jsonl"), batch_size=100)
    loader.index_with(archive.model.vocab)
    [batch] = loader
    attribution = LeaveOneEdgeOut().interpret(masked_model, batch)
    truth = read_truth(batch, attribution.graph, 2)
    explained = AttributionEvaluation(masked_model, batch, attribution, truth=truth)
    for label, kind in {"edge_fidelity": EdgeFidelity, "edge_truth": EdgeTruth}.items():
        metric, control = kind(), kind()
        metric(explained)
        for seed in Sampling(num_random_controls=2).control_seeds():
            control(explained.random_control(seed))
        values, chance, intervals = metric.get_metric(), control.get_metric(), metric.intervals(draws=50)
        assert set(values) == set(result["metrics"][label])
        for key, interval in intervals.items():
            row = result["metrics"][label][key.name]
            assert (row["quantity"], row["layer"]) == (key.quantity, key.layer)
            assert row["value"] == pytest.approx(values[key.name], rel=1e-4)
            assert row["interval"] == pytest.approx(list(interval), rel=1e-4, abs=1e-6)
            assert row["control"]["value"] == pytest.approx(chance[key.name], rel=1e-4)
            difference = row["difference"]
            assert difference["interval"][0] <= difference["interval"][1]
            assert difference["value"] == pytest.approx(row["value"] - row["control"]["value"], abs=1e-4)
    assert json.loads((folder / "out" / "results.json").read_text()) == results


def test_an_interrupted_run_goes_on(folder, monkeypatch) -> None:
    names = ("--interpreters", "leave_one_edge_out,all_edges,random", "--metrics", "kept,fidelity")
    expected = compare_in(folder, *names)
    (folder / "out").rename(folder / "whole")
    evaluate = comparison.evaluate_interpreter
    calls: List[str] = []

    def interrupted(interpreters: Any, *arguments: Any) -> Any:
        calls.append(type(interpreters[0]).__name__)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(interpreters, *arguments)

    monkeypatch.setattr(comparison, "evaluate_interpreter", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare_in(folder, *names)
    assert not (folder / "out" / "results.json").exists()
    first = (folder / "out" / "interpreters" / "leave_one_edge_out.json").read_text()
    again = compare_in(folder, *names)
    assert calls == ["LeaveOneEdgeOut", "AllEdgesInterpreter", "AllEdgesInterpreter", "RandomInterpreter"]
    assert without_times(again) == without_times(expected)
    assert (folder / "out" / "interpreters" / "leave_one_edge_out.json").read_text() == first
    # All is there: nothing is computed, and everything, also the times, is the same.
    assert compare_in(folder, *names) == again
    # Other interpreters are not other settings.
    other = compare_in(folder, "--interpreters", "random", "--metrics", "kept,fidelity")
    assert list(other["interpreters"]) == ["random"] and len(calls) == 4


def test_other_settings_in_the_same_folder(folder) -> None:
    names = ("--interpreters", folder / "interpreters.json", "--metrics", "kept")
    compare_in(folder, "--interpreters", "random", "--metrics", "kept")
    with pytest.raises(ConfigurationError, match="metrics, seed differ.*--force"):
        compare_in(folder, "--interpreters", "random", "--metrics", "changed", "--seed", "1")
    (folder / "interpreters.json").write_text('{"random": {"type": "random", "top_fraction": 0.5}}')
    with pytest.raises(ConfigurationError, match="'random' with another configuration"):
        compare_in(folder, *names)
    results = compare_in(folder, *names, "--seed", "1", "--force")
    assert results["interpreters"]["random"]["config"] == {"type": "random", "top_fraction": 0.5}
    with open(folder / "graphs.jsonl", "a") as file:
        file.write(json.dumps({"tokens": ["a"], "nodes": [], "edges": []}) + "\n")
    with pytest.raises(ConfigurationError, match="data differs"):
        compare_in(folder, *names, "--seed", "1")


def test_files_of_configurations(folder) -> None:
    (folder / "interpreters.jsonnet").write_text(
        "local half = { top_fraction: 0.5 };\n"
        '{ interpreters: { half: half + { type: "random", seed: 7 }, all: "all_edges" } }'
    )
    (folder / "metrics.json").write_text('{"few": {"type": "sufficiency", "fractions": [0.25]}}')
    arguments = ["--interpreters", folder / "interpreters.jsonnet", "--metrics", folder / "metrics.json"]
    results = compare_in(folder, *arguments, "--seeds", "2")
    assert results["interpreters"]["half"]["seeds"] == [7, 8]
    names = {"comprehensiveness", "comprehensiveness_at_0.25", "sufficiency", "sufficiency_at_0.25"}
    assert set(results["interpreters"]["all"]["metrics"]["few"]) == names


def test_metrics_that_call_the_interpreter_again(folder) -> None:
    results = compare_in(folder, "--interpreters", "leave_one_edge_out", "--metrics", "order_invariance,randomization")
    metrics = results["interpreters"]["leave_one_edge_out"]["metrics"]
    same = metrics["edge_order_invariance"]["edge_order_same_decisions"]
    assert same["value"] > 0.95 and same["control"]["value"] < same["value"]
    assert metrics["edge_randomization"]["randomized_rank_correlation"]["value"] < 0.9


def test_a_threshold_tuned_on_other_data(folder) -> None:
    lines = (folder / "graphs.jsonl").read_text().splitlines(keepends=True)
    (folder / "dev.jsonl").write_text("".join(lines[:4]))
    plain = {"type": "random"}
    configs = {"plain": plain, "tuned": {"type": "tuned_threshold", "interpreter": plain}}
    configs["short"] = {"type": "tuned_threshold", "interpreter": "random"}
    configs["bottleneck"] = {"type": "information_bottleneck", "num_steps": 1}
    (folder / "interpreters.json").write_text(json.dumps(configs))
    arguments = ("--interpreters", folder / "interpreters.json", "--metrics", "truth", "--seed", "3", "--seeds", "2")
    with pytest.raises(ConfigurationError, match="development_data"):
        compare_in(folder, *arguments)
    assert not (folder / "out").exists()
    results = compare_in(folder, *arguments, "--development-data", folder / "dev.jsonl")["interpreters"]
    own, tuned = (results[label]["metrics"]["edge_truth"] for label in ("plain", "tuned"))
    # The same scores with other decisions, for the seeds of the interpreter inside.
    assert own["auroc"]["value"] == tuned["auroc"]["value"] and own["f1"] != tuned["f1"]
    assert results["tuned"]["seeds"] == [3, 4]
    assert without_times(results["short"]["metrics"]) == results["tuned"]["metrics"]
    assert set(results["tuned"]["fitting"]) == {"relative", "threshold", "f1", "cpu_seconds"}
    assert set(results["bottleneck"]["fitting"]) == {"cpu_seconds"} and "fitting" not in results["plain"]
    with pytest.raises(ConfigurationError, match="development_data differs"):
        compare_in(folder, *arguments, "--development-data", folder / "graphs.jsonl")


def test_a_graphmask_archive(tmp_path, graphmask_archive_file, conll_file) -> None:
    arguments = (graphmask_archive_file, conll_file, "-o", tmp_path / "out", "--interpreters", "all_edges", *FEW)
    results = compare(*arguments)
    assert list(results["interpreters"]) == ["graphmask", "all_edges"]
    graphmask, everything = (result["metrics"] for result in results["interpreters"].values())
    assert 0 < graphmask["edge_kept"]["kept"]["value"] < 1
    assert everything["edge_fidelity"]["fidelity_minus_probability"]["value"] == pytest.approx(0, abs=1e-6)
    assert everything["edge_changed"]["changed"]["value"] == 0
    assert "edge_truth" not in graphmask
    with pytest.raises(ConfigurationError, match="distribution"):
        compare(*arguments, "--distribution", "logits")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--interpreters", "leave_one_out"], "leave_one_out"),
        (["--interpreters", "graphmask"], "archive_file"),
        (["--interpreters", ","], "--interpreters ','"),
        (["--interpreters", "random,random"], "--interpreters names random"),
        (["--interpreters", "nowhere.jsonnet"], "--interpreters .*'nowhere.jsonnet'"),
        (["--interpreters", "a/b"], "'a/b'"),
        (["--metrics", "f1"], "'f1', expected one of edge_changed"),
        (["--metrics", "agreement"], "--seeds"),
        (["--metrics", "node_invariance"], "node_fields"),
        (["--seeds", "0"], "seeds is 0, expected at least 1"),
        (["--seed", "-1"], "seed is -1, expected at least 0"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--confidence", "95"], "confidence is 95.0"),
        (["--encoder", "bert"], "'bert'"),
        (["--allowances", "0.1"], "allowances need graphmask_config"),
        *((["--allowances", allowances], "--allowances is") for allowances in ("0.1,0.1", "0", "much", "0.1,")),
    ],
)
def test_bad_arguments(arguments, message, folder) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compare_in(folder, *arguments)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "text, message",
    [("[1]", "'.*'"), ('{"a": 1}', "'a' is 1"), ('{"a": {"top_fraction": 0.5}}', "'a' is .*top_fraction")],
)
def test_bad_files(text, message, tmp_path) -> None:
    path = tmp_path / "interpreters.json"
    path.write_text(text)
    with pytest.raises((ConfigurationError, TypeError, ValueError), match=message):
        parse_configs(str(path), "interpreters")


def test_data_that_do_not_fit(folder, conll_file, srl_archive_file) -> None:
    with pytest.raises(ConfigurationError, match=f"'edge_truth' .*{conll_file}"):
        compare(srl_archive_file, conll_file, "-o", folder / "out", "--metrics", "truth")
    (folder / "graphs.jsonl").write_text("")
    with pytest.raises(ConfigurationError, match="graphs.jsonl"):
        compare_in(folder)


def test_a_model_with_a_weight_that_is_not_a_number(folder, spoilt_archive_file) -> None:
    with pytest.raises(ConfigurationError, match=rf"{spoilt_archive_file}.*classifier\.bias\[1\] is nan"):
        compare(spoilt_archive_file, folder / "graphs.jsonl", "-o", folder / "out", *FEW)


def test_folders_that_do_not_fit(folder) -> None:
    arguments = ("--interpreters", "all_edges", "--metrics", "kept")
    (folder / "out").write_text("")
    with pytest.raises(ConfigurationError, match="out is not a folder"):
        compare_in(folder, *arguments)
    (folder / "out").unlink()
    compare_in(folder, *arguments)
    (folder / "out" / "interpreters" / "all_edges.json").write_text("{")
    with pytest.raises(ConfigurationError, match="all_edges.json is not valid JSON"):
        compare_in(folder, *arguments)
    (folder / "interpreters.json").write_text('{"maskers": {"type": "graphmask", "archive_file": []}}')
    with pytest.raises(ConfigurationError, match="archive_file"):
        compare_in(folder, "--interpreters", folder / "interpreters.json", "--metrics", "kept")


def test_without_matplotlib(folder, monkeypatch, caplog) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "matplotlib" and find_spec(name) or None)
    compare_in(folder, "--interpreters", "all_edges", "--metrics", "fidelity")
    assert "pip install matplotlib" in caplog.text
    assert (folder / "out" / "results.csv").exists() and not (folder / "out" / "fidelity.png").exists()


def test_the_plot(folder, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    results = compare_in(folder, "--interpreters", "leave_one_edge_out,random")
    assert (folder / "out" / "fidelity.png").read_bytes().startswith(b"\x89PNG")
    for result in results["interpreters"].values():
        result["metrics"] = {"edge_changed": result["metrics"]["edge_changed"]}
    assert not plot_fidelity(results, str(tmp_path / "nothing.png"))
    assert not (tmp_path / "nothing.png").exists()


def test_what_is_undefined_is_empty() -> None:
    number = {
        **{"quantity": "q", "layer": None, "relation": None, "fraction": None, "group": "g"},
        **{"value": None, "interval": None, "control": {"value": None, "interval": None}, "difference": None},
        **{"instances": 0, "direction": "higher", "range": [0.0, None], "best": 1.0},
    }
    result = {"metrics": {"m": {"q_group_g": number}}, "instances": 2, "cpu_seconds_per_explanation": 0.5}
    results = {"interpreters": {"a": result}}
    [row] = build_rows(results)
    assert row["value"] is row["control_upper"] is row["difference"] is row["highest"] is None
    assert to_csv(results).splitlines()[1] == "a,m,q,,,,g,,,,,,,,,,higher,0.0,,1.0,0,2,0.5"
    # The table has only numbers of all messages.
    assert len(format_summary(results)) == 2
