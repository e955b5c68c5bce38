"""The counts of a report by brute force: flat lists of all messages, explanations, pairs and chains, from the JSON alone."""

import functools
import itertools
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Set, Tuple

from allennlp_graphmask.explanation import Explanation
from allennlp_graphmask.views.question.chains import find_chains

Record = Dict[str, Any]
Edge = Tuple[int, int, str]

OUTCOMES = {True: "correct", False: "wrong", None: "unknown"}
SIZES = [(1, 10), (11, 20), (21, 40), (41, 80), (81, 160)]
CLASSES = {"V": "verbal", "N": "nominal"}


def _describe(data: Dict[str, Any]) -> Record:
    """What the task makes of an explanation: its label, what is right, and its pairs as (label, first, second, correct)."""
    original, masked, metadata = data["prediction"]["original"], data["prediction"]["masked"], data["metadata"]
    if data["kind"] == "graph":
        gold = metadata.get("label")
        right = [None if gold is None else one["label"] == gold for one in (original, masked)]
        return {"label": original["label"], "right": right, "tag": "", "pairs": [], "ends": None}
    if data["kind"] == "question":
        gold = metadata["answer"] if metadata["answer"] in metadata["candidates"] else None
        right = [None if gold is None else one["answer"] == gold for one in (original, masked)]
        subjects = [node for node, place in enumerate(metadata["nodes"]) if place["is_subject"]]
        answers = original["ranking"][0]["mentions"]
        pairs = [(metadata["relation"], subjects, answers, right[0])]
        if not subjects or not answers or set(subjects) & set(answers):
            pairs = []
        return {"label": metadata["relation"], "right": right, "tag": "", "pairs": pairs, "ends": ("subject", "answer")}
    predicate = metadata["predicate_index"]
    found = {argument["head"]: argument["role"] for argument in original["arguments"]}
    after = None if masked is None else {argument["head"]: argument["role"] for argument in masked["arguments"]}
    gold = {int(word): role for word, role in metadata["roles"].items()} if "roles" in metadata else None
    words = set(found)
    scope: Any = range(len(data["tokens"]))
    if data["focus"] is not None:
        words &= set(data["focus"]["nodes"])
        if data["focus"]["kind"] == "role" and len({found[word] for word in words}) > 1:
            words -= {predicate}  # it is there for the others
        scope = words
    right = [
        None if gold is None or one is None else all(one.get(word) == gold.get(word) for word in scope)
        for one in (found, after)
    ]
    labels = {found[word] for word in words}
    return {
        "label": "none" if not labels else labels.pop() if len(labels) == 1 else "several",
        "right": right,
        "tag": metadata["parts_of_speech"][predicate],
        "pairs": [
            (found[word], [predicate], [word], None if gold is None else gold.get(word) == found[word])
            for word in words - {predicate}
        ],
        "ends": ("predicate", "argument"),
    }


def _find_reachable(data: Dict[str, Any], edges: List[Edge]) -> Set[Tuple[int, int]]:
    """The messages, as edge and layer, of which what is explained is a function."""
    nodes = range(len(data["nodes"])) if data["focus"] is None else data["focus"]["nodes"]

    @functools.cache
    def matters(node: int, above: int) -> bool:
        if above == data["num_layers"]:
            return node in nodes
        return matters(node, above + 1) or any(matters(edge[1], above + 1) for edge in edges if edge[0] == node)

    messages = itertools.product(range(len(edges)), range(data["num_layers"]))
    return {(number, layer) for number, layer in messages if matters(edges[number][1], layer + 1)}


def _shortest(
    edges: List[Edge], first: List[int], second: List[int], kept_arcs: Set[FrozenSet[Any]]
) -> Optional[List[Edge]]:
    """By relaxing edges until nothing changes."""

    def rank(path: List[Edge]) -> Any:
        weak = sum(relation == "COMPLEMENT" for _, _, relation in path)
        steps = [(relation, source, target) for source, target, relation in path]
        return weak, len(path), sum(_arc(edge) not in kept_arcs for edge in path), steps

    best: Dict[int, List[Edge]] = {node: [] for node in first}
    is_changed = True
    while is_changed:
        is_changed = False
        for edge in edges:
            if edge[0] in best:
                path = [*best[edge[0]], edge]
                if edge[1] not in best or rank(path) < rank(best[edge[1]]):
                    best[edge[1]] = path
                    is_changed = True
    return min((best[node] for node in second if node in best), key=rank, default=None)


def _arc(edge: Edge) -> FrozenSet[Any]:
    return frozenset({edge[0], edge[1], _base(edge[2])})


def _base(relation: str) -> str:
    return relation.removesuffix("^-1")


def _shape(relations: List[str], is_directed: bool) -> str:
    arrows = {True: "↑", False: "↓"}
    return " ".join(_base(one) + (arrows[one != _base(one)] if is_directed else "") for one in relations)


def _is_joined(data: Dict[str, Any], edges: List[Edge], first: List[int], second: List[int]) -> bool:
    reached = set(first)
    for kept in data["edges"]["kept"]:
        reached |= {edges[number][1] for number in kept if edges[number][0] in reached}
    return bool(reached & set(second))


def recount(explanation: Explanation) -> Iterator[Tuple[str, Record]]:
    """Every record of an explanation, with the name of its cube."""
    data = explanation.to_dict()
    columns = data["edges"]
    edges = [
        (source, target, columns["relations"][relation])
        for source, target, relation in zip(columns["source"], columns["target"], columns["type"])
    ]
    facts = _describe(data)
    is_directed = any(relation.endswith("^-1") for _, _, relation in edges)
    shared = {
        "focus": data["focus"]["kind"] if data["focus"] else "all",
        "verified": "yes" if data["verification"] else "no",
        "predicate": CLASSES.get(facts["tag"][0], "other") if facts["tag"] else "",
    }
    own = {**shared, "label": facts["label"], "correct": OUTCOMES[facts["right"][0]]}
    first = {node for _, nodes, _, _ in facts["pairs"] for node in nodes}
    second = {node for _, _, nodes, _ in facts["pairs"] for node in nodes}
    num_kept = sum(map(len, columns["kept"]))
    messages = list(itertools.product(range(len(edges)), range(data["num_layers"])))
    reachable = _find_reachable(data, edges)
    for number, layer in messages:
        source, target, relation = edges[number]
        ends = [name for name, nodes in zip(facts["ends"] or (), (first, second)) if {source, target} & nodes]
        is_reachable = (number, layer) in reachable
        yield (
            "messages",
            {
                **own,
                "relation": _base(relation),
                "direction": "" if not is_directed else "along" if relation == _base(relation) else "against",
                "layer": layer,
                "place": "" if not facts["pairs"] and facts["ends"] is None else " and ".join(ends) or "elsewhere",
                "messages": 1,
                "reachable": is_reachable,
                "kept": number in columns["kept"][layer],
                "random": num_kept / len(reachable) if is_reachable else 0,
            },
        )
    share = num_kept / len(messages) if messages else 0
    size = len(data["nodes"])
    changed = data["prediction"]["changed"]
    before = data["verification"]["changed_before"] if data["verification"] else changed
    yield (
        "explanations",
        {
            **own,
            "predicate_tag": facts["tag"],
            "nodes": next(f"{low}-{high}" for low, high in SIZES if low <= size <= high),
            "kept_share": next(
                (f"{high - 10}-{high} %" for high in range(10, 101, 10) if 0 < 100 * num_kept <= high * len(messages)),
                "0 %" if messages else "no messages",
            ),
            "explanations": 1,
            "with_messages": bool(messages),
            "messages": len(messages),
            "kept": num_kept,
            "added": len(data["verification"]["added"]) if data["verification"] else 0,
            "sum_of_shares": share,
            "known_before": facts["right"][0] is not None,
            "correct_before": facts["right"][0] is True,
            "known_after": facts["right"][1] is not None,
            "correct_after": facts["right"][1] is True,
            "measured": changed is not None,
            "changed": changed is True,
            "measured_before": before is not None,
            "changed_before": before is True,
        },
    )
    kept_arcs = {_arc(edges[number]) for kept in columns["kept"] for number in kept}
    for label, start, end, is_right in facts["pairs"]:
        of_pair = {**shared, "label": label, "correct": OUTCOMES[is_right]}
        path = _shortest(edges, start, end, kept_arcs)
        kept = [_arc(edge) in kept_arcs for edge in path or ()]
        ways = [(start, end, facts["ends"])]
        if is_directed:
            ways.append((end, start, facts["ends"][::-1]))
        yield (
            "pairs",
            {
                **of_pair,
                "length": "not connected" if path is None else str(len(path)),
                "shape": "not connected" if path is None else _shape([one[2] for one in path], is_directed),
                "pairs": 1,
                "arcs": len(kept),
                "kept_arcs": sum(kept),
                "whole": path is not None and all(kept),
                "joined": any(_is_joined(data, edges, *way[:2]) for way in ways),
            },
        )
        for sources, targets, names in ways:
            for hops in list(find_chains(explanation, sources, targets).values())[:1]:
                shape = _shape([hop.edge.type for hop in hops], is_directed)
                yield "chains", {**of_pair, "ends": " to ".join(names), "chain": shape, "chains": 1}
