"""The archives that come with the package, and their model cards."""

import json
from pathlib import Path

import pytest
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model, load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.data.dataset_readers import Conll2009SrlReader
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.predictors.spacy_parser import SpacyParser
from allennlp_graphmask.pretrained import PARSER, load_model_card, pretrained_archive, pretrained_names
from tests.compat.conftest import run_python

FIXTURE = Path(__file__).parents[1] / "fixtures" / "propbank" / "demo.conll09"


#: In bytes.
LARGEST_SIZES = {"propbank-srl": 12_000_000, "multihop-qa": 8_000_000}


@pytest.mark.parametrize("name", pretrained_names())
class TestEveryArchive:
    def test_it_is_small(self, name) -> None:
        assert Path(pretrained_archive(name)).stat().st_size <= LARGEST_SIZES[name]

    def test_its_name_is_a_path_for_all_of_allennlp(self, name) -> None:
        archive = f"pretrained:{name}"
        predictor = Predictor.from_path(archive, "graphmask")
        weights = dict(predictor._model.named_parameters())
        named = Params({"type": "from_archive", "archive_file": archive})
        for model in (load_archive(archive).model, Model.from_archive(archive), Model.from_params(named)):
            loaded = dict(model.named_parameters())
            assert loaded.keys() == weights.keys() and all(loaded[key].equal(weights[key]) for key in weights)
        assert Vocabulary.from_files(archive).get_vocab_size() == predictor._model.vocab.get_vocab_size()

    def test_its_card_says_what_it_is(self, name) -> None:
        card = load_model_card(name)
        assert card.id == name and card.registered_model_name == "graphmask"
        assert "CC BY-SA 4.0" in card.training_data.dataset.notes
        assert card.evaluation_data.dataset.name and card.intended_use.out_of_scope_use_cases
        assert card.model_caveats_and_recommendations is not None

    def test_its_card_has_the_figures_of_its_training(self, name) -> None:
        model = load_archive(pretrained_archive(name)).model
        assert isinstance(model, GraphMask)
        figures = json.loads(Path(pretrained_archive(name).replace(".tar.gz", ".json")).read_text())["figures"]
        chosen = model.training_summary["threshold_choice"]
        assert figures["kept"] == pytest.approx(chosen["kept"], abs=5e-5)
        assert figures["changed"] == pytest.approx(chosen["changed"], abs=5e-5)
        if name == "propbank-srl":
            assert figures["f1"] == pytest.approx(model.training_summary["original_f1"], abs=5e-5)


def test_all_are_there() -> None:
    assert set(pretrained_names()) == set(LARGEST_SIZES)


def test_an_unknown_name() -> None:
    for load in (load_archive, Predictor.from_path, Vocabulary.from_files):
        with pytest.raises(ConfigurationError, match="'pretrained:propbank'.* pretrained:propbank-srl"):
            load("pretrained:propbank")


def run_explain(*arguments: str, folder: Path, archive: str = "pretrained:propbank-srl") -> str:
    """In an empty folder, without a network."""
    command = ("-m", "allennlp", "explain", archive, *arguments)
    return run_python(*command, folder=folder, TRANSFORMERS_OFFLINE="1")


def test_it_explains_raw_text(tmp_path) -> None:
    """By the parser that comes with the package, too."""
    text = "The committee approved the plan that she had proposed."
    run_explain("--text", text, "-o", "explanations.jsonl", folder=tmp_path)
    explanations = {
        explanation.prediction["original"]["predicate"]["text"]: {
            argument["role"]: argument["text"] for argument in explanation.prediction["original"]["arguments"]
        }
        for explanation in read_explanations(tmp_path / "explanations.jsonl")
    }
    assert explanations["approved"] == {"A0": "committee", "A1": "plan"}
    assert explanations["proposed"]["A0"] == "she"
    assert "\nThe committee [[approved]] the plan" in run_explain("--text", text, folder=tmp_path)


def test_the_parser() -> None:
    [sentence, other] = SpacyParser(PARSER).parse("David sold the old car. Anna bought it in Paris.")
    assert SpacyParser(PARSER).dependency_scheme == "clearnlp"
    assert sentence.words == ("David", "sold", "the", "old", "car", ".")
    assert sentence.heads == (1, -1, 4, 4, 1, 1)
    assert sentence.lemmas[:2] == ("David", "sell") and sentence.universal_tags[1] == "VERB"
    assert [label.lower() for label in other.dependency_labels][:3] == ["nsubj", "root", "dobj"]


VERBS = {  # none of which is in the parser's training data
    "baptise": "baptised",
    "besiege": "besieged",
    "caress": "caressed",
    "chisel": "chiselled",
    "embroider": "embroidered",
    "excavate": "excavated",
    "flatter": "flattered",
    "forsake": "forsook",
    "juggle": "juggled",
    "knit": "knitted",
    "mimic": "mimicked",
    "pilfer": "pilfered",
    "pity": "pitied",
    "pluck": "plucked",
    "praise": "praised",
    "quarry": "quarried",
    "revere": "revered",
    "stitch": "stitched",
    "tickle": "tickled",
    "unearth": "unearthed",
    "waltz": "waltzed",
    "weave": "wove",
    "whisper": "whispered",
}


def test_lemmas_of_verbs_that_it_was_not_trained_on() -> None:
    parser = SpacyParser(PARSER)
    parsed = {verb: parser.parse(f"She {form} it in the morning.")[0] for verb, form in VERBS.items()}
    assert {verb: sentence.lemmas[1] for verb, sentence in parsed.items()} == {verb: verb for verb in VERBS}
    [sentence] = parser.parse("They're sure he wo n't tell me or us.")
    assert sentence.lemmas == ("they", "be", "sure", "he", "will", "not", "tell", "I", "or", "we", ".")


def test_an_unknown_parser() -> None:
    with pytest.raises(ConfigurationError, match="'pretrained:fr'.* pretrained:en-ewt-parser"):
        SpacyParser("pretrained:fr").parse("Bonjour.")


def test_it_explains_parsed_sentences(tmp_path) -> None:
    run_explain(str(FIXTURE), "-o", "explanations.jsonl", folder=tmp_path)
    explanations = list(read_explanations(tmp_path / "explanations.jsonl"))
    gold = list(Conll2009SrlReader("clearnlp", syntax="predicted").read(FIXTURE))
    assert len(explanations) == len(gold)
    # Simple sentences: it labels nearly all of their words as they are.
    right = total = 0
    for explanation, instance in zip(explanations, gold):
        roles = {(argument["head"], argument["role"]) for argument in explanation.prediction["original"]["arguments"]}
        truth = set(instance["metadata"].metadata["roles"].items())
        right += len(roles & truth)
        total += len(roles | truth)
    assert right / total > 0.6


def test_it_answers_a_question_typed_by_hand(tmp_path) -> None:
    paragraphs = [
        "Blue Harbour is a song by the Swedish singer Mara Quill.",
        "Mara Quill was born in Gothenburg and lives in Oslo.",
        "Otto Reyl was born in Hamburg.",
    ]
    question = {"question": "Where was the performer of the song Blue Harbour born?", "paragraphs": paragraphs}
    (tmp_path / "question.jsonl").write_text(json.dumps(question))
    run_explain("question.jsonl", "-o", "explanations.jsonl", folder=tmp_path, archive="pretrained:multihop-qa")
    (explanation,) = read_explanations(tmp_path / "explanations.jsonl")
    assert explanation.prediction["original"]["answer"] == "Gothenburg" and not explanation.prediction["changed"]
    assert "en-ewt-parser" in explanation.metadata["candidates_found_by"]
