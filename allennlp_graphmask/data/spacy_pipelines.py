from typing import Any, Sequence

import spacy
from allennlp.common.checks import ConfigurationError
from spacy.language import Language


def load_pipeline(name: str, exclude: Sequence[str], purpose: str, alternative: str) -> Language:
    """
    Load a spaCy pipeline.

    # Parameters

    name : `str`
        The name of an installed pipeline (`en_core_web_sm`), or the folder of one.
    exclude : `Sequence[str]`
        Components that are not needed; the pipeline may lack them.
    purpose, alternative : `str`
        Parts of the error: "Raw text is parsed by", "give tokens with their arcs instead".

    # Raises

    `ConfigurationError` naming the command that installs it, if it is not installed.
    """
    try:
        return spacy.load(name, exclude=exclude)
    except OSError as error:
        raise ConfigurationError(
            f"{purpose} the spaCy pipeline '{name}', which is not installed. Run: python -m spacy download {name}  (or "
            f"{alternative}). spaCy's error: {error}"
        ) from error


def check_annotation(pipeline: Language, document: Any, annotation: str, component: str) -> None:
    """
    # Raises

    `ConfigurationError` if a document with tokens lacks an annotation, naming the component that gives it.
    """
    if len(document) and not document.has_annotation(annotation):
        raise ConfigurationError(
            f"The spaCy pipeline gives no {annotation}: it needs a component such as {component}. It has "
            f"{', '.join(pipeline.pipe_names) or 'no components'}."
        )
