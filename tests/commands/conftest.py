import json
import shutil
from pathlib import Path
from typing import Any, Dict

import pytest
import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model

# Fixtures: archives made without training.
from tests.predictors.conftest import (  # noqa: F401
    _save_archive,
    conll_file,
    graphmask_archive_file,
    srl_archive_file,
)

GRAPHS = Path(__file__).resolve().parents[2] / "fixtures" / "graph_jsonl" / "dev.jsonl"


def _graph_config() -> Dict[str, Any]:
    return {
        "dataset_reader": {"type": "graph_jsonl", "classify": "graph", "inverse_edges": True},
        "train_data_path": "graphs.jsonl",
        "model": {
            "type": "graph_classifier",
            "classify": "graph",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
            "graph_encoder": {"type": "rgcn", "input_dim": 8, "hidden_dim": 8, "num_layers": 2},
        },
        "data_loader": {"batch_size": 4},
        "trainer": {"num_epochs": 0},
        "random_seed": 13370,
    }


def _enlarge(model: Model) -> None:
    """Predictions of an untrained model hardly depend on anything."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)


@pytest.fixture(scope="session")
def graph_archive_file(tmp_path_factory) -> str:
    """A classifier of the fixtures' graphs, which tell the truth about their edges."""
    reader = DatasetReader.from_params(Params(_graph_config()["dataset_reader"]))
    instances = list(reader.read(str(GRAPHS)))
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocabulary = Vocabulary.from_instances(instances)
    return _save_archive(tmp_path_factory.mktemp("graphs") / "run", _graph_config(), vocabulary, _enlarge)


@pytest.fixture()
def folder(tmp_path, graph_archive_file) -> Path:
    """A folder with an archive, data that tell the truth, and nothing else."""
    shutil.copy(graph_archive_file, tmp_path / "model.tar.gz")
    lines = GRAPHS.read_text(encoding="utf-8").splitlines()[:7]
    (tmp_path / "graphs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert all("matters" in json.dumps(json.loads(line)) for line in lines)
    return tmp_path
