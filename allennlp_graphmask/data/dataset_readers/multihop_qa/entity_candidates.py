"""Candidates for questions that come without any."""

import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.language import Language

from allennlp_graphmask.data.spacy_pipelines import check_annotation, load_pipeline

_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?:['’]s|['’])$")


def strip_name(text: str) -> str:
    """Strip white space, a leading article and a possessive ending from a name: "the Brothers Quay's" gives "Brothers Quay"."""
    text = text.strip()
    return _POSSESSIVE.sub("", _ARTICLE.sub("", text)).strip()


class Paragraph(NamedTuple):
    """A text and the title that it has, if any, and starts with."""

    title: Optional[str]
    text: str


def build_titled_paragraph(title: str, sentences: Sequence[str]) -> Paragraph:
    """Build a paragraph whose text is its title, a full stop, and its sentences."""
    text = f"{title} ."
    for sentence in sentences:
        # HotpotQA's sentences start with the space before them, those of 2WikiMultihopQA do not.
        text += sentence if sentence[:1].isspace() else f" {sentence}"
    return Paragraph(title, text)


class FoundCandidates(NamedTuple):
    """Names in the paragraphs, each once, and in the question."""

    candidates: Tuple[str, ...]
    subjects: Tuple[str, ...]


class EntityCandidates:
    """
    Takes as candidates the entities that a spaCy pipeline finds in paragraphs, in the order of the text and without a leading
    article or a possessive ending, and as subjects those of the question. Entities that differ only in case are one candidate.

    `pipeline`, `labels` and `titles` are the parameters `pipeline`, `entity_labels` and `title_candidates` of `HotpotQaGraphReader`.
    """

    # Entities are found without these.
    _NOT_NEEDED = ["tagger", "parser", "attribute_ruler", "lemmatizer"]

    def __init__(
        self, pipeline: Union[str, Language], labels: Optional[Sequence[str]] = None, titles: bool = False
    ) -> None:
        self._pipeline = pipeline
        self._labels = labels
        self._titles = titles

    def find(self, question: str, paragraphs: Sequence[Paragraph]) -> FoundCandidates:
        """
        Find the candidates in the paragraphs and the subjects in the question.

        # Raises

        `ConfigurationError` if the pipeline is not installed or looks for no entities.
        """
        subjects, *entities = self._find_names([question, *(paragraph.text for paragraph in paragraphs)])
        # Merged here, two spellings of an entity are not logged as candidates that were given twice.
        spellings: Dict[str, str] = {}
        for paragraph, names in zip(paragraphs, entities):
            if self._titles and paragraph.title is not None:
                names.append(strip_name(paragraph.title.partition(" (")[0]) or paragraph.title)
            for name in names:
                spellings.setdefault(name.lower(), name)
        return FoundCandidates(tuple(spellings.values()), tuple(subjects))

    def _find_names(self, texts: Iterable[str]) -> List[List[str]]:
        """Find the names in each text, in order and each once."""
        if isinstance(self._pipeline, str):
            self._pipeline = load_pipeline(
                self._pipeline,
                self._NOT_NEEDED,
                "Candidates are the entities that are found by",
                "name another one by 'pipeline'",
            )
        found = []
        for document in self._pipeline.pipe(texts):
            check_annotation(self._pipeline, document, "ENT_IOB", "'ner' or 'entity_ruler', which find entities")
            names = dict.fromkeys(
                strip_name(entity.text)
                for entity in document.ents
                if self._labels is None or entity.label_ in self._labels
            )
            found.append([name for name in names if name])
        return found
