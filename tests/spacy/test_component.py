import re
import shutil
from pathlib import Path
from typing import Any, List, Tuple

import pytest
import spacy
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from allennlp_graphmask.predictors.load import load_explaining_predictor
from allennlp_graphmask.pretrained import PARSER, pretrained_archive, pretrained_parser
from tests.predictors.stub_pipeline import UNIVERSAL_LABELS

TEXTS = [
    "The old teacher told the children a story about the ship that never came back. Mary gave her dog a bone.",
    "",
    "A small house.",
    "Nobody  has seen\nthe dog.",
]


@pytest.fixture(scope="module")
def pipeline() -> Language:
    language = spacy.load(pretrained_parser(PARSER))
    language.add_pipe("graphmask_srl")
    return language


def describe(doc: Doc) -> List[Any]:
    """Everything but the scores."""
    return [
        (
            predicate.token.i,
            predicate.lemma,
            [(role.label, role.span.start, role.span.end) for role in predicate.roles],
            [[edge.kept for edge in explanation.edges] for explanation in predicate.explanations],
        )
        for predicate in doc._.srl
    ]


def test_it_finds_what_the_predictor_finds(pipeline) -> None:
    predictor = load_explaining_predictor(load_archive(pretrained_archive("propbank-srl")))
    doc = pipeline(TEXTS[0])
    expected = predictor.explain_json({"sentence": TEXTS[0]})
    assert len(doc._.srl) == len(expected) == 3
    for predicate, explanation in zip(doc._.srl, expected):
        [found] = predicate.explanations
        assert found.prediction["original"]["arguments"] == [
            {**argument, "probability": pytest.approx(argument["probability"], abs=1e-4)}
            for argument in explanation.prediction["original"]["arguments"]
        ]
        assert [edge.kept for edge in found.edges] == [edge.kept for edge in explanation.edges]
        phrases = [argument["phrase"] for argument in explanation.prediction["original"]["arguments"]]
        assert [role.span.text for role in predicate.roles] == phrases
        assert predicate.token.text == explanation.prediction["original"]["predicate"]["text"]
        root = doc[predicate.token.i : predicate.token.i + 1]
        assert root._.explanation == found
    assert doc[0:1]._.explanation is None
    spans = doc.spans["srl"]
    assert [(span.label_, span.text) for span in spans] == [
        (role.label, role.span.text) for predicate in doc._.srl for role in predicate.roles
    ]
    assert {doc[int(span.id_)].text for span in spans} == {"told", "came", "gave"}
    assert "Mary" in spacy.displacy.render(doc, style="span", options={"spans_key": "srl"}, page=True, jupyter=False)


def test_documents_in_batches_are_as_alone(pipeline) -> None:
    alone = [describe(pipeline(text)) for text in TEXTS]
    for size in (1, 3):
        assert [describe(doc) for doc in pipeline.pipe(TEXTS, batch_size=size)] == alone
    assert [len(found) for found in alone] == [3, 0, 0, 2]


def test_roles_alone(pipeline) -> None:
    component = pipeline.get_pipe("graphmask_srl")
    doc = pipeline(TEXTS[0])
    component.explain = False
    try:
        other = pipeline(TEXTS[0])
    finally:
        component.explain = True
    assert [found[:3] for found in describe(other)] == [found[:3] for found in describe(doc)]
    assert not any(predicate.explanations for predicate in other._.srl)
    assert other[3:4]._.explanation is None


def test_several_foci(pipeline) -> None:
    language = spacy.load(pretrained_parser(PARSER))
    language.add_pipe("graphmask_srl", config={"focus": "each"})
    (gave,) = language("Mary gave her dog a bone.")._.srl
    names = [explanation.focus["description"] for explanation in gave.explanations]
    assert len(names) == len(gave.roles) == 3


def test_documents_and_pipelines_go_to_disk(pipeline, graphmask_archive_file, tmp_path) -> None:
    doc = pipeline(TEXTS[0])
    assert describe(Doc(doc.vocab).from_bytes(doc.to_bytes())) == describe(doc)
    pipeline.to_disk(tmp_path / "pretrained")
    assert not (tmp_path / "pretrained" / "graphmask_srl" / "model.tar.gz").exists()
    assert describe(spacy.load(tmp_path / "pretrained")(TEXTS[0])) == describe(doc)

    language = with_stub_parser(UNIVERSAL_LABELS)
    archive = tmp_path / "own.tar.gz"
    archive.write_bytes(open(graphmask_archive_file, "rb").read())
    language.add_pipe("graphmask_srl", config={"archive": str(archive)})
    expected = describe(language("She sings. Ann has seen the dog."))
    assert len(expected) == 3
    content = language.to_bytes()
    language.to_disk(tmp_path / "own")
    archive.unlink()
    again = with_stub_parser(UNIVERSAL_LABELS)
    again.add_pipe("graphmask_srl", config={"archive": "elsewhere.tar.gz"})
    for loaded in (spacy.load(tmp_path / "own"), again.from_bytes(content)):
        assert describe(loaded("She sings. Ann has seen the dog.")) == expected


def with_stub_parser(labels: List[str]) -> Language:
    language = spacy.blank("en")
    language.add_pipe("graphmask_stub_parser", name="parser", config={"labels": labels})
    return language


def missing_archive() -> Tuple[Language, str]:
    language = with_stub_parser(UNIVERSAL_LABELS)
    language.add_pipe("graphmask_srl", config={"archive": "elsewhere.tar.gz"})
    return language, "'elsewhere.tar.gz'"


def model_of_questions() -> Tuple[Language, str]:
    language = with_stub_parser(UNIVERSAL_LABELS)
    language.add_pipe("graphmask_srl", config={"archive": "pretrained:multihop-qa"})
    return language, "'pretrained:multihop-qa'"


def other_scheme() -> Tuple[Language, str]:
    language = with_stub_parser(UNIVERSAL_LABELS)
    language.add_pipe("graphmask_srl")
    return language, "'universal_dependencies'"


def no_trees() -> Tuple[Language, str]:
    language = spacy.blank("en")
    language.add_pipe("graphmask_srl")
    return language, "DEP"


@pytest.mark.parametrize("build", [missing_archive, model_of_questions, other_scheme, no_trees])
def test_mistakes_are_named(build) -> None:
    language, value = build()
    with pytest.raises(ConfigurationError) as error:
        language("She sings.")
    assert value in error.value.message


def test_a_pipeline_that_was_trained_here() -> None:
    """Its trees are those of one sentence, learnt by heart."""
    language = spacy.blank("en")
    settings = {
        "tagger": {},
        "morphologizer": {},
        "trainable_lemmatizer": {"min_tree_freq": 1},
        "parser": {"min_action_freq": 1},
    }
    for component, config in settings.items():
        language.add_pipe(component, config=config)
    words = ["Mary", "gave", "her", "dog", "a", "bone", "."]
    annotations = {
        "heads": [1, 1, 3, 1, 5, 1, 1],
        "deps": ["nsubj", "ROOT", "poss", "dative", "det", "dobj", "punct"],
        "tags": ["NNP", "VBD", "PRP$", "NN", "DT", "NN", "."],
        "pos": ["PROPN", "VERB", "PRON", "NOUN", "DET", "NOUN", "PUNCT"],
        "lemmas": ["Mary", "give", "she", "dog", "a", "bone", "."],
    }
    spaces = [True] * 5 + [False, False]
    example = Example.from_dict(Doc(language.vocab, words=words, spaces=spaces), annotations)
    optimizer = language.initialize(lambda: [example])
    for _ in range(40):
        language.update([example], sgd=optimizer)
    language.add_pipe("graphmask_srl")
    (gave,) = language("Mary gave her dog a bone.")._.srl
    assert gave.lemma == "give" and gave.token.text == "gave"
    assert {role.span.text for role in gave.roles} == {"Mary", "her dog", "a bone"}
    assert gave.explanations[0].kept_share() < 0.5


def test_the_example_in_the_documentation(capsys) -> None:
    page = (Path(__file__).parents[2] / "docs" / "spacy.md").read_text()
    [block] = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(block, {})
    printed = capsys.readouterr().out
    assert "told [('A0', 'The old teacher'" in printed and "gave [('A0', 'Mary'" in printed


def test_a_folder_can_be_written_to_again(graphmask_archive_file, tmp_path) -> None:
    own, pretrained = spacy.blank("en"), spacy.blank("en")
    own.add_pipe("graphmask_srl", config={"archive": str(graphmask_archive_file)})
    pretrained.add_pipe("graphmask_srl", config={"archive": "pretrained:propbank-srl"})
    for _ in range(2):
        own.to_disk(tmp_path / "pipe")
        own = spacy.load(tmp_path / "pipe")  # its archive is in this folder now
    assert own.get_pipe("graphmask_srl").archive == str(tmp_path / "pipe" / "graphmask_srl" / "model.tar.gz")
    pretrained.to_disk(tmp_path / "pipe")
    assert spacy.load(tmp_path / "pipe").get_pipe("graphmask_srl").archive == "pretrained:propbank-srl"


def test_an_archive_can_be_given_by_its_folder(graphmask_archive_file, tmp_path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(graphmask_archive_file, tmp_path / "run" / "model.tar.gz")
    language = spacy.blank("en")
    language.add_pipe("graphmask_srl", config={"archive": str(tmp_path / "run")})
    assert language.get_pipe("graphmask_srl").to_bytes().endswith(Path(graphmask_archive_file).read_bytes())
