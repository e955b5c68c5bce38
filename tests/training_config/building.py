"""Building what configs describe, on fixtures."""

import gzip
from pathlib import Path
from typing import Dict, List, Sequence

import pytest
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.models.archival import archive_model
from torch import save

from allennlp_graphmask.interpret.graphmask import GraphMask

REPOSITORY = Path(__file__).parent.parent.parent


def write_vectors(path: Path, words: Sequence[str], dimension: int) -> str:
    """A file of vectors for some words of the fixtures."""
    path.write_text("".join(f"{word} {' '.join(['0.5'] * dimension)}\n" for word in words))
    return str(path)


def vector_variables(data: Path, words: Sequence[str]) -> Dict[str, str]:
    """Writes vectors where configs look for them, and gives the variables that say so."""
    (data / "vectors").mkdir()
    # AllenNLP reads vectors from plain files, too, whatever the name says, so this one is really compressed.
    plain = Path(write_vectors(data / "vectors" / "plain.txt", words, 50))
    (data / "vectors" / "glove.6B.50d.subset.txt.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return {
        "GRAPHMASK_DATA": str(data),
        "WORD_VECTORS": write_vectors(data / "vectors" / "words.txt", words, 7),
        "WORD_VECTORS_DIMENSION": "7",
    }


def models_of(configs: Path) -> List[str]:
    """The configs of models in a folder."""
    return sorted(path.stem for path in configs.glob("*.jsonnet") if not path.stem.endswith("_graphmask"))


def targets_of(configs: Path) -> List[str]:
    """Those that there is a GraphMask config for."""
    return sorted(path.name[: -len("_graphmask.jsonnet")] for path in configs.glob("*_graphmask.jsonnet"))


def build(
    config: Path, folder: Path, overrides: str, monkeypatch: pytest.MonkeyPatch, environment: Dict[str, str]
) -> TrainModel:
    """What `allennlp train` builds before it trains, in a new folder."""
    folder.mkdir()
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(REPOSITORY)  # the demo's paths are relative
    params = Params.from_file(str(config), overrides)
    params.to_file(str(folder / "config.json"))
    return TrainModel.from_params(params=params, serialization_dir=str(folder), local_rank=0)


def archive(training: TrainModel, folder: Path) -> str:
    """The archive that training would end with, if it changed nothing."""
    training.model.vocab.save_to_files(str(folder / "vocabulary"))
    save(training.model.state_dict(), str(folder / "best.th"))
    archive_model(str(folder))
    return str(folder / "model.tar.gz")


def check_graphmask(masking: TrainModel) -> None:
    """It has a loss, and its multiplier a parameter group of its own."""
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
