"""Explanations of every task with random graphs, decisions and predictions."""

import random
from typing import Any, Callable, Dict, List, Optional

from allennlp_graphmask.explanation import SCHEMA_NAME, SCHEMA_VERSION, Explanation
from tests.explanation.explanations import PROVENANCE

LABELS = ["nsubj", "obj", "det", "conj"]
ROLES = ["A0", "A1", "AM-TMP"]
RELATIONS = ["COMPLEMENT", "COREF", "DOC-BASED", "MATCH"]
TAGS = ["VBD", "NN", "NNS", "JJ"]


def _build(
    draw: random.Random,
    kind: str,
    nodes: List[Dict[str, Any]],
    edges: List[Any],
    focus: Optional[Dict[str, Any]],
    prediction: Dict[str, Any],
    metadata: Dict[str, Any],
    num_layers: int = 2,
) -> Explanation:
    most = len(edges) if draw.random() < 0.3 else len(edges) // 3
    kept = [sorted(draw.sample(range(len(edges)), draw.randint(0, most))) for _ in range(num_layers)]
    relations = sorted({relation for _, _, relation in edges})
    is_verified = draw.random() < 0.5
    added = [[number, layer] for layer in range(num_layers) for number in kept[layer] if draw.random() < 0.2]
    return Explanation.from_dict(
        {
            "schema": SCHEMA_NAME,
            "schema_version": SCHEMA_VERSION,
            "kind": kind,
            "tokens": [node["text"] for node in nodes],
            "nodes": nodes,
            "num_layers": num_layers,
            "num_edges": len(edges),
            "edges": {
                "relations": relations,
                "type": [relations.index(relation) for _, _, relation in edges],
                "source": [source for source, _, _ in edges],
                "target": [target for _, target, _ in edges],
                "score": [[draw.random() for _ in edges] for _ in range(num_layers)],
                "kept": kept,
            },
            "focus": focus,
            "verification": {"changed_before": draw.random() < 0.3, "max_divergence": None, "passes": 0, "added": added}
            if is_verified
            else None,
            "prediction": {**prediction, "changed": draw.choice([True, False, None])},
            "divergence": None,
            "constraint": None,
            "interpreter": {"name": "random"},
            "provenance": PROVENANCE,
            "input": None,
            "metadata": metadata,
        }
    )


def _make_nodes(number: int) -> List[Dict[str, Any]]:
    return [{"id": node, "text": f"w{node}", "start": node, "end": node + 1} for node in range(number)]


def roles(draw: random.Random) -> Explanation:
    size = draw.randint(1, 12)
    heads = [draw.randint(-1, node - 1) for node in range(size)]
    edges = []
    for node, head in enumerate(heads):
        if head >= 0:
            label = draw.choice(LABELS)
            edges += [(head, node, label), (node, head, f"{label}^-1")]
    predicate = draw.randrange(size)

    def assign() -> Dict[int, str]:
        return {node: draw.choice(ROLES) for node in range(size) if draw.random() < 0.4}

    def predict(assigned: Dict[int, str]) -> Dict[str, Any]:
        arguments = [{"role": role, "head": head, "phrase": "words"} for head, role in assigned.items()]
        return {"predicate": {"text": f"w{predicate}"}, "arguments": arguments}

    found = assign()
    gold = dict(found) if draw.random() < 0.5 else assign()
    focus: Optional[Dict[str, Any]] = None
    kind = draw.choice(["all", "assigned", "role"])
    if kind != "all" and found:
        role = draw.choice(list(found.values()))
        words = [node for node in found if kind == "assigned" or found[node] == role]
        nodes = sorted({*words, predicate})
        focus = {"name": kind, "kind": kind, "description": "roles", "nodes": nodes, "trained": True}
    metadata: Dict[str, Any] = {"predicate_index": predicate, "heads": heads}
    metadata["parts_of_speech"] = [draw.choice(TAGS) for _ in heads]
    if draw.random() < 0.8:
        metadata["roles"] = {str(node): role for node, role in gold.items()}
    prediction = {"original": predict(found), "masked": predict(assign()) if draw.random() < 0.8 else None}
    return _build(draw, "sentence", _make_nodes(size), edges, focus, prediction, metadata)


def question(draw: random.Random) -> Explanation:
    size = draw.randint(2, 7)
    places = [(one, other) for one in range(size) for other in range(size) if one < other and draw.random() < 0.5]
    edges = []
    for one, other in places:
        relation = draw.choice(RELATIONS)
        edges += [(one, other, relation), (other, one, relation)]
    candidates = [f"c{number}" for number in range(3)]
    nodes = [
        {
            "support": 0,
            "start_char": node,
            "end_char": node + 1,
            "candidate": draw.randint(-1, 2),
            "is_subject": draw.random() < 0.3,
        }
        for node in range(size)
    ]

    def rank() -> Dict[str, Any]:
        order = draw.sample(range(3), 3)
        ranking = [
            {
                "candidate": number,
                "text": candidates[number],
                "probability": 0.3,
                "score": 1.0,
                "mentions": [node for node, place in enumerate(nodes) if place["candidate"] == number],
            }
            for number in order
        ]
        return {"answer": ranking[0]["text"], "ranking": ranking}

    metadata = {
        "query": "country w",
        "relation": draw.choice(["country", "author"]),
        "candidates": candidates,
        "answer": draw.choice([*candidates, "c9", None]),
        "supports": ["x" * size],
        "nodes": nodes,
    }
    prediction = {"original": rank(), "masked": rank()}
    return _build(draw, "question", _make_nodes(size), edges, None, prediction, metadata, num_layers=3)


def graph(draw: random.Random) -> Explanation:
    size = draw.randint(1, 5)
    edges = [(draw.randrange(size), draw.randrange(size), draw.choice("ab")) for _ in range(draw.randint(0, 8))]
    prediction = {which: {"label": draw.choice("xy"), "probability": 0.5} for which in ("original", "masked")}
    metadata = {"label": draw.choice("xy")} if draw.random() < 0.8 else {}
    return _build(draw, "graph", _make_nodes(size), edges, None, prediction, metadata)


TASKS: Dict[str, Callable[[random.Random], Explanation]] = {"roles": roles, "questions": question, "graphs": graph}


def explanations(task: str, number: int = 50, seed: int = 0) -> List[Explanation]:
    draw = random.Random(seed)
    return [TASKS[task](draw) for _ in range(number)]
