import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader
from allennlp_graphmask.predictors import GraphQaPredictor
from tests.predictors.inputs import QUERIES, QUESTION, QUESTIONS_FILE, assert_equal_up_to_rounding


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
        numbers = [
            n for n, mention in enumerate(output["mentions"]) if mention["candidate"] == entry["candidate"]
        ]
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

    def test_without_a_pipeline_there_are_only_the_given_subjects(self, predictor):
        assert predictor.json_to_question(without(QUESTION, "subjects")).subjects == ()

    def test_no_paragraphs(self, predictor):
        output = predictor.predict_json({**QUESTION, "paragraphs": []})
        assert output["answer"] is None and output["mentions"] == []


@pytest.mark.parametrize(
    "inputs, message",
    [
        ({}, 'either "query" .* or "question" .*; this one has nothing'),
        ({"sentence": "x"}, "this one has 'sentence'"),
        ({**QUESTION, "query": "x"}, 'either "query" .* or "question"'),
        ([QUERIES[0]], "must be a JSON object, got .*--use-dataset-reader"),
        (
            without(QUERIES[0], "supports"),
            "a query lacks 'supports'; it needs 'query', 'candidates', 'supports'",
        ),
        ({**QUERIES[0], "corefrence": []}, "a query has 'corefrence', which means nothing here"),
        ({**QUERIES[0], "supports": "x"}, "'supports' is 'x', expected a list"),
        ({**QUERIES[0], "candidates": ["x", 3]}, r"'candidates'\[1\] is 3, expected a string"),
        ({**QUERIES[0], "candidates": []}, "candidates is empty"),
        ({**QUERIES[0], "query": " "}, "the query is empty"),
        ({**QUERIES[0], "id": 7}, "'id' is 7, expected a string"),
        ({**QUERIES[0], "coreference": [[]]}, "coreference has 1 lists of clusters for 3 supports"),
        (without(QUESTION, "paragraphs"), "a question lacks 'paragraphs'"),
        ({**QUESTION, "answer": "x"}, "a question has 'answer'"),
        ({**QUESTION, "question": ["x"]}, r"'question' must be a string, got \['x'\]"),
        ({**QUESTION, "question": " "}, "'question' is empty"),
        ({**QUESTION, "paragraphs": "x"}, "'paragraphs' must be a list, got 'x'"),
        ({**QUESTION, "paragraphs": ["x", {"text": "x"}]}, r"'paragraphs'\[1\] is .*, expected a text or"),
        (
            {**QUESTION, "paragraphs": [{"title": 1, "text": "x"}]},
            r"'paragraphs'\[0\] is .*, expected a text or",
        ),
        ({**QUESTION, "candidates": "x"}, "'candidates' must be a list of strings, got 'x'"),
        ({**QUESTION, "candidates": []}, "candidates is empty"),
        ({**QUESTION, "subjects": "x"}, "'subjects' must be a list of strings, got 'x'"),
        ({**QUESTION, "id": 7}, "'id' must be a string, got 7"),
        (
            without(QUESTION, "candidates"),
            'without "candidates" needs a spaCy pipeline .* WikiHopReader, .* has none. Give "candidates", or .*"spacy_model"',
        ),
    ],
)
def test_wrong_input_is_named(predictor, inputs, message):
    with pytest.raises(ConfigurationError, match=message):
        predictor.predict_json(inputs)


def test_a_pipeline_that_is_absent_or_finds_nothing(qa_archive, entity_pipeline):
    absent = Predictor.from_archive(qa_archive, extra_args={"spacy_model": "en_core_web_none"})
    with pytest.raises(
        ConfigurationError, match='download en_core_web_none .*Or give "candidates" and "subjects"'
    ):
        absent.predict_json(without(QUESTION, "candidates"))
    # Where both are given it is not even loaded.
    assert absent.predict_json(QUESTION)["answer"] is not None
    present = Predictor.from_archive(qa_archive, extra_args={"spacy_model": entity_pipeline})
    with pytest.raises(ConfigurationError, match='finds no entities in "paragraphs"'):
        present.predict_json({"question": "Who?", "paragraphs": ["Nobody."]})
    with pytest.raises(ConfigurationError, match="'candidates' is empty"):
        present.predict_json({"question": "Who?", "paragraphs": ["Nobody."], "candidates": []})


def test_another_reader_is_refused(qa_archive, srl_archive):
    predictor = GraphQaPredictor(qa_archive.model, srl_archive.validation_dataset_reader)
    with pytest.raises(ConfigurationError, match="Conll2009SrlReader, .*makes no instances of questions"):
        predictor.predict_json(QUESTION)


def test_single_and_batched_inputs_give_equal_results(predictor, qa_archive):
    inputs = [*QUERIES, QUESTION]
    singles = [predictor.predict_json(one_input) for one_input in inputs]
    assert_equal_up_to_rounding(predictor.predict_batch_json(inputs), singles)
    in_twos = Predictor.from_archive(qa_archive, extra_args={"batch_size": 2})
    assert_equal_up_to_rounding(in_twos.predict_batch_json(inputs), singles)
    assert predictor.predict_batch_json([]) == []


def test_instances_give_what_inputs_give(predictor):
    instances = list(predictor._dataset_reader.read(str(QUESTIONS_FILE)))
    expected = predictor.predict_batch_json(QUERIES)
    assert_equal_up_to_rounding(predictor.predict_batch_instance(instances), expected)
    assert_equal_up_to_rounding([predictor.predict_instance(instance) for instance in instances], expected)


def predict(folder: Path, archive_file: str, input_file: str, *options: str) -> List[Dict[str, Any]]:
    """What `allennlp predict` writes, run in a process of its own."""
    command = [sys.executable, "-m", "allennlp", "predict", archive_file, input_file, "--silent"]
    result = subprocess.run(
        [*command, "--output-file", "output.jsonl", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return [json.loads(line) for line in (folder / "output.jsonl").read_text().splitlines()]


def test_allennlp_predict(predictor, qa_archive_file, tmp_path):
    expected = predictor.predict_batch_json(QUERIES)
    with_reader = predict(
        tmp_path, qa_archive_file, str(QUESTIONS_FILE), "--use-dataset-reader", "--batch-size", "4"
    )
    assert_equal_up_to_rounding(with_reader, expected)
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(query) + "\n" for query in QUERIES))
    assert_equal_up_to_rounding(predict(tmp_path, qa_archive_file, "questions.jsonl"), expected)


def test_is_the_default_predictor(qa_archive_file):
    assert load_archive(qa_archive_file).model.default_predictor == "graph_qa"
