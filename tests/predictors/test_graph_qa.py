import json
from typing import Any, Dict, List

import pytest
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader
from allennlp_graphmask.predictors import GraphQaPredictor
from tests.data.malformed import DELETED, changed, refused, wrong_value
from tests.predictors.inputs import QUERIES, QUESTION, QUESTIONS_FILE, assert_equal_up_to_rounding

HOTPOTQA_FILE = QUESTIONS_FILE.with_name("paragraphs.json")


@pytest.fixture(scope="module")
def predictor(qa_archive) -> GraphQaPredictor:
    predictor = Predictor.from_archive(qa_archive)
    assert isinstance(predictor, GraphQaPredictor)
    return predictor


def without(inputs: Dict[str, Any], *keys: str) -> Dict[str, Any]:
    return {key: value for key, value in inputs.items() if key not in keys}


def check(output: Dict[str, Any], supports: List[str]) -> None:
    """Ranking and mentions fit each other and the texts."""
    for mention in output["mentions"]:
        text = supports[mention["support"]][mention["start_char"] : mention["end_char"]]
        assert text == mention["text"] != ""
    ranking = output["ranking"]
    for entry in ranking:
        numbers = [n for n, mention in enumerate(output["mentions"]) if mention["candidate"] == entry["candidate"]]
        assert sorted(entry["mentions"]) == numbers
        assert (entry["score"] is None) == (not numbers)
    probabilities = [entry["probability"] for entry in ranking]
    assert probabilities == sorted(probabilities, reverse=True)
    mentioned = any(entry["mentions"] for entry in ranking)
    assert sum(probabilities) == pytest.approx(float(mentioned), abs=1e-4)
    assert output["answer"] == (ranking[0]["text"] if mentioned else None)


class TestQueries:
    @pytest.mark.parametrize("query", QUERIES, ids=[query["id"] for query in QUERIES])
    def test_every_kind_of_question(self, predictor, query):
        output = predictor.predict_json(query)
        assert list(output) == ["id", "query", "answer", "ranking", "mentions"]
        assert output["id"] == query["id"] and output["query"] == query["query"]
        check(output, query["supports"])

    def test_mentions(self, predictor):
        output = predictor.predict_json(QUERIES[0])
        assert sorted(entry["text"] for entry in output["ranking"]) == ["halvar", "norlund", "ostby"]
        assert [(mention["text"], mention["kind"]) for mention in output["mentions"]][:4] == [
            ("Tern Lighthouse", "subject"),
            ("the village of Ostby", "coreferent"),
            ("Ostby", "candidate"),
            ("It", "coreferent"),
        ]
        assert output["mentions"][2] == {
            "text": "Ostby",
            "support": 0,
            "start_char": 55,
            "end_char": 60,
            "candidate": 2,
            "is_subject": False,
            "kind": "candidate",
        }

    def test_no_candidate_is_mentioned(self, predictor):
        [query] = [query for query in QUERIES if query["id"] == "no_mention"]
        output = predictor.predict_json(query)
        assert output["answer"] is None and output["mentions"] == []
        assert [entry["probability"] for entry in output["ranking"]] == [0.0, 0.0]

    def test_id_may_be_absent_and_the_answer_is_not_read(self, predictor):
        expected = predictor.predict_json(QUERIES[0])
        assert predictor.predict_json(without(QUERIES[0], "id", "answer")) == {**expected, "id": None}
        assert predictor.predict_json({**QUERIES[0], "answer": "no candidate"}) == expected
        [instance] = predictor.json_to_instances(QUERIES[0])
        assert instance["metadata"]["answer"] is None


class TestQuestions:
    def test_paragraphs_with_and_without_title(self, predictor):
        output = predictor.predict_json(QUESTION)
        check(
            output,
            ["Tern Lighthouse stands above Ostby.", "Ostby . Ostby is a village in Norlund."]
            + QUESTION["paragraphs"][2:],
        )
        assert output["query"] == QUESTION["question"] and output["id"] is None
        assert [(mention["text"], mention["support"]) for mention in output["mentions"]] == [
            ("Tern Lighthouse", 0),
            ("Ostby", 0),
            ("Ostby", 1),
            ("Ostby", 1),
            ("Norlund", 1),
            ("Halvar", 2),
            ("Norlund", 2),
        ]
        assert [mention["is_subject"] for mention in output["mentions"]] == [True] + [False] * 6

    def test_is_the_query_in_other_words(self, predictor):
        """What the model is given differs in the question's tokens only."""
        query = QUERIES[0]
        [instance] = predictor.json_to_instances(query)
        question = {
            "question": query["query"],
            "paragraphs": query["supports"],
            "candidates": query["candidates"],
            "subjects": ["tern lighthouse"],
            "coreference": query["coreference"],
            "id": "two_hops",
        }
        assert_equal_up_to_rounding(predictor.predict_json(question), predictor.predict_json(query))
        [same] = predictor.json_to_instances(question)
        assert same["metadata"]["nodes"] == instance["metadata"]["nodes"]

    def test_candidates_and_subjects_by_a_pipeline(self, qa_archive, entity_pipeline):
        predictor = Predictor.from_archive(qa_archive, extra_args={"spacy_model": entity_pipeline})
        question = predictor.json_to_question(without(QUESTION, "candidates", "subjects"))
        assert question.candidates == ("Tern Lighthouse", "Ostby", "Norlund")
        assert question.subjects == ("Tern Lighthouse",)
        question = predictor.json_to_question(without(QUESTION, "subjects"))
        assert question.candidates == ("Halvar", "Norlund", "Ostby")
        assert question.subjects == ("Tern Lighthouse",)
        question = predictor.json_to_question({**without(QUESTION, "candidates"), "subjects": []})
        assert question.candidates == ("Tern Lighthouse", "Ostby", "Norlund")
        assert question.subjects == ()
        output = predictor.predict_json(without(QUESTION, "candidates"))
        assert output["answer"] in ("Tern Lighthouse", "Ostby", "Norlund")

    def test_the_pipeline_of_the_reader(self, qa_archive, entity_pipeline):
        predictor = GraphQaPredictor(qa_archive.model, HotpotQaGraphReader(entity_pipeline))
        question = predictor.json_to_question(without(QUESTION, "candidates", "subjects"))
        assert question.candidates == ("Tern Lighthouse", "Ostby", "Norlund")

    def test_typed_by_hand(self, predictor):
        """The proper nouns of the pipeline that comes with the package."""
        typed = without(QUESTION, "candidates", "subjects")
        question = predictor.json_to_question(typed)
        assert sorted(question.candidates) == ["Halvar", "Norlund", "Ostby", "Tern Lighthouse"]
        assert question.subjects == ("Tern Lighthouse",)
        [instance] = predictor.json_to_instances(typed)
        assert "pretrained:en-ewt-parser" in instance["metadata"]["candidates_found_by"]
        [given] = predictor.json_to_instances(QUESTION)
        assert given["metadata"]["candidates_found_by"] is None
        assert predictor.json_to_question(without(QUESTION, "subjects")).subjects == ("Tern Lighthouse",)

    def test_a_question_in_lower_case_has_a_subject(self, predictor):
        typed = {**without(QUESTION, "candidates", "subjects"), "question": "which country is tern lighthouse in?"}
        assert predictor.json_to_question(typed).subjects == ("Tern Lighthouse",)

    def test_lines_of_text(self, predictor):
        typed = predictor.text_to_json(
            "In which country is Tern Lighthouse?\n\n It is above Ostby.\nOstby is in Norlund.\n"
        )
        assert predictor.json_to_question(typed) == predictor.json_to_question(
            {
                "question": "In which country is Tern Lighthouse?",
                "paragraphs": ["It is above Ostby.", "Ostby is in Norlund."],
            }
        )

    def test_as_hotpotqa_has_it(self, predictor, entity_pipeline):
        reader = HotpotQaGraphReader(entity_pipeline)
        for published in json.loads(HOTPOTQA_FILE.read_text()):
            if not published["context"]:
                continue
            question, read = predictor.json_to_question(published), reader.question_from_json(published)
            assert (question.question_id, question.query, question.supports) == (
                read.question_id,
                read.query,
                read.supports,
            )
            assert question.answer is None and {"Tern Lighthouse", "Ostby"} & set(question.candidates)

    def test_no_paragraphs(self, predictor):
        output = predictor.predict_json({**QUESTION, "paragraphs": []})
        assert output["answer"] is None and output["mentions"] == []


@pytest.mark.parametrize(
    "inputs, path, value",
    [
        (QUERIES[0], "supports", DELETED),
        (QUERIES[0], "supports", "x"),
        (QUERIES[0], "candidates[1]", 3),
        (QUERIES[0], "id", 7),
        (QUESTION, "paragraphs", DELETED),
        (QUESTION, "paragraphs", "x"),
        (QUESTION, "paragraphs[1]", 3),
        (QUESTION, "paragraphs[1].title", DELETED),
        (QUESTION, "paragraphs[1].title", 1),
        (QUESTION, "question", ["x"]),
        (QUESTION, "candidates", "x"),
        (QUESTION, "candidates", None),
        (QUESTION, "subjects", "x"),
        (QUESTION, "id", 7),
    ],
)
def test_wrong_values_are_named(predictor, inputs, path, value):
    with refused(wrong_value(path, value)):
        predictor.predict_json(changed(inputs, path, value))


@pytest.mark.parametrize(
    "inputs, expected",
    [
        ({}, ["nothing"]),
        ({"sentence": "x"}, ["'sentence'", '"query"', '"question"']),
        ({**QUESTION, "query": "x"}, ["'query'", "'question'"]),
        ([QUERIES[0]], ["two_hops", "--use-dataset-reader"]),
        ({**QUERIES[0], "corefrence": []}, ["corefrence is not a known field", "'coreference'"]),
        ({**QUESTION, "answer": "x"}, ["answer is not a known field", "'paragraphs'"]),
        (changed(QUESTION, "paragraphs[1].name", "x"), ["paragraphs[1].name is not a known field"]),
        ({**QUERIES[0], "candidates": []}, ["candidates is empty"]),
        ({**QUESTION, "candidates": []}, ["candidates is empty"]),
        ({**QUERIES[0], "query": " "}, ["query is empty"]),
        ({**QUESTION, "question": " "}, ["question is empty"]),
        ({**QUERIES[0], "coreference": [[]]}, ["1 lists of clusters for 3 supports"]),
        ({"question": "Who?", "paragraphs": ["that is all ."]}, ["proper nouns", '"paragraphs"', '"candidates"']),
        ({"question": "Who?", "paragraphs": []}, ["paragraphs is empty"]),
        ({"question": "Who?", "context": []}, ["id is missing"]),
    ],
)
def test_wrong_input_is_named(predictor, inputs, expected):
    with refused(*expected):
        predictor.predict_json(inputs)


def test_a_pipeline_that_is_absent_or_finds_nothing(qa_archive, entity_pipeline):
    absent = Predictor.from_archive(qa_archive, extra_args={"spacy_model": "en_core_web_none"})
    with refused("download en_core_web_none", '"candidates" and "subjects"'):
        absent.predict_json(without(QUESTION, "candidates"))
    # Where both are given it is not even loaded.
    assert absent.predict_json(QUESTION)["answer"] is not None
    present = Predictor.from_archive(qa_archive, extra_args={"spacy_model": entity_pipeline})
    question = {"question": "Who?", "paragraphs": ["Nobody."]}
    for inputs, expected in ((question, "no entities"), ({**question, "candidates": []}, "candidates is empty")):
        with refused(expected):
            present.predict_json(inputs)
