import os

import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.predictors.resumable_lines import ResumableLines
from tests.commands.explaining import Killed


def test_two_processes_do_not_write_one_file(tmp_path) -> None:
    first = ResumableLines(str(tmp_path / "out"), {"a": 1})
    with pytest.raises(ConfigurationError, match="out"):
        ResumableLines(str(tmp_path / "out"), {"a": 1})
    first.add(["x", "y"], 1, {})
    first.close()
    second = ResumableLines(str(tmp_path / "out"), {"a": 1})
    assert (second.num_records, second.num_lines, list(second.read())) == (1, 2, ["x", "y"])
    second.finish()
    assert (tmp_path / "out").read_text() == "x\ny\n" and os.listdir(tmp_path) == ["out"]


def test_a_finished_run_that_could_not_clear_up(tmp_path, monkeypatch) -> None:
    lines = ResumableLines(str(tmp_path / "out"), {"a": 1})
    lines.add(["x"], 1, {})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, "remove", lambda path: (_ for _ in ()).throw(Killed()))
        lines.finish()
    lines.close()
    # The progress file that stayed behind counts no lines any more, whatever the settings.
    again = ResumableLines(str(tmp_path / "out"), {"a": 2})
    assert again.num_records == 0
    again.add(["z"], 1, {})
    again.finish()
    assert (tmp_path / "out").read_text() == "z\n" and os.listdir(tmp_path) == ["out"]


def test_a_progress_file_that_was_changed(tmp_path) -> None:
    lines = ResumableLines(str(tmp_path / "out"), {"a": 1})
    lines.add(["x"], 1, {})
    lines.close()
    (tmp_path / "out.partial.json").write_text("{")
    with pytest.raises(ConfigurationError, match="out.partial.json"):
        ResumableLines(str(tmp_path / "out"), {"a": 1})
