from typing import Any, Sequence

import spacy
from allennlp.common.checks import ConfigurationError
from spacy.language import Language


def load_pipeline(name: str, exclude: Sequence[str], purpose: str, alternative: str) -> Language:
    """
    Load an installed pipeline, or the folder of one, without the components to exclude (which it may lack). If it is not
    installed, raise a `ConfigurationError` made of `purpose` ("Raw text is parsed by"), the command that installs it, and
    `alternative` ("give tokens with their arcs instead").
    """
    try:
        return spacy.load(name, exclude=exclude)
    except OSError as error:
        raise ConfigurationError(
            f"{purpose} the spaCy pipeline '{name}', which is not installed. Run: python -m spacy download {name}  (or "
            f"{alternative}). spaCy's error: {error}"
        ) from error


def check_annotation(pipeline: Language, document: Any, annotation: str, component: str) -> None:
    """Raise a `ConfigurationError` naming the component that gives the annotation, if a document with tokens lacks it."""
    if len(document) and not document.has_annotation(annotation):
        raise ConfigurationError(
            f"The spaCy pipeline gives no {annotation}: it needs a component such as {component}. It has "
            f"{', '.join(pipeline.pipe_names) or 'no components'}."
        )
