"""Raw text to dependency trees, by spaCy."""

from typing import Any, List, NamedTuple, Optional, Tuple

import spacy
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import guess_scheme
from allennlp_graphmask.pretrained import PARSER, PREFIX, pretrained_parser


class ParsedSentence(NamedTuple):
    """
    One sentence as a parser sees it, one entry for each token in each field.

    `heads` are counted from 1, 0 being that of the root, as in the columns of CoNLL files. `coarse_tags` are
    universal parts of speech, empty strings where the pipeline gives none.
    """

    words: Tuple[str, ...]
    lemmas: Tuple[str, ...]
    tags: Tuple[str, ...]
    coarse_tags: Tuple[str, ...]
    heads: Tuple[int, ...]
    dependency_labels: Tuple[str, ...]


class SpacyParser:
    """
    Parses text by a spaCy pipeline, which is loaded when the first text comes.

    # Parameters

    model : `str`
        The name of an installed pipeline (`en_core_web_sm`), the folder of one, or `pretrained:en-ewt-parser`, which comes
        with the package.
    dependency_scheme : `str`, optional (default = `None`)
        The scheme of its trees. If it is not given it is told from the labels that the pipeline's parser
        knows.
    """

    def __init__(self, model: str, dependency_scheme: Optional[str] = None) -> None:
        self.model = model
        self._dependency_scheme = dependency_scheme
        self._pipeline: Any = None

    @property
    def pipeline(self) -> Any:
        """
        The spaCy pipeline.

        # Raises

        `ConfigurationError` saying how to get it if it is not installed.
        """
        if self._pipeline is None:
            self._pipeline = self._load()
        return self._pipeline

    def _load(self) -> Any:
        folder_or_name = pretrained_parser(self.model) if self.model.startswith(PREFIX) else self.model
        try:
            # Named entities take time and are not used.
            return spacy.load(folder_or_name, exclude=["ner"])
        except OSError as error:
            raise ConfigurationError(
                f"Raw text is parsed by the spaCy pipeline '{self.model}', which is not installed. Run: "
                f"python -m spacy download {self.model}  "
                f'(or name another one by "spacy_model", such as {PARSER}, or give tokens with their arcs instead). '
                f"spaCy says: {error}"
            ) from error

    @property
    def dependency_scheme(self) -> str:
        """
        The name of the scheme that the pipeline's trees follow.

        # Raises

        `ConfigurationError` if it was not given and cannot be told from the labels of the pipeline's parser.
        """
        if self._dependency_scheme is None:
            labels = self.pipeline.pipe_labels.get("parser", [])
            scheme = guess_scheme(labels) if labels else None
            if scheme is None:
                raise ConfigurationError(
                    f"The labels of the parser in the spaCy pipeline '{self.model}' do not tell which "
                    'dependency scheme its trees follow. Name it by "parser_dependency_scheme".'
                )
            self._dependency_scheme = scheme
        return self._dependency_scheme

    def parse(self, text: str) -> List[ParsedSentence]:
        """
        # Returns

        `List[ParsedSentence]`
            The sentences of the text; none if it is empty. White space never becomes a token.

        # Raises

        `ConfigurationError` if the pipeline does not give arcs, tags and lemmas.
        """
        # spaCy makes tokens of double spaces and line ends, which no treebank has.
        text = " ".join(text.split())
        if not text:
            return []
        document = self.pipeline(text)
        for annotation, component in (("DEP", "parser"), ("TAG", "tagger"), ("LEMMA", "lemmatizer")):
            if not document.has_annotation(annotation):
                raise ConfigurationError(
                    f"The spaCy pipeline '{self.model}' gives no {annotation}: it needs a {component}. It "
                    f"has {', '.join(self.pipeline.pipe_names) or 'no components'}."
                )
        return [_parsed(sentence) for sentence in document.sents]


def _parsed(sentence: Any) -> ParsedSentence:
    return ParsedSentence(
        words=tuple(token.text for token in sentence),
        lemmas=tuple(token.lemma_ for token in sentence),
        tags=tuple(token.tag_ for token in sentence),
        coarse_tags=tuple(token.pos_ for token in sentence),
        # The root of spaCy's trees is its own head.
        heads=tuple(
            0 if token.head.i == token.i else token.head.i - sentence.start + 1 for token in sentence
        ),
        dependency_labels=tuple(token.dep_ for token in sentence),
    )
