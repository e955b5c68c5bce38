"""
Every model, alone and explained by `graphmask`: on data with roles, labels and edge types that its vocabulary lacks, and with
weights that are not finite.
"""

import copy
import json
import math
from pathlib import Path
from typing import Any, Dict, NamedTuple

import pytest
import torch
from allennlp.commands.evaluate import evaluate_from_archive
from allennlp.commands.train import train_model
from allennlp.common import Params, Registrable
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Archive, load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.interpret.maskers import BilinearMasker
from allennlp_graphmask.modules import GraphEncoder
from tests.conftest import QA_CONFIG, SRL_CONFIG, read_vocabulary, save_archive, save_graphmask_archive
from tests.data.dataset_readers.graph_jsonl.graphs import DAN, EVE, FINN, NOBODY, written
from tests.models import test_graph_classifier, test_star_graph_classifier
from tests.models.building import build_model
from tests.predictors.inputs import CONLL, QUESTIONS_FILE

ENCODER = {"type": "syntactic_gcn", "input_dim": 6, "hidden_dim": 5, "num_layers": 2}
ADAM = {"type": "adam", "lr": 0.1}
#: The namespaces with rows of our own. Words are embedded by AllenNLP, which gives random vectors to new ones.
ROWS = ("role_labels", "labels", "edge_labels")


class Case(NamedTuple):
    archive: str
    data: str
    config: Dict[str, Any]


def graphs_of(classify: str) -> Any:
    graphs = {"graph": [DAN, FINN, NOBODY], "nodes": [EVE, FINN]}[classify]
    config = test_graph_classifier.config(classify, graph_encoder=ENCODER)
    return config, lambda folder: written(folder / "graphs.jsonl", *graphs)


def sentences(folder: Path) -> str:
    (folder / "sentences.conll09").write_text(CONLL)
    return str(folder / "sentences.conll09")


SRL = copy.deepcopy(SRL_CONFIG)
SRL["model"]["word_dropout"] = {"alpha": 0.1}
TASKS = {
    "roles": (SRL, sentences),
    "graphs": graphs_of("graph"),
    "nodes": graphs_of("nodes"),
    "questions": (QA_CONFIG, lambda folder: str(QUESTIONS_FILE)),
    "stars": (test_star_graph_classifier.config("two_layer"), lambda folder: "dev"),
}


def lacking(vocabulary: Vocabulary) -> Vocabulary:
    """The vocabulary of data with fewer labels: without the second half of them."""
    counts = {namespace: dict(tokens) for namespace, tokens in vocabulary._retained_counter.items()}
    for namespace in set(ROWS) & set(counts):
        known = list(vocabulary.get_token_to_index_vocabulary(namespace))
        for name in known[(len(known) + 1) // 2 :]:
            del counts[namespace][name]
    return Vocabulary(counter=counts)


class IncompleteEncoder(GraphEncoder):
    def get_input_dim(self) -> int:
        return 6

    def get_output_dim(self) -> int:
        return 5


@pytest.mark.parametrize("task", TASKS)
def test_an_encoder_that_could_not_be_explained_is_refused_before_training(task, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(Registrable._registry[GraphEncoder], "incomplete", (IncompleteEncoder, None))
    config, write = TASKS[task]
    vocabulary = read_vocabulary(config, write(tmp_path))
    with pytest.raises(ConfigurationError) as raised:
        build_model({**json.loads(json.dumps(config["model"])), "graph_encoder": {"type": "incomplete"}}, vocabulary)
    for named in ("IncompleteEncoder", "get_node_dims()", "get_message_dims()", "forward()"):
        assert named in str(raised.value)


@pytest.fixture(params=TASKS)
def case(request, tmp_path) -> Case:
    config, write = TASKS[request.param]
    data = write(tmp_path)
    config = {**config, "trainer": {"num_epochs": 3, "optimizer": ADAM}, "train_data_path": data}
    (tmp_path / "model").mkdir()
    archive = save_archive(tmp_path / "model", config, lacking(read_vocabulary(config, data)))
    return Case(archive, data, config)


@pytest.fixture(params=[None, "edgewise", "bilinear"])
def perhaps_explained(request, case, tmp_path) -> Case:
    if request.param is None:
        return case
    (tmp_path / "graphmask").mkdir()
    archive = save_graphmask_archive(
        tmp_path / "graphmask", case.config, case.archive, masker={"type": request.param}, num_random_controls=0
    )
    return case._replace(archive=archive)


def test_evaluation_with_and_without_them_gives_equal_scores(perhaps_explained) -> None:
    """A label that the model cannot predict is missed, whether or not the vocabulary has it; a relation without weights is none."""
    archive, data, _ = perhaps_explained
    closed, extended = (
        evaluate_from_archive(archive, data, extend_vocab=extend, cuda_device=-1) for extend in (False, True)
    )
    # F1 of graphs is a mean over the labels of the vocabulary. It has no recall beside it.
    scores = ("kept", "changed", "accuracy", "precision", "recall")
    names = [name for name in closed if name.endswith(scores)]
    assert names and {name: extended[name] for name in names} == pytest.approx({name: closed[name] for name in names})


def fine_tune(case: Case, folder: Path, **trainer: Any) -> Any:
    config = {
        **case.config,
        "vocabulary": {"type": "extend", "directory": str(Path(case.archive).parent / "vocabulary")},
        "model": {"type": "from_archive", "archive_file": case.archive},
        "validation_data_path": case.data,
    }
    config["trainer"] = {**config["trainer"], **trainer}
    return train_model(Params(json.loads(json.dumps(config))), str(folder))


def test_fine_tuning_learns_them(perhaps_explained, tmp_path) -> None:
    is_explained = perhaps_explained.archive.endswith("graphmask/model.tar.gz")
    trainer = {"callbacks": [{"type": "graphmask"}], "validation_metric": "-selection"} if is_explained else {}
    model = fine_tune(perhaps_explained, tmp_path / "tuned", **trainer)
    before = load_archive(perhaps_explained.archive).model
    learnt = {
        name: len(parameter[len(known) :].unique(dim=0))
        for (name, parameter), (_, known) in zip(model.named_parameters(), before.named_parameters())
        if parameter.shape != known.shape and parameter.requires_grad
    }
    # All began as the same, zero or the mean of the known ones. The target of a masker learns nothing.
    has_rows = not is_explained or isinstance(before.masker, BilinearMasker)
    assert (max(learnt.values(), default=0) > 1) == has_rows
    archive = str(tmp_path / "tuned" / "model.tar.gz")
    archived = load_archive(archive).model
    assert archived.archive_file == archive
    assert all(
        torch.equal(value, archived.state_dict()[name])
        for name, value in model.state_dict().items()
        if isinstance(value, torch.Tensor)
    )


def test_a_fine_tuned_model_can_be_explained(case, tmp_path) -> None:
    fine_tune(case, tmp_path / "tuned")
    (tmp_path / "graphmask").mkdir()
    archive = save_graphmask_archive(tmp_path / "graphmask", case.config, str(tmp_path / "tuned" / "model.tar.gz"))
    with torch.no_grad():
        assert evaluate_from_archive(archive, case.data, cuda_device=-1)["divergence"] >= 0


def predict(archive: Archive, data: str) -> Any:
    reader = archive.validation_dataset_reader
    make = Predictor.from_archive if archive.model.default_predictor else lambda loaded: Predictor(loaded.model, reader)
    return make(archive).predict_batch_instance(list(reader.read(data)))


def test_what_is_not_finite_is_never_a_prediction(perhaps_explained, tmp_path) -> None:
    archive = load_archive(perhaps_explained.archive)
    assert predict(archive, perhaps_explained.data)
    before = copy.deepcopy(archive.model.state_dict())
    for name, parameter in archive.model.named_parameters():
        # The multiplier is for training, a baseline for layers that drop something.
        if name.startswith(("lagrangian", "masker.baselines")):
            continue
        with torch.no_grad():
            parameter.fill_(math.nan)
        with pytest.raises(ConfigurationError) as raised:
            predict(archive, perhaps_explained.data)
        assert f" {name}[0" in raised.value.message and perhaps_explained.archive in raised.value.message
        archive.model.load_state_dict(before)
    with torch.no_grad():
        for parameter in archive.model.parameters():
            parameter.fill_(torch.finfo(parameter.dtype).max)
    with pytest.raises(ConfigurationError, match=r" (logits|mention_scores)\[0.* is (nan|inf), .*finite"):
        predict(archive, perhaps_explained.data)
