import re

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from allennlp_graphmask.data.spacy_pipelines import SpacyPipeline
from tests.data.malformed import refused


@Language.component("graphmask_failing")
def fail(document: Doc) -> Doc:
    raise KeyError("no table")


def build(language: Language) -> SpacyPipeline:
    return SpacyPipeline(language, "Texts are read by", "name another one")


@pytest.mark.parametrize("component", ["graphmask_failing", "tagger"])
def test_a_component_that_fails_is_named(component):
    """A tagger without training fails."""
    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    language.add_pipe(component, name="second")
    # With this handler spaCy goes on without the text.
    language.set_error_handler(lambda name, process, documents, error: None)
    with refused("'en_pipeline'", "'second'", "sentencizer, second", "name another one"):
        build(language).annotate(["One text."], {})


def test_a_disabled_component_is_named():
    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    language.disable_pipe("sentencizer")
    with refused("SENT_START", "a component", "disabled: sentencizer"):
        build(language).annotate(["One text."], {"SENT_START": "a component"})


def test_a_component_that_is_not_known(tmp_path):
    spacy.blank("en").to_disk(tmp_path)
    config = tmp_path / "config.cfg"
    text = config.read_text().replace("pipeline = []", 'pipeline = ["odd"]')
    config.write_text(text + '\n[components.odd]\nfactory = "no_such_factory"\n')
    with refused(f"'{tmp_path}'", "no_such_factory", "name another one"):
        SpacyPipeline(str(tmp_path), "Texts are read by", "name another one").annotate([], {})


def test_the_shipped_pipeline_by_its_name():
    with refused("'pretrained:en-ewt-parser'", "'ner'"):
        SpacyPipeline("pretrained:en-ewt-parser", "", "").annotate(["A text."], {"ENT_IOB": "'ner'"})


@pytest.mark.parametrize("text", ["x" * 1_000_001, "\ud83d"], ids=["too long for spaCy", "half of a surrogate pair"])
def test_a_text_that_the_tokenizer_refuses(text):
    with refused("'tokenizer'", "name another one"):
        build(spacy.blank("en")).annotate([text], {})


@given(words=st.lists(st.integers(1, 1800).flatmap(lambda length: st.sampled_from("[x9é").map(lambda c: c * length))))
def test_long_words_are_given_to_the_tokenizer_in_parts(words):
    """Its time is the square of a word's length."""
    language = spacy.blank("en")
    tokenized, tokenize = [], language.tokenizer

    def watch(text: str) -> Doc:
        tokenized.append(text)
        return tokenize(text)

    language.tokenizer = watch
    text = " ".join(words)
    [document] = build(language).annotate([text], {})
    assert document.text == "".join(tokenized) == text
    assert max(map(len, re.findall(r"\S+", " ".join(tokenized))), default=0) <= 500
    if max(map(len, words), default=0) <= 500:
        assert tokenized == [text]
        assert [token.text for token in document] == [token.text for token in spacy.blank("en")(text)]
