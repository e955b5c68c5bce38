import json
import logging
from pathlib import Path
from typing import Any, Dict

import pytest
import spacy
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Vocabulary
from allennlp.data.batch import Batch

from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader
from allennlp_graphmask.data.dataset_readers.multihop_qa import SpacyEntities
from allennlp_graphmask.data.dataset_readers.multihop_qa.spacy_entities import bare_name
from tests.data.dataset_readers.multihop_qa.test_wikihop import links, metadata, tensor, texts

PARAGRAPHS = str(Path(__file__).parents[4] / "fixtures" / "multihop_qa" / "paragraphs.json")


def pipeline() -> spacy.language.Language:
    """Finds the names of the fixture."""
    language = spacy.blank("en")
    ruler = language.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns(  # type: ignore[attr-defined]
        [
            {"label": "FAC", "pattern": "Tern Lighthouse"},
            *({"label": "GPE", "pattern": name} for name in ("Ostby", "Marrow", "Halvar")),
            *({"label": "GPE", "pattern": name} for name in ("the Norlund", "Norlund", "Norlund's")),
            {"label": "DATE", "pattern": "1931"},
        ]
    )
    return language


@pytest.fixture(scope="module")
def reader() -> HotpotQaGraphReader:
    return HotpotQaGraphReader(pipeline=pipeline())


@pytest.fixture(scope="module")
def instances(reader) -> Dict[str, Any]:
    return {metadata(instance)["id"]: instance for instance in reader.read(PARAGRAPHS)}


def test_a_bridge(instances):
    instance = instances["bridge"]
    content = metadata(instance)
    assert content["candidates"] == ["yes", "no", "Tern Lighthouse", "Ostby", "1931", "Norlund"]
    assert content["supports"] == [
        "Tern Lighthouse . Tern Lighthouse stands above Ostby. It was lit by a keeper until 1931.",
        "Ostby . Ostby is a village in the Norlund.  Norlund's smokehouse is there.",
        "Empty page .",
    ]
    assert content["subjects"] == ["Tern Lighthouse"] and content["subject"] == "Tern Lighthouse"
    assert tensor(instance, "answer") == 5
    assert texts(instance) == ["Tern Lighthouse"] * 2 + [
        "Ostby",
        "1931",
        "Ostby",
        "Ostby",
        "Norlund",
        "Norlund",
    ]
    assert tensor(instance, "mention_candidates") == [2, 2, 3, 4, 3, 3, 5, 5]
    assert tensor(instance, "mention_is_subject") == [True] * 2 + [False] * 6
    assert (2, 4, "MATCH") in links(instance) and (0, 7, "COMPLEMENT") in links(instance)
    assert [token.text for token in instance["query"]][-2:] == ["Lighthouse", "?"]


def test_yes_and_no_are_not_looked_for(instances):
    instance = instances["comparison"]
    content = metadata(instance)
    assert "no coast" in content["supports"][1]
    assert content["candidates"][:2] == ["yes", "no"] and tensor(instance, "answer") == 1
    assert not {0, 1} & set(tensor(instance, "mention_candidates"))
    assert content["subjects"] == ["Ostby", "Marrow"] and content["subject"] is None
    # "HALVAR" and "Halvar" are one candidate.
    assert content["candidates"][2:] == ["Ostby", "Norlund", "Marrow", "HALVAR"]


def test_an_answer_that_is_no_candidate_is_unknown(instances):
    instance = instances["no_such_entity"]
    assert tensor(instance, "answer") == -1
    assert metadata(instance)["candidates"] == ["yes", "no", "Tern Lighthouse"]


def test_no_answer_and_no_paragraph(instances):
    instance = instances["not_known"]
    assert tensor(instance, "answer") == -1 and metadata(instance)["answer"] is None
    assert metadata(instance)["nodes"] == []


def test_how_often_the_answer_is_a_candidate_is_said(reader, caplog):
    with caplog.at_level(logging.INFO):
        list(reader.read(PARAGRAPHS))
    ours = [record.getMessage() for record in caplog.records if "multihop_qa" in record.name]
    assert ours == [
        f"{PARAGRAPHS}: 4 questions, 3 with an answer, which is among the candidates of 2 and mentioned in 1; 16 mentions, 1 "
        "questions without any.",
        f"{PARAGRAPHS}: 1 of 3 answers are not among the candidates and count as unknown.",
    ]


def test_nodes_are_where_they_are_said_to_be(instances):
    for instance in instances.values():
        content = metadata(instance)
        for node in content["nodes"]:
            assert content["supports"][node["support"]][node["start_char"] : node["end_char"]] == node["text"]


def test_questions_batch(reader, instances):
    for instance in instances.values():
        reader.apply_token_indexers(instance)
    batch = Batch(list(instances.values()))
    batch.index_instances(Vocabulary.from_instances(batch.instances))
    tensors = batch.as_tensor_dict()
    assert tensors["answer"].tolist() == [5, 1, -1, -1]
    assert tensors["candidate_mask"].sum(-1).tolist() == [6, 6, 3, 2]


def test_titles_can_be_candidates():
    reader = HotpotQaGraphReader(pipeline=pipeline(), title_candidates=True, entity_labels=["DATE"])
    found = {
        metadata(instance)["id"]: metadata(instance)["candidates"] for instance in reader.read(PARAGRAPHS)
    }
    assert found["bridge"] == ["yes", "no", "1931", "Tern Lighthouse", "Ostby", "Empty page"]
    assert found["comparison"] == ["yes", "no", "Ostby", "Marrow"]


def test_by_configuration_the_pipeline_is_loaded_when_it_is_needed(tmp_path):
    pipeline().to_disk(tmp_path / "pipeline")
    path = str(tmp_path / "pipeline")
    reader = DatasetReader.from_params(Params({"type": "hotpotqa_graph", "pipeline": path, "max_nodes": 9}))
    assert isinstance(reader, HotpotQaGraphReader)
    assert len(list(reader.read(PARAGRAPHS))) == 4


def test_a_pipeline_that_is_not_installed():
    reader = HotpotQaGraphReader(pipeline="no_such_pipeline")
    message = "which is not installed. Run: python -m spacy download no_such_pipeline"
    with pytest.raises(ConfigurationError, match=message):
        list(reader.read(PARAGRAPHS))


def test_a_pipeline_without_entities():
    with pytest.raises(ConfigurationError, match="finds no entities: .* It has sentencizer"):
        language = spacy.blank("en")
        language.add_pipe("sentencizer")
        SpacyEntities(language).names(["", "Some text."])


def test_a_text_without_entities():
    assert SpacyEntities(pipeline()).names(["Some text.", ""]) == [[], []]


@pytest.mark.parametrize(
    "text, name",
    [
        (" the Brothers Quay's", "Brothers Quay"),
        ("The  Beatles’", "Beatles"),
        ("An Education", "Education"),
        ("Theodore", "Theodore"),
        ("the", "the"),
        ("'s", ""),
    ],
)
def test_bare_names(text, name):
    assert bare_name(text) == name


def question(**changes: Any) -> Dict[str, Any]:
    content = {"_id": "Q1", "question": "Who?", "answer": "yes", "context": [["Title", ["A sentence."]]]}
    content.update(changes)
    return {key: value for key, value in content.items() if value is not ...}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"question": ...}, "question 'Q1' .number 1, byte 1.: the key 'question' is missing"),
        ({"context": ...}, "the key 'context' is missing"),
        ({"_id": ...}, "question without an id .number 1, byte 1.: the key '_id' is missing"),
        ({"question": ""}, "the query is empty"),
        ({"answer": ["yes"]}, r"'answer' is \['yes'\], expected a string"),
        (
            {"context": [["Title", "A sentence."]]},
            r"'context'\[0\] is .* expected a list of a title and a list",
        ),
        ({"context": [["Title"]]}, r"'context'\[0\] is \['Title'\]"),
        ({"context": [["Title", [3]]]}, r"'context'\[0\]\[1\]\[0\] is 3, expected a string"),
    ],
)
def test_illegal_questions(reader, tmp_path, changes, message):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([question(**changes)]))
    with pytest.raises(ConfigurationError, match=message) as error:
        list(reader.read(str(path)))
    assert str(path) in error.value.message
