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


def test_conllu_keeps_characters_that_are_reserved_elsewhere() -> None:
    tokens = ("=", "a|b", "two words", *role_explanation().tokens[3:])
    lines = dataclasses.replace(role_explanation(), tokens=tokens).to_conllu().split("\n")
    words = [line.split("\t")[1] for line in lines if line and not line.startswith("#")]
    assert words[:3] == ["=", "a|b", "two_words"]
    changed = dataclasses.replace(role_explanation(), metadata={"predicate_index": 99})
    assert "# predicate" not in changed.to_conllu()


def test_a_cycle_is_no_tree() -> None:
    explanation = role_explanation()
    edges = [dataclasses.replace(edge) for edge in explanation.edges]
    arc = next(edge for edge in edges if not edge.type.endswith("^-1"))
    heads = {edge.target: edge.source for edge in edges if not edge.type.endswith("^-1")}
    root = arc.source
    while root in heads:
        root = heads[root]
    loop = dataclasses.replace(arc, source=arc.target, target=root, type="dep")
    cyclic = dataclasses.replace(explanation, edges=(*edges, loop), num_edges=len(edges) + 1)
    with pytest.raises(ValueError, match="cycle"):
        cyclic.to_conllu()


def test_characters_that_xml_forbids_and_words_of_the_pages() -> None:
    text = "a data-tip b \x01\uffff"
    explanation = entity_explanation()
    nodes = (dataclasses.replace(explanation.nodes[0], text=text), *explanation.nodes[1:])
    changed = dataclasses.replace(explanation, nodes=nodes)
    drawing = ElementTree.fromstring(changed.to_svg())
    shown = ["".join(one.itertext()) for one in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert any("data-tip" in one for one in shown)
    pytest.importorskip("networkx", reason="not installed")
    from allennlp_graphmask.views import EXPORTS

    assert (
        "a data-tip b" in EXPORTS["graphml"](changed)
        and ElementTree.fromstring(EXPORTS["graphml"](changed)) is not None
    )
