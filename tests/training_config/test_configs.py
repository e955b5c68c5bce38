"""Every training config builds its reader, model, trainer and data on the fixtures, and so does its GraphMask config."""

import gzip
import json
import lzma
from pathlib import Path
from typing import Any, Dict, List

import pytest
import torch
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.models.archival import archive_model

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.objectives import ConstrainedGates
from tests.compat.test_commands import write_tiny_bert
from tests.data.dataset_readers.graph_jsonl.graphs import EVE, written

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "training_config"
FIXTURES = ROOT / "fixtures"
MODELS = [path for path in sorted(CONFIGS.glob("*/*.jsonnet")) if "_graphmask" not in path.stem]
WORDS = ["the", "committee", "she", "gave", "book", "lighthouse", "village", "norlund", "ostby", "harbour", "zebra"]  # fmt: skip


def write_vectors(path: Path, dimension: int) -> str:
    path.write_text("".join(f"{word} {' '.join(['0.5'] * dimension)}\n" for word in WORDS))
    return str(path)


@pytest.fixture(scope="module")
def variables(tmp_path_factory) -> Dict[str, str]:
    """The variables that configs read, pointing to the fixtures under the names of the real data."""
    data = tmp_path_factory.mktemp("data")
    for name in ("propbank_ewt", "vectors"):
        (data / name).mkdir()
    for split in ("train", "dev"):
        content = (FIXTURES / "propbank" / f"{split}.conll09").read_bytes()
        (data / "propbank_ewt" / f"ewt_{split}.conll09.xz").write_bytes(lzma.compress(content))
    # AllenNLP also reads vectors from plain files, whatever their name, so this one is really compressed.
    plain = Path(write_vectors(data / "plain.txt", 50)).read_bytes()
    (data / "vectors" / "glove.6B.50d.subset.txt.gz").write_bytes(gzip.compress(plain))
    write_tiny_bert(data / "transformer")
    return {
        "GRAPHMASK_DATA": str(data),
        "WORD_VECTORS": write_vectors(data / "words.txt", 7),
        "WORD_VECTORS_DIMENSION": "7",
        "GRAPHMASK_TARGET": "nowhere",
        "TRANSFORMER": str(data / "transformer"),
        "TRANSFORMER_DIMENSION": "16",
        **{f"CONLL2009_{name.upper()}": f"fixtures/propbank/{name}.conll09" for name in ("train", "dev")},
        **{f"GRAPH_{name.upper()}": f"fixtures/graph_jsonl/{name}.jsonl" for name in ("train", "dev")},
        **{f"WIKIHOP_{name}": "fixtures/multihop_qa/questions.json" for name in ("TRAIN", "DEV")},
    }


@pytest.fixture(autouse=True)
def environment(variables: Dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)  # paths are relative
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def build(config: Path, folder: Path, overrides: Dict[str, Any]) -> TrainModel:
    """Build what `allennlp train` builds before it trains, in a new folder."""
    folder.mkdir()
    params = Params.from_file(str(config), json.dumps(overrides))
    params.to_file(str(folder / "config.json"))
    params.pop("distributed", None)  # `train` takes it
    return TrainModel.from_params(params=params, serialization_dir=str(folder), local_rank=0)


def archive(training: TrainModel, folder: Path) -> str:
    """Write the archive of a training that changes nothing."""
    training.model.vocab.save_to_files(str(folder / "vocabulary"))
    torch.save(training.model.state_dict(), str(folder / "best.th"))
    archive_model(str(folder))
    return str(folder / "model.tar.gz")


def build_both(config: Path, folder: Path, reader: Dict[str, Any], model: Dict[str, Any], monkeypatch) -> Any:
    """Build a config and its GraphMask config, and return the first one's model."""
    training = build(config, folder / "target", {**reader, **model})
    batch = next(iter(training.trainer.data_loader))
    loss = training.model(**batch)["loss"]
    assert batch["graph"].num_edges > 0 and bool(loss.isfinite()) and loss.requires_grad
    monkeypatch.setenv("GRAPHMASK_TARGET", archive(training, folder / "target"))

    masking = build(config.with_stem(f"{config.stem}_graphmask"), folder / "graphmask", reader)
    graphmask = masking.model
    assert isinstance(graphmask, GraphMask)
    assert bool(graphmask.eval()(**next(iter(masking.trainer.data_loader)))["loss"].isfinite())
    if isinstance(graphmask.objective, ConstrainedGates):
        # Its multiplier has a parameter group of its own.
        groups = [group["params"] for group in masking.trainer.optimizer.param_groups]
        assert [graphmask.lagrangian.multiplier] in groups
    return training.model


def test_there_is_a_graphmask_config_for_every_model() -> None:
    names = {str(path.relative_to(CONFIGS).with_suffix("")) for path in CONFIGS.glob("*/*.jsonnet")}
    models = {str(path.relative_to(CONFIGS).with_suffix("")) for path in MODELS}
    assert {name.removesuffix("_all_budgets") for name in names - models} == {f"{name}_graphmask" for name in models}
    assert {path.parent.name for path in MODELS if path.stem == "small"} == {path.name for path in CONFIGS.iterdir()}


@pytest.mark.parametrize("config", MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_config_and_its_graphmask_config_build(config: Path, tmp_path: Path, monkeypatch) -> None:
    reader, options = {}, {}
    if config.parent.name == "star_graphs":
        reader = {"dataset_reader.num_train": 70, "dataset_reader.num_dev": 10}
    elif config.parent.name == "propbank" and config.stem.startswith("paper"):
        # The fixtures' trees are not in the scheme of CoNLL-2009, for which these configs are.
        reader = {"dataset_reader.dependency_scheme": "clearnlp"}
        options = {"model.dependency_scheme": "clearnlp"}
    model = build_both(config, tmp_path, reader, options, monkeypatch)
    if config.stem == "two_layer":
        assert model.graph_encoder.num_layers == 2


@pytest.mark.parametrize("encoder", ["rgcn", "syntactic_gcn"])
@pytest.mark.parametrize("classify", ["graph", "nodes"])
def test_graph_classification_of_nodes_and_with_other_encoders(
    tmp_path: Path, monkeypatch, encoder: str, classify: str
) -> None:
    reader = {}
    if classify == "nodes":
        nodes = str(written(tmp_path / "nodes.jsonl", EVE, EVE))
        monkeypatch.setenv("GRAPH_TRAIN", nodes)
        monkeypatch.setenv("GRAPH_DEV", nodes)
        reader = {f"{name}.classify": "nodes" for name in ("dataset_reader", "validation_dataset_reader")}
    options = {"model.classify": classify, "model.graph_encoder.type": encoder}
    config = CONFIGS / "graph_classification" / "small.jsonnet"
    assert build_both(config, tmp_path, reader, options, monkeypatch).classify == classify


def load(name: str) -> Dict[str, Any]:
    return Params.from_file(str(CONFIGS / f"{name}.jsonnet")).as_dict(quiet=True)


@pytest.mark.parametrize("config", MODELS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_both_configs_have_the_same_data(config: Path) -> None:
    name = f"{config.parent.name}/{config.stem}"
    model, graphmask = load(name), load(f"{name}_graphmask")
    for key in ("dataset_reader", "train_data_path", "validation_data_path"):
        assert model[key] == graphmask[key]
    if config.parent.name == "graph_classification":
        # Training needs labels, prediction does not.
        assert model["validation_dataset_reader"] == {**model["dataset_reader"], "require_labels": False}
        assert model["dataset_reader"]["require_labels"] is True


PAPER_SETTINGS: List[Any] = [
    ("star_graphs/paper", "model.graph_encoder.hidden_dim", 100),
    ("star_graphs/paper", "model.graph_encoder.num_layers", 1),
    ("star_graphs/paper_graphmask", "data_loader.batch_size", 5),
    ("star_graphs/paper_graphmask", "trainer.num_epochs", 25),
    ("star_graphs/paper_graphmask", "model.penalty_scaling", 5),
    ("star_graphs/paper_graphmask", "model.allowance", 0.03),
    ("star_graphs/paper_graphmask", "model.gates", "straight_through"),
    ("star_graphs/paper_graphmask", "model.two_sided", False),
    ("propbank/paper_lstm_gcn", "model.seq2seq_encoder.hidden_size", 512),
    ("propbank/paper_lstm_gcn", "model.seq2seq_encoder.num_layers", 4),
    ("propbank/paper_lstm_gcn", "model.graph_encoder.hidden_dim", 1024),
    ("propbank/paper_lstm_gcn", "model.graph_encoder.num_layers", 1),
    ("propbank/paper_gcn_only", "model.seq2seq_encoder", None),
    ("propbank/paper_gcn_only", "model.graph_encoder.num_layers", 2),
    *[
        (f"propbank/{name}", f"model.{key}", size)
        for name in ("paper_lstm_gcn", "paper_gcn_only")
        for key, size in (
            ("text_field_embedder.token_embedders.tokens.embedding_dim", 100),
            ("text_field_embedder.token_embedders.part_of_speech.embedding_dim", 16),
            ("scorer_lemma_embedder.token_embedders.lemmas.embedding_dim", 128),
            ("role_dim", 128),
        )
    ],
    ("wikihop/paper", "model.query_seq2seq_encoder.hidden_size", 256),
    ("wikihop/paper", "model.query_encoder.hidden_size", 128),
    ("wikihop/paper", "model.mention_encoder.input_dim", 7),
    ("wikihop/paper", "model.mention_encoder.hidden_dims", [256]),
    ("wikihop/paper", "model.node_encoder.input_dim", 512),
    ("wikihop/paper", "model.node_encoder.hidden_dims", [1024, 512]),
    ("wikihop/paper", "model.graph_encoder", {"type": "entity_gcn", "input_dim": 512, "num_layers": 3, "share_weights": True}),
    ("wikihop/paper", "data_loader.batch_sampler.batch_size", 32),
]  # fmt: skip


@pytest.mark.parametrize("config, key, expected", PAPER_SETTINGS)
def test_settings_of_the_papers(config: str, key: str, expected: Any) -> None:
    value: Any = load(config)
    for part in key.split("."):
        value = value.get(part)
    assert value == expected


@pytest.mark.parametrize(
    "config, variable",
    [
        ("graph_classification/small", "GRAPH_TRAIN"),
        ("graph_classification/small", "GRAPH_DEV"),
        ("propbank/small", "GRAPHMASK_DATA"),
        ("wikihop/small", "GRAPHMASK_DATA"),
        ("wikihop/small", "WIKIHOP_TRAIN"),
        ("wikihop/small", "WIKIHOP_DEV"),
    ],
)
def test_a_missing_variable_is_named(config: str, variable: str, monkeypatch) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(ConfigurationError, match=variable):
        load(config)


def test_words_with_vectors_are_known_wherever_they_occur(tmp_path: Path) -> None:
    model = build(CONFIGS / "wikihop" / "small.jsonnet", tmp_path / "target", {}).model
    words = model.vocab.get_token_to_index_vocabulary("vector_words")
    assert "zebra" not in (FIXTURES / "multihop_qa" / "questions.json").read_text() and "zebra" in words
    embedding = model.text_field_embedder._token_embedders["vectors"]
    assert embedding.weight[words["zebra"]].tolist() == [0.5] * 50
    assert not embedding.weight.requires_grad
