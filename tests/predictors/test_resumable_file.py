import os
from pathlib import Path
from typing import Any, Dict

import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.forms import JsonLines
from allennlp_graphmask.predictors import resumable_file
from allennlp_graphmask.predictors.resumable_file import ResumableFile
from tests.commands.explaining import Killed
from tests.explanation.explanations import entity_explanation, role_explanation

X, Y, Z = role_explanation(), entity_explanation(), role_explanation(changed=True)


def open_file(folder: Path, settings: Dict[str, Any]) -> ResumableFile:
    return ResumableFile(str(folder / "out"), settings, form=JsonLines())


def test_two_processes_do_not_write_one_file(tmp_path) -> None:
    first = open_file(tmp_path, {"a": 1})
    with pytest.raises(ConfigurationError, match="out"):
        open_file(tmp_path, {"a": 1})
    first.add([X, Y], 1, {})
    first.close()
    second = open_file(tmp_path, {"a": 1})
    assert (second.num_records, second.num_explanations, list(second.read())) == (1, 2, [X, Y])
    second.finish()
    assert (tmp_path / "out").read_text() == f"{X.to_json_line()}\n{Y.to_json_line()}\n" and os.listdir(tmp_path) == [
        "out"
    ]


def test_a_finished_run_that_could_not_clear_up(tmp_path, monkeypatch) -> None:
    file = open_file(tmp_path, {"a": 1})
    file.add([X], 1, {})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "remove", lambda path: (_ for _ in ()).throw(Killed()))
        file.finish()
    file.close()
    # The progress file that stayed behind counts no file any more, whatever the settings.
    again = open_file(tmp_path, {"a": 2})
    assert again.num_records == 0
    again.add([Z], 1, {})
    again.finish()
    assert (tmp_path / "out").read_text() == f"{Z.to_json_line()}\n" and os.listdir(tmp_path) == ["out"]


def test_a_progress_file_that_was_changed(tmp_path) -> None:
    file = open_file(tmp_path, {"a": 1})
    file.add([X], 1, {})
    file.close()
    (tmp_path / "out.partial.json").write_text("{")
    with pytest.raises(ConfigurationError, match="out.partial.json"):
        open_file(tmp_path, {"a": 1})


def test_a_device_and_a_link_are_not_replaced(tmp_path) -> None:
    os.mkfifo(tmp_path / "out")
    with pytest.raises(ConfigurationError, match="out.*pipe"):
        open_file(tmp_path, {"a": 1})
    (tmp_path / "out").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere" / "target")
    file = open_file(tmp_path, {"a": 1})
    file.add([X], 1, {})
    file.finish()
    assert (tmp_path / "out").is_symlink() and os.listdir(tmp_path / "elsewhere") == ["target"]


def test_a_process_that_waited_for_the_lock_leaves_the_finished_file_alone(tmp_path, monkeypatch) -> None:
    first = open_file(tmp_path, {"a": 1})
    first.add([X], 1, {})
    take_lock = resumable_file.lock

    def finish_meanwhile(descriptor: int, path: str) -> None:
        first.finish()
        take_lock(descriptor, path)

    monkeypatch.setattr(resumable_file, "lock", finish_meanwhile)
    with pytest.raises(ConfigurationError, match="out.*again"):
        open_file(tmp_path, {"a": 1})
    assert (tmp_path / "out").read_text() == f"{X.to_json_line()}\n"


@pytest.mark.parametrize("content", ["[]", "{}", '{"bytes": "many"}'])
def test_a_progress_file_of_something_else(content, tmp_path) -> None:
    (tmp_path / "out.partial.json").write_text(content)
    with pytest.raises(ConfigurationError, match="out.partial.json"):
        open_file(tmp_path, {"a": 1})
