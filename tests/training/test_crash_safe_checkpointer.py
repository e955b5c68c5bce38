import errno
import os
import resource
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import torch
from allennlp.common.checks import ConfigurationError

import tests.interpret.toy  # noqa: F401
from allennlp_graphmask.training import CrashSafeCheckpointer
from tests.interpret.graphmask.training import Interruption, target_config, train

CALLBACKS = [{"type": "reliable_training"}, {"type": "toy_interruption"}]


def config(num_epochs: int = 4, **trainer: Any) -> Dict[str, Any]:
    trainer = {"callbacks": CALLBACKS, "checkpointer": {"type": "crash_safe"}, **trainer}
    return target_config(num_epochs=num_epochs, **trainer)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(config(), folder)
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A training that is complete, with the checkpoints after three and four epochs, and may be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def weights(folder: Path) -> List[float]:
    state = torch.load(folder / "model_state_e4_b0.th")
    return [number for tensor in state.values() for number in tensor.flatten().tolist()]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = [truncate, flip_a_bit, lambda path: path.write_bytes(b""), Path.unlink]
LAST = ["model_state_e4_b0.th", "training_state_e4_b0.th", "checkpoint_e4_b0.json"]


@pytest.mark.parametrize("name", LAST)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(run, caplog, name, damage) -> None:
    damage(run / name)
    state = CrashSafeCheckpointer(run).load_checkpoint()
    assert state is not None and state.trainer_state["epochs_completed"] == 3
    messages = [record.getMessage() for record in caplog.records]
    if not name.endswith("json"):
        assert len(messages) == 1 and str(run / name) in messages[0]
    elif damage is not Path.unlink:  # which is as if the checkpoint had not been completed
        assert messages and all("_e4_b0" in message for message in messages)
    assert torch.load(run / "best.th").keys() == state.model_state.keys()
    assert not list(run.glob("*_e4_b0*"))


def test_what_was_damaged_is_trained_again(run, whole) -> None:
    flip_a_bit(run / "model_state_e4_b0.th")  # best.th is the same file, if the last epoch is the best one
    train(config(), run, recover=True)
    assert weights(run) == weights(whole)
    assert all(
        torch.equal(*pair) for pair in zip(*[torch.load(folder / "best.th").values() for folder in (run, whole)])
    )


def test_all_damaged_checkpoints_are_named_and_left(run) -> None:
    truncate(run / "model_state_e4_b0.th")
    (run / "training_state_e3_b0.th").unlink()
    left = sorted(os.listdir(run))
    with pytest.raises(ConfigurationError) as error:
        train(config(), run, recover=True)
    assert str(run / "model_state_e4_b0.th") in str(error.value)
    assert str(run / "training_state_e3_b0.th") in str(error.value)
    assert [name for name in sorted(os.listdir(run)) if name != ".training.lock"] == [
        name for name in left if name != ".training.lock"
    ]


def test_an_empty_folder_has_no_checkpoint_and_a_new_one_is_made(tmp_path) -> None:
    assert CrashSafeCheckpointer(tmp_path / "new").load_checkpoint() is None


def test_two_checkpoints_are_kept_and_the_best_weights(run) -> None:
    checkpointer = CrashSafeCheckpointer(run)
    assert checkpointer._find_all_checkpoints() == {(3, 0), (4, 0)}
    best = checkpointer._read_manifest((4, 0)).best
    assert best is not None and (run / best).read_bytes() == (run / "best.th").read_bytes()
    with pytest.raises(ConfigurationError, match="keep_most_recent_by_count is 1"):
        CrashSafeCheckpointer(run, keep_most_recent_by_count=1)


def test_checkpoint_names_that_begin_alike_are_not_confused(tmp_path) -> None:
    # AllenNLP deletes e0_b10 together with e0_b1.
    saving = {"type": "crash_safe", "save_every_num_batches": 1, "keep_most_recent_by_count": 3}
    data = {"data_loader": {"batch_size": 2, "shuffle": True}}
    train({**config(1, checkpointer=saving), **data}, tmp_path / "run")
    kept = CrashSafeCheckpointer(tmp_path / "run")._find_all_checkpoints()
    assert kept == {(0, 19), (0, 20), (1, 0)}
    assert len(list((tmp_path / "run").glob("training_state*"))) == 3


def full(state: Dict[str, Any], file: Any) -> None:
    file.write(b"PK half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def limited(state: Dict[str, Any], file: Any, save: Callable[..., None] = torch.save) -> None:
    """The operating system refuses in the middle of a file, as on a full disk: on its way through PyTorch, and when flushed."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        save(state, file)
        file.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("save, error_number", [(full, errno.ENOSPC), (limited, errno.EFBIG)])
def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch, save, error_number) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Interruption, "at", (2, 1))
        train(config(), tmp_path / "run")
    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(ConfigurationError) as error:
            patch.setattr(torch, "save", save)
            train(config(), tmp_path / "run", recover=True)
        assert os.strerror(error_number) in str(error.value) and "model_state_e2_b0.th" in str(error.value)
        assert not list((tmp_path / "run").glob("*.partial"))
    train(config(), tmp_path / "run", recover=True)
