"""The choice of a sentence's predicates, where the input does not name them."""

from typing import Dict, List, Literal, Sequence, Tuple

from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence

#: A universal part of speech that predicates can have.
PredicatePartOfSpeech = Literal["VERB", "NOUN", "ADJ", "ADV", "PROPN"]

#: The Penn Treebank tags of each. Tags of another tag set match by their own name: a treebank that is tagged with universal parts
#: of speech has the tag "VERB".
_PENN_TAGS: Dict[PredicatePartOfSpeech, Tuple[str, ...]] = {
    "VERB": ("VB", "VBD", "VBG", "VBN", "VBP", "VBZ"),
    "NOUN": ("NN", "NNS"),
    "ADJ": ("JJ", "JJR", "JJS"),
    "ADV": ("RB", "RBR", "RBS"),
    "PROPN": ("NNP", "NNPS"),
}

#: Labels of auxiliaries and copulas in the schemes in which they depend on the main verb (Universal Dependencies, ClearNLP,
#: Stanford). Penn tags distinguish only modal verbs (MD) from main verbs.
_AUXILIARY_LABELS = frozenset({"aux", "aux:pass", "auxpass", "cop"})

#: In CoNLL-2008 trees it is the other way round: the main verb depends on its auxiliary with this label.
_VERB_CHAIN_LABEL = "VC"

#: The auxiliaries that PropBank has frames for, unlike modal verbs.
_AUXILIARY_LEMMAS = frozenset({"be", "do", "get", "have"})


def select_predicates(
    sentence: DependencySentence,
    parts_of_speech: Sequence[PredicatePartOfSpeech],
    auxiliaries: bool = False,
) -> List[int]:
    """
    Return the tokens with a letter and one of the parts of speech, in order. With `auxiliaries` and the part of speech "VERB" these include
    auxiliaries and copulas that are not modal verbs, as in PropBank.

    Parts of speech are Penn Treebank tags, or universal ones. The sentence's `universal_tags` take precedence where they are known,
    because they distinguish auxiliaries (AUX) from verbs.
    """
    wanted = {tag for name in parts_of_speech for tag in (name, *_PENN_TAGS[name])}
    labels = sentence.dependency_labels
    chained = {head for head, label in zip(sentence.heads, labels) if label == _VERB_CHAIN_LABEL}
    selected = []
    for index, (tag, label) in enumerate(zip(sentence.parts_of_speech, labels)):
        coarse = sentence.universal_tags[index] if sentence.universal_tags else ""
        if label in _AUXILIARY_LABELS or "AUX" in (coarse, tag) or (index in chained and not coarse):
            has_frame = tag in _PENN_TAGS["VERB"] or (tag != "MD" and sentence.lemmas[index] in _AUXILIARY_LEMMAS)
            is_wanted = auxiliaries and "VERB" in parts_of_speech and has_frame
        else:
            is_wanted = coarse in parts_of_speech if coarse else tag in wanted
        # Taggers take some signs for verbs.
        if is_wanted and any(map(str.isalpha, sentence.words[index])):
            selected.append(index)
    return selected
