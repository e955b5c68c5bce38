"""Every config builds its reader, model, trainer and data on the fixtures."""

import gzip
import lzma
import shutil
from pathlib import Path

import pytest
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.models import load_archive
from allennlp.models.archival import archive_model
from torch import save

from allennlp_graphmask.interpret.graphmask import GraphMask

REPOSITORY = Path(__file__).parent.parent.parent
CONFIGS = REPOSITORY / "training_config" / "propbank"
FIXTURES = REPOSITORY / "fixtures" / "propbank"
TARGETS = sorted(path.name[: -len("_graphmask.jsonnet")] for path in CONFIGS.glob("*_graphmask.jsonnet"))


def vectors_of(path: Path, dimension: int) -> str:
    """A file of vectors for some words of the fixtures."""
    words = ["the", "committee", "she", "gave", "book"]
    path.write_text("".join(f"{word} {' '.join(['0.5'] * dimension)}\n" for word in words))
    return str(path)


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict:
    """The variables that configs read, pointing to the fixtures under the names of the real data."""
    data = tmp_path_factory.mktemp("data")
    (data / "propbank_ewt").mkdir()
    (data / "vectors").mkdir()
    for split in ("train", "dev"):
        content = (FIXTURES / f"{split}.conll09").read_bytes()
        (data / "propbank_ewt" / f"ewt_{split}.conll09.xz").write_bytes(lzma.compress(content))
    # AllenNLP reads vectors from plain files, too, whatever the name says, so this one is really compressed.
    plain = data / "vectors" / "plain.txt"
    vectors_of(plain, 50)
    (data / "vectors" / "glove.6B.50d.subset.txt.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return {
        "GRAPHMASK_DATA": str(data),
        "CONLL2009_TRAIN": str(FIXTURES / "train.conll09"),
        "CONLL2009_DEV": str(FIXTURES / "dev.conll09"),
        "WORD_VECTORS": vectors_of(data / "vectors" / "words.txt", 7),
        "WORD_VECTORS_DIMENSION": "7",
    }


def overrides_for(name: str) -> str:
    # The fixtures' trees are not in the scheme of CoNLL-2009, for which the paper's configs are.
    if name.startswith("paper"):
        return '{"dataset_reader.dependency_scheme": "clearnlp", "model.dependency_scheme": "clearnlp"}'
    return ""


def build(
    config: Path, folder: Path, overrides: str, monkeypatch: pytest.MonkeyPatch, environment: dict
) -> TrainModel:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(REPOSITORY)  # the demo's paths are relative
    params = Params.from_file(str(config), overrides)
    params.to_file(str(folder / "config.json"))
    return TrainModel.from_params(params=params, serialization_dir=str(folder), local_rank=0)


def test_there_is_a_graphmask_config_for_every_model():
    models = {path.stem for path in CONFIGS.glob("*.jsonnet") if not path.stem.endswith("_graphmask")}
    assert models == set(TARGETS)
    assert {"small", "small_predicted", "paper_lstm_gcn", "paper_gcn_only"} <= models


@pytest.mark.parametrize("name", TARGETS)
def test_config_and_its_graphmask_config_build(name, tmp_path, monkeypatch, environment):
    target_folder, masker_folder = tmp_path / "target", tmp_path / "graphmask"
    target_folder.mkdir()
    masker_folder.mkdir()
    training = build(
        CONFIGS / f"{name}.jsonnet", target_folder, overrides_for(name), monkeypatch, environment
    )
    assert next(iter(training.trainer.data_loader))["roles"].numel() > 0
    training.model.vocab.save_to_files(str(target_folder / "vocabulary"))
    save(training.model.state_dict(), str(target_folder / "best.th"))
    archive_model(str(target_folder))

    # The paper's scheme override is for the reader only: the model to explain comes from the archive.
    overrides = '{"dataset_reader.dependency_scheme": "clearnlp"}' if name.startswith("paper") else ""
    archive_file = str(target_folder / "model.tar.gz")
    masking = build(
        CONFIGS / f"{name}_graphmask.jsonnet",
        masker_folder,
        overrides,
        monkeypatch,
        {**environment, "GRAPHMASK_TARGET": archive_file},
    )
    model = masking.model
    assert isinstance(model, GraphMask)
    batch = next(iter(masking.trainer.data_loader))
    loss = model.eval()(**batch)["loss"]
    assert bool(loss.isfinite())
    multiplier_groups = [
        group
        for group in masking.trainer.optimizer.param_groups
        if any(p is model.lagrangian.multiplier for p in group["params"])
    ]
    assert len(multiplier_groups) == 1 and len(multiplier_groups[0]["params"]) == 1


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
    folder.mkdir()
    training = build(CONFIGS / "demo.jsonnet", folder, "", monkeypatch, environment)
    training.model.vocab.save_to_files(str(folder / "vocabulary"))
    save(training.model.state_dict(), str(folder / "best.th"))
    archive_model(str(folder))
    copy = tmp_path / "elsewhere.tar.gz"
    shutil.move(str(folder / "model.tar.gz"), copy)
    assert load_archive(str(copy)).model.dependency_scheme == "universal_dependencies"
