"""Explanations in other tools, each read back by its own library."""

import dataclasses
import io
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from tests.explanation.explanations import entity_explanation, question_explanation, role_explanation

EXPLANATIONS = [role_explanation(), entity_explanation(), role_explanation().kept_only()]


@pytest.mark.parametrize("explanation", EXPLANATIONS)
def test_networkx(explanation) -> None:
    pytest.importorskip("networkx", reason="not installed")
    graph = explanation.to_networkx()
    assert [graph.nodes[node.id]["text"] for node in explanation.nodes] == [node.text for node in explanation.nodes]
    edges = {
        key: (source, target, data["type"], data["score"], data["kept"])
        for source, target, key, data in graph.edges(keys=True, data=True)
    }
    assert [edges[key] for key in sorted(edges)] == [tuple(vars(edge).values()) for edge in explanation.edges]


@pytest.mark.parametrize("explanation", EXPLANATIONS)
def test_graphml(explanation) -> None:
    networkx = pytest.importorskip("networkx", reason="not installed")
    from allennlp_graphmask.views import EXPORTS

    graph = networkx.read_graphml(io.BytesIO(EXPORTS["graphml"](explanation).encode()), node_type=int)
    assert {node: data["text"] for node, data in graph.nodes(data=True)} == {
        node.id: node.text for node in explanation.nodes
    }
    layers = range(explanation.num_layers)
    found = sorted(
        (
            source,
            target,
            data["type"],
            *(data[f"score_{layer}"] for layer in layers),
            *(data[f"kept_{layer}"] for layer in layers),
        )
        for source, target, data in graph.edges(data=True)
    )
    assert found == sorted((edge.source, edge.target, edge.type, *edge.score, *edge.kept) for edge in explanation.edges)


@pytest.mark.parametrize("explanation", EXPLANATIONS)
def test_pandas(explanation) -> None:
    pytest.importorskip("pandas", reason="not installed")
    frame = explanation.to_frame()
    assert len(frame) == explanation.edges.score.size and frame["kept"].sum() == explanation.num_kept()
    for layer, rows in frame.groupby("layer"):
        expected = [(edge.source, edge.target, edge.type, edge.score, edge.kept) for edge in explanation.layer(layer)]
        assert list(rows[["source", "target", "type", "score", "kept"]].itertuples(index=False, name=None)) == expected


def test_conllu() -> None:
    conllu = pytest.importorskip("conllu", reason="not installed")
    focus: Any = {"name": "A1", "kind": "role", "description": "the role A1", "nodes": [1], "trained": True}
    explanation = dataclasses.replace(role_explanation(), focus=focus)
    [sentence] = conllu.parse(explanation.to_conllu())
    assert sentence.metadata["sent_id"] == "s-1" and sentence.metadata["text"] == " ".join(explanation.tokens)
    assert [token["form"] for token in sentence] == list(explanation.tokens)
    assert sentence.metadata["predicate"] == f"5 {explanation.tokens[4]}"
    assert sentence.metadata["focus"] == "A1: the role A1"
    for field, name in (("lemma", "lemmas"), ("xpos", "parts_of_speech")):
        assert [token[field] or "_" for token in sentence] == explanation.metadata.get(name, ["_"] * len(sentence))
    arcs = {(edge.source, edge.target): edge for edge in explanation.edges}
    for number, token in enumerate(sentence):
        head = token["head"] - 1
        directions = {"Down": arcs.get((head, number)), "Up": arcs.get((number, head))}
        assert token["deprel"] == (directions["Down"].type if directions["Down"] else "root")
        for name, edge in directions.items():
            layers = (token["misc"] or {}).get(name, "")
            kept = [] if edge is None else [str(layer) for layer in range(explanation.num_layers) if edge.kept[layer]]
            assert layers == ",".join(kept)


@pytest.mark.parametrize(
    "explanation, named",
    [
        (entity_explanation(), "'graph'"),
        (role_explanation().kept_only(), "4 of the 8"),
        (
            dataclasses.replace(
                role_explanation(),
                num_edges=9,
                edges=(*role_explanation().edges, dataclasses.replace(role_explanation().edges[0], source=0)),
            ),
            "'cat'",
        ),
    ],
)
def test_what_is_not_a_tree_is_refused(explanation, named) -> None:
    with pytest.raises(ValueError, match=named):
        explanation.to_conllu()


@pytest.mark.parametrize("explanation", EXPLANATIONS)
def test_svg(explanation) -> None:
    text = explanation.to_svg()
    drawing = ElementTree.fromstring(text)
    namespace = "{http://www.w3.org/2000/svg}"
    assert drawing.tag == f"{namespace}svg" and drawing.attrib["viewBox"]
    style = drawing.findtext(f"{namespace}style") or ""
    assert ".k-any.message.along .stroke" in style and not {"var(", ":has(", ":is("} & set(style.split())
    assert "var(" not in style and ":is(" not in style
    messages = [
        one.attrib["class"].split() for one in drawing.iter() if one.attrib.get("class", "").startswith("message")
    ]
    assert len(messages) == len(explanation.edges)
    assert sum("k-any" in classes for classes in messages) == len(explanation.kept_edges())
    shown = {"".join(one.itertext()) for one in drawing.iter(f"{namespace}text")}
    assert {node.text for node in explanation.nodes} <= shown


def test_a_view_without_a_drawing() -> None:
    with pytest.raises(ValueError, match="'question'"):
        question_explanation(["In Mumbai."], [(0, 3, 9)]).to_svg()
