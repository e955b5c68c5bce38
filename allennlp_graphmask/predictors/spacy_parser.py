"""Dependency trees of raw text, by spaCy."""

from functools import cached_property
from typing import List, Optional

from allennlp.common.checks import ConfigurationError
from spacy.language import Language
from spacy.tokens import Doc, Span, Token

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import check_scheme, guess_scheme
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence
from allennlp_graphmask.data.spacy_pipelines import SpacyPipeline
from allennlp_graphmask.pretrained import PARSER


class SpacyParser:
    """
    Parses text by a spaCy pipeline, which is loaded when the first text comes.

    # Parameters

    model : `str`
        The name of an installed pipeline (`en_core_web_sm`), the folder of one, or `pretrained:en-ewt-parser`, which comes
        with the package.
    dependency_scheme : `str`, optional (default = `None`)
        The scheme of its trees. By default it is guessed from the labels that the pipeline's parser knows.
    """

    def __init__(self, model: str, dependency_scheme: Optional[str] = None) -> None:
        self.model = model
        self._dependency_scheme = dependency_scheme
        self._pipeline = SpacyPipeline(
            model,
            "Raw text is parsed by",
            f'name another one by "spacy_model", such as {PARSER}, or give tokens with their arcs instead',
            ["ner"],  # named entities take time and are not used
        )

    @cached_property
    def component(self) -> str:
        """The name of the component that gives the arcs, as far as the pipeline knows: else `"parser"`."""
        return find_parser(self._pipeline.language)

    @cached_property
    def dependency_scheme(self) -> str:
        """
        The name of the scheme that the pipeline's trees follow.

        # Raises

        `ConfigurationError` if it was not given and cannot be guessed from the labels of the pipeline's parser.
        """
        labels = self._pipeline.language.pipe_labels.get(self.component, [])
        scheme = self._dependency_scheme or guess_scheme(labels)
        if scheme is None:
            raise self._pipeline.misfit(
                f"has a component '{self.component}' from whose labels ({', '.join(labels[:5]) or 'none'}...) the dependency "
                'scheme of its trees cannot be guessed: name it by "parser_dependency_scheme"'
            )
        return scheme

    def parse(self, text: str) -> List[DependencySentence]:
        """
        Return the sentences of a text; none if it is empty. White space never becomes a token.

        # Raises

        `ConfigurationError` if the pipeline does not give every token an arc, a tag and a lemma, or its arcs are not trees of
        its sentences in its scheme.
        """
        # spaCy makes tokens of double spaces and line ends, which no treebank has.
        text = " ".join(text.split())
        if not text:
            return []
        [document] = self._pipeline.annotate([text], REQUIRED)
        try:
            parsed = [convert_sentence(sentence) for sentence in document.sents]
        except ConfigurationError as error:
            component = self._pipeline.find_component([text], _has_no_trees)
            raise self._pipeline.misfit(
                f"gives no trees from its component '{component}' on: {error.message.rstrip('.')}. What ends sentences or "
                "changes arcs must not come after the parser"
            ) from error
        for sentence in parsed:
            check_scheme(
                sentence.dependency_labels,
                self.dependency_scheme,
                f"The component '{self.component}' of the spaCy pipeline '{self.model}', on {sentence.text!r:.60}",
            )
        return parsed


def find_parser(language: Language) -> str:
    """Return the name of the component that gives the arcs, as far as the pipeline knows: else `"parser"`."""
    parsers = [name for name in language.pipe_names if "token.dep" in language.get_pipe_meta(name).assigns]
    return parsers[-1] if parsers else "parser"


#: What each annotation comes from.
REQUIRED = {
    "DEP": "a 'parser'",
    "SENT_START": "a 'parser', which ends sentences too",
    "TAG": "a 'tagger'",
    "LEMMA": "a 'lemmatizer'",
}


def find_words(span: Span) -> List[Token]:
    """Return the tokens of a sentence but those of white space, which no treebank has."""
    return [token for token in span if not token.is_space]


def convert_sentence(span: Span) -> DependencySentence:
    """
    Return the words and the tree of a sentence. What depends on a token of white space depends on its head. Raise a
    `ConfigurationError` if a head is in another sentence.
    """
    tokens = find_words(span)
    position = {token.i: number for number, token in enumerate(tokens)}

    def find_head(token: Token) -> int:
        head = token.head
        while head.is_space and head.head.i != head.i:
            head = head.head
        # The root of spaCy's trees is its own head.
        if head.i == token.i or head.is_space:
            return ROOT
        if head.i not in position:
            raise ConfigurationError(f"The head {head.text!r} of {token.text!r} is in another sentence.")
        return position[head.i]

    return DependencySentence(
        words=tuple(token.text for token in tokens),
        lemmas=tuple(token.lemma_ for token in tokens),
        parts_of_speech=tuple(token.tag_ for token in tokens),
        heads=tuple(map(find_head, tokens)),
        dependency_labels=tuple(token.dep_ for token in tokens),
        universal_tags=tuple(token.pos_ for token in tokens),
    )


def _has_no_trees(document: Doc) -> bool:
    """Return whether a document has arcs that are not trees of its sentences."""
    try:
        return document.has_annotation("DEP") and not [convert_sentence(sentence) for sentence in document.sents]
    except ConfigurationError:
        return True
