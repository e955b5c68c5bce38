from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.graphmask import GraphMask, GraphMaskCallback
from allennlp_graphmask.interpret.graphmask.objectives import AllBudgets
from tests.interpret.graphmask.training import graphmask_config, target_config, train
from tests.interpret.toy import toy_graphmask, toy_target


def trainer_of(model, num_epochs: int = 10, patience=None, validation=True) -> SimpleNamespace:
    """What the callback looks at."""
    return SimpleNamespace(
        model=model,
        _pytorch_model=model,
        _moving_average=None,
        _num_epochs=num_epochs,
        _metric_tracker=SimpleNamespace(
            _patience=patience, tracked_metrics=[(-1.0, "selection")], should_stop_early=lambda: False
        ),
        rescale_gradients=lambda: None,
        _validation_loss=lambda epoch: None,
        _validation_data_loader=[] if validation else None,
    )


def started(model: GraphMask, **settings) -> GraphMaskCallback:
    callback = GraphMaskCallback("folder")
    callback.on_start(trainer_of(model, **settings))
    return callback


def diagnosed(callback: GraphMaskCallback, model: GraphMask, **metrics: float) -> list:
    return [message.split(":")[0] for message in callback._diagnose(model, metrics)]


def kept(*shares: float, of: str = "validation") -> dict:
    """What an epoch reports when the layers keep these shares."""
    return {f"{of}_kept": sum(shares) / len(shares), **{f"{of}_kept_layer_{n}": s for n, s in enumerate(shares)}}


class TestCollapse:
    def test_it_is_named(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab)
        (message,) = started(model)._diagnose(model, kept(0.0, 0.0005))
        assert message.startswith("Collapsed: the enabled layers keep 0.05%") and "initial_multiplier" in message
        assert "at its bound" not in message
        with torch.no_grad():
            model.lagrangian.multiplier.fill_(30.0)
        assert "at its bound" in started(model)._diagnose(model, kept(0.0, 0.0005))[0]

    @pytest.mark.parametrize(
        "epochs_per_layer, metrics, expected",
        [
            (None, kept(0.0, 0.2), []),  # one layer that keeps something
            (1, kept(1.0, 0.0), ["Collapsed"]),  # only the top layer is enabled
            (None, kept(0.0, 0.0, of="training"), ["Collapsed"]),  # without validation
        ],
    )
    def test_where_it_is_seen(self, vocab, epochs_per_layer, metrics, expected) -> None:
        model = toy_graphmask("tagger", vocab, epochs_per_layer=epochs_per_layer)
        assert diagnosed(started(model), model, **metrics) == expected

    def test_another_objective_has_no_multiplier_to_blame(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab, objective=AllBudgets())
        callback = started(model)
        assert diagnosed(callback, model, **kept(0.0, 0.0)) == []
        assert [diagnosed(callback, model, **kept(1.0, 1.0)) for _ in range(3)] == [[], [], []]


class TestStuckOpen:
    OPEN = kept(0.6, 1.0)

    def test_it_is_named_in_the_second_epoch(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab)
        callback = started(model)
        assert diagnosed(callback, model, **self.OPEN) == []
        (message,) = callback._diagnose(model, self.OPEN)
        assert message.startswith("Stuck open: layer 1 has kept all of its messages for 2 epochs")

    @pytest.mark.parametrize(
        "epochs_per_layer, epochs",
        [
            (None, [OPEN, kept(0.6, 0.9), OPEN]),  # an epoch that closes something ends it
            (1, [kept(1.0, 0.6)] * 3),  # layers not enabled are not stuck
        ],
    )
    def test_where_nothing_is_stuck(self, vocab, epochs_per_layer, epochs) -> None:
        model = toy_graphmask("tagger", vocab, epochs_per_layer=epochs_per_layer)
        callback = started(model)
        assert [diagnosed(callback, model, **metrics) for metrics in epochs] == [[], [], []]

    def test_it_is_remembered_over_a_recovery(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab)
        first = started(model)
        diagnosed(first, model, **self.OPEN)
        second = GraphMaskCallback("folder")
        with torch.random.fork_rng():
            second.load_state_dict(first.state_dict())
        second.on_start(trainer_of(model))
        assert diagnosed(second, model, **self.OPEN) == ["Stuck open"]


class TestDataWithoutEdges:
    def test_they_are_named_and_nothing_is_stuck(self, target, tmp_path) -> None:
        train({**graphmask_config(target), "validation_data_path": "2:0:20"}, tmp_path / "run")
        log = log_of(tmp_path / "run")
        assert "The validation data have no edges" in log and "training data have no" not in log
        assert "Stuck open" not in log

    def test_in_training_they_do_not_hide_what_is_seen_in_validation(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab)
        messages = started(model)._diagnose(model, {**kept(0.0, 0.0), "training__num_edges": 0.0})
        assert len(messages) == 2 and "training data have no edges" in messages[0] and "Collapsed" in messages[1]


class TestFloor:
    HEALTHY = kept(0.5, 0.5)

    def test_a_floor_above_the_allowance_is_named(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab, allowance=0.05)
        callback = started(model)
        assert diagnosed(callback, model, **self.HEALTHY, validation_divergence_floor=0.04) == []
        (message,) = callback._diagnose(model, {**self.HEALTHY, "validation_divergence_floor": 0.2})
        assert message.startswith("With all gates open the divergence is 0.2 already, above the allowance 0.05")

    def test_with_dropout_it_is_that_of_training(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab, dropout_in_masked_pass=True)
        messages = diagnosed(started(model), model, **self.HEALTHY, training_divergence_floor=0.2)
        assert len(messages) == 1 and messages[0].startswith("With all gates open")


def test_the_random_state_goes_on_from_a_checkpoint_that_is_safe_to_read(vocab, tmp_path) -> None:
    callback = started(toy_graphmask("tagger", vocab))
    with torch.random.fork_rng():
        torch.save(callback.state_dict(), tmp_path / "state")
        expected = torch.rand(5)
        torch.manual_seed(77)
        callback.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
        assert torch.equal(torch.rand(5), expected)


class TestErrors:
    def test_a_model_that_is_no_graphmask(self, vocab) -> None:
        with pytest.raises(ConfigurationError, match='for a model of type "graphmask", got a ToyTagger'):
            GraphMaskCallback("folder").on_start(trainer_of(toy_target("tagger", vocab)))

    def test_a_threshold_that_cannot_be_chosen(self, vocab) -> None:
        callback = GraphMaskCallback("folder", max_changed=0.1)
        with pytest.raises(ConfigurationError, match="needs validation data: set validation_data_path"):
            callback.on_start(trainer_of(toy_graphmask("tagger", vocab), validation=False))

    def test_too_few_epochs_for_the_schedule(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab, epochs_per_layer=3)
        with pytest.raises(ConfigurationError, match="num_epochs is 3, .* takes at least 4 epochs"):
            started(model, num_epochs=3)
        started(model, num_epochs=4)

    def test_patience_with_a_schedule(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab, epochs_per_layer=1)
        with pytest.raises(ConfigurationError, match="trainer.patience cannot be used with epochs_per_layer"):
            started(model, patience=2)
        started(toy_graphmask("tagger", vocab), patience=2)

    def test_patience_in_a_real_trainer(self, target, tmp_path) -> None:
        config = graphmask_config(target)
        config["trainer"]["patience"] = 2
        with pytest.raises(ConfigurationError, match="trainer.patience cannot be used"):
            train(config, tmp_path / "run")


def log_of(folder: Path) -> str:
    """What the run logged; AllenNLP takes the handlers of pytest away."""
    return (folder / "out.log").read_text()


class TestWhatARunSays:
    def test_no_epoch_met_the_constraint(self, target, tmp_path) -> None:
        # With a multiplier of nearly nothing all gates shut.
        settings = {"constraint_bound": 0.0, "initial_multiplier": -2.0, "multiplier_bounds": [-2.0, -2.0]}
        config = graphmask_config(target, penalty_scaling=20.0, **settings)
        config["trainer"]["optimizer"] = {"type": "adam", "lr": 0.3}
        model = train(config, tmp_path / "run")
        log = log_of(tmp_path / "run")
        assert "Collapsed: the enabled layers keep 0.00% of their messages and the multiplier is at its bound" in log
        assert "No epoch met the constraint (changed at most 0)" in log
        assert model.training_summary["constraint_met"] == 0
        assert f"{model.training_summary['changed']:.1%} of the instances changed" in log

    def test_a_threshold_that_meets_it_afterwards(self, target, tmp_path) -> None:
        settings = {"constraint_bound": 0.0, "initial_multiplier": -2.0, "multiplier_bounds": [-2.0, -2.0]}
        config = graphmask_config(target, penalty_scaling=20.0, **settings)
        config["trainer"]["optimizer"] = {"type": "adam", "lr": 0.3}
        config["trainer"]["callbacks"] = [{"type": "graphmask", "max_changed": 0.0}]
        model = train(config, tmp_path / "run")
        assert model.training_summary["constraint_met"] == 1
        assert "No epoch met" not in log_of(tmp_path / "run")

    def test_a_run_that_meets_it_says_nothing(self, target, tmp_path) -> None:
        model = train(graphmask_config(target), tmp_path / "run")
        assert model.training_summary["constraint_met"] == 1
        log = log_of(tmp_path / "run")
        assert "Beginning training" in log
        assert not any(words in log for words in ("No epoch met", "Collapsed", "Stuck open", "cannot be met"))

    def test_dropout_that_breaks_the_allowance_is_named(self, tmp_path) -> None:
        model = {**target_config()["model"], "dropout": 0.6}
        train(target_config(model), tmp_path / "target")
        settings = {"dropout_in_masked_pass": True, "allowance": 0.01}
        train(graphmask_config(tmp_path / "target" / "model.tar.gz", **settings), tmp_path / "run")
        assert "the constraint cannot be met. Turn dropout" in log_of(tmp_path / "run")
