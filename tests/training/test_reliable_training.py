import math
from pathlib import Path

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.callbacks import TrainerCallback

import tests.interpret.toy  # noqa: F401
from allennlp_graphmask.training import CrashSafeCheckpointer
from tests.interpret.graphmask.training import Interruption, graphmask_config, target_config, train

CHECKPOINTER = {"type": "crash_safe"}


@TrainerCallback.register("toy_corruption")
class Corruption(TrainerCallback):
    """Makes a number of the model, or of a gradient, not finite."""

    name = ""
    value = math.nan
    in_gradient = False

    def on_batch(self, trainer, batch_inputs, batch_outputs, batch_metrics, epoch, batch_number, is_training, **kwargs):
        if is_training and (epoch, batch_number) == (1, 2) and Corruption.name:
            parameter = trainer.model.get_parameter(Corruption.name)
            if Corruption.in_gradient:
                parameter.register_hook(lambda gradient: torch.full_like(gradient, Corruption.value))
            else:
                parameter.data.view(-1)[0] = Corruption.value


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("target") / "run"
    train(target_config(), folder)
    return folder / "model.tar.gz"


def config_of(model: str, target: Path, **trainer):
    config = graphmask_config(target) if model == "graphmask" else target_config(num_epochs=3)
    callback = "graphmask" if model == "graphmask" else "reliable_training"
    config["trainer"].update(
        {"callbacks": [{"type": callback}, {"type": "toy_corruption"}], "checkpointer": CHECKPOINTER, **trainer}
    )
    return config


@pytest.mark.parametrize("trainer", [{}, {"grad_norm": 1.0}], ids=["", "grad_norm"])
@pytest.mark.parametrize(
    "model, name, in_gradient, value",
    [
        ("tagger", "graph_encoder.layers.1.projection.weight", False, math.inf),
        ("tagger", "graph_encoder.layers.1.projection.weight", True, math.nan),
        ("tagger", "graph_encoder.layers.1.projection.weight", True, math.inf),
        ("graphmask", "lagrangian.multiplier", False, math.nan),  # An infinite one is at its upper bound.
        ("graphmask", "lagrangian.multiplier", True, math.nan),
        ("graphmask", "lagrangian.multiplier", True, math.inf),
    ],
)
def test_a_number_that_is_not_finite_stops_training(
    target, tmp_path, monkeypatch, model, name, in_gradient, value, trainer
) -> None:
    for attribute, setting in [("name", name), ("in_gradient", in_gradient), ("value", value)]:
        monkeypatch.setattr(Corruption, attribute, setting)
    with pytest.raises(ConfigurationError) as error:
        train(config_of(model, target, **trainer), tmp_path / "run")
    message = str(error.value)
    assert "epoch 1 at batch 3" in message and name in message and str(value) in message
    # What was good is kept.
    state = CrashSafeCheckpointer(tmp_path / "run").load_checkpoint()
    assert state is not None and state.trainer_state["epochs_completed"] == 1
    assert all(tensor.isfinite().all() for key, tensor in state.model_state.items() if isinstance(tensor, torch.Tensor))


def test_a_model_that_is_not_finite_is_not_saved(target, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Corruption, "name", "lagrangian.multiplier")
    saving = {"type": "crash_safe", "save_every_num_batches": 1}
    with pytest.raises(ConfigurationError, match="1 epochs and 2 batches.*lagrangian.multiplier is nan.*e1_b1"):
        train(config_of("graphmask", target, checkpointer=saving), tmp_path / "run")


def test_no_hook_is_left_after_training_or_after_one_that_was_continued(tmp_path, monkeypatch) -> None:
    callbacks = [{"type": "reliable_training"}, {"type": "toy_interruption"}]
    config = target_config(num_epochs=3, callbacks=callbacks, checkpointer=CHECKPOINTER)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Interruption, "at", (1, 1))
        train(config, tmp_path / "run")
    model = train(config, tmp_path / "run", recover=True)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("loader", [None, {"batch_size": 8, "shuffle": True}])
def test_validation_data_that_are_shuffled_do_not_change_what_follows(tmp_path, monkeypatch, loader) -> None:
    callbacks = [{"type": "reliable_training"}, {"type": "toy_interruption"}]
    config = target_config(num_epochs=3, callbacks=callbacks, checkpointer=CHECKPOINTER)
    config["validation_data_loader"] = loader
    if loader is None:
        del config["validation_data_loader"]  # It is that of the training data.
    train(config, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Interruption, "at", (2, 1))
        train(config, tmp_path / "run")
    train(config, tmp_path / "run", recover=True)
    whole, run = (torch.load(tmp_path / name / "model_state_e3_b0.th") for name in ("whole", "run"))
    assert all(torch.equal(whole[name], run[name]) for name in whole)


def test_a_training_that_had_lost_its_patience_does_not_go_on(tmp_path, monkeypatch) -> None:
    config = target_config(
        num_epochs=12, patience=1, callbacks=[{"type": "reliable_training"}], checkpointer=CHECKPOINTER
    )
    config["trainer"]["validation_metric"] = "-accuracy"  # The first epoch is the best one.
    train(config, tmp_path / "run")
    epochs = len(list((tmp_path / "run").glob("metrics_epoch_*")))
    assert 1 < epochs < 12
    (tmp_path / "run" / "metrics.json").unlink()
    train(config, tmp_path / "run", recover=True)  # As if it had been killed before.
    assert len(list((tmp_path / "run").glob("metrics_epoch_*"))) == epochs
