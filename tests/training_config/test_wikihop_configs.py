"""Every WikiHop config builds its reader, model, trainer and data on the fixtures."""

import pytest
from allennlp.common import Params

from tests.training_config.building import (
    REPOSITORY,
    archive,
    build,
    check_graphmask,
    models_of,
    targets_of,
    vector_variables,
)

CONFIGS = REPOSITORY / "training_config" / "wikihop"
QUESTIONS = REPOSITORY / "fixtures" / "multihop_qa" / "questions.json"


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict:
    """The variables that configs read, pointing to the fixtures."""
    words = ["lighthouse", "village", "norlund", "ostby", "harbour", "zebra"]
    return {
        **vector_variables(tmp_path_factory.mktemp("data"), words),
        "WIKIHOP_TRAIN": str(QUESTIONS),
        "WIKIHOP_DEV": str(QUESTIONS),
    }


def test_there_is_a_graphmask_config_for_every_model():
    assert models_of(CONFIGS) == targets_of(CONFIGS)
    assert {"small", "paper"} <= set(models_of(CONFIGS))


@pytest.mark.parametrize("name", targets_of(CONFIGS))
def test_config_and_its_graphmask_config_build(name, tmp_path, monkeypatch, environment):
    folder = tmp_path / "target"
    training = build(CONFIGS / f"{name}.jsonnet", folder, "", monkeypatch, environment)
    batch = next(iter(training.trainer.data_loader))
    assert batch["graph"].num_nodes > 0
    output = training.model(**batch)
    assert bool(output["loss"].isfinite())
    target = {"GRAPHMASK_TARGET": archive(training, folder)}
    config = CONFIGS / f"{name}_graphmask.jsonnet"
    check_graphmask(build(config, tmp_path / "graphmask", "", monkeypatch, {**environment, **target}))


def test_words_with_vectors_are_known_wherever_they_occur(tmp_path, monkeypatch, environment):
    training = build(CONFIGS / "small.jsonnet", tmp_path / "target", "", monkeypatch, environment)
    words = training.model.vocab.get_token_to_index_vocabulary("vector_words")
    assert "zebra" not in QUESTIONS.read_text() and "zebra" in words
    embedding = training.model.text_field_embedder._token_embedders["vectors"]
    assert embedding.weight[words["zebra"]].tolist() == [0.5] * 50
    assert not embedding.weight.requires_grad


def test_paper_sizes(monkeypatch, environment):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    config = Params.from_file(str(CONFIGS / "paper.jsonnet")).as_dict()
    model = config["model"]
    assert (
        model["query_seq2seq_encoder"]["hidden_size"] == 256 and model["query_encoder"]["hidden_size"] == 128
    )
    assert model["mention_encoder"]["input_dim"] == 7 and model["mention_encoder"]["hidden_dims"] == [256]
    assert model["node_encoder"]["input_dim"] == 512 and model["node_encoder"]["hidden_dims"] == [1024, 512]
    assert model["graph_encoder"] == {
        "type": "entity_gcn",
        "input_dim": 512,
        "num_layers": 3,
        "share_weights": True,
    }
    assert config["data_loader"]["batch_sampler"]["batch_size"] == 32


@pytest.mark.parametrize("variable", ["GRAPHMASK_DATA", "WIKIHOP_TRAIN", "WIKIHOP_DEV"])
def test_a_missing_variable_is_named(variable, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(variable)
    with pytest.raises(RuntimeError, match=variable):
        Params.from_file(str(CONFIGS / "small.jsonnet"))
