"""Candidates for questions that come without any."""

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from spacy.language import Language

from allennlp_graphmask.data.dataset_readers.multihop_qa.spacy_entities import SpacyEntities, bare_name


class Paragraph(NamedTuple):
    """A text and the title that it has, if any, and starts with."""

    title: Optional[str]
    text: str


def titled_paragraph(title: str, sentences: Sequence[str]) -> Paragraph:
    """A paragraph whose text is its title, a full stop, and its sentences."""
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

    # Parameters

    pipeline : `Union[str, Language]`
        The name or folder of a spaCy pipeline, loaded when the first question comes; from Python, a pipeline.
    labels : `Sequence[str]`, optional (default = `None`)
        Only entities with one of these labels; by default all.
    titles : `bool`, optional (default = `False`)
        Whether the titles of the paragraphs (without what is in brackets at their end) are candidates too, after the entities of
        their paragraph.
    """

    def __init__(
        self, pipeline: Union[str, Language], labels: Optional[Sequence[str]] = None, titles: bool = False
    ) -> None:
        self._entities = SpacyEntities(pipeline, labels)
        self._titles = titles

    def find(self, question: str, paragraphs: Sequence[Paragraph]) -> FoundCandidates:
        """
        # Raises

        `ConfigurationError` if the pipeline is not installed or looks for no entities.
        """
        subjects, *entities = self._entities.names([question, *(paragraph.text for paragraph in paragraphs)])
        # Two spellings are not an oddity of the data that a log should speak of.
        spellings: Dict[str, str] = {}
        for paragraph, names in zip(paragraphs, entities):
            found: List[str] = list(names)
            if self._titles and paragraph.title is not None:
                found.append(bare_name(paragraph.title.partition(" (")[0]) or paragraph.title)
            for name in found:
                spellings.setdefault(name.lower(), name)
        return FoundCandidates(tuple(spellings.values()), tuple(subjects))
