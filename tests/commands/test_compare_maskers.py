"""`allennlp compare-interpreters --graphmask-config`: maskers that are trained on the way."""

import json
import re

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.models import load_archive

from allennlp_graphmask.evaluation.comparison import advise, masker_training
from allennlp_graphmask.evaluation.metrics import EdgeAgreement
from tests.commands.comparing import compare_in

CONFIG = {
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
ARGUMENTS = ("--graphmask-config", "masker.json", "--interpreters", "random", "--metrics", "kept")


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "masker.json").write_text(json.dumps(CONFIG))


def test_a_curve_of_allowances(folder, monkeypatch, caplog) -> None:
    caplog.set_level("INFO")
    results = compare_in(folder, *ARGUMENTS, "--allowances", "0.5,0.1")
    assert list(results["interpreters"]) == ["random", "graphmask_0.1", "graphmask_0.5"]
    assert [row["allowance"] for row in results["allowances"]] == [0.1, 0.5]
    for row in results["allowances"]:
        metrics = results["interpreters"][row["interpreter"]]["metrics"]
        for name in ("kept", "changed"):
            assert row[name] == metrics[f"edge_{name}"][name]["value"]
            # The same data as in validation.
            assert row[name] == pytest.approx(row["validation"][name], rel=1e-4)
        [masker] = row["maskers"]
        assert masker["cpu_seconds"] > 0
    assert sorted(path.name for path in (folder / "out" / "allowances").iterdir()) == ["0.1", "0.5"]
    assert caplog.text.count("Training a masker") == 2

    # Nothing is trained twice.
    monkeypatch.setattr(masker_training.subprocess, "run", None)
    assert compare_in(folder, *ARGUMENTS, "--allowances", "0.5,0.1") == results
    changed = {**CONFIG, "trainer": {**CONFIG["trainer"], "num_epochs": 2}}
    (folder / "masker.json").write_text(json.dumps(changed))
    with pytest.raises(ConfigurationError, match="allowances/0.1 .*--force"):
        compare_in(folder, *ARGUMENTS, "--allowances", "0.5,0.1")


def test_maskers_of_several_seeds(folder) -> None:
    # So impatient that different seeds keep different messages.
    masker = {"type": "edgewise", "location_bias": 0.0}
    model = {**CONFIG["model"], "initial_multiplier": -2.0, "masker": masker}
    (folder / "masker.json").write_text(json.dumps({**CONFIG, "model": model}))
    results = compare_in(folder, *ARGUMENTS, "--seeds", "2", "--seed", "5")
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


@pytest.mark.parametrize(
    "changes, place",
    [
        ({"train_data_path": "nowhere.jsonl"}, r"(?s)masker.json.*allowances/0.05.*nowhere.jsonl"),
        ({"model": {"type": "graph_qa"}}, "'masker.json' .* type 'graph_qa', expected \"graphmask\""),
        (None, "'masker.json' does not exist"),
    ],
)
def test_configs_that_do_not_fit(changes, place, folder) -> None:
    if changes is None:
        (folder / "masker.json").unlink()
    else:
        (folder / "masker.json").write_text(json.dumps({**CONFIG, **changes}))
    with pytest.raises(ConfigurationError) as caught:
        compare_in(folder, *ARGUMENTS)
    assert re.search(place, caught.value.message)
    assert not (folder / "out" / "allowances" / "0.05").exists()


def test_advice_where_no_mask_is_feasible() -> None:
    def build_rows(*met):
        masker = {"allowance": 0.1, "seed": None, "validation": {"kept": 0.5, "changed": 0.3}}
        return [{"maskers": [{**masker, "constraint_met": one} for one in met]}]

    first, second = advise(build_rows(False))
    assert "Allowance 0.1" in first and "changed 0.3" in first and "num_epochs" in second
    assert len(advise(build_rows(False, True))) == 1
    assert advise(build_rows(True)) == []


def test_an_objective_has_no_allowance(folder) -> None:
    model = {**CONFIG["model"], "objective": {"type": "all_budgets"}}
    (folder / "masker.json").write_text(json.dumps({**CONFIG, "model": model}))
    with pytest.raises(ConfigurationError, match="masker.json.*all_budgets.*0.1"):
        compare_in(folder, *ARGUMENTS, "--allowances", "0.1,0.5")
