from dataclasses import dataclass
from typing import Dict, List, NamedTuple, Optional, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT, find_cycle


@dataclass(frozen=True)
class Predicate:
    """A predicate of a sentence."""

    #: Its token, from 0.
    index: int
    #: Such as `"take.01"`.
    sense: Optional[str] = None
    #: The role of each argument, by the token that is the argument's head; `None` where they are not known.
    roles: Optional[Dict[int, str]] = None


@dataclass(frozen=True)
class DependencySentence:
    """
    A tokenised sentence with its dependency tree and, where they are known, its predicates. Words, lemmas, parts of speech, heads
    and dependency labels are one for each token.

    # Raises

    `ConfigurationError` if the lengths differ, the heads form a cycle, or a head, a predicate or an argument is not a token.
    """

    words: Tuple[str, ...]
    lemmas: Tuple[str, ...]
    parts_of_speech: Tuple[str, ...]
    #: The position of each token's head, from 0; -1 for roots. There may be several roots.
    heads: Tuple[int, ...]
    dependency_labels: Tuple[str, ...]
    predicates: Tuple[Predicate, ...] = ()
    sentence_id: Optional[str] = None
    #: The universal part of speech of each token, empty where it is not known; or none at all. Penn Treebank tags do not
    #: distinguish auxiliaries (AUX) from verbs.
    universal_tags: Tuple[str, ...] = ()
    #: The morphological features of each token, such as `"Number=Sing|Person=3"`, `"_"` if it has none; or none at all.
    features: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        length = len(self.words)
        if length == 0:
            raise ConfigurationError("A sentence must have at least one token.")
        for name in ("lemmas", "parts_of_speech", "heads", "dependency_labels", *self._optional_columns()):
            if len(getattr(self, name)) != length:
                raise ConfigurationError(
                    f"The sentence {self.text!r} has {length} words, but {len(getattr(self, name))} {name}: every token needs one."
                )
        for token, head in enumerate(self.heads):
            if head != ROOT and not 0 <= head < length:
                raise ConfigurationError(
                    f"The head of token {token} ({self.words[token]!r}) is {head}, which is not a token: the sentence has {length} "
                    "tokens, from 0, and a root has head -1."
                )
        cycle = find_cycle(self.heads)
        if cycle is not None:
            names = " <- ".join(repr(self.words[token]) for token in [*cycle, cycle[0]])
            raise ConfigurationError(f"The heads of the sentence {self.text!r} form a cycle: {names}.")
        for predicate in self.predicates:
            for token in (predicate.index, *(predicate.roles or ())):
                if not 0 <= token < length:
                    raise ConfigurationError(
                        f"Token {token} of predicate {predicate.index} does not exist: the sentence has {length} tokens, from 0."
                    )

    def _optional_columns(self) -> List[str]:
        return [name for name in ("universal_tags", "features") if getattr(self, name)]

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def __len__(self) -> int:
        return len(self.words)


def role_name(label: str) -> str:
    """Return the name of a PropBank role in CoNLL-2009: A0 for ARG0, R-AM-TMP for R-ARGM-TMP."""
    return label.replace("ARG", "A", 1)


class ReadSentence(NamedTuple):
    """A sentence of a file, or what is wrong with it."""

    #: Where it is in its file, such as `"sentence at line 4"`.
    place: str
    sentence: Optional[DependencySentence]
    error: Optional[ConfigurationError] = None

    def get_sentence(self) -> DependencySentence:
        """Return the sentence. Raise a `ConfigurationError` that names the file and the line, if it is malformed."""
        if self.error is not None:
            raise self.error
        assert self.sentence is not None
        return self.sentence
