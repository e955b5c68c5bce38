"""How the archives are made that come with the package."""

import gzip
import json
import shutil
import tarfile
from pathlib import Path

import pytest
import torch
from allennlp.models import load_archive

from benchmarks import pretrained
from tests.data.real_data import DATA, needs_data


@needs_data
def test_the_card_of_the_questions_has_what_is_measured(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GRAPHMASK_DATA", str(DATA))
    (tmp_path / "graphmask").mkdir()
    shutil.copy(pretrained.FOLDER / "multihop-qa.tar.gz", tmp_path / "graphmask" / pretrained.ARCHIVE)
    model = load_archive(str(tmp_path / "graphmask" / pretrained.ARCHIVE)).model
    found = pretrained.measure_answers(tmp_path, model)
    card = json.loads((pretrained.FOLDER / "multihop-qa.json").read_text())["figures"]
    # Another machine rounds in another way, which may change an answer or two.
    assert found == pytest.approx({name: card[name] for name in found}, abs=0.02)


def test_a_shipped_archive_names_no_path_of_this_machine(graphmask_archive_file, tmp_path) -> None:
    config = json.loads(json.dumps(load_archive(graphmask_archive_file).config.as_dict(quiet=True)))
    path = config["train_data_path"]
    content = pretrained.shipped_archive(Path(graphmask_archive_file), {path: "$DATA"})
    assert content == pretrained.shipped_archive(Path(graphmask_archive_file), {path: "$DATA"})
    assert path.encode() not in gzip.decompress(content)
    (tmp_path / "model.tar.gz").write_bytes(content)
    assert load_archive(str(tmp_path / "model.tar.gz")).config["train_data_path"] == "$DATA"
    with tarfile.open(tmp_path / "model.tar.gz") as shipped, tarfile.open(graphmask_archive_file) as archive:
        names = [{member.name for member in one if member.isfile()} for one in (shipped, archive)]
    assert names[0] == {name.removeprefix("./") for name in names[1]} - {"vocabulary/.lock"}
    before, after = (
        {name: value for name, value in load_archive(str(file)).model.state_dict().items() if torch.is_tensor(value)}
        for file in (graphmask_archive_file, tmp_path / "model.tar.gz")
    )
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
