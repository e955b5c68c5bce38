import pytest
from allennlp.predictors import Predictor

from allennlp_graphmask.predictors import GraphSrlPredictor
from tests.data.dataset_readers.propbank_srl.test_universal_propositions import RELATIVE as PROPOSITIONS
from tests.data.malformed import DELETED, changed, refused, wrong_value
from tests.predictors.inputs import CONLL, TOKENS


@pytest.fixture()
def predictor(srl_archive, universal_pipeline) -> GraphSrlPredictor:
    predictor = Predictor.from_archive(srl_archive, extra_args={"spacy_model": universal_pipeline})
    assert isinstance(predictor, GraphSrlPredictor)
    return predictor


def _predicates(output):
    return [
        [prediction["predicate"]["index"] for prediction in sentence["predicates"]] for sentence in output["sentences"]
    ]


class TestRawText:
    def test_every_sentence_and_every_verb(self, predictor):
        output = predictor.predict_json({"sentence": "She  sings.\nAnn has seen the dog. The dog."})
        assert [sentence["tokens"] for sentence in output["sentences"]] == [
            ["She", "sings", "."],
            ["Ann", "has", "seen", "the", "dog", "."],
            ["The", "dog", "."],
        ]
        assert _predicates(output) == [[1], [1, 2], []]
        assert output["sentences"][1]["predicates"][1]["predicate"] == {
            "index": 2,
            "text": "seen",
            "lemma": "see",
            "sense": None,
        }

    def test_predicates_by_index_count_through_all_sentences(self, predictor):
        output = predictor.predict_json({"sentence": "She sings. Ann has seen the dog.", "predicates": [7, 5, 0]})
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
            srl_archive, extra_args={"spacy_model": universal_pipeline, "predicate_parts_of_speech": ["VERB", "NOUN"]}
        )
        assert _predicates(predictor.predict_json({"sentence": "Ann has seen the dog."})) == [[1, 2, 4]]

    def test_another_scheme_is_refused_by_name(self, srl_archive, clearnlp_pipeline):
        predictor = Predictor.from_archive(srl_archive, extra_args={"spacy_model": clearnlp_pipeline})
        with refused(
            "'universal_dependencies'", f"'parser' of the spaCy pipeline '{clearnlp_pipeline}' parses in 'clearnlp'"
        ):
            predictor.predict_json({"sentence": "She sings."})
        # Loading the archive and predicting from trees need no pipeline.
        assert _predicates(predictor.predict_json(TOKENS)) == [[2, 3, 5]]

    def test_absent_pipeline(self, srl_archive):
        predictor = Predictor.from_archive(srl_archive, extra_args={"spacy_model": "en_core_web_none"})
        with refused("python -m spacy download en_core_web_none"):
            predictor.predict_json({"sentence": "She sings."})


class TestTokens:
    @pytest.mark.parametrize("trained_on, expected", [("all", [2, 3, 5]), ("with_arguments", [3, 5])])
    def test_auxiliaries_are_predicates_if_the_model_has_seen_them(self, predictor, monkeypatch, trained_on, expected):
        monkeypatch.setattr(predictor._dataset_reader, "predicates", trained_on)
        output = predictor.predict_json(TOKENS)
        assert _predicates(output) == [expected]
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
        "path, value",
        [
            *((key, DELETED) for key in ("lemmas", "parts_of_speech", "heads", "dependency_labels")),
            ("tokens", "the"),
            ("lemmas", "the"),
            ("lemmas[0]", None),
            ("heads[5]", True),
            ("predicates", ["seen"]),
            ("predicates", None),
            ("sentence_id", 7),
            ("dependency_scheme", None),
        ],
    )
    def test_wrong_values_are_named(self, predictor, path, value):
        expected = "predicates[0] is 'seen'" if value == ["seen"] else wrong_value(path, value)
        with refused(expected):
            predictor.predict_json(changed(TOKENS, path, value))

    @pytest.mark.parametrize(
        "change, expected",
        [
            ({"heads": [7, 4, 4, 0, 6, 4]}, ["heads[0] is 7, expected 1 to 6"]),
            ({"heads": [-1, 4, 4, 0, 6, 4]}, ["heads[0] is -1"]),
            ({"heads": [2, 4, 4, 6, 6, 4]}, ["cycle"]),
            ({"heads": [2]}, ["6 words, but 1 heads"]),
            ({"predicates": [6]}, ["6", "0 to 5"]),
            ({"predicate": 3}, ["predicate is not a known field", "'predicates'"]),
            ({"sentence": "x"}, ["'sentence'", "'tokens'"]),
            ({"dependency_scheme": "clearnlp"}, ["'universal_dependencies'", "'clearnlp'"]),
            (
                {"dependency_labels": ["det", "nsubjpass", "auxpass", "root", "nsubj", "ccomp"]},
                ["'nsubjpass'", "'universal_dependencies'", "'clearnlp'"],
            ),
        ],
    )
    def test_what_does_not_fit_is_named(self, predictor, change, expected):
        with refused(*expected):
            predictor.predict_json({**TOKENS, **change})

    def test_empty_input(self, predictor):
        with refused("nothing"):
            predictor.predict_json({})


class TestConll:
    def test_marked_predicates(self, predictor):
        output = predictor.predict_json({"conll": CONLL})
        # The last sentence marks none and has no verb.
        assert _predicates(output) == [[1], [4, 6], []]
        assert output["sentences"][1]["predicates"][0]["predicate"]["sense"] == "see.01"

    def test_verbs_where_none_is_marked(self, predictor):
        lines = ["\t".join(line.split("\t")[:12]) for line in CONLL.split("\n")]
        assert _predicates(predictor.predict_json({"conll": "\n".join(lines)})) == [[1], [2, 4, 6], []]

    def test_predicates_by_index(self, predictor):
        assert _predicates(predictor.predict_json({"conll": CONLL, "predicates": [4]})) == [[], [1], []]

    def test_names_the_line(self, predictor):
        with refused("conll, line 2: 3 columns"):
            predictor.predict_json({"conll": CONLL.split("\n")[0] + "\n2\tsings\tsing\n"})


def test_conllu_columns(predictor):
    """With the predicates that propositions mark, otherwise the verbs by their universal tags."""
    lines = PROPOSITIONS.split("\n")
    assert _predicates(predictor.predict_json({"conll": PROPOSITIONS})) == [[4, 5, 6]]
    plain = "\n".join("\t".join(line.split("\t")[:10]) for line in lines)
    assert _predicates(predictor.predict_json({"conll": plain})) == [[4, 5, 6]]
    # Without its label, the tag alone distinguishes an auxiliary.
    relabelled = plain.replace("\tAUX\tVBD\t", "\tNOUN\tVBD\t").replace("\taux\t", "\tobj\t")
    assert _predicates(predictor.predict_json({"conll": relabelled})) == [[5, 6]]


def test_instances(predictor, conll_file):
    results = predictor.predict_batch_instance(list(predictor._dataset_reader.read(conll_file)))
    assert [result["sentence_id"] for result in results] == ["1", "2", "2"]
    assert [result["prediction"]["predicate"]["index"] for result in results] == [1, 4, 6]
    assert set(results[0]) == {"tokens", "sentence_id", "prediction", "role_tags"}
    assert len(results[0]["role_tags"]) == 3


def test_one_instance_is_expected_where_allennlp_asks_for_one(predictor):
    assert predictor._json_to_instance({**TOKENS, "predicates": [3]})["metadata"]["predicate_index"] == 3
    with refused("3 instances"):
        predictor._json_to_instance(TOKENS)
