import json
import logging
from pathlib import Path
from typing import Any, Dict

import pytest
import spacy
from allennlp.common import Params
from allennlp.data import DatasetReader, Vocabulary

from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.entity_candidates import (
    EntityCandidates,
    Paragraph,
    strip_name,
)
from tests.data.dataset_readers.multihop_qa.questions import check_mentions, links, metadata, tensor, texts
from tests.data.malformed import DELETED, changed, refused, wrong_value
from tests.models.building import make_batch

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


def test_two_hops(instances):
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
    assert texts(instance) == ["Tern Lighthouse"] * 2 + ["Ostby", "1931", "Ostby", "Ostby", "Norlund", "Norlund"]
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


def test_an_answer_that_is_not_a_candidate_is_unknown(instances):
    instance = instances["no_such_entity"]
    assert tensor(instance, "answer") == -1
    assert metadata(instance)["candidates"] == ["yes", "no", "Tern Lighthouse"]


def test_no_answer_and_no_paragraph(instances):
    instance = instances["not_known"]
    assert tensor(instance, "answer") == -1 and metadata(instance)["answer"] is None
    assert metadata(instance)["nodes"] == []


def test_how_often_the_answer_is_a_candidate_is_logged(reader, caplog):
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
        check_mentions(instance)


def test_questions_batch(instances):
    tensors = make_batch(list(instances.values()), Vocabulary.from_instances(instances.values()))
    assert tensors["answer"].tolist() == [5, 1, -1, -1]
    assert tensors["candidate_mask"].sum(-1).tolist() == [6, 6, 3, 2]


def test_titles_can_be_candidates():
    reader = HotpotQaGraphReader(pipeline=pipeline(), title_candidates=True, entity_labels=["DATE"])
    found = {metadata(instance)["id"]: metadata(instance)["candidates"] for instance in reader.read(PARAGRAPHS)}
    assert found["bridge"] == ["yes", "no", "1931", "Tern Lighthouse", "Ostby", "Empty page"]
    assert found["comparison"] == ["yes", "no", "Ostby", "Marrow"]


def test_by_configuration_the_pipeline_is_loaded_when_it_is_needed(tmp_path):
    pipeline().to_disk(tmp_path / "pipeline")
    path = str(tmp_path / "pipeline")
    reader = DatasetReader.from_params(Params({"type": "hotpotqa_graph", "pipeline": path, "max_nodes": 9}))
    assert isinstance(reader, HotpotQaGraphReader)
    assert len(list(reader.read(PARAGRAPHS))) == 4


def test_a_pipeline_that_is_not_installed():
    with refused("python -m spacy download no_such_pipeline"):
        list(HotpotQaGraphReader(pipeline="no_such_pipeline").read(PARAGRAPHS))


def test_a_pipeline_without_entities(tmp_path):
    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    with refused("'en_pipeline'", "'ner'", "sentencizer"):
        EntityCandidates(language).find("", [Paragraph(None, "Some text.")])
    language.to_disk(tmp_path)
    with refused(PARAGRAPHS, f"'{tmp_path}'", "'ner'", "sentencizer", "'pipeline'"):
        list(HotpotQaGraphReader(pipeline=str(tmp_path)).read(PARAGRAPHS))


def test_patterns_may_look_at_tags(tmp_path):
    """By name, a pipeline runs without its tagger only if its entities do not depend on tags."""
    language = spacy.blank("en")
    for name, attributes in (("attribute_ruler", {"TAG": "NNP"}), ("lemmas", {"LEMMA": "Ostby"})):
        ruler = language.add_pipe("attribute_ruler", name=name)
        ruler.add([[{"ORTH": "Ostby"}]], attributes)  # type: ignore[attr-defined]
    patterns = [{"label": "NAME", "pattern": [{"TAG": "NNP"}]}]
    language.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    language.to_disk(tmp_path)
    found = EntityCandidates(str(tmp_path)).find("", [Paragraph(None, "A ferry goes to Ostby.")])
    assert found.candidates == ("Ostby",)


@pytest.mark.parametrize(
    "text, names",
    [
        ("She was born in Warsaw , Poland .", ("Warsaw", "Poland")),
        (
            "Anna Berg founded the University of the Arts in Stockholm .",
            ("Anna Berg", "University of the Arts", "Stockholm"),
        ),
        ("Apollo 11 landed in 1969 .", ("Apollo 11",)),
        ("Several times the Canadian actress met a French Baroque painter .", ("Canadian", "French Baroque")),
        ("It opened on 20 May 1943 , and again on May 4, 1951 .", ("20 May 1943", "May 4, 1951")),
        (
            "Anna May Berg sang in July 1950 , on 3 August and in May .",
            ("Anna May Berg", "July 1950", "3 August", "May"),
        ),
        ("Paris and the Seine are in France of today .", ("Paris", "Seine", "France")),
        ("nothing here .", ()),
        ("", ()),
    ],
)
def test_names_are_proper_nouns_capitalised_adjectives_and_dates(text, names):
    """Of the pipeline that comes with the package, which has no entities."""
    reader = HotpotQaGraphReader("pretrained:en-ewt-parser")
    assert reader.entity_candidates.find("", [Paragraph(None, text)]).candidates == names
    question = {"_id": "x", "question": "Who?", "context": [["T", [text]]]}
    read = reader.question_from_json(question)
    assert read.candidates[:2] == ("yes", "no") and "pretrained:en-ewt-parser" in read.candidates_found_by


def test_texts_without_entities():
    assert EntityCandidates(pipeline()).find("", [Paragraph(None, "Some text.")])[:2] == ((), ())


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
def test_names_are_stripped(text, name):
    assert strip_name(text) == name


@pytest.mark.parametrize(
    "label, title, sentence, answer, candidates",
    [
        # Another label, or a title: the ending is a part of the name.
        ("ORG", "Food", "McDonald's hired Ronald McDonald.", "McDonald's", ["McDonald's", "McDonald"]),
        ("ORG", "Food", "McDonald left the McDonald's.", "McDonald", ["McDonald", "McDonald's"]),
        ("NAME", "McDonald's (firm)", "It hired McDonald.", "the McDonald's", ["McDonald's", "McDonald"]),
        # Nothing distinguishes it from a possessive.
        ("NAME", "Food", "McDonald's son hired McDonald.", "McDonald's", ["McDonald"]),
        ("ORG", "Food", "It is McDonald's.", "McDonald", ["McDonald"]),
    ],
)
def test_names_that_differ_by_a_possessive_ending(label, title, sentence, answer, candidates) -> None:
    language = spacy.blank("en")
    patterns = [{"label": label, "pattern": "McDonald's"}, {"label": "NAME", "pattern": "McDonald"}]
    language.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    reader = HotpotQaGraphReader(pipeline=language)
    content = {"_id": "Q", "question": f"Is it {answer}?", "answer": answer, "context": [[title, [sentence]]]}
    instance = reader.text_to_instance(reader.question_from_json(content))
    found = metadata(instance)
    assert found["candidates"][2:] == candidates
    expected = answer.removeprefix("the ") if len(candidates) == 2 else "McDonald"
    assert found["candidates"][tensor(instance, "answer")] == expected and found["subjects"] == [expected]
    nodes = [node for node in found["nodes"] if node["candidate"] >= 0]
    assert all(len(candidates) == 1 or node["text"] == candidates[node["candidate"] - 2] for node in nodes)


QUESTION = {"_id": "Q1", "question": "Who?", "answer": "yes", "context": [["Title", ["A sentence."]]]}


@pytest.mark.parametrize(
    "path, value",
    [
        *((key, value) for key in ("question", "context", "_id") for value in (DELETED, None)),
        ("answer", ["yes"]),
        ("context[0]", "Title"),
        ("context[0][0]", 1),
        ("context[0][1]", "A sentence."),
        ("context[0][1]", DELETED),
        ("context[0][1][0]", 3),
    ],
)
def test_wrong_values_are_named(reader, tmp_path, path, value):
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([changed(QUESTION, path, value)]))
    which = "without an id" if path == "_id" else "'Q1'"
    with refused(f"{file}, question {which} (number 1, byte 1): {wrong_value(path, value)}"):
        list(reader.read(str(file)))


def test_a_question_without_words(reader):
    with refused("query is empty"):
        reader.question_from_json({**QUESTION, "question": " "})


def test_the_id_may_have_another_key(reader):
    question = {**changed(QUESTION, "_id", DELETED), "id": "Q2"}
    assert reader.question_from_json(question).question_id == "Q2"
    assert reader.question_from_json({**question, "_id": "Q3"}).question_id == "Q3"
