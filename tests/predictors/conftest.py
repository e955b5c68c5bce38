import json
from pathlib import Path
from typing import Any, Dict

import pytest
import spacy
import torch
from allennlp.common import Params
from allennlp.common.util import prepare_environment
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model, archive_model, load_archive

# These imports register the names in the configs.
import allennlp_graphmask.data.dataset_readers
import allennlp_graphmask.interpret.graphmask
import allennlp_graphmask.models  # noqa: F401
from tests.predictors.inputs import CONLL, QUESTIONS_FILE
from tests.predictors.stub_pipeline import CLEARNLP_LABELS, UNIVERSAL_LABELS, save_stub_pipeline


def _srl_config() -> Dict[str, Any]:
    lemma_embedder = {
        "token_embedders": {"lemmas": {"type": "embedding", "vocab_namespace": "lemmas", "embedding_dim": 4}}
    }
    return {
        "dataset_reader": {
            "type": "conll2009_srl",
            "dependency_scheme": "universal_dependencies",
            "token_indexers": {"tokens": {"type": "single_id", "lowercase_tokens": True}},
            "lemma_indexers": {"lemmas": {"type": "single_id", "namespace": "lemmas", "feature_name": "lemma_"}},
        },
        "train_data_path": "train.conll09",
        "model": {
            "type": "gcn_srl",
            "dependency_scheme": "universal_dependencies",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "predicate_lemma_embedder": lemma_embedder,
            "scorer_lemma_embedder": lemma_embedder,
            "role_dim": 4,
            "seq2seq_encoder": {"type": "lstm", "input_size": 13, "hidden_size": 6, "bidirectional": True},
            "graph_encoder": {"type": "syntactic_gcn", "input_dim": 12, "hidden_dim": 12, "num_layers": 2},
        },
        "data_loader": {"batch_size": 4},
        "trainer": {"num_epochs": 0},
        "random_seed": 13370,
    }


def _save_archive(folder: Path, config: Dict[str, Any], vocabulary: Vocabulary, change: Any = None) -> str:
    """An archive as `allennlp train` writes it, without the training."""
    prepare_environment(Params({"random_seed": 1, "numpy_seed": 1, "pytorch_seed": 1}))
    model = Model.from_params(Params(json.loads(json.dumps(config["model"]))), vocab=vocabulary)
    if change is not None:
        change(model)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary.save_to_files(str(folder / "vocabulary"))
    torch.save(model.state_dict(), folder / "best.th")
    archive_model(str(folder))
    return str(folder / "model.tar.gz")


@pytest.fixture(scope="session")
def conll_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("data") / "sentences.conll09"
    path.write_text(CONLL)
    return str(path)


@pytest.fixture(scope="session")
def srl_archive_file(tmp_path_factory, conll_file) -> str:
    config = _srl_config()
    reader = DatasetReader.from_params(Params(_srl_config()["dataset_reader"]))
    vocabulary = Vocabulary.from_instances(reader.read(conll_file))
    return _save_archive(tmp_path_factory.mktemp("srl") / "run", config, vocabulary)


def _spread_gates(model: Model) -> None:
    """An untrained masker keeps every edge, with nearly the same score. This one keeps some."""
    for parameter in model.masker.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter)
    model.threshold.fill_(3.0)


@pytest.fixture(scope="session")
def graphmask_archive_file(tmp_path_factory, srl_archive_file) -> str:
    config = _srl_config()
    config["model"] = {
        "type": "graphmask",
        "target": {"type": "from_archive", "archive_file": srl_archive_file},
    }
    vocabulary = load_archive(srl_archive_file).model.vocab
    return _save_archive(tmp_path_factory.mktemp("graphmask") / "run", config, vocabulary, _spread_gates)


def _qa_config() -> Dict[str, Any]:
    linear = {"num_layers": 1, "activations": "linear"}
    return {
        "dataset_reader": {"type": "wikihop", "coreference": {"type": "annotated"}},
        "train_data_path": "questions.json",
        "model": {
            "type": "graph_qa",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "query_encoder": {"type": "bag_of_embeddings", "embedding_dim": 8, "averaged": True},
            "node_encoder": {"input_dim": 17, "hidden_dims": 12, **linear},
            "graph_encoder": {"type": "entity_gcn", "input_dim": 12, "num_layers": 2},
            "scorer": {"input_dim": 20, "hidden_dims": 1, **linear},
        },
        "data_loader": {"batch_size": 4},
        "trainer": {"num_epochs": 0},
        "random_seed": 13370,
    }


@pytest.fixture(scope="session")
def qa_archive_file(tmp_path_factory) -> str:
    reader = DatasetReader.from_params(Params(_qa_config()["dataset_reader"]))
    instances = list(reader.read(str(QUESTIONS_FILE)))
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocabulary = Vocabulary.from_instances(instances)
    return _save_archive(tmp_path_factory.mktemp("qa") / "run", _qa_config(), vocabulary)


@pytest.fixture(scope="session")
def qa_graphmask_archive_file(tmp_path_factory, qa_archive_file) -> str:
    config = _qa_config()
    config["model"] = {
        "type": "graphmask",
        "target": {"type": "from_archive", "archive_file": qa_archive_file},
        "masker": {"type": "edgewise"},
    }
    vocabulary = load_archive(qa_archive_file).model.vocab
    return _save_archive(tmp_path_factory.mktemp("qa_graphmask") / "run", config, vocabulary, _spread_gates)


@pytest.fixture(scope="session")
def qa_archive(qa_archive_file):
    return load_archive(qa_archive_file)


@pytest.fixture(scope="session")
def qa_graphmask_archive(qa_graphmask_archive_file):
    return load_archive(qa_graphmask_archive_file)


@pytest.fixture(scope="session")
def entity_pipeline(tmp_path_factory) -> str:
    """A spaCy pipeline that knows some names, instead of one that would have to be downloaded."""
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "NAME", "pattern": name} for name in ("Ostby", "Norlund", "Tern Lighthouse")])
    path = tmp_path_factory.mktemp("spacy") / "entities"
    pipeline.to_disk(path)
    return str(path)


@pytest.fixture(scope="session")
def srl_archive(srl_archive_file):
    return load_archive(srl_archive_file)


@pytest.fixture(scope="session")
def graphmask_archive(graphmask_archive_file):
    return load_archive(graphmask_archive_file)


@pytest.fixture(scope="session")
def universal_pipeline(tmp_path_factory) -> str:
    return save_stub_pipeline(tmp_path_factory.mktemp("spacy") / "universal", UNIVERSAL_LABELS)


@pytest.fixture(scope="session")
def clearnlp_pipeline(tmp_path_factory) -> str:
    return save_stub_pipeline(tmp_path_factory.mktemp("spacy") / "clearnlp", CLEARNLP_LABELS)
