"""Which tokens of a sentence are predicates, where nobody says."""

from typing import List, Optional, Sequence

from allennlp.common.checks import ConfigurationError

#: Penn Treebank tags of each universal part of speech that predicates can have. Tags of another tag set match
#: by their own name: a treebank that is tagged with universal parts of speech has the tag "VERB".
_PENN_TAGS = {
    "VERB": ("VB", "VBD", "VBG", "VBN", "VBP", "VBZ"),
    "NOUN": ("NN", "NNS"),
    "ADJ": ("JJ", "JJR", "JJS"),
    "ADV": ("RB", "RBR", "RBS"),
    "PROPN": ("NNP", "NNPS"),
}

#: Labels of auxiliaries and copulas in the schemes in which they depend on the main verb (Universal
#: Dependencies, ClearNLP, Stanford). Penn tags do not tell them from main verbs.
_AUXILIARY_LABELS = frozenset({"aux", "aux:pass", "auxpass", "cop"})

#: In CoNLL-2008 trees it is the other way round: the main verb depends on its auxiliary with this label.
_VERB_CHAIN_LABEL = "VC"


def check_parts_of_speech(parts_of_speech: Sequence[str]) -> None:
    """
    # Raises

    `ConfigurationError` if something is no part of speech that predicates can have.
    """
    if isinstance(parts_of_speech, str):
        raise ConfigurationError(
            f'predicate_parts_of_speech must be a list such as ["VERB", "NOUN"], got {parts_of_speech!r}.'
        )
    unknown = [name for name in parts_of_speech if name not in _PENN_TAGS]
    if unknown:
        raise ConfigurationError(
            f"predicate_parts_of_speech has {', '.join(map(repr, unknown))}; known are "
            f"{', '.join(_PENN_TAGS)}."
        )


def select_predicates(
    tags: Sequence[str],
    heads: Sequence[Optional[int]],
    dependency_labels: Sequence[str],
    parts_of_speech: Sequence[str],
    coarse_tags: Optional[Sequence[str]] = None,
) -> List[int]:
    """
    The tokens with one of the parts of speech, without auxiliaries.

    # Parameters

    tags : `Sequence[str]`
        Penn Treebank tags, or universal ones.
    heads : `Sequence[Optional[int]]`
        The index of each token's head, counted from 0.
    dependency_labels : `Sequence[str]`
    parts_of_speech : `Sequence[str]`
        Universal parts of speech.
    coarse_tags : `Sequence[str]`, optional
        The universal part of speech of each token where the parser gives it, or an empty string. It is
        trusted before the tags: it knows auxiliaries (AUX) from verbs.

    # Returns

    `List[int]`
        Indices of tokens, in order.
    """
    wanted = {tag for name in parts_of_speech for tag in (name, *_PENN_TAGS[name])}
    auxiliaries = {
        heads[index] for index, label in enumerate(dependency_labels) if label == _VERB_CHAIN_LABEL
    }
    selected = []
    for index, (tag, label) in enumerate(zip(tags, dependency_labels)):
        coarse = coarse_tags[index] if coarse_tags else ""
        if coarse:
            if coarse in parts_of_speech and label not in _AUXILIARY_LABELS:
                selected.append(index)
        elif tag in wanted and label not in _AUXILIARY_LABELS and index not in auxiliaries:
            selected.append(index)
    return selected
