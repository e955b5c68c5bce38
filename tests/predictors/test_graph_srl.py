import json

import pytest
from allennlp.commands.predict import _PredictManager
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.predictors import GraphSrlPredictor
from tests.predictors.inputs import CONLL, INPUTS, TOKENS, assert_equal_up_to_rounding


@pytest.fixture()
def predictor(srl_archive, universal_pipeline) -> GraphSrlPredictor:
    predictor = Predictor.from_archive(srl_archive, extra_args={"spacy_model": universal_pipeline})
    assert isinstance(predictor, GraphSrlPredictor)
    return predictor


def _predicates(output):
    return [
        [prediction["predicate"]["index"] for prediction in sentence["predicates"]]
        for sentence in output["sentences"]
    ]


class TestRawText:
    def test_every_sentence_and_every_verb(self, predictor):
        output = predictor.predict_json({"sentence": "She  sings.\nAnn has seen the dog. The dog."})
        assert [sentence["tokens"] for sentence in output["sentences"]] == [
            ["She", "sings", "."],
            ["Ann", "has", "seen", "the", "dog", "."],
            ["The", "dog", "."],
        ]
        assert _predicates(output) == [[1], [2], []]
        assert output["sentences"][1]["predicates"][0]["predicate"] == {
            "index": 2,
            "text": "seen",
            "lemma": "see",
            "sense": None,
        }

    def test_predicates_by_index_count_through_all_sentences(self, predictor):
        output = predictor.predict_json(
            {"sentence": "She sings. Ann has seen the dog.", "predicates": [7, 5, 0]}
        )
        assert _predicates(output) == [[0], [4, 2]]

    def test_no_predicates(self, predictor):
        assert predictor.predict_json({"sentence": "The dog.", "predicates": []}) == {
            "sentences": [{"tokens": ["The", "dog", "."], "predicates": []}]
        }

    @pytest.mark.parametrize("text", ["", " \n"])
    def test_empty_text(self, predictor, text):
        assert predictor.predict_json({"sentence": text}) == {"sentences": []}

    def test_other_parts_of_speech(self, srl_archive, universal_pipeline):
        predictor = Predictor.from_archive(
            srl_archive,
            extra_args={"spacy_model": universal_pipeline, "predicate_parts_of_speech": ["VERB", "NOUN"]},
        )
        assert _predicates(predictor.predict_json({"sentence": "Ann has seen the dog."})) == [[2, 4]]

    def test_another_scheme_is_refused_by_name(self, srl_archive, clearnlp_pipeline):
        predictor = Predictor.from_archive(srl_archive, extra_args={"spacy_model": clearnlp_pipeline})
        message = (
            "trained on dependency trees in the scheme 'universal_dependencies', but the spaCy pipeline "
            f"'{clearnlp_pipeline}' parses in 'clearnlp'.*Name a pipeline.*\"spacy_model\""
        )
        with pytest.raises(ConfigurationError, match=message):
            predictor.predict_json({"sentence": "She sings."})
        # Loading the archive and predicting from trees need no pipeline.
        assert _predicates(predictor.predict_json(TOKENS)) == [[3, 5]]

    def test_absent_pipeline(self, srl_archive):
        predictor = Predictor.from_archive(srl_archive, extra_args={"spacy_model": "en_core_web_none"})
        message = "'en_core_web_none', which is not installed. Run: python -m spacy download en_core_web_none"
        with pytest.raises(ConfigurationError, match=message):
            predictor.predict_json({"sentence": "She sings."})


class TestTokens:
    def test_verbs_without_auxiliaries(self, predictor):
        output = predictor.predict_json(TOKENS)
        assert _predicates(output) == [[3, 5]]
        assert output["sentences"][0]["tokens"] == TOKENS["tokens"]

    def test_phrases_follow_from_the_heads(self, predictor):
        arguments = [
            argument
            for prediction in predictor.predict_json(TOKENS)["sentences"][0]["predicates"]
            for argument in prediction["arguments"]
        ]
        assert arguments
        for argument in arguments:
            assert argument["phrase"] == " ".join(TOKENS["tokens"][argument["start"] : argument["end"]])
            assert argument["start"] <= argument["head"] < argument["end"]

    def test_sentence_id_goes_into_the_metadata(self, predictor):
        instance = predictor.json_to_instances({**TOKENS, "sentence_id": "weblog-17"})[0]
        assert instance["metadata"]["sentence_id"] == "weblog-17"

    def test_no_tokens(self, predictor):
        assert predictor.predict_json({key: [] if key != "dependency_scheme" else "x" for key in TOKENS}) == {
            "sentences": []
        }

    @pytest.mark.parametrize(
        "change, message",
        [
            (
                {"heads": [7, 4, 4, 0, 6, 4]},
                r"heads\[0\] is 7, expected 1 to 6 \(tokens counted from 1\) or 0 \(root\)",
            ),
            ({"heads": [-1, 4, 4, 0, 6, 4]}, r"heads\[0\] is -1, expected"),
            ({"heads": [2, 4, 4, 0, 6, True]}, "'heads' must be a list of integers"),
            ({"heads": [2, 4, 4, 6, 6, 4]}, "form a cycle"),
            ({"heads": [2]}, "has 6 words, but 1 heads"),
            ({"lemmas": "the"}, "'lemmas' must be a list of strings, got 'the'"),
            ({"predicates": [6]}, '"predicates" has 6, but the input\'s 6 tokens are numbered from 0 to 5'),
            ({"predicates": ["seen"]}, "'predicates' must be a list of integers"),
            (
                {"predicate": 3},
                "Input given as tokens has 'predicate', which means nothing here; it may have .*'predicates'",
            ),
            (
                {"sentence": "x"},
                "must have one of .* this one has 'dependency_labels', .*'sentence', 'tokens'",
            ),
            (
                {"dependency_scheme": "clearnlp"},
                "in the scheme 'universal_dependencies', but the input's \"dependency_scheme\" is 'clearnlp'",
            ),
            (
                {"dependency_labels": ["det", "nsubjpass", "auxpass", "root", "nsubj", "ccomp"]},
                "does not exist in the scheme 'universal_dependencies'.*but in 'clearnlp'",
            ),
        ],
    )
    def test_bad_input(self, predictor, change, message):
        with pytest.raises(ConfigurationError, match=message):
            predictor.predict_json({**TOKENS, **change})

    def test_missing_key(self, predictor):
        with pytest.raises(
            ConfigurationError, match="Input given as tokens lacks 'lemmas', 'heads'; it needs 'tokens'"
        ):
            predictor.predict_json(
                {key: value for key, value in TOKENS.items() if key not in ("lemmas", "heads")}
            )

    def test_empty_input(self, predictor):
        with pytest.raises(ConfigurationError, match='must have one of "sentence".*this one has nothing'):
            predictor.predict_json({})


class TestConll:
    def test_marked_predicates(self, predictor):
        output = predictor.predict_json({"conll": CONLL})
        # The last sentence marks none and has no verb.
        assert _predicates(output) == [[1], [4, 6], []]
        assert output["sentences"][1]["predicates"][0]["predicate"]["sense"] == "see.01"

    def test_verbs_where_none_is_marked(self, predictor):
        lines = ["\t".join(line.split("\t")[:12]) for line in CONLL.split("\n")]
        assert _predicates(predictor.predict_json({"conll": "\n".join(lines)})) == [[1], [4, 6], []]

    def test_predicates_by_index(self, predictor):
        assert _predicates(predictor.predict_json({"conll": CONLL, "predicates": [4]})) == [[], [1], []]

    def test_names_the_line(self, predictor):
        with pytest.raises(ConfigurationError, match="conll, line 2: 3 columns, expected at least 12"):
            predictor.predict_json({"conll": CONLL.split("\n")[0] + "\n2\tsings\tsing\n"})


class TestBatches:
    def test_single_and_batched_inputs_give_equal_results(self, predictor):
        singles = [predictor.predict_json(one_input) for one_input in INPUTS]
        assert_equal_up_to_rounding(predictor.predict_batch_json(list(INPUTS)), singles)

    def test_batch_size_makes_no_difference(self, srl_archive, predictor, universal_pipeline):
        arguments = {"spacy_model": universal_pipeline, "batch_size": 1}
        one_by_one = Predictor.from_archive(srl_archive, extra_args=arguments)
        inputs = list(INPUTS)
        assert_equal_up_to_rounding(
            one_by_one.predict_batch_json(inputs), predictor.predict_batch_json(inputs)
        )

    def test_single_and_batched_instances_give_equal_results(self, predictor, conll_file):
        instances = list(predictor._dataset_reader.read(conll_file))
        singles = [predictor.predict_instance(instance) for instance in instances]
        assert_equal_up_to_rounding(predictor.predict_batch_instance(instances), singles)
        assert [result["sentence_id"] for result in singles] == ["1", "2", "2"]
        assert set(singles[0]) == {"tokens", "sentence_id", "prediction", "role_tags"}
        assert len(singles[0]["role_tags"]) == 3

    def test_no_input(self, predictor):
        assert predictor.predict_batch_json([]) == []


def _run_predict(predictor, tmp_path, input_file, batch_size, *, use_dataset_reader=False):
    """What `allennlp predict` does after loading the archive."""
    output_file = tmp_path / f"output-{batch_size}.jsonl"
    _PredictManager(predictor, str(input_file), str(output_file), batch_size, False, use_dataset_reader).run()
    return [json.loads(line) for line in output_file.read_text().splitlines()]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_allennlp_predict_on_json_lines(predictor, tmp_path, batch_size):
    input_file = tmp_path / "inputs.jsonl"
    input_file.write_text("\n".join(json.dumps(one_input) for one_input in INPUTS))
    results = _run_predict(predictor, tmp_path, input_file, batch_size)
    assert_equal_up_to_rounding(results, predictor.predict_batch_json(list(INPUTS)))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_allennlp_predict_with_the_reader(predictor, tmp_path, conll_file, batch_size):
    results = _run_predict(predictor, tmp_path, conll_file, batch_size, use_dataset_reader=True)
    assert [result["prediction"]["predicate"]["index"] for result in results] == [1, 4, 6]
    # AllenNLP's `sanitize` writes None as the string "None".
    assert "None" not in json.dumps(results)


def test_a_reader_without_trees_is_refused_for_json(srl_archive_file):
    archive = load_archive(srl_archive_file)
    del archive.validation_dataset_reader.dependency_scheme
    with pytest.raises(
        ConfigurationError, match="Conll2009SrlReader.*makes no instances.*--use-dataset-reader"
    ):
        Predictor.from_archive(archive).predict_json(TOKENS)


def test_one_instance_is_expected_where_allennlp_asks_for_one(predictor):
    assert predictor._json_to_instance({**TOKENS, "predicates": [3]})["metadata"]["predicate_index"] == 3
    with pytest.raises(
        ConfigurationError, match='has 2 predicates, where one is expected. Name one by "predicates"'
    ):
        predictor._json_to_instance(TOKENS)
