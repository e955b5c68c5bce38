"""GraphMask in AllenNLP's own trainer, on toys: schedule, checkpoints, recovery, archives."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive
from allennlp.models.archival import extracted_archive

from allennlp_graphmask.interpret.graphmask import GraphMask, threshold_curve
from tests.interpret.graphmask.training import (
    TARGET_MODEL,
    Interruption,
    Observer,
    graphmask_config,
    target_config,
    train,
)
from tests.interpret.toy import same_state, toy_batch, toy_instances


def read_state(path: Path) -> dict:
    return torch.load(path, weights_only=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, target) -> Path:
    """The folder of an uninterrupted run. Its target's folder is deleted: the archive is enough."""
    own = tmp_path_factory.mktemp("own_target")
    shutil.copy(target, own)
    folder = tmp_path_factory.mktemp("graphmask") / "run"
    Observer.seen.clear()
    config = graphmask_config(own / "model.tar.gz", callback={"max_changed": 0.5})
    train(config, folder)
    shutil.rmtree(own)
    return folder


class TestARun:
    def test_layers_are_enabled_one_after_another(self, trained) -> None:
        enabled = {(epoch, training): layers for epoch, training, layers in Observer.seen}
        assert enabled == {
            (0, True): 1, (0, False): 1, (1, True): 2, (1, False): 2, (2, True): 2, (2, False): 2
        }  # fmt: skip

    def test_checkpoints_hold_the_layers_that_were_validated(self, trained) -> None:
        # The callback runs between validation and checkpoint: a trap.
        for epoch in range(3):
            state = read_state(trained / f"model_state_e{epoch + 1}_b0.th")
            metrics = json.loads((trained / f"metrics_epoch_{epoch}.json").read_text())
            assert int(state["enabled_layers"]) == metrics["validation_enabled_layers"] == min(2, epoch + 1)
            summary = json.loads(state["_extra_state"])["training_summary"]
            assert summary["kept"] == metrics["validation_kept"]

    def test_the_best_epoch_is_one_with_all_layers(self, trained) -> None:
        metrics = json.loads((trained / "metrics.json").read_text())
        assert metrics["best_epoch"] > 0 and metrics["best_validation_enabled_layers"] == 2
        assert int(read_state(trained / "best.th")["enabled_layers"]) == 2

    def test_it_finds_what_the_target_needs(self, trained) -> None:
        # The toy's tags are what enters a node along an `a` or `b` edge: one layer of direct edges is enough.
        metrics = json.loads((trained / "metrics.json").read_text())
        best = {key[len("best_validation_") :]: value for key, value in metrics.items() if key.startswith("best_v")}
        assert best["original_accuracy"] > 0.9 and best["constraint_met"] == 1
        assert 0.05 < best["kept"] < 0.6 and best["_kept_direct"] > 2 * best["_kept_inverse"]
        assert best["changed"] <= 0.5 and best["random_changed"] > best["changed"] + 0.2

    def test_the_target_is_the_one_that_was_trained(self, trained, target) -> None:
        with extracted_archive(str(target)) as folder:
            expected = read_state(Path(folder) / "weights.th")
        state = read_state(trained / "best.th")
        for name, value in expected.items():
            assert torch.equal(state[f"target.{name}"], value)

    def test_the_multiplier_has_its_own_rate(self, trained) -> None:
        training_state = torch.load(trained / "training_state_e3_b0.th", weights_only=False)
        groups = training_state["optimizer"]["param_groups"]
        assert [(group["lr"], len(group["params"])) for group in groups][0] == (0.2, 1)
        assert {group["lr"] for group in groups[1:] if group["params"]} == {0.1}


class TestTheArchive:
    def test_it_loads_without_the_target(self, trained) -> None:
        archive = load_archive(str(trained / "model.tar.gz"))
        model = archive.model.eval()
        assert isinstance(model, GraphMask) and not model.in_training_run
        assert model.training_summary["kept"] > 0
        state = read_state(trained / "best.th")
        assert same_state(model.state_dict(), state)
        results = model.forward_on_instances(toy_instances(2, 6))
        assert {"original_prediction", "masked_prediction", "attribution"} <= set(results[0])

    def test_the_folder_loads_too(self, trained) -> None:
        model = load_archive(str(trained)).model
        assert same_state(model.state_dict(), read_state(trained / "best.th"))

    def test_its_threshold_keeps_the_promise(self, trained) -> None:
        model = load_archive(str(trained / "model.tar.gz")).model.eval()
        curve = json.loads((trained / "threshold_curve.json").read_text())["all"]
        chosen = curve["chosen"]
        assert float(model.threshold) == chosen["threshold"] != model.gate_distribution.threshold
        (point,) = threshold_curve(model, [toy_batch(model.vocab, 2, 20)], [chosen["threshold"]])
        assert point.changed == pytest.approx(chosen["changed"]) and point.changed <= 0.5
        assert point.kept == pytest.approx(chosen["kept"], abs=0.02)
        assert {"max_changed": 0.5, **chosen} == model.training_summary["threshold_choice"]
        assert len(curve["points"]) > 12 and chosen in curve["points"]

    def test_its_threshold_can_be_moved(self, trained) -> None:
        model = load_archive(str(trained / "model.tar.gz")).model.eval()
        model.threshold.fill_(100.0)
        batch = toy_batch(model.vocab, 2, 20)
        (point,) = threshold_curve(model, [batch], [100.0])
        assert model(**batch)["attribution"].kept_share() == pytest.approx(point.kept) and point.kept == 0

    def test_moving_the_threshold_leaves_the_checkpoint_alone(self, trained) -> None:
        # best.th is a hard link to a checkpoint, and must not be written through.
        best_epoch = json.loads((trained / "metrics.json").read_text())["best_epoch"]
        checkpoint = read_state(trained / f"model_state_e{best_epoch + 1}_b0.th")
        best = read_state(trained / "best.th")
        assert float(checkpoint["threshold"]) != float(best["threshold"])
        ours = ("threshold", "_extra_state")
        assert all(torch.equal(best[name], checkpoint[name]) for name in best if name not in ours)
        assert not list(trained.glob("*.tmp")) and not list(trained.glob("*.partial"))

    def test_a_missing_target_is_only_missed_in_training(self, trained, tmp_path) -> None:
        config = Params.from_file(str(trained / "config.json"))
        config["vocabulary"]["directory"] = str(trained / "vocabulary")
        with pytest.raises(ConfigurationError, match="does not exist"):
            train_model(config, str(tmp_path / "again"))


@pytest.mark.parametrize("loader", [{"batch_size": 8, "shuffle": True}, "bucket"])
def test_recovered_training_is_bitwise_that_without_interruption(target, tmp_path, loader, monkeypatch) -> None:
    config = graphmask_config(target, dropout_in_masked_pass=True)
    if loader == "bucket":
        sampler = {"type": "bucket", "batch_size": 8, "sorting_keys": ["features"], "padding_noise": 0.3}
        loader = {"batch_sampler": sampler}
    config["data_loader"] = loader
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="Stopped by the test"):
        patch.setattr(Interruption, "at", (1, 2))
        train(config, tmp_path / "interrupted")
    assert not (tmp_path / "interrupted" / "model.tar.gz").exists()
    torch.manual_seed(1234)
    train(config, tmp_path / "interrupted", recover=True)
    for name in ("model_state_e3_b0.th", "best.th"):
        whole, recovered = (read_state(tmp_path / run / name) for run in ("whole", "interrupted"))
        summaries = [json.loads(state.pop("_extra_state"))["training_summary"] for state in (whole, recovered)]
        assert same_state(whole, recovered)
        assert summaries[0] == summaries[1]


def test_what_ctrl_c_archives_says_how_far_it_came(target, tmp_path, monkeypatch) -> None:
    # AllenNLP makes an archive of the best epoch so far.
    monkeypatch.setattr(Interruption, "at", (1, 2))
    monkeypatch.setattr(Interruption, "error", KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        train(graphmask_config(target), tmp_path / "run")
    model = load_archive(str(tmp_path / "run" / "model.tar.gz")).model
    assert int(model.enabled_layers) < model.num_layers and model.describe()["enabled_layers"] == 1


def test_a_target_that_came_from_an_archive_itself(target, tmp_path) -> None:
    # Fine-tuned: its own config says from_archive again.
    first = tmp_path / "first.tar.gz"
    shutil.copy(target, first)
    config = target_config({"type": "from_archive", "archive_file": str(first)}, num_epochs=1)
    train({**config, "vocabulary": {"type": "from_files", "directory": str(first)}}, tmp_path / "tuned")
    second = tmp_path / "tuned" / "model.tar.gz"
    train(graphmask_config(second), tmp_path / "graphmask")
    with extracted_archive(str(second)) as folder:
        tuned = read_state(Path(folder) / "weights.th")
    os.remove(first)
    shutil.rmtree(tmp_path / "tuned")
    model = load_archive(str(tmp_path / "graphmask" / "model.tar.gz")).model
    assert same_state(model.target.state_dict(), tuned)
    stored = json.loads(model.get_extra_state())["target_config"]
    assert stored["type"] == TARGET_MODEL["type"]


def test_the_vocabulary_must_be_the_targets(target, tmp_path) -> None:
    config = graphmask_config(target)
    config["vocabulary"] = {"tokens_to_add": {"edge_labels": ["another"]}}
    with pytest.raises(ConfigurationError, match=r"differs .* in 'edge_labels'.*\"type\": \"from_files\""):
        train(config, tmp_path / "run")


@pytest.mark.parametrize("epochs_per_layer", [None, 1])
def test_a_trainer_without_the_callback_is_refused(target, tmp_path, epochs_per_layer) -> None:
    # As an override of the whole section leaves it.
    config = graphmask_config(target, epochs_per_layer=epochs_per_layer)
    config["trainer"] = {"num_epochs": 1, "optimizer": "adam"}
    with pytest.raises(ConfigurationError, match='{"type": "graphmask"}.*"callbacks"'):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "model.tar.gz").exists()


def test_no_validation_data(target, tmp_path) -> None:
    config = graphmask_config(target)
    del config["validation_data_path"], config["validation_data_loader"]
    model = train(config, tmp_path / "run")
    assert int(model.enabled_layers) == model.num_layers and model.training_summary == {}
