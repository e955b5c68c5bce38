"""Candidates for questions that come without any."""

import re
from collections import defaultdict
from itertools import chain
from typing import ClassVar, Container, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc, Token

from allennlp_graphmask.data.dataset_readers.multihop_qa.tokenized_text import normalize_case
from allennlp_graphmask.data.spacy_pipelines import SpacyPipeline
from allennlp_graphmask.pretrained import PARSER

_WORD = r"[^\s?,;:!]+"
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
#: 4 May 1990, 4 May, May 4, 1990, May 4, May 1990. A month alone can be a name.
_DATE = re.compile(rf"\b(?:\d{{1,2}} {_MONTH}(?:,? \d{{4}})?|{_MONTH} (?:\d{{1,2}}(?:, \d{{4}})?|\d{{4}}))\b")
_SENTENCE_ENDS = frozenset('.!?:"')
_POSSESSIVE = re.compile(r"(?:['’]s|['’])$")


def strip_name(text: str, names: Container[str] = ()) -> str:
    """
    Strip white space, a leading article and a possessive ending from a name: "the Brothers Quay's" gives "Brothers Quay". The
    ending stays if `names` (of `normalize_case`) has the name with it.
    """
    name = _ARTICLE.sub("", text.strip())
    return name if normalize_case(name) in names else _POSSESSIVE.sub("", name).strip()


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


class _Entity(NamedTuple):
    text: str
    label: str


class FoundCandidates(NamedTuple):
    """Names in the paragraphs, each once, and in the question; and what found those in the paragraphs, in words."""

    candidates: Tuple[str, ...]
    subjects: Tuple[str, ...]
    found_by: Optional[str] = None


class EntityCandidates:
    """
    Takes as candidates the entities that a spaCy pipeline finds in paragraphs, in the order of the text and without a leading
    article or a possessive ending, and as subjects those of the question. Entities that differ only in case are one candidate. The
    ending stays where it is a part of the name: where a title has it, or the name without it is an entity of another label
    ("McDonald's", an organization, beside "McDonald", a person). If no entity is found in the question, the candidates in it are
    its subjects.

    `pipeline`, `labels` and `titles` are the parameters `pipeline`, `entity_labels` and `title_candidates` of `HotpotQaGraphReader`.
    """

    #: What is taken, in words.
    names: ClassVar[str] = "entities"
    # They are found without these components, and not without these annotations.
    _NOT_NEEDED: ClassVar[Sequence[str]] = ("tagger", "parser", "attribute_ruler", "lemmatizer")
    _REQUIRED: ClassVar[Mapping[str, str]] = {"ENT_IOB": "an 'ner' or 'entity_ruler', which find entities"}

    def __init__(
        self, pipeline: Union[str, Language], labels: Optional[Sequence[str]] = None, titles: bool = False
    ) -> None:
        self.pipeline = SpacyPipeline(
            pipeline,
            f"Candidates are the {self.names} that are found by",
            "name another one by the reader's 'pipeline' or the predictor's 'spacy_model'",
            self._NOT_NEEDED,
        )
        self._labels = labels
        self._titles = titles

    def find(self, question: str, paragraphs: Sequence[Paragraph]) -> FoundCandidates:
        """
        Find the candidates in the paragraphs and the subjects in the question.

        # Raises

        `ConfigurationError` if the pipeline is not installed, fails, or looks for no entities.
        """
        of_question, *of_paragraphs = self._find_entities([question, *(paragraph.text for paragraph in paragraphs)])
        names = _find_names_with_ending(of_paragraphs, paragraphs)
        # Merged here, two spellings of an entity are not logged as candidates that were given twice.
        spellings: Dict[str, str] = {}
        for paragraph, entities in zip(paragraphs, of_paragraphs):
            found = [strip_name(entity.text, names) for entity in entities]
            if self._titles and paragraph.title is not None:
                found.append(strip_name(_strip_brackets(paragraph.title), names) or paragraph.title)
            for name in filter(None, found):
                spellings.setdefault(normalize_case(name), name)
        subjects = dict.fromkeys(strip_name(entity.text, spellings) for entity in of_question)
        if not subjects:
            # Questions are often typed in lower case, in which no name is found.
            asked = f" {' '.join(re.findall(_WORD, normalize_case(question)))} "
            subjects.update(dict.fromkeys(name for spelling, name in spellings.items() if f" {spelling} " in asked))
        found_by = f"{self.names} in the texts, by the spaCy pipeline {self.pipeline.name}"
        return FoundCandidates(tuple(spellings.values()), tuple(filter(None, subjects)), found_by)

    def _find_entities(self, texts: Sequence[str]) -> List[List[_Entity]]:
        """Find the entities in each text, in order."""
        found = []
        for document in self.pipeline.annotate(texts, self._REQUIRED):
            entities = self._list_names(document)
            found.append([entity for entity in entities if self._labels is None or entity.label in self._labels])
        return found

    def _list_names(self, document: Doc) -> List[_Entity]:
        return [_Entity(entity.text, entity.label_) for entity in document.ents]


class ProperNounCandidates(EntityCandidates):
    """
    As `EntityCandidates`, for pipelines that tag words and find no entities: a name is a run of proper nouns and of adjectives with
    a capital inside a sentence ("Norwegian"), with numbers that follow one ("Apollo 11"), and with words like "of" and "de" between
    two ("University of the Arts"). Dates of a month with a day or a year are candidates, too. Years alone are not: where a
    reader takes a limited number of candidates, they would push out names.
    """

    names = "proper nouns, capitalised adjectives and dates"
    _NOT_NEEDED = ("parser", "lemmatizer", "ner")
    _REQUIRED: ClassVar[Mapping[str, str]] = {"TAG": "a 'tagger'"}
    _PROPER_NOUNS = frozenset({"NNP", "NNPS"})
    _PARTICLES = frozenset("of de da di del du van von & -".split())
    _ARTICLES = frozenset("the la le les der den".split())

    def _list_names(self, document: Doc) -> List[_Entity]:
        found = (document.char_span(*date.span()) for date in _DATE.finditer(document.text))
        names = [date for date in found if date is not None]
        dated = {token.i for date in names for token in date}
        start = end = 0
        # A sentinel ends the last run.
        for position, token in enumerate([*document, None]):
            tag = "" if token is None or position in dated else token.tag_
            is_name = tag in self._PROPER_NOUNS or (tag == "JJ" and self._has_capital(document, position))
            if is_name or (tag == "CD" and start < end == position):
                start, end = (start if start < end else position), position + 1
            elif start < end and not self._may_join(token, within_particles=end < position):
                names.append(document[start:end])
                start = end = 0
        return [_Entity(name.text, "PROPN") for name in sorted(names, key=lambda name: name.start)]

    @staticmethod
    def _has_capital(document: Doc, position: int) -> bool:
        """Return whether a word has a capital, and not because it is the first one of a sentence."""
        return (
            document[position].text[0].isupper() and position > 0 and document[position - 1].text not in _SENTENCE_ENDS
        )

    def _may_join(self, token: Optional[Token], within_particles: bool) -> bool:
        """Return whether a token may stand between two proper nouns of a name."""
        return token is not None and (
            token.lower_ in self._PARTICLES or (within_particles and token.lower_ in self._ARTICLES)
        )


def find_candidates_by(
    pipeline: Union[str, Language], labels: Optional[Sequence[str]] = None, titles: bool = False
) -> EntityCandidates:
    """Return what finds candidates by a pipeline: by entities, or by the proper nouns of the one that comes with the package."""
    by = ProperNounCandidates if pipeline == PARSER else EntityCandidates
    return by(pipeline, labels, titles)


def _strip_brackets(title: str) -> str:
    return title.partition(" (")[0]


def _find_names_with_ending(entities: Sequence[Sequence[_Entity]], paragraphs: Sequence[Paragraph]) -> Set[str]:
    """Find the names (`normalize_case`) whose possessive ending is a part of them, among others without such an ending."""

    def normalize(text: str) -> str:
        return normalize_case(_ARTICLE.sub("", text.strip()))

    labels = defaultdict(set)
    for entity in chain.from_iterable(entities):
        labels[normalize(entity.text)].add(entity.label)
    names = {normalize(_strip_brackets(paragraph.title)) for paragraph in paragraphs if paragraph.title is not None}
    for name, own in labels.items():
        others = labels.get(_POSSESSIVE.sub("", name))
        if others is not None and others.isdisjoint(own):
            names.add(name)
    return names
