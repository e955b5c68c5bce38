"""Every PropBank config builds its reader, model, trainer and data on the fixtures."""

import lzma
import shutil

import pytest
from allennlp.common import Params
from allennlp.models import load_archive

from tests.training_config.building import (
    REPOSITORY,
    archive,
    build,
    check_graphmask,
    models_of,
    targets_of,
    vector_variables,
)

CONFIGS = REPOSITORY / "training_config" / "propbank"
FIXTURES = REPOSITORY / "fixtures" / "propbank"


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict:
    """The variables that configs read, pointing to the fixtures under the names of the real data."""
    data = tmp_path_factory.mktemp("data")
    (data / "propbank_ewt").mkdir()
    for split in ("train", "dev"):
        content = (FIXTURES / f"{split}.conll09").read_bytes()
        (data / "propbank_ewt" / f"ewt_{split}.conll09.xz").write_bytes(lzma.compress(content))
    return {
        **vector_variables(data, ["the", "committee", "she", "gave", "book"]),
        "CONLL2009_TRAIN": str(FIXTURES / "train.conll09"),
        "CONLL2009_DEV": str(FIXTURES / "dev.conll09"),
    }


def overrides_for(name: str) -> str:
    # The fixtures' trees are not in the scheme of CoNLL-2009, for which the paper's configs are.
    if name.startswith("paper"):
        return '{"dataset_reader.dependency_scheme": "clearnlp", "model.dependency_scheme": "clearnlp"}'
    return ""


def test_there_is_a_graphmask_config_for_every_model():
    models = models_of(CONFIGS)
    assert models == targets_of(CONFIGS)
    assert {"small", "small_predicted", "paper_lstm_gcn", "paper_gcn_only"} <= set(models)


@pytest.mark.parametrize("name", targets_of(CONFIGS))
def test_config_and_its_graphmask_config_build(name, tmp_path, monkeypatch, environment):
    folder = tmp_path / "target"
    training = build(CONFIGS / f"{name}.jsonnet", folder, overrides_for(name), monkeypatch, environment)
    assert next(iter(training.trainer.data_loader))["roles"].numel() > 0
    target = {"GRAPHMASK_TARGET": archive(training, folder)}

    # The paper's scheme override is for the reader only: the model to explain comes from the archive.
    overrides = '{"dataset_reader.dependency_scheme": "clearnlp"}' if name.startswith("paper") else ""
    config = CONFIGS / f"{name}_graphmask.jsonnet"
    check_graphmask(build(config, tmp_path / "graphmask", overrides, monkeypatch, {**environment, **target}))


def test_paper_sizes(tmp_path, monkeypatch, environment):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    lstm = Params.from_file(str(CONFIGS / "paper_lstm_gcn.jsonnet")).as_dict()["model"]
    gcn_only = Params.from_file(str(CONFIGS / "paper_gcn_only.jsonnet")).as_dict()["model"]
    assert lstm["seq2seq_encoder"]["hidden_size"] == 512 and lstm["seq2seq_encoder"]["num_layers"] == 4
    assert lstm["graph_encoder"]["hidden_dim"] == 1024 and lstm["graph_encoder"]["num_layers"] == 1
    assert "seq2seq_encoder" not in gcn_only and gcn_only["graph_encoder"]["num_layers"] == 2
    for model in (lstm, gcn_only):
        embedders = model["text_field_embedder"]["token_embedders"]
        assert (
            embedders["tokens"]["embedding_dim"] == 100 and embedders["part_of_speech"]["embedding_dim"] == 16
        )
        assert model["role_dim"] == 128
        assert model["scorer_lemma_embedder"]["token_embedders"]["lemmas"]["embedding_dim"] == 128


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv("GRAPHMASK_DATA", raising=False)
    with pytest.raises(RuntimeError, match="GRAPHMASK_DATA"):
        Params.from_file(str(CONFIGS / "small.jsonnet"))


def test_archive_of_a_built_model_loads(tmp_path, monkeypatch, environment):
    """The archive made above is a real one."""
    folder = tmp_path / "target"
    archive_file = archive(build(CONFIGS / "demo.jsonnet", folder, "", monkeypatch, environment), folder)
    copy = tmp_path / "elsewhere.tar.gz"
    shutil.move(archive_file, copy)
    assert load_archive(str(copy)).model.dependency_scheme == "universal_dependencies"
