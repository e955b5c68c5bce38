"""Names in texts, by spaCy."""

import re
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Sequence, Union

import spacy
from allennlp.common.checks import ConfigurationError
from spacy.language import Language

_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?:['’]s|['’])$")


def bare_name(text: str) -> str:
    """A name without white space around it, a leading article, and a possessive ending: "the Brothers Quay's" is "Brothers Quay"."""
    text = text.strip()
    return _POSSESSIVE.sub("", _ARTICLE.sub("", text)).strip()


class SpacyEntities:
    """
    Finds the entities in texts by a spaCy pipeline, which is loaded when the first text comes.

    # Parameters

    pipeline : `Union[str, Language]`
        The name of an installed pipeline (`en_core_web_sm`), the folder of one, or from Python a pipeline itself.
    labels : `Sequence[str]`, optional (default = `None`)
        Only entities with one of these labels are found; by default all.
    """

    # What names are found without. Pipelines that lack these do not mind.
    _NOT_NEEDED = ["tagger", "parser", "attribute_ruler", "lemmatizer"]

    def __init__(self, pipeline: Union[str, Language], labels: Optional[Sequence[str]] = None) -> None:
        self._pipeline = pipeline
        self._labels: Optional[FrozenSet[str]] = None if labels is None else frozenset(labels)

    @property
    def pipeline(self) -> Language:
        """
        The spaCy pipeline.

        # Raises

        `ConfigurationError` saying how to get it if it is not installed.
        """
        if isinstance(self._pipeline, str):
            try:
                self._pipeline = spacy.load(self._pipeline, exclude=self._NOT_NEEDED)
            except OSError as error:
                raise ConfigurationError(
                    f"Candidates are the entities that the spaCy pipeline '{self._pipeline}' finds, which is not installed. Run: "
                    f"python -m spacy download {self._pipeline}  "
                    f"(or name another one by 'pipeline'). spaCy says: {error}"
                ) from error
        return self._pipeline

    def names(self, texts: Iterable[str]) -> List[List[str]]:
        """
        # Returns

        `List[List[str]]`
            The names in each text, in order and each once, without articles and possessive endings.

        # Raises

        `ConfigurationError` if the pipeline looks for no entities.
        """
        found = []
        for document in self.pipeline.pipe(texts):
            self._check(document)
            names: Dict[str, None] = {}
            for entity in document.ents:
                if self._labels is None or entity.label_ in self._labels:
                    names[bare_name(entity.text)] = None
            found.append([name for name in names if name])
        return found

    def _check(self, document: Any) -> None:
        if len(document) and not document.has_annotation("ENT_IOB"):
            raise ConfigurationError(
                "The spaCy pipeline finds no entities: it needs a component such as 'ner' or 'entity_ruler'. It has "
                f"{', '.join(self.pipeline.pipe_names) or 'no components'}."
            )
