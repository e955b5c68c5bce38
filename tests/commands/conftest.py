import shutil
from pathlib import Path
from typing import Any, Dict

import pytest
import torch
from allennlp.models import Model

from tests.conftest import UNTRAINED, read_vocabulary, save_archive

GRAPHS = Path(__file__).resolve().parents[2] / "fixtures" / "graph_jsonl" / "dev.jsonl"


GRAPH_CONFIG: Dict[str, Any] = {
    "dataset_reader": {"type": "graph_jsonl", "classify": "graph", "inverse_edges": True},
    "train_data_path": "graphs.jsonl",
    "model": {
        "type": "graph_classifier",
        "classify": "graph",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}},
        "graph_encoder": {"type": "rgcn", "input_dim": 8, "hidden_dim": 8, "num_layers": 2},
    },
    **UNTRAINED,
}


def _enlarge(model: Model) -> None:
    """Predictions of an untrained model hardly depend on anything."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)


@pytest.fixture(scope="session")
def graph_archive_file(tmp_path_factory) -> str:
    """A classifier of the fixtures' graphs, of whose edges it is known which matter."""
    vocabulary = read_vocabulary(GRAPH_CONFIG, GRAPHS)
    return save_archive(tmp_path_factory.mktemp("graphs"), GRAPH_CONFIG, vocabulary, _enlarge)


@pytest.fixture
def spoilt_archive_file(tmp_path) -> str:
    """The same with a weight that is not a number: `classifier.bias[1]`."""

    def spoil(model: Model) -> None:
        with torch.no_grad():
            model.classifier.bias[1] = float("nan")

    (tmp_path / "spoilt").mkdir()
    return save_archive(tmp_path / "spoilt", GRAPH_CONFIG, read_vocabulary(GRAPH_CONFIG, GRAPHS), spoil)


@pytest.fixture()
def folder(tmp_path, graph_archive_file) -> Path:
    """A folder with an archive, data with a truth, and nothing else."""
    shutil.copy(graph_archive_file, tmp_path / "model.tar.gz")
    lines = GRAPHS.read_text(encoding="utf-8").splitlines(keepends=True)[:7]
    (tmp_path / "graphs.jsonl").write_text("".join(lines), encoding="utf-8")
    return tmp_path
