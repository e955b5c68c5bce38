import contextlib
import json
import os
import shutil
import signal
import time
from typing import Any, Callable, Iterator

import pytest
from allennlp.commands.train import train_model_from_file
from allennlp.common.checks import ConfigurationError

import tests.interpret.toy  # noqa: F401
from allennlp_graphmask.training.folder_lock import clear_for_training, lock_folder
from tests.interpret.graphmask.training import target_config


@contextlib.contextmanager
def child_process(act: Callable[[], Any]) -> Iterator[int]:
    """A child that does something and then lives on; it has done it when this yields its id."""
    done, write_done = os.pipe()
    child = os.fork()
    if not child:
        try:
            act()
            os.write(write_done, b"done")
            time.sleep(600)
        finally:
            os._exit(1)
    os.close(write_done)
    try:
        assert os.read(done, 4) == b"done"
        yield child
    finally:
        os.close(done)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path) -> None:
    held = []
    with child_process(lambda: held.append(lock_folder(tmp_path))) as holder:
        with pytest.raises(ConfigurationError) as error:
            lock_folder(tmp_path)
        assert str(tmp_path) in str(error.value) and str(holder) in str(error.value)
        # AllenNLP deletes the folder with --force, and writes to it with --recover.
        config = tmp_path / "config.json"
        config.write_text(json.dumps(target_config(checkpointer={"type": "crash_safe"})))
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        for options in ({"force": True}, {"recover": True}):
            with pytest.raises(ConfigurationError, match=str(holder)):
                train_model_from_file(config, tmp_path, **options)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    lock_folder(tmp_path)


def test_one_process_may_lock_several_times_and_its_children_do_not_keep_the_lock(tmp_path) -> None:
    first, second = lock_folder(tmp_path), lock_folder(tmp_path)
    assert first is second
    with child_process(lambda: None):
        del first, second
        with child_process(lambda: lock_folder(tmp_path)):
            pass


def test_a_folder_that_was_deleted_and_made_again_is_another_one(tmp_path) -> None:
    lock = lock_folder(tmp_path)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    assert lock_folder(tmp_path) is not lock


def test_what_a_killed_process_left_is_removed(tmp_path) -> None:
    with child_process(lambda: None) as running:
        kept = tmp_path / f"a.{running}.partial"
        for path in (kept, tmp_path / f"b.{os.getpid()}.partial", tmp_path / "c.99999999.partial", tmp_path / "d.json"):
            path.touch()
        clear_for_training(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {kept.name, "d.json"}
