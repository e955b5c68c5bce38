"""What a mistake leaves of the folder of a training. What it prints is in `tests/commands/test_mistakes.py`."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch.multiprocessing
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask_compat.training_mistakes import training


class TrainModel:
    def run(self, error: Exception) -> None:
        raise error


def train(folder: Path, error: Exception, *files: str, is_started: bool = False) -> None:
    """As if a training wrote these files, and then raised the error."""

    def train_model(params: Any, serialization_dir: Any) -> None:
        folder.mkdir(exist_ok=True)
        for name in files:
            (folder / name).write_text("x")
        (folder / "vocabulary").mkdir()
        (folder / "vocabulary" / "tokens.txt").write_text("x")
        if is_started:
            TrainModel().run(error)
        raise error

    module = SimpleNamespace(
        train_model=train_model, _train_worker=lambda: None, TrainModel=TrainModel, mp=torch.multiprocessing
    )
    with pytest.raises(type(error)) as raised:
        training(module)["train_model"]({}, folder)
    assert raised.value is error


BEFORE = ["config.json", "meta.json", "out.log", "out_worker1.log", ".training.lock"]


def test_a_mistake_before_training_starts_leaves_nothing(tmp_path) -> None:
    train(tmp_path / "run", ConfigurationError("x"), *BEFORE)
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_stays(tmp_path) -> None:
    train(tmp_path, ConfigurationError("x"), *BEFORE)
    assert tmp_path.exists() and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error, is_started, more",
    [
        (ConfigurationError("x"), True, []),
        (ConfigurationError("x"), False, ["notes.txt"]),
        (ConfigurationError("x"), False, ["model_state_e1_b0.th"]),
        (KeyError("a bug"), False, []),
    ],
)
def test_everything_else_is_left_as_it_is(tmp_path, error, is_started, more) -> None:
    train(tmp_path / "run", error, *BEFORE, *more, is_started=is_started)
    assert len(list((tmp_path / "run").iterdir())) == len(BEFORE) + 1 + len(more)


def test_a_folder_that_had_files_is_left_as_it_is(tmp_path) -> None:
    (tmp_path / "config.json").write_text("old")
    train(tmp_path, ConfigurationError("x"), "out.log")
    assert (tmp_path / "config.json").read_text() == "old" and (tmp_path / "out.log").exists()
