"""Questions in WikiHop's format for tests, and what their instances hold."""

from pathlib import Path
from typing import Any, Dict, List

from allennlp.data import Instance

from allennlp_graphmask.data.coreference import AnnotatedCoreference
from allennlp_graphmask.data.dataset_readers import WikiHopReader

QUESTIONS = str(Path(__file__).parents[4] / "fixtures" / "multihop_qa" / "questions.json")

QUESTION: Dict[str, Any] = {
    "id": "Q1",
    "query": "country ostby",
    "candidates": ["halvar", "norlund"],
    "supports": ["Ostby is in Norlund.", "Halvar is not."],
    "answer": "norlund",
}


def read(**options: Any) -> Dict[str, Instance]:
    """The fixture's questions by their ids."""
    options.setdefault("coreference", AnnotatedCoreference())
    return {metadata(instance)["id"]: instance for instance in WikiHopReader(**options).read(QUESTIONS)}


def build(options: Dict[str, Any] | None = None, **changes: Any) -> Instance:
    """The instance of `QUESTION` with other values."""
    reader = WikiHopReader(**(options or {}))
    return reader.text_to_instance(reader.question_from_json({**QUESTION, **changes}))


def metadata(instance: Instance) -> Dict[str, Any]:
    return instance.fields["metadata"].metadata  # type: ignore[attr-defined]


def tensor(instance: Instance, name: str) -> List[Any]:
    return instance.fields[name].tensor.tolist()  # type: ignore[attr-defined]


def texts(instance: Instance) -> List[str]:
    return [node["text"] for node in metadata(instance)["nodes"]]


def links(instance: Instance) -> set:
    graph = instance.fields["graph"]
    return {(a, b, label) for (a, b), label in zip(graph.edges, graph.labels)}  # type: ignore[attr-defined]


def check_mentions(instance: Instance) -> None:
    """Every node is a part of its support, in the order of the text, and has the words of its candidate or subject."""
    content = metadata(instance)
    nodes = content["nodes"]
    assert len(nodes) == len(instance.fields["graph"])  # type: ignore[arg-type]
    names = ["".join(candidate.lower().split()) for candidate in content["candidates"]]
    for node, (row, first, last) in zip(nodes, tensor(instance, "mention_spans"), strict=True):
        text = content["supports"][node["support"]]
        assert text[node["start_char"] : node["end_char"]] == node["text"] != ""
        assert content["support_rows"][row] == node["support"]
        tokens = instance["supports"][row].tokens[first : last + 1]
        assert tokens[0].idx == node["start_char"]
        assert tokens[-1].idx + len(tokens[-1].text) == node["end_char"]
        words = [token.text for token in tokens]
        assert words == content["tokens"][node["start"] : node["end"]]
        bare = "".join(words).lower()
        assert bare == "".join(node["text"].lower().split())
        if node["kind"] == "candidate":
            assert bare == names[node["candidate"]]
        elif node["kind"] == "subject":
            assert bare in {"".join(subject.lower().split()) for subject in content["subjects"]}
        assert node["candidate"] >= 0 or node["is_subject"]
    order = [(node["support"], node["start_char"], node["end_char"]) for node in nodes]
    assert order == sorted(order)
    answer = instance.fields["answer"].tensor.item()  # type: ignore[attr-defined]
    if answer >= 0:
        assert "".join(content["answer"].lower().split()) == names[answer]
