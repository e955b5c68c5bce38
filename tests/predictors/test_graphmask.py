import itertools
import json
import subprocess
import sys
from unittest import mock

import jsonschema
import pytest
import torch
from allennlp.commands.predict import _PredictManager
from allennlp.common.checks import ConfigurationError
from allennlp.data import Instance
from allennlp.models import load_archive
from allennlp.predictors import Predictor
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.propbank_srl import Predicate
from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.explanation.explanation import Explanation, explanation_schema
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.predictors import GraphMaskPredictor, GraphSrlPredictor, explaining_predictor
from allennlp_graphmask.views import render_text
from tests.predictors.inputs import CONLL, TOKENS, assert_equal_up_to_rounding


@pytest.fixture()
def predictor(graphmask_archive, universal_pipeline) -> GraphMaskPredictor:
    predictor = Predictor.from_archive(graphmask_archive, extra_args={"spacy_model": universal_pipeline})
    assert isinstance(predictor, GraphMaskPredictor)
    return predictor


def test_explains_every_predicate(predictor):
    output = predictor.predict_json({"sentence": "She sings. Ann has seen the dog. The dog."})
    explanations = [Explanation.from_dict(explanation) for explanation in output["explanations"]]
    assert [explanation.metadata["predicate_index"] for explanation in explanations] == [1, 1, 2]
    second = explanations[2]
    assert second.tokens == ("Ann", "has", "seen", "the", "dog", ".")
    # Five arcs in both directions, two layers.
    assert len(second.edges) == 10 and second.num_layers == 2
    assert 0 < second.kept_share() < 1 or second.verification["changed_before"]
    assert second.metadata["dependency_scheme"] == "universal_dependencies"
    assert second.interpreter["name"] == "graphmask"
    assert "[[seen]]" in render_text(second)


def test_fits_the_json_schema(predictor):
    for explanation in predictor.predict_json(TOKENS)["explanations"]:
        jsonschema.validate(explanation, explanation_schema(), cls=jsonschema.Draft202012Validator)


def test_scores_and_decisions_are_those_of_the_model(predictor):
    instance = predictor.json_to_instances(TOKENS)[0]
    [explanation] = predictor.explain_instances([instance])
    attribution = predictor._model.forward_on_instance(instance)["attribution"]
    for edge, explained in zip(attribution.edges(), explanation.edges):
        assert (explained.source, explained.target, explained.type) == edge[:3]
        assert explained.kept == tuple(edge.kept)
        assert explained.score == pytest.approx(edge.scores, rel=1e-5)


@pytest.mark.parametrize("threshold", [-3.0, 0.5, 4.89])
def test_scores_agree_with_decisions_wherever_the_threshold_is(graphmask_archive_file, threshold):
    """A message with a score above one half is kept, and no other: also if training has moved the threshold."""
    predictor = Predictor.from_archive(load_archive(graphmask_archive_file), extra_args={"verify": False})
    predictor._model.threshold.fill_(threshold)
    for explanation in predictor.explain_json(TOKENS):
        assert explanation.threshold(0.5).edges == explanation.edges


def test_original_prediction_is_that_of_the_target(predictor, srl_archive):
    target_predictor = Predictor.from_archive(srl_archive)
    predictions = target_predictor.predict_json(TOKENS)["sentences"][0]["predicates"]
    explanations = predictor.explain_json(TOKENS)
    assert_equal_up_to_rounding([explanation.prediction["original"] for explanation in explanations], predictions)


def test_no_predicates(predictor):
    assert predictor.predict_json({"sentence": "The dog."}) == {"explanations": []}
    assert predictor.predict_batch_json([]) == []


def test_metadata_of_an_instance(predictor, conll_file):
    [_, instance, _] = predictor._dataset_reader.read(conll_file)
    assert predictor.predict_instance(instance)["metadata"]["roles"] == {"1": "A0", "3": "AM-TMP", "6": "A1"}


@pytest.mark.parametrize("batch_size", [1, 2])
def test_allennlp_predict_with_the_reader_writes_the_format_itself(predictor, tmp_path, conll_file, batch_size):
    output_file = tmp_path / "explanations.jsonl"
    _PredictManager(predictor, conll_file, str(output_file), batch_size, False, True).run()
    explanations = list(read_explanations(output_file))
    assert [explanation.metadata["sentence_id"] for explanation in explanations] == ["1", "2", "2"]
    lines = "".join(explanation.to_json_line() + "\n" for explanation in explanations)
    assert output_file.read_text() == lines


def test_allennlp_predict_on_json_lines(predictor, tmp_path):
    input_file, output_file = tmp_path / "inputs.jsonl", tmp_path / "explanations.jsonl"
    input_file.write_text(json.dumps({"conll": CONLL}) + "\n" + json.dumps({"sentence": "The dog."}) + "\n")
    _PredictManager(predictor, str(input_file), str(output_file), 2, False, False).run()
    assert len(output_file.read_text().splitlines()) == 2
    assert len(list(read_explanations(output_file))) == 3


class TestProvenance:
    def test_names_versions_and_weights(self, predictor):
        provenance = predictor.provenance
        assert set(provenance["versions"]) == {"allennlp_graphmask", "allennlp", "torch", "python"}
        assert len(provenance["weights_sha256"]) == 64
        assert predictor.explain_json(TOKENS)[0].provenance == provenance

    def test_config_comes_with_the_archive(self, graphmask_archive):
        predictor = GraphMaskPredictor.from_archive(graphmask_archive)
        assert isinstance(predictor, GraphMaskPredictor)
        assert len(predictor.provenance["config_sha256"]) == 64
        assert predictor.provenance["seeds"] == {"random_seed": 13370, "numpy_seed": 1337, "pytorch_seed": 133}


class TestNothingIsLeftBehind:
    def test_model(self, predictor):
        model = predictor._model
        before = {
            name: value.clone() if isinstance(value, torch.Tensor) else value
            for name, value in model.state_dict().items()
        }
        modes = [module.training for module in model.modules()]
        random_state = torch.get_rng_state()
        predictor.predict_json(TOKENS)
        assert model.measures_controls is True
        assert [module.training for module in model.modules()] == modes
        assert torch.equal(torch.get_rng_state(), random_state)
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]) if isinstance(value, torch.Tensor) else value == before[name]

    def test_after_an_exception(self, predictor, monkeypatch):
        model = predictor._model.train()
        modes = [module.training for module in model.modules()]
        monkeypatch.setattr(predictor.masked_model, "masked", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            predictor.predict_json(TOKENS)
        assert [module.training for module in model.modules()] == modes


class TestTargetPredictor:
    def test_is_the_default_of_the_target(self, predictor):
        assert isinstance(predictor.target_predictor, GraphSrlPredictor)
        assert predictor.target_predictor._model is predictor._model.target

    def test_takes_all_other_arguments(self, graphmask_archive, clearnlp_pipeline):
        predictor = Predictor.from_archive(graphmask_archive, extra_args={"spacy_model": clearnlp_pipeline})
        with pytest.raises(
            ConfigurationError, match="'universal_dependencies', but the component 'parser' of .* in 'clearnlp'"
        ):
            predictor.predict_json({"sentence": "She sings."})

    def test_unknown_argument(self, graphmask_archive):
        with pytest.raises(ConfigurationError, match="'graph_srl' of the explained model does not take spacy_modle"):
            Predictor.from_archive(graphmask_archive, extra_args={"spacy_modle": "x"})

    def test_can_be_a_predictor_that_makes_one_instance(self, graphmask_archive):
        predictor = Predictor.from_archive(graphmask_archive, extra_args={"target_predictor": "one_sentence_for_test"})
        assert len(predictor.predict_json({"predicate": 3})["explanations"]) == 1

    def test_a_target_without_predictor(self, graphmask_archive, conll_file, monkeypatch):
        monkeypatch.setattr(graphmask_archive.model.target, "default_predictor", None)
        predictor = Predictor.from_archive(graphmask_archive)
        [instance, *_] = predictor._dataset_reader.read(conll_file)
        assert predictor.predict_instance(instance)["num_layers"] == 2
        with pytest.raises(ConfigurationError, match="GcnSemanticRoleLabeler has no predictor .*--use-dataset-reader"):
            predictor.predict_json(TOKENS)
        with pytest.raises(ConfigurationError, match="no predictor of its own that could take spacy_model"):
            Predictor.from_archive(graphmask_archive, extra_args={"spacy_model": "x"})


@Predictor.register("one_sentence_for_test")
class OneSentencePredictor(Predictor):
    """A predictor as third parties write them."""

    def _json_to_instance(self, json_dict):
        [requested] = GraphSrlPredictor(self._model, self._dataset_reader).json_to_sentences(TOKENS)
        return self._dataset_reader.text_to_instance(requested.sentence, Predicate(json_dict["predicate"]))


def test_another_model_is_refused(srl_archive):
    with pytest.raises(ConfigurationError, match="by a trained 'graphmask' model, not by a GcnSemanticRoleLabeler"):
        Predictor.from_archive(srl_archive, "graphmask")


@given(lengths=st.lists(st.integers(0, 40), max_size=12), most=st.integers(1, 5), most_padded=st.integers(1, 100))
def test_batches_of_long_instances_are_small(graphmask_archive, lengths, most, most_padded):
    predictor = Predictor.from_archive(graphmask_archive)
    instances = [Instance({"graph": GraphField(length, [], [])}) for length in lengths]
    batches = []

    def explain(batch):
        batches.append([instance["graph"].num_nodes for instance in batch])
        return [[instance] for instance in batch]

    with (
        mock.patch.object(predictor, "_explain_batch", explain),
        mock.patch.object(predictor, "_batch_size", most),
        mock.patch.object(explaining_predictor, "_MOST_PADDED", most_padded),
    ):
        assert predictor.explain_instances(instances) == instances
    assert [length for batch in batches for length in batch] == sorted(lengths)
    for batch, following in itertools.zip_longest(batches, batches[1:], fillvalue=[10**9]):
        assert len(batch) == 1 or len(batch) * max(batch) <= most_padded
        assert len(batch) <= most
        # No batch could have been larger.
        assert len(batch) == most or (len(batch) + 1) * following[0] > most_padded


def test_an_archive_is_loaded_by_its_path_and_an_interpreter_by_its_name(graphmask_archive_file) -> None:
    """In a process in which nothing is registered yet."""
    code = (
        "from allennlp_graphmask.predictors import load_explaining_predictor\n"
        f"predictor = load_explaining_predictor({str(graphmask_archive_file)!r}, interpreter='random')\n"
        f"print(len(predictor.explain_json({TOKENS!r})), predictor.description['name'])"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    number, name = finished.stdout.split()
    assert int(number) > 0 and name == "random"


def test_a_text_in_the_place_of_an_input(predictor) -> None:
    with pytest.raises(ConfigurationError, match="'She sings.'.*'sentence'"):
        predictor.explain_json("She sings.")
