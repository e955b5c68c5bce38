"""`allennlp graphmask-calibrate`."""

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from allennlp_graphmask.commands.graphmask_calibrate import GraphMaskCalibrate
from tests.commands.explaining import explained
from tests.compat.conftest import run_python
from tests.compat.hostile import read_config, read_members, replace, write_archive
from tests.predictors.inputs import CONLL

#: Enough for a bound of one half.
LOOSE = ("--changed", "0.5")


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "calibration.conll09"
    path.write_text(CONLL * 3, encoding="utf-8")
    return path


def run(*arguments: object) -> Any:
    parser = argparse.ArgumentParser()
    GraphMaskCalibrate().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["graphmask-calibrate", *map(str, arguments)])
    return args.func(args)


def test_from_an_empty_folder(tmp_path, graphmask_archive_file, data) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    shutil.copy(graphmask_archive_file, folder / "model.tar.gz")
    command = ("-m", "allennlp", "graphmask-calibrate", "model.tar.gz", str(data), "-o", "new.tar.gz")
    output = run_python(*command, *LOOSE, "--confidence", "0.8", folder=folder)
    assert "9 instances" in output and "50 %" in output and "nodes: " in output
    assert sorted(os.listdir(folder)) == ["model.tar.gz", "new.tar.gz"]


class TestTheArchive:
    @pytest.fixture
    def calibrated(self, tmp_path, graphmask_archive_file, data) -> Path:
        path = tmp_path / "new.tar.gz"
        run(graphmask_archive_file, data, "-o", path, *LOOSE, "--confidence", "0.8", "--focus", "all")
        return path

    def test_it_states_the_guarantee(self, calibrated, conll_file, tmp_path) -> None:
        model = load_archive(str(calibrated)).model
        found = model.calibrations["all"]
        assert (found["risk"], found["bound"], found["confidence"], found["num_instances"]) == ("changed", 0.5, 0.8, 9)
        assert len(found["data_sha256"]) == 64 and float(model.threshold_for("all")) == found["threshold"]
        [first, *_] = explained(tmp_path / "all.jsonl", calibrated, conll_file, "--focus", "all")
        assert first.interpreter["calibration"] == found and first.interpreter["threshold"] == found["threshold"]

    @pytest.mark.parametrize(
        "options", [("--focus", "assigned"), ("--focus", "all", "--budget", "0.2"), ("--interpreter", "random")]
    )
    def test_other_decisions_have_none(self, options, calibrated, conll_file, tmp_path) -> None:
        for explanation in explained(tmp_path / "other.jsonl", calibrated, conll_file, *options):
            assert "calibration" not in explanation.interpreter

    def test_nothing_else_changes(self, calibrated, graphmask_archive_file, conll_file, tmp_path) -> None:
        options = ("--focus", "assigned", "--no-verify")
        before = explained(tmp_path / "before.jsonl", graphmask_archive_file, conll_file, *options)
        after = explained(tmp_path / "after.jsonl", calibrated, conll_file, *options)
        assert [one.edges for one in before] == [one.edges for one in after]

    def test_it_can_be_calibrated_again(self, calibrated, data, tmp_path) -> None:
        run(calibrated, data, "-o", tmp_path / "again.tar.gz", "--divergence", "0.9", "--focus", "all")
        assert load_archive(str(tmp_path / "again.tar.gz")).model.calibrations["all"]["risk"] == "divergence"


class TestMistakes:
    def test_an_archive_without_a_masker(self, srl_archive_file, data, tmp_path) -> None:
        with pytest.raises(ConfigurationError, match=f"{srl_archive_file}.*GcnSemanticRoleLabeler"):
            run(srl_archive_file, data, "-o", tmp_path / "new.tar.gz")

    def test_too_few_instances(self, graphmask_archive_file, data, tmp_path) -> None:
        with pytest.raises(ConfigurationError, match="9 instances.* 45"):
            run(graphmask_archive_file, data, "-o", tmp_path / "new.tar.gz")
        assert not list(tmp_path.glob("new*"))

    def test_data_that_chose_the_masker(self, graphmask_archive_file, tmp_path) -> None:
        path = load_archive(graphmask_archive_file).config["train_data_path"]
        with pytest.raises(ConfigurationError, match="train_data_path"):
            run(graphmask_archive_file, path, "-o", tmp_path / "new.tar.gz", *LOOSE)

    def test_a_file_that_exists(self, graphmask_archive_file, data) -> None:
        with pytest.raises(ConfigurationError, match=f"{data}.*--force"):
            run(graphmask_archive_file, data, "-o", data, *LOOSE)

    def test_an_unknown_group(self, graphmask_archive_file, data, tmp_path) -> None:
        with pytest.raises(ConfigurationError, match="'genre'.*predicate"):
            run(graphmask_archive_file, data, "-o", tmp_path / "new.tar.gz", *LOOSE, "--group", "genre")


def test_files_that_the_config_of_the_archive_names_are_not_included(tmp_path, graphmask_archive_file, data) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("key")
    members = read_members(graphmask_archive_file)
    config = {**read_config(members), "include_in_archive": [str(secret), "../../*.txt"]}
    stranger = write_archive(tmp_path / "stranger.tar.gz", replace(members, "config.json", json.dumps(config).encode()))
    run(stranger, data, "-o", tmp_path / "new.tar.gz", *LOOSE, "--focus", "all")
    names = {info.name for info, _ in read_members(str(tmp_path / "new.tar.gz")) if info.isfile()}
    assert names == {info.name for info, _ in members if info.isfile()}


def test_a_folder_in_the_place_of_an_archive(tmp_path, data) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}.*model.tar.gz"):
        run(tmp_path, data, "-o", tmp_path / "new.tar.gz", *LOOSE)


def test_a_part_of_a_kind_of_focus(graphmask_archive_file, data, tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="'A1'.*each"):
        run(graphmask_archive_file, data, "-o", tmp_path / "new.tar.gz", *LOOSE, "--focus", "A1")
