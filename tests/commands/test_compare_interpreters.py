"""
`allennlp compare-interpreters`.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
import torch
from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.models import load_archive

from allennlp_graphmask.commands import compare_interpreters
from allennlp_graphmask.commands.compare_interpreters import CompareInterpreters, parse_configs
from allennlp_graphmask.evaluation.comparison import masker_training, plot, rows_of, to_csv
from allennlp_graphmask.evaluation.metrics import (
    AttributionEvaluation,
    EdgeAgreement,
    EdgeFidelity,
    EdgeTruth,
    truth_of_batch,
)
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.interpret.interpreters import LeaveOneEdgeOut, RandomInterpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel

FEW = ("--num-random-controls", "2", "--bootstrap-draws", "50", "--batch-size", "3")


def compare(*arguments: object) -> Dict[str, Any]:
    """In this process."""
    parser = argparse.ArgumentParser()
    CompareInterpreters().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["compare-interpreters", *map(str, arguments)])
    return args.func(args)


def in_folder(folder: Path, *arguments: object) -> Dict[str, Any]:
    return compare(folder / "model.tar.gz", folder / "graphs.jsonl", "-o", folder / "out", *FEW, *arguments)


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: without_times(item) for key, item in value.items() if key != "cpu_seconds_per_explanation"
        }
    return value


def stored(folder: Path) -> Dict[str, Any]:
    return json.loads((folder / "out" / "results.json").read_text())


def test_from_an_empty_folder(folder) -> None:
    """A process of its own; what it writes and prints."""
    command = ["compare-interpreters", "model.tar.gz", "graphs.jsonl", "-o", "out", *FEW]
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "allennlp",
            *command,
            "--interpreters",
            "leave_one_edge_out,random",
            "--seeds",
            "2",
        ],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert "Written to out" in finished.stdout and "CPU seconds per explanation" in finished.stdout
    names = {path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*")}
    assert names - {"fidelity.png"} == {
        "interpreters",
        "interpreters/leave_one_edge_out.json",
        "interpreters/random.json",
        "results.csv",
        "results.json",
        "settings.json",
    }
    results = stored(folder)
    assert list(results["interpreters"]) == ["leave_one_edge_out", "random"]
    assert len(results["provenance"]["weights_sha256"]) == len(results["provenance"]["data_sha256"]) == 64
    for result in results["interpreters"].values():
        assert result["instances"] == 7 and result["cpu_seconds_per_explanation"] > 0
        # The data tell the truth.
        assert "edge_truth" in result["metrics"]
        for quantities in result["metrics"].values():
            for row in quantities.values():
                assert {"value", "interval", "control", "difference", "direction", "range", "best"} <= set(
                    row
                )
                assert (row["value"] is None) == (row["instances"] == 0)
        assert result["seeds"] == [0, 1]
        assert {"kappa", "jaccard", "kappa_layer_1", "jaccard_relation_eaten_by^-1"} <= set(
            result["agreement"]
        )
    agreement = {name: result["agreement"] for name, result in results["interpreters"].items()}
    assert agreement["leave_one_edge_out"]["jaccard"]["value"] == 1
    assert abs(agreement["random"]["kappa"]["value"]) < 0.5
    with open(folder / "out" / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    by_name = {(row["interpreter"], row["quantity"]): row for row in rows}
    expected = results["interpreters"]["random"]["metrics"]["edge_kept"]["kept"]
    row = by_name["random", "kept"]
    assert float(row["value"]) == float(row["control"]) == expected["value"]
    assert [float(row["lower"]), float(row["upper"])] == expected["interval"]
    assert (row["direction"], float(row["best"]), row["defined_instances"]) == ("lower", 0.0, "7")


def test_numbers_are_those_of_the_metrics(folder) -> None:
    results = in_folder(folder, "--interpreters", "leave_one_edge_out", "--metrics", "fidelity,edge_truth")
    [result] = results["interpreters"].values()
    archive = load_archive(folder / "model.tar.gz")
    masked_model = MaskedModel(archive.model)
    loader = compare_interpreters.MultiProcessDataLoader(
        archive.validation_dataset_reader, str(folder / "graphs.jsonl"), batch_size=3
    )
    loader.index_with(archive.model.vocab)
    metrics = {"edge_fidelity": EdgeFidelity(), "edge_truth": EdgeTruth()}
    controls = {"edge_fidelity": EdgeFidelity(), "edge_truth": EdgeTruth()}
    generator = torch.Generator().manual_seed(0)
    for batch in loader:
        attribution = LeaveOneEdgeOut().interpret(masked_model, batch)
        truth = truth_of_batch(batch, attribution.graph, 2)
        evaluation = AttributionEvaluation(masked_model, batch, attribution, truth=truth)
        drawn = [evaluation.random_control(generator) for _ in range(2)]
        for label in metrics:
            metrics[label](evaluation)
            for control in drawn:
                controls[label](control)
    for label, metric in metrics.items():
        values, chance = metric.get_metric(), controls[label].get_metric()
        intervals = metric.intervals(draws=50)
        assert set(values) == set(result["metrics"][label])
        for name, row in result["metrics"][label].items():
            assert row["value"] == pytest.approx(values[name], rel=1e-4)
            assert row["interval"] == pytest.approx(list(intervals[name]), rel=1e-4, abs=1e-6)
            assert row["control"]["value"] == pytest.approx(chance[name], rel=1e-4)
            lower, upper = row["difference"]["interval"]
            assert lower <= upper
            assert row["difference"]["value"] == pytest.approx(
                row["value"] - row["control"]["value"], abs=1e-4
            )
    assert json.loads(json.dumps(results, allow_nan=False)) == stored(folder)


def test_an_interrupted_run_goes_on(folder, monkeypatch) -> None:
    names = ("--interpreters", "leave_one_edge_out,all_edges,random", "--metrics", "kept,fidelity")
    expected = in_folder(folder, *names)
    (folder / "out").rename(folder / "whole")
    evaluate = compare_interpreters.evaluate_interpreter
    calls: List[str] = []

    def interrupted(interpreters: Any, *arguments: Any) -> Any:
        calls.append(type(interpreters[0]).__name__)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(interpreters, *arguments)

    monkeypatch.setattr(compare_interpreters, "evaluate_interpreter", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_folder(folder, *names)
    assert not (folder / "out" / "results.json").exists()
    first = (folder / "out" / "interpreters" / "leave_one_edge_out.json").read_text()
    again = in_folder(folder, *names)
    assert calls == ["LeaveOneEdgeOut", "AllEdgesInterpreter", "AllEdgesInterpreter", "RandomInterpreter"]
    assert without_times(again) == without_times(expected)
    assert (folder / "out" / "interpreters" / "leave_one_edge_out.json").read_text() == first
    # All is there: nothing is computed, and everything, also the times, is the same.
    assert in_folder(folder, *names) == again
    assert len(calls) == 4
    # More interpreters are no other settings.
    more = in_folder(folder, "--interpreters", "random", "--metrics", "kept,fidelity")
    assert list(more["interpreters"]) == ["random"] and len(calls) == 4


def test_other_settings_in_the_same_folder(folder) -> None:
    in_folder(folder, "--interpreters", "random", "--metrics", "kept")
    with pytest.raises(ConfigurationError, match="other settings: metrics, seed differ.*--force"):
        in_folder(folder, "--interpreters", "random", "--metrics", "changed", "--seed", "1")
    (folder / "interpreters.json").write_text('{"random": {"type": "random", "top_fraction": 0.5}}')
    with pytest.raises(ConfigurationError, match="'random' with another configuration"):
        in_folder(folder, "--interpreters", folder / "interpreters.json", "--metrics", "kept")
    results = in_folder(
        folder, "--interpreters", folder / "interpreters.json", "--metrics", "kept", "--seed", "1", "--force"
    )
    assert results["interpreters"]["random"]["config"] == {"type": "random", "top_fraction": 0.5}
    with open(folder / "graphs.jsonl", "a") as file:
        file.write(json.dumps({"tokens": ["a"], "nodes": [], "edges": []}) + "\n")
    with pytest.raises(ConfigurationError, match="other settings: data differs"):
        in_folder(folder, "--interpreters", folder / "interpreters.json", "--metrics", "kept", "--seed", "1")


def test_files_of_configurations(folder) -> None:
    (folder / "interpreters.jsonnet").write_text(
        "local half = { top_fraction: 0.5 };\n"
        '{ interpreters: { half: half + { type: "random", seed: 7 }, all: "all_edges" } }'
    )
    (folder / "metrics.json").write_text('{"few": {"type": "edge_sufficiency", "shares": [0.25]}}')
    results = in_folder(
        folder,
        "--interpreters",
        folder / "interpreters.jsonnet",
        "--metrics",
        folder / "metrics.json",
        "--seeds",
        "2",
    )
    assert results["interpreters"]["half"]["seeds"] == [7, 8]
    assert set(results["interpreters"]["all"]["metrics"]["few"]) == {
        "comprehensiveness",
        "comprehensiveness_at_0.25",
        "sufficiency",
        "sufficiency_at_0.25",
    }
    assert (folder / "out" / "interpreters" / "half.json").exists()


def test_metrics_that_ask_again(folder) -> None:
    results = in_folder(
        folder, "--interpreters", "leave_one_edge_out", "--metrics", "order_invariance,randomisation"
    )
    metrics = results["interpreters"]["leave_one_edge_out"]["metrics"]
    same = metrics["edge_order_invariance"]["edge_order_same_decisions"]
    assert same["value"] > 0.95 and same["control"]["value"] < same["value"]
    assert metrics["edge_randomisation"]["randomised_rank_correlation"]["value"] < 0.9


def test_a_graphmask_archive(tmp_path, graphmask_archive_file, conll_file) -> None:
    results = compare(
        graphmask_archive_file, conll_file, "-o", tmp_path / "out", "--interpreters", "all_edges", *FEW
    )
    assert list(results["interpreters"]) == ["graphmask", "all_edges"]
    graphmask, everything = (result["metrics"] for result in results["interpreters"].values())
    assert 0 < graphmask["edge_kept"]["kept"]["value"] < 1
    assert everything["edge_fidelity"]["fidelity_minus_probability"]["value"] == pytest.approx(0, abs=1e-6)
    assert everything["edge_changed"]["changed"]["value"] == 0
    assert "edge_truth" not in graphmask
    with pytest.raises(ConfigurationError, match="leave out --distribution"):
        compare(graphmask_archive_file, conll_file, "-o", tmp_path / "out", "--distribution", "logits")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--interpreters", "leave_one_out"], "leave_one_out"),
        (["--interpreters", "graphmask"], 'give "archive_file"'),
        (["--interpreters", ","], "gives no interpreters"),
        (["--interpreters", "random,random"], "random more than once"),
        (["--interpreters", "nowhere.jsonnet"], "'nowhere.jsonnet', which does not exist"),
        (["--interpreters", "a/b"], "no name for an interpreter's results"),
        (["--metrics", "f1"], "is f1, expected one of edge_changed"),
        (["--metrics", "agreement"], "measured with --seeds"),
        (["--metrics", "node_invariance"], "node_fields"),
        (["--seeds", "0"], "--seeds is 0, expected at least 1"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--confidence", "95"], "--confidence is 95.0"),
        (["--encoder", "bert"], "no GraphEncoder named 'bert'"),
    ],
)
def test_bad_arguments(arguments, message, folder) -> None:
    with pytest.raises(ConfigurationError, match=message):
        in_folder(folder, *arguments)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("[1]", "gives no interpreters"),
        ('{"a": 1}', "'a' is 1, expected a registered name"),
        ('{"a": {"top_fraction": 0.5}}', 'an object with "type"'),
    ],
)
def test_bad_files(text, message, tmp_path) -> None:
    path = tmp_path / "interpreters.json"
    path.write_text(text)
    with pytest.raises((ConfigurationError, TypeError, ValueError), match=message):
        parse_configs(str(path), "interpreters")


def test_data_that_tell_no_truth(folder, conll_file, srl_archive_file) -> None:
    with pytest.raises(
        ConfigurationError, match="no instance of .* does: its metadata must have 'edge_truth'"
    ):
        compare(srl_archive_file, conll_file, "-o", folder / "out", "--metrics", "truth")


def test_no_instances(folder) -> None:
    (folder / "graphs.jsonl").write_text("")
    with pytest.raises(ConfigurationError, match="graphs.jsonl.*"):
        in_folder(folder)


def test_a_folder_that_is_a_file(folder) -> None:
    (folder / "out").write_text("")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        in_folder(folder, "--interpreters", "all_edges", "--metrics", "kept")


def test_a_result_that_was_changed(folder) -> None:
    in_folder(folder, "--interpreters", "all_edges", "--metrics", "kept")
    (folder / "out" / "interpreters" / "all_edges.json").write_text("{")
    with pytest.raises(ConfigurationError, match="all_edges.json is no JSON"):
        in_folder(folder, "--interpreters", "all_edges", "--metrics", "kept")


MASKER_CONFIG = {
    "dataset_reader": {"type": "graph_jsonl", "classify": "graph", "inverse_edges": True},
    "train_data_path": "graphs.jsonl",
    "validation_data_path": "graphs.jsonl",
    "vocabulary": {"type": "from_files", "directory": "nowhere"},
    "model": {"type": "graphmask", "target": {"type": "from_archive", "archive_file": "nowhere"}},
    "data_loader": {"batch_size": 4},
    "trainer": {
        "num_epochs": 1,
        "validation_metric": "-selection",
        "optimizer": {"type": "adam", "lr": 0.01},
        "callbacks": [{"type": "graphmask"}],
    },
}


def test_a_curve_of_allowances(folder, monkeypatch, capsys) -> None:
    monkeypatch.chdir(folder)
    (folder / "masker.json").write_text(json.dumps(MASKER_CONFIG))
    arguments = ("--allowances", "0.5,0.1", "--graphmask-config", "masker.json", "--interpreters", "random")
    results = in_folder(folder, *arguments, "--metrics", "kept")
    assert list(results["interpreters"]) == ["random", "graphmask_0.1", "graphmask_0.5"]
    assert [row["allowance"] for row in results["allowances"]] == [0.1, 0.5]
    for row in results["allowances"]:
        metrics = results["interpreters"][row["interpreter"]]["metrics"]
        assert row["kept"] == metrics["edge_kept"]["kept"]["value"]
        assert row["changed"] == metrics["edge_changed"]["changed"]["value"]
        # The same data as in validation.
        assert row["kept"] == pytest.approx(row["validation"]["kept"], rel=1e-4)
        assert row["changed"] == pytest.approx(row["validation"]["changed"], rel=1e-4)
    assert sorted(path.name for path in (folder / "out" / "allowances").iterdir()) == ["0.1", "0.5"]
    assert capsys.readouterr().out.count("Training a masker") == 2

    # Nothing is trained twice.
    monkeypatch.setattr(masker_training.subprocess, "run", None)
    assert in_folder(folder, *arguments, "--metrics", "kept") == results
    changed = {**MASKER_CONFIG, "trainer": {**MASKER_CONFIG["trainer"], "num_epochs": 2}}
    (folder / "masker.json").write_text(json.dumps(changed))
    with pytest.raises(ConfigurationError, match="another config or for another model"):
        in_folder(folder, *arguments, "--metrics", "kept")


def test_maskers_of_several_seeds(folder, monkeypatch, capsys) -> None:
    monkeypatch.chdir(folder)
    # So impatient that different seeds keep different messages.
    model = {
        **MASKER_CONFIG["model"],
        "initial_multiplier": -2.0,
        "masker": {"type": "edgewise", "location_bias": 0.0},
    }
    (folder / "masker.json").write_text(json.dumps({**MASKER_CONFIG, "model": model}))
    arguments = ("--graphmask-config", "masker.json", "--interpreters", "random", "--metrics", "kept")
    results = in_folder(folder, *arguments, "--seeds", "2", "--seed", "5")
    # The allowance is the config's, here the default.
    maskers = [folder / "out" / "allowances" / f"0.05_seed_{seed}" for seed in (5, 6)]
    assert sorted((folder / "out" / "allowances").iterdir()) == maskers
    for seed, masker in zip((5, 6), maskers):
        config = json.loads((masker / "config.json").read_text())
        assert [config[name] for name in ("random_seed", "numpy_seed", "pytorch_seed")] == [seed] * 3
    result = results["interpreters"]["graphmask_0.05"]
    assert result["config"]["archive_file"] == [str(masker / "model.tar.gz") for masker in maskers]
    assert "seeds" not in result and results["interpreters"]["random"]["seeds"] == [5, 6]
    archives = [load_archive(str(masker / "model.tar.gz")) for masker in maskers]
    models = [archive.model.eval() for archive in archives]
    loader = MultiProcessDataLoader(archives[0].validation_dataset_reader, "graphs.jsonl", batch_size=100)
    loader.index_with(models[0].vocab)
    [batch] = loader
    agreement = EdgeAgreement()
    with torch.no_grad():
        agreement([masker(**batch)["attribution"] for masker in models])
    expected = agreement.get_metric()
    assert expected["jaccard"] < 1
    for name in ("kappa", "jaccard"):
        assert result["agreement"][name]["value"] == pytest.approx(expected[name], rel=1e-4)


def test_no_archives_of_maskers(folder) -> None:
    (folder / "interpreters.json").write_text(
        json.dumps({"maskers": {"type": "graphmask", "archive_file": []}})
    )
    with pytest.raises(ConfigurationError, match="archive_file.*is an empty list"):
        in_folder(folder, "--interpreters", folder / "interpreters.json", "--metrics", "kept")


def test_a_training_that_fails(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    config = {**MASKER_CONFIG, "train_data_path": "nowhere.jsonl"}
    (folder / "masker.json").write_text(json.dumps(config))
    with pytest.raises(ConfigurationError, match="allowance 0.1 failed.*nowhere.jsonl"):
        try:
            in_folder(folder, "--allowances", "0.1", "--graphmask-config", "masker.json")
        except ConfigurationError as error:
            raise ConfigurationError(error.message.replace("\n", " ")) from error
    assert not (folder / "out" / "allowances" / "0.1").exists()


def test_advice_where_no_mask_is_feasible() -> None:
    masker = masker_training.TrainedMasker(
        0.1, None, "graphmask_0.1", "", False, {"kept": 0.5, "changed": 0.3}
    )
    first, second = masker_training.advice([masker])
    assert "Allowance 0.1: no epoch" in first and "changed 0.3" in first
    assert "No allowance gave a feasible mask. Allow more" in second
    assert len(masker_training.advice([masker, masker._replace(constraint_met=True)])) == 1
    assert masker_training.advice([masker._replace(constraint_met=True)]) == []


@pytest.mark.parametrize("allowances", ["0.1,0.1", "0", "much", "0.1,"])
def test_bad_allowances(allowances, folder) -> None:
    with pytest.raises(ConfigurationError, match="different positive numbers"):
        in_folder(folder, "--allowances", allowances, "--graphmask-config", "masker.json")


def test_allowances_need_a_config_of_graphmask(folder) -> None:
    with pytest.raises(ConfigurationError, match="--allowances needs --graphmask-config"):
        in_folder(folder, "--allowances", "0.1")
    with pytest.raises(ConfigurationError, match="'masker.json', which does not exist"):
        in_folder(folder, "--allowances", "0.1", "--graphmask-config", "masker.json")
    (folder / "masker.json").write_text(json.dumps({**MASKER_CONFIG, "model": {"type": "graph_qa"}}))
    with pytest.raises(ConfigurationError, match="type 'graph_qa', expected \"graphmask\""):
        in_folder(folder, "--allowances", "0.1", "--graphmask-config", folder / "masker.json")


def test_without_matplotlib(folder, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    in_folder(folder, "--interpreters", "all_edges", "--metrics", "fidelity")
    assert "No plot: matplotlib is not installed (pip install matplotlib" in capsys.readouterr().out
    assert (folder / "out" / "results.csv").exists() and not (folder / "out" / "fidelity.png").exists()


def test_the_plot(folder, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    results = in_folder(folder, "--interpreters", "leave_one_edge_out,random")
    assert (folder / "out" / "fidelity.png").read_bytes().startswith(b"\x89PNG")
    for result in results["interpreters"].values():
        result["metrics"] = {"edge_changed": result["metrics"]["edge_changed"]}
    assert not plot(results, str(tmp_path / "nothing.png"))
    assert not (tmp_path / "nothing.png").exists()


def test_what_is_undefined_is_empty() -> None:
    quantity = {
        "value": None,
        "interval": None,
        "control": {"value": None, "interval": None},
        "difference": None,
        "instances": 0,
        "direction": "higher",
        "range": [0.0, None],
        "best": 1.0,
    }
    results = {
        "interpreters": {
            "a": {"metrics": {"m": {"q": quantity}}, "instances": 2, "cpu_seconds_per_explanation": 0.5}
        }
    }
    [row] = rows_of(results)
    assert row["value"] is row["control_upper"] is row["difference"] is row["highest"] is None
    assert to_csv(results).splitlines()[1] == "a,m,q,,,,,,,,,,higher,0.0,,1.0,0,2,0.5"


def test_nothing_half_written(tmp_path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["file"]


def test_it_is_registered() -> None:
    assert Subcommand.by_name("compare-interpreters") is CompareInterpreters
    assert RandomInterpreter in {
        type(one) for one in compare_interpreters.build_interpreters({"type": "random"}, None, 0, 1)
    }
