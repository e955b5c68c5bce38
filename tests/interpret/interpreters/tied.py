"""Inputs of every task in which nodes, messages and scores are equal: words and phrases that occur twice, parallel structure."""

import itertools
import json
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Instance, Vocabulary

from allennlp_graphmask.interpret.masked_model import MaskedModel
from tests.data.dataset_readers.propbank_srl.conll_text import row, text
from tests.models.building import build_model

WORDS = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 50}}}
LEMMAS = {"token_embedders": {"lemmas": {"type": "embedding", "vocab_namespace": "lemmas", "embedding_dim": 6}}}
LEMMA_INDEXERS = {"lemmas": {"type": "single_id", "namespace": "lemmas", "feature_name": "lemma_"}}
DIM = 96
NUM_INSTANCES = 4
NAMES = ["Peru", "Chile", "France", "Cuba"]


def _question(number: int) -> Dict[str, Any]:
    pairs = list(itertools.product(NAMES[: 2 + number % 3], repeat=2))[: 2 + number // 2]
    supports = [f"Tern Light stands in {NAMES[number % 2]} .", " . ".join(f"{a} met {b}" for a, b in pairs)]
    return {
        "id": str(number),
        "query": "country Tern Light",
        "candidates": NAMES,
        "supports": supports,
        "answer": NAMES[number % 2],
    }


def _graph(number: int) -> Dict[str, Any]:
    """A star whose leaves are alike by threes, some edges twice."""
    leaves = range(1, 4 + number)
    arcs = [(leaf, "ab"[leaf % 2]) for leaf in leaves] + [(1, "b"), (2, "a")]
    edges = [{"source": leaf, "target": 0, "type": kind} for leaf, kind in arcs]
    nodes = [{"text": "root"}, *({"text": f"leaf {leaf // 3}"} for leaf in leaves)]
    return {"nodes": nodes, "edges": edges, "label": "even" if number % 2 else "odd"}


def _sentence(number: int) -> str:
    """A predicate with the same modifier, and the same one below that, several times."""
    rows = [row(1, "Go", 0, "root", predicate=True, roles=["_"])]
    for place in range(2, 4 + number):
        above = 1 if place % 3 else place - 1
        rows.append(row(place, "there", above, "advmod", roles=["AM-LOC"]))
    return "\n".join(rows)


def _encoder(kind: str, input_dim: int, **settings: Any) -> Dict[str, Any]:
    hidden = {} if kind == "entity_gcn" else {"hidden_dim": DIM}
    return {"type": kind, "input_dim": input_dim, "num_layers": 2, **hidden, **settings}


def _classifier(encoder: Dict[str, Any]) -> Dict[str, Any]:
    return {"type": "graph_classifier", "text_field_embedder": WORDS, "graph_encoder": encoder}


GRAPHS = {"type": "graph_jsonl", "inverse_edges": True}
#: A reader, its data, and a model.
TASKS: Dict[str, Any] = {
    "questions": (
        {"type": "wikihop"},
        json.dumps([_question(number) for number in range(NUM_INSTANCES)]),
        {
            "type": "graph_qa",
            "text_field_embedder": WORDS,
            "query_encoder": {"type": "bag_of_embeddings", "embedding_dim": 50, "averaged": True},
            "node_encoder": {"input_dim": 101, "num_layers": 1, "hidden_dims": DIM, "activations": "tanh"},
            "graph_encoder": _encoder("entity_gcn", DIM),
            "scorer": {
                "input_dim": DIM + 50,
                "num_layers": 2,
                "hidden_dims": [DIM, 1],
                "activations": ["relu", "linear"],
            },
        },
    ),
    "graphs": (
        GRAPHS,
        "\n".join(json.dumps(_graph(n)) for n in range(NUM_INSTANCES)),
        _classifier(_encoder("rgcn", 50)),
    ),
    "graphs, attention": (
        GRAPHS,
        "\n".join(json.dumps(_graph(n)) for n in range(NUM_INSTANCES)),
        _classifier(_encoder("graph_attention", 50, num_heads=2)),
    ),
    "roles": (
        {"type": "conll2009_srl", "dependency_scheme": "universal_dependencies", "lemma_indexers": LEMMA_INDEXERS},
        text(*(_sentence(number) for number in range(NUM_INSTANCES))),
        {
            "type": "gcn_srl",
            "text_field_embedder": WORDS,
            "predicate_lemma_embedder": LEMMAS,
            "scorer_lemma_embedder": LEMMAS,
            "role_dim": 6,
            "graph_encoder": _encoder("syntactic_gcn", 57),
        },
    ),
    "stars": (
        {"type": "star_graphs", "variant": "single_layer", "num_train": NUM_INSTANCES},
        None,
        {"type": "star_graph_classifier", "graph_encoder": _encoder("rgcn", 12, num_layers=1)},
    ),
}


class Tied(NamedTuple):
    """A model, and instances with ties."""

    masked_model: MaskedModel
    instances: List[Instance]
    vocabulary: Vocabulary


def tied_task(name: str, folder: Path) -> Tied:
    reader, data, config = TASKS[name]
    path: Any = "train"
    if data is not None:
        path = folder / "data"
        path.write_text(data, encoding="utf-8")
    instances = list(DatasetReader.from_params(Params(json.loads(json.dumps(reader)))).read(str(path)))
    vocabulary = Vocabulary.from_instances(instances)
    model = build_model(json.loads(json.dumps(config)), vocabulary)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # else relations are the same, and states are close to zero
                parameter.normal_(std=0.5)
    return Tied(MaskedModel(model), instances, vocabulary)
