"""
Every test file can be run by itself: what `allennlp` commands register is registered. Archives of every task, made without
training, and pipelines of spaCy that need no download.
"""

import copy
import json
import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
import spacy
import torch
from allennlp.common import Params
from allennlp.common.plugins import import_plugins
from allennlp.common.util import prepare_environment
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model, archive_model, load_archive
from hypothesis import settings

from tests.predictors.inputs import CONLL, QUESTIONS_FILE
from tests.predictors.stub_pipeline import CLEARNLP_LABELS, UNIVERSAL_LABELS, save_stub_pipeline

# Also where OMP_NUM_THREADS is not set: processes that are forked after OpenMP has used several threads hang.
torch.set_num_threads(1)

# Processes that tests start run the code of this checkout too, whatever is installed.
ROOT = Path(__file__).resolve().parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

# How long an example takes depends on the machine and on what else it does.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def plugins() -> None:
    import_plugins()


UNTRAINED = {"data_loader": {"batch_size": 4}, "trainer": {"num_epochs": 0}, "random_seed": 13370}
WORDS = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}}
LEMMAS = {"token_embedders": {"lemmas": {"type": "embedding", "vocab_namespace": "lemmas", "embedding_dim": 4}}}
LINEAR = {"num_layers": 1, "activations": "linear"}

SRL_CONFIG: Dict[str, Any] = {
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
        "text_field_embedder": WORDS,
        "predicate_lemma_embedder": LEMMAS,
        "scorer_lemma_embedder": LEMMAS,
        "role_dim": 4,
        "seq2seq_encoder": {"type": "lstm", "input_size": 13, "hidden_size": 6, "bidirectional": True},
        "graph_encoder": {"type": "syntactic_gcn", "input_dim": 12, "hidden_dim": 12, "num_layers": 2},
    },
    **UNTRAINED,
}
QA_CONFIG: Dict[str, Any] = {
    "dataset_reader": {"type": "wikihop", "coreference": {"type": "annotated"}},
    "train_data_path": "questions.json",
    "model": {
        "type": "graph_qa",
        "text_field_embedder": WORDS,
        "query_encoder": {"type": "bag_of_embeddings", "embedding_dim": 8, "averaged": True},
        "node_encoder": {"input_dim": 17, "hidden_dims": 12, **LINEAR},
        "graph_encoder": {"type": "entity_gcn", "input_dim": 12, "num_layers": 2},
        "scorer": {"input_dim": 20, "hidden_dims": 1, **LINEAR},
    },
    **UNTRAINED,
}


def read_vocabulary(config: Dict[str, Any], path: object) -> Vocabulary:
    reader = DatasetReader.from_params(Params(copy.deepcopy(config["dataset_reader"])))
    return Vocabulary.from_instances(reader.read(str(path)))


def save_archive(
    folder: Path, config: Dict[str, Any], vocabulary: Vocabulary, change: Callable[[Model], None] = lambda model: None
) -> str:
    """An archive as `allennlp train` writes it, without the training."""
    prepare_environment(Params({"random_seed": 1, "numpy_seed": 1, "pytorch_seed": 1}))
    model = Model.from_params(Params(json.loads(json.dumps(config["model"]))), vocab=vocabulary)
    change(model)
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary.save_to_files(str(folder / "vocabulary"))
    torch.save(model.state_dict(), folder / "best.th")
    archive_model(str(folder))
    return str(folder / "model.tar.gz")


def save_graphmask_archive(folder: Path, config: Dict[str, Any], target: str, **options: Any) -> str:
    """An untrained masker keeps every edge, with nearly the same score. This one keeps some."""

    def spread_gates(model: Model) -> None:
        for name, parameter in model.masker.named_parameters():
            if parameter.dim() > 1 and "relation" not in name:
                torch.nn.init.normal_(parameter)
        model.threshold.fill_(3.0)

    model = {"type": "graphmask", "target": {"type": "from_archive", "archive_file": target}, **options}
    return save_archive(folder, {**config, "model": model}, load_archive(target).model.vocab, spread_gates)


@pytest.fixture(scope="session")
def conll_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("data") / "sentences.conll09"
    path.write_text(CONLL)
    return str(path)


@pytest.fixture(scope="session")
def srl_archive_file(tmp_path_factory, conll_file) -> str:
    return save_archive(tmp_path_factory.mktemp("srl"), SRL_CONFIG, read_vocabulary(SRL_CONFIG, conll_file))


@pytest.fixture(scope="session")
def graphmask_archive_file(tmp_path_factory, srl_archive_file) -> str:
    return save_graphmask_archive(tmp_path_factory.mktemp("graphmask"), SRL_CONFIG, srl_archive_file)


@pytest.fixture(scope="session")
def qa_archive_file(tmp_path_factory) -> str:
    return save_archive(tmp_path_factory.mktemp("qa"), QA_CONFIG, read_vocabulary(QA_CONFIG, QUESTIONS_FILE))


@pytest.fixture(scope="session")
def qa_graphmask_archive_file(tmp_path_factory, qa_archive_file) -> str:
    folder = tmp_path_factory.mktemp("qa_graphmask")
    return save_graphmask_archive(folder, QA_CONFIG, qa_archive_file, masker={"type": "edgewise"})


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
