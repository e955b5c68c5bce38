"""Explanations for tests, made without any model."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from allennlp.data import Instance
from allennlp.data.fields import MetadataField

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.build_explanation import build_explanation
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution

INTERPRETER: Dict[str, Any] = {
    "name": "graphmask",
    "divergence": "saturating_kl",
    "allowance": 0.05,
    "threshold": 0.112,
    "constraint": {"kind": "changed", "bound": 0.055},
    "training_summary": {"constraint_met": 1.0},
}

PROVENANCE: Dict[str, Any] = {
    "versions": {"allennlp_graphmask": "1.0.0", "allennlp": "2.10.1", "torch": "2.13.0", "python": "3.11.7"},
    "config_sha256": "0" * 64,
    "weights_sha256": "f" * 64,
    "seeds": {"random_seed": 13370, "numpy_seed": None},
}

TOKENS = ["the", "cat", "that", "slept", "saw", "the", "dog"]


def with_metadata(**metadata: Any) -> Instance:
    return Instance({"metadata": MetadataField(metadata)})


def role_prediction(arguments: Sequence[Tuple[str, int, int, int]], predicate: int = 4) -> Dict[str, Any]:
    """A prediction as `gcn_srl` makes it, from (role, head, start, end) of each argument."""
    return {
        "predicate": {"index": predicate, "text": TOKENS[predicate], "lemma": "see", "sense": None},
        "arguments": [
            {
                "role": role,
                "head": head,
                "text": TOKENS[head],
                "start": start,
                "end": end,
                "phrase": " ".join(TOKENS[start:end]),
                "probability": 0.9,
            }
            for role, head, start, end in arguments
        ],
    }


def attribution(
    num_nodes: int,
    edges: Sequence[Tuple[int, int, str]],
    scores: Sequence[Sequence[float]],
    threshold: float = 0.5,
) -> EdgeAttribution:
    """One row of scores for each layer; edges with a score above the threshold are kept."""
    names: List[str] = sorted({label for _, _, label in edges})
    graph = Graph.from_edges(
        num_nodes,
        [(source, target) for source, target, _ in edges],
        [names.index(label) for _, _, label in edges],
    )
    layers = [torch.tensor(layer, dtype=torch.float) for layer in scores]
    return EdgeAttribution(graph, layers, [layer > threshold for layer in layers], names)


def role_explanation(
    *,
    changed: bool = False,
    masked: Optional[Dict[str, Any]] = None,
    interpreter: Dict[str, Any] = INTERPRETER,
    **metadata: Any,
) -> Explanation:
    """Two layers over "the cat that slept saw the dog"."""
    edges = [
        (4, 1, "nsubj"),
        (1, 4, "nsubj^-1"),
        (1, 0, "det"),
        (0, 1, "det^-1"),
        (4, 6, "obj"),
        (6, 4, "obj^-1"),
        (6, 5, "det"),
        (5, 6, "det^-1"),
    ]
    scores = [[0.9, 0.8, 0.1, 0.2, 0.3, 0.7, 0.0, 0.51], [0.1, 0.99, 0.1, 0.1, 0.1, 0.2, 0.3, 0.4]]
    original = role_prediction([("A0", 1, 0, 4), ("A1", 6, 5, 7)])
    output = {
        "attribution": attribution(7, edges, scores),
        "original_prediction": original,
        "masked_prediction": original if masked is None else masked,
        "changed": changed,
        "divergence": 0.0123456789,
    }
    defaults = {"tokens": TOKENS, "predicate_index": 4, "predicate_sense": None, "sentence_id": "s-1"}
    instance = with_metadata(**{**defaults, **metadata})
    return build_explanation(instance, output, interpreter=interpreter, provenance=PROVENANCE)


def build(output: Dict[str, Any], metadata: Optional[Dict[str, Any]] = None, **settings: Any) -> Explanation:
    defaults = {"interpreter": {"name": "x"}, "provenance": PROVENANCE}
    return build_explanation(with_metadata(**metadata or {}), output, **{**defaults, **settings})


def version_3(explanation: Explanation) -> Dict[str, Any]:
    """The JSON form up to version 3: each edge is an object."""
    edges = [{**vars(edge), "score": [*edge.score], "kept": [*edge.kept]} for edge in explanation.edges]
    data = {**explanation.to_dict(), "schema_version": 3, "edges": edges}
    del data["num_edges"]
    return data


def replaced(path: str, value: Any) -> Dict[str, Any]:
    """The JSON form of an explanation with one place replaced: "edges.score.0.1", or "edges.0.score.1" in that of version 3."""
    explanation = role_explanation()
    data = version_3(explanation) if path[6:7].isdigit() else explanation.to_dict()
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = data
    for part in parents:
        place = place[part]
    place[last] = value
    return data


def entity_explanation() -> Explanation:
    """One layer over three described nodes, one of them without text; no inverse relations."""
    nodes = [
        {"text": "New York", "start": 0, "end": 2},
        {"text": "York", "start": 4, "end": 5},
        {"text": "query", "start": None, "end": None},
    ]
    instance = with_metadata(tokens=["New", "York", "is", "not", "York"], nodes=nodes)
    output = {
        "attribution": attribution(3, [(0, 1, "MATCH"), (2, 0, "COMPLEMENT"), (2, 0, "COMPLEMENT")], [[0.9, 0.2, 0.6]]),
        "original_prediction": "New York",
        "masked_prediction": "York",
        "changed": True,
        "divergence": 0.5,
    }
    return build_explanation(instance, output, interpreter=INTERPRETER, provenance=PROVENANCE)


def ranking(*entries: Tuple[str, Optional[float]]) -> Dict[str, Any]:
    """A prediction as `graph_qa` makes it, from the candidates' texts and probabilities (`None`: not mentioned)."""
    return {
        "answer": entries[0][0] if entries and entries[0][1] is not None else None,
        "ranking": [
            {
                "candidate": number,
                "text": text,
                "probability": probability or 0.0,
                "score": None if probability is None else 1.0,
                "mentions": [],
            }
            for number, (text, probability) in enumerate(entries)
        ],
    }


def question_explanation(
    supports: Sequence[str],
    places: Sequence[Tuple[int, int, int]],
    edges: Sequence[Tuple[int, int, str]] = (),
    scores: Sequence[Sequence[float]] = ((),),
    *,
    query: str = "country hanging gardens",
    original: Optional[Dict[str, Any]] = None,
    masked: Optional[Dict[str, Any]] = None,
    **metadata: Any,
) -> Explanation:
    """A question whose nodes are (support, start, end) in characters; its tokens are its supports."""
    nodes = [
        {
            "text": supports[support][start:end],
            "start": support,
            "end": support + 1,
            "support": support,
            "start_char": start,
            "end_char": end,
        }
        for support, start, end in places
    ]
    original = original or ranking(("India", 0.75), ("Iran", 0.25))
    masked = masked or original
    output = {
        "attribution": attribution(len(places), edges, scores),
        "original_prediction": original,
        "masked_prediction": masked,
        "changed": original["answer"] != masked["answer"],
        "divergence": 0.25,
    }
    candidates = [entry["text"] for entry in original["ranking"]]
    defaults = {
        "explanation_kind": "question",
        "query": query,
        "candidates": candidates,
        "supports": list(supports),
        "tokens": list(supports),
        "nodes": nodes,
    }
    instance = with_metadata(**{**defaults, **metadata})
    return build_explanation(instance, output, interpreter=INTERPRETER, provenance=PROVENANCE)
