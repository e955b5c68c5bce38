"""`allennlp graphmask-data`."""

import argparse
import json
from pathlib import Path

import pytest

from allennlp_graphmask.commands.graphmask_data import GraphMaskData
from tests.compat.conftest import run_python
from tests.data.propbank_ewt.test_merging import CONLLU, SKELETON, read
from tests.data.real_data import DATA, needs_data

DEMO = Path(__file__).parents[2] / "training_config" / "propbank" / "demo.jsonnet"
SOURCES = DATA / "propbank_ewt" / "sources"


def test_propbank_ewt(tmp_path, capsys) -> None:
    for name, content in (("train/a.conllu", CONLLU), ("007.xml.gold_skel", SKELETON.replace("NNS", "NNP"))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    parser = argparse.ArgumentParser()
    GraphMaskData().add_subparser(parser.add_subparsers())
    arguments = ["--ud", str(tmp_path), "--propbank", str(tmp_path), "-o", str(tmp_path / "a" / "folder")]
    args = parser.parse_args(["graphmask-data", "propbank-ewt", *arguments])
    args.func(args)
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{tmp_path / 'a' / 'folder' / 'ewt_train.conll09.xz'}: 2 sentences, 2 predicates")
    assert "'men' is tagged NNS, but NNP" in printed.err
    assert len(read(tmp_path / "a" / "folder" / "ewt_train.conll09.xz")) == 2


def test_a_data_set_must_be_named(tmp_path) -> None:
    assert "NAME" in run_python("-m", "allennlp", "graphmask-data", folder=tmp_path, expected_status=2)


@needs_data
@pytest.mark.long
def test_a_model_trains_on_what_is_prepared(tmp_path) -> None:
    arguments = ("--ud", str(SOURCES / "ud"), "--propbank", str(SOURCES / "propbank"), "-o", "data")
    run_python("-m", "allennlp", "graphmask-data", "propbank-ewt", *arguments, folder=tmp_path)
    overrides = {
        "train_data_path": "data/ewt_train.conll09.xz",
        "validation_data_path": "data/ewt_dev.conll09.xz",
        "trainer.num_epochs": 10,
    }
    run_python("-m", "allennlp", "train", str(DEMO), "-s", "model", "-o", json.dumps(overrides), folder=tmp_path)
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    # Random weights find next to nothing.
    assert metrics["best_validation_f1"] > 0.2
