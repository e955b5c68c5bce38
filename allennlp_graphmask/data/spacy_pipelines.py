import itertools
import re
from functools import cached_property
from typing import Any, Callable, Iterable, List, Mapping, Sequence, Tuple, Union

import spacy
from allennlp.common.checks import ConfigurationError
from spacy.language import Language
from spacy.pipeline import EntityRuler, SpanRuler
from spacy.tokens import Doc

from allennlp_graphmask.pretrained import PREFIX, pretrained_parser
from allennlp_graphmask_compat.loading import check_pipeline

#: spaCy's tokenizer takes time squared in the length of what has no white space: 16 seconds for 17,000 brackets.
_LONG_WORD = re.compile(r"\S{500}(?=\S)")


class SpacyPipeline:
    """
    A spaCy pipeline, loaded when it is first used. Where it does not fit, errors name it, its component, and what to do.

    # Parameters

    source : `Union[str, Language]`
        The name of an installed pipeline, the folder of one, or `pretrained:en-ewt-parser`; from Python, a pipeline.
    purpose : `str`
        The start of an error's sentence: "Raw text is parsed by".
    alternative : `str`
        What to do instead: "give tokens with their arcs instead".
    not_needed : `Sequence[str]`
        Components that a pipeline given by name runs without. It may lack them.

    # Raises

    `ConfigurationError` if the config of an untrusted archive names a pipeline that is not installed.
    """

    def __init__(
        self, source: Union[str, Language], purpose: str, alternative: str, not_needed: Sequence[str] = ()
    ) -> None:
        if isinstance(source, str):
            if source.startswith(PREFIX):
                pretrained_parser(source)
            else:
                check_pipeline(source)
        self._source = source
        self._purpose = purpose
        self._alternative = alternative
        self._not_needed = not_needed

    @property
    def name(self) -> str:
        """The name or folder that it was given by, or the name in a pipeline's own `meta`."""
        return self._source if isinstance(self._source, str) else "{lang}_{name}".format(**self._source.meta)

    @cached_property
    def language(self) -> Language:
        """
        The pipeline.

        # Raises

        `ConfigurationError` if it cannot be loaded, naming the command that installs it if it is not installed.
        """
        return self._load(self._source) if isinstance(self._source, str) else self._source

    def _load(self, name: str) -> Language:
        path = pretrained_parser(name) if name.startswith(PREFIX) else name
        try:
            language = spacy.load(path, disable=self._not_needed)
        except OSError as error:
            raise ConfigurationError(
                f"{self._purpose} the spaCy pipeline '{name}', which is not installed. Run: python -m spacy download {name}  (or "
                f"{self._alternative}). spaCy's error: {error}"
            ) from error
        except (ImportError, ValueError) as error:  # a component that is not known or does not fit its settings
            raise ConfigurationError(
                f"{self._purpose} the spaCy pipeline '{name}', which cannot be loaded: {error} Install what it needs, or "
                f"{self._alternative}."
            ) from error
        # Patterns of tokens can look at tags, lemmas and arcs.
        if any(
            not isinstance(pattern["pattern"], str)
            for _, component in language.pipeline
            if isinstance(component, (EntityRuler, SpanRuler))
            for pattern in component.patterns
        ):
            for disabled in set(language.disabled).intersection(self._not_needed):
                language.enable_pipe(disabled)
        return language

    def annotate(self, texts: Sequence[str], required: Mapping[str, str]) -> List[Doc]:
        """
        Return the document of each text.

        # Parameters

        texts : `Sequence[str]`
        required : `Mapping[str, str]`
            The annotations that every document with tokens must have, in spaCy's names (`"LEMMA"`), each with what gives them
            ("a 'lemmatizer'").

        # Raises

        `ConfigurationError` naming the component that fails, or that must be added.
        """
        try:
            documents = list(self.language.pipe(map(self._tokenize, texts)))
        except Exception as error:  # a component's code may raise anything
            reason = f"{type(error).__name__}: {str(error).strip().rstrip('.')}"
            raise self.misfit(f"fails at its component '{self.find_component(texts)}' ({reason})") from error
        if len(documents) != len(texts):  # spaCy's error handlers may log an error and leave out the text
            raise self.misfit(f"gives no document for a text, from its component '{self.find_component(texts)}'")
        for document in documents:
            for annotation, source in required.items():
                # A token outside every entity need not be marked as such.
                complete = annotation != "ENT_IOB"
                if len(document) and not document.has_annotation(annotation, require_complete=complete):
                    raise self.misfit(f"gives no {annotation} in {document.text!r:.60}: it needs {source}")
        return documents

    def _tokenize(self, text: str) -> Union[str, Doc]:
        """Return the tokens of a text with words of more than 500 characters, which are cut there, and another text as it is."""
        cuts = [0, *(match.end() for match in _LONG_WORD.finditer(text)), len(text)]
        if len(cuts) == 2 or len(text) > self.language.max_length:  # which spaCy refuses
            return text
        pieces = [self.language.make_doc(text[start:end]) for start, end in itertools.pairwise(cuts)]
        document = Doc.from_docs(pieces, ensure_whitespace=False)
        assert document is not None  # as it is of no pieces
        return document

    def misfit(self, fault: str) -> ConfigurationError:
        """Return the error that names the pipeline, a fault ("gives no LEMMA"), its components, and what to do."""
        disabled = f" (disabled: {', '.join(self.language.disabled)})" if self.language.disabled else ""
        return ConfigurationError(
            f"The spaCy pipeline '{self.name}' {fault}. It has {', '.join(self.language.pipe_names) or 'no components'}"
            f"{disabled}. Change the pipeline, or {self._alternative}."
        )

    def find_component(self, texts: Iterable[str], is_wrong: Callable[[Doc], bool] = lambda document: False) -> str:
        """Return the name of the first component that fails on a text, or after which its document is wrong."""
        for text in texts:
            document: Any = text
            steps: List[Tuple[str, Callable[[Any], Any]]] = [("tokenizer", self.language.make_doc)]
            for name, component in [*steps, *self.language.pipeline]:
                try:
                    document = component(document)
                except Exception:  # noqa: BLE001 (the component's name is all that is asked for)
                    return name
                if not isinstance(document, Doc) or is_wrong(document):
                    return name
        return "unknown"
