"""The predictor `graphmask` on the predictor and model `graph_qa`."""

import jsonschema
import pytest
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers import HotpotQaGraphReader
from allennlp_graphmask.explanation.explanation import Explanation, explanation_schema
from allennlp_graphmask.predictors import GraphMaskPredictor, GraphQaPredictor
from allennlp_graphmask.views import render_text
from tests.data.real_data import needs_data, read_questions, title_pipeline
from tests.predictors.inputs import QUERIES, QUESTION, assert_equal_up_to_rounding
from tests.predictors.test_graph_qa import without


@pytest.fixture(scope="module")
def predictor(qa_graphmask_archive) -> GraphMaskPredictor:
    predictor = Predictor.from_archive(qa_graphmask_archive)
    assert isinstance(predictor, GraphMaskPredictor)
    assert isinstance(predictor.target_predictor, GraphQaPredictor)
    return predictor


def check(explanation: Explanation) -> None:
    """Its nodes are parts of its supports, it fits the schema, and it can be read again and shown."""
    metadata = explanation.metadata
    details = metadata.get("nodes", [])
    assert len(details) == len(explanation.nodes)
    for node, detail in zip(explanation.nodes, details):
        support = metadata["supports"][detail["support"]]
        assert support[detail["start_char"] : detail["end_char"]] == node.text != ""
        tokens = explanation.tokens[node.start : node.end]
        assert "".join(tokens) == "".join(node.text.split())
        assert list(detail) == ["support", "start_char", "end_char", "candidate", "is_subject", "kind"]
    for prediction in (explanation.prediction["original"], explanation.prediction["masked"]):
        assert [entry["candidate"] for entry in prediction["ranking"] if entry["mentions"]] == [
            entry["candidate"] for entry in prediction["ranking"] if entry["score"] is not None
        ]
    jsonschema.validate(explanation.to_dict(), explanation_schema(), cls=jsonschema.Draft202012Validator)
    assert Explanation.from_json_line(explanation.to_json_line()) == explanation
    assert metadata["query"].split()[0] in render_text(explanation)


def test_every_kind_of_question(predictor):
    explanations = [predictor.explain_json(query) for query in QUERIES]
    for query, [explanation] in zip(QUERIES, explanations):
        check(explanation)
        assert explanation.metadata["id"] == query["id"]
        assert explanation.metadata["supports"] == query["supports"]
        # Each of the nodes' properties is in one place.
        assert not {"tokens", "mentions"} & set(explanation.metadata)
    kept_share = explanations[0][0].kept_share()
    assert 0 < kept_share < 1


def test_no_mention(predictor):
    [query] = [query for query in QUERIES if query["id"] == "no_mention"]
    [explanation] = predictor.explain_json(query)
    assert explanation.nodes == () and explanation.edges == () and explanation.tokens == ()
    assert explanation.prediction["original"]["answer"] is None
    assert explanation.prediction["changed"] is False
    assert "nodes" not in explanation.metadata


def test_a_natural_question_and_arguments_of_its_predictor(qa_graphmask_archive, entity_pipeline):
    predictor = Predictor.from_archive(qa_graphmask_archive, extra_args={"spacy_model": entity_pipeline})
    [explanation] = predictor.explain_json(without(QUESTION, "candidates", "subjects"))
    check(explanation)
    assert explanation.metadata["candidates"] == ["Tern Lighthouse", "Ostby", "Norlund"]
    assert explanation.metadata["id"] is None


def test_original_prediction_is_that_of_the_target(predictor, qa_archive):
    for query in QUERIES:
        expected = Predictor.from_archive(qa_archive).predict_json(query)
        [explanation] = predictor.explain_json(query)
        original = explanation.prediction["original"]
        assert_equal_up_to_rounding(original, {key: expected[key] for key in ("answer", "ranking")})


# --- Real questions


@needs_data
@pytest.mark.parametrize(
    "name", ["wikihop_train_2", "wikihop_dev_2", "wikihop_dev_2.masked", "medhop_train_1", "medhop_dev_1"]
)
def test_real_wikihop_and_medhop(predictor, name):
    questions = read_questions(f"wikihop_samples/{name}.json")
    explanations = [explanation for question in questions for explanation in predictor.explain_json(question)]
    assert [explanation.metadata["id"] for explanation in explanations] == [q["id"] for q in questions]
    for explanation in explanations:
        check(explanation)
        assert explanation.nodes


@needs_data
@pytest.mark.parametrize("name", ["hotpotqa_sample.json.xz", "2wikimultihopqa_sample.json.xz"])
def test_real_natural_questions(predictor, name):
    questions = read_questions(f"qa_real/{name}")
    # A question of each sample without any paragraph, if there is one, and some others.
    chosen = [*questions[:6], *(question for question in questions if not question["context"])]
    reader = HotpotQaGraphReader(title_pipeline(chosen))
    with_reader = GraphMaskPredictor(predictor._model, reader)
    for question in chosen:
        if not question["context"]:
            # Without any text there is no entity: candidates must be given.
            inputs = {"question": question["question"], "paragraphs": [], "candidates": ["yes", "no"]}
        else:
            paragraphs = [
                {"title": title, "text": "".join(sentences).strip()} for title, sentences in question["context"]
            ]
            inputs = {"question": question["question"], "paragraphs": paragraphs}
        [explanation] = with_reader.explain_json(inputs)
        check(explanation)
        assert bool(explanation.nodes) == bool(question["context"])
        [from_reader] = with_reader.explain_instances([reader.text_to_instance(reader.question_from_json(question))])
        check(from_reader)
        if "".join(question["context"][0][1] if question["context"] else []).startswith(" "):
            assert len(from_reader.nodes) == len(explanation.nodes)
