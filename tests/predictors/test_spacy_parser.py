"""Pipelines that do not fit: errors name the pipeline and the component, not a head."""

from typing import Callable, List

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from allennlp_graphmask.predictors.spacy_parser import SpacyParser
from tests.data.malformed import refused
from tests.predictors.stub_pipeline import CLEARNLP_LABELS, save_stub_pipeline


@Language.factory("graphmask_erase", default_config={"attribute": "LEMMA", "positions": [0]})
def erase(nlp: Language, name: str, attribute: str, positions: List[int]) -> Callable[[Doc], Doc]:
    def component(document: Doc) -> Doc:
        values = document.to_array([attribute])
        values[positions] = 0
        return document.from_array([attribute], values)

    return component


@Language.component("graphmask_cycle")
def cycle(document: Doc) -> Doc:
    words = [token.text for token in document]
    heads = [1, *range(len(words) - 1)]
    columns = {key: ["x"] * len(words) for key in ("lemmas", "tags", "deps")}
    return Doc(document.vocab, words=words, heads=heads, **columns)


COMMAS = {"punct_chars": [","], "overwrite": True}


@pytest.mark.parametrize(
    "first, second, config, expected",
    [
        ("graphmask_stub_parser", "sentencizer", COMMAS, ["another sentence", "'second'"]),
        ("graphmask_stub_parser", "graphmask_cycle", {}, ["cycle", "'second'"]),
        ("graphmask_stub_parser", "graphmask_erase", {"attribute": "LEMMA"}, ["LEMMA", "'lemmatizer'"]),
        ("graphmask_stub_parser", "graphmask_erase", {"attribute": "TAG", "positions": [1, 2]}, ["TAG", "'tagger'"]),
        ("graphmask_stub_parser", "tagger", {}, ["'second'"]),
        ("sentencizer", "graphmask_erase", {}, ["DEP", "'parser'"]),
    ],
)
def test_the_component_is_named(tmp_path, first, second, config, expected):
    pipeline = spacy.blank("en")
    pipeline.add_pipe(first, name="first")
    pipeline.add_pipe(second, name="second", config=config)
    pipeline.to_disk(tmp_path)
    parser = SpacyParser(str(tmp_path), "universal_dependencies")
    for text in ("Ann, she sings.", "She sings. Ann, she sings."):
        with refused(f"'{tmp_path}'", "first, second", '"spacy_model"', *expected):
            parser.parse(text)


@pytest.mark.parametrize("name", ["parser", "arcs"])
@pytest.mark.parametrize("labels, expected", [([], "none"), (["oa", "sb"], "oa, sb")])
def test_a_scheme_that_cannot_be_guessed(tmp_path, name, labels, expected):
    pipeline = spacy.blank("de")
    parser = pipeline.add_pipe("parser", name=name)
    for label in labels:
        parser.add_label(label)  # type: ignore[attr-defined]
    pipeline.to_disk(tmp_path)
    with refused(f"'{tmp_path}'", f"'{name}'", expected, '"parser_dependency_scheme"'):
        assert not SpacyParser(str(tmp_path)).dependency_scheme


def test_labels_of_another_scheme_than_the_declared(tmp_path):
    """The stub labels objects as Universal Dependencies do."""
    path = save_stub_pipeline(tmp_path, CLEARNLP_LABELS)
    with refused("'parser'", f"'{path}'", "'obj'", "'clearnlp'", "'universal_dependencies'"):
        SpacyParser(path).parse("Ann has seen the dog.")
