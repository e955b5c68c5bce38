"""Dependency trees of raw text, by spaCy."""

from functools import cached_property
from typing import List, NamedTuple, Optional, Tuple

from allennlp.common.checks import ConfigurationError
from spacy.language import Language
from spacy.tokens import Span

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import guess_scheme
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence
from allennlp_graphmask.data.spacy_pipelines import check_annotation, load_pipeline
from allennlp_graphmask.pretrained import PARSER, PREFIX, pretrained_parser


class ParsedSentence(NamedTuple):
    """A sentence and the universal part of speech of each token, or an empty string where the pipeline gives none."""

    sentence: DependencySentence
    coarse_tags: Tuple[str, ...]


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

    @cached_property
    def pipeline(self) -> Language:
        """
        The spaCy pipeline.

        # Raises

        `ConfigurationError` naming the command that installs it, if it is not installed.
        """
        return load_pipeline(
            pretrained_parser(self.model) if self.model.startswith(PREFIX) else self.model,
            ["ner"],  # named entities take time and are not used
            "Raw text is parsed by",
            f'name another one by "spacy_model", such as {PARSER}, or give tokens with their arcs instead',
        )

    @cached_property
    def dependency_scheme(self) -> str:
        """
        The name of the scheme that the pipeline's trees follow.

        # Raises

        `ConfigurationError` if it was not given and cannot be guessed from the labels of the pipeline's parser.
        """
        scheme = self._dependency_scheme or guess_scheme(self.pipeline.pipe_labels.get("parser", []))
        if scheme is None:
            raise ConfigurationError(
                f"The dependency scheme of the trees of the spaCy pipeline '{self.model}' cannot be guessed from its parser's "
                'labels. Name it by "parser_dependency_scheme".'
            )
        return scheme

    def parse(self, text: str) -> List[ParsedSentence]:
        """
        Return the sentences of a text; none if it is empty. White space never becomes a token.

        # Raises

        `ConfigurationError` if the pipeline does not give arcs, tags and lemmas.
        """
        # spaCy makes tokens of double spaces and line ends, which no treebank has.
        text = " ".join(text.split())
        if not text:
            return []
        document = self.pipeline(text)
        for annotation, component in (("DEP", "'parser'"), ("TAG", "'tagger'"), ("LEMMA", "'lemmatizer'")):
            check_annotation(self.pipeline, document, annotation, component)
        return [_convert_sentence(sentence) for sentence in document.sents]


def _convert_sentence(span: Span) -> ParsedSentence:
    sentence = DependencySentence(
        words=tuple(token.text for token in span),
        lemmas=tuple(token.lemma_ for token in span),
        parts_of_speech=tuple(token.tag_ for token in span),
        # The root of spaCy's trees is its own head.
        heads=tuple(ROOT if token.head.i == token.i else token.head.i - span.start for token in span),
        dependency_labels=tuple(token.dep_ for token in span),
    )
    return ParsedSentence(sentence, tuple(token.pos_ for token in span))
