import pytest

from allennlp_graphmask.data.dataset_readers.propbank_srl import DependencySentence
from allennlp_graphmask.predictors import GraphSrlPredictor
from allennlp_graphmask.predictors.predicate_selection import select_predicates
from tests.data.malformed import refused

# "she has been seeing red lights"
TAGS = ("PRP", "VBZ", "VBN", "VBG", "JJ", "NNS")
HEADS = (3, 3, 3, -1, 5, 3)
UNIVERSAL = ("nsubj", "aux", "aux", "root", "amod", "obj")
# "she is tired": a tagger takes the copula for a verb.
COPULA = (["PRP", "VBZ", "JJ"], [1, -1, 1], ["nsubj", "ROOT", "acomp"], ["VERB"])

CASES = {
    "verbs without auxiliaries": ((TAGS, HEADS, UNIVERSAL, ["VERB"]), [3]),
    "other parts of speech": ((TAGS, HEADS, UNIVERSAL, ["VERB", "NOUN", "ADJ"]), [3, 4, 5]),
    "no parts of speech": ((TAGS, HEADS, UNIVERSAL, []), []),
    "copula of Universal Dependencies": ((["PRP", "VBZ", "JJ"], [2, 2, -1], ["nsubj", "cop", "root"], ["VERB"]), []),
    "passive auxiliary of ClearNLP": (
        (["PRP", "VBD", "VBN"], [2, 2, -1], ["nsubjpass", "auxpass", "ROOT"], ["VERB"]),
        [2],
    ),
    # "she has been seeing": has -VC-> been -VC-> seeing
    "verb chain of CoNLL-2008": (
        (["PRP", "VBZ", "VBN", "VBG"], [1, -1, 1, 2], ["SBJ", "ROOT", "VC", "VC"], ["VERB"]),
        [3],
    ),
    "universal tags": (
        (["PRON", "AUX", "VERB", "NOUN"], [2, 2, -1, 2], ["nsubj", "aux", "root", "obj"], ["VERB"]),
        [2],
    ),
    "tags alone": (COPULA, [1]),
    "the parser's universal tags come first": ((*COPULA, ["PRON", "AUX", "ADJ"]), []),
    "a pipeline without universal tags": ((*COPULA, ["", "", ""]), [1]),
}


@pytest.mark.parametrize("arguments, expected", CASES.values(), ids=CASES)
def test_selected_predicates(arguments, expected):
    tags, heads, labels, parts_of_speech, *universal_tags = arguments
    sentence = DependencySentence(*map(tuple, (tags, tags, tags, heads, labels)), universal_tags=tuple(*universal_tags))
    assert select_predicates(sentence, parts_of_speech) == expected


@pytest.mark.parametrize(
    "tags, lemmas, expected",
    [
        (["PRP", "VBZ", "VBN", "VBG"], ["she", "have", "be", "see"], [1, 2, 3]),
        (["PRP", "MD", "VB", "VBG"], ["she", "have", "be", "see"], [2, 3]),
        (["PRON", "AUX", "AUX", "VERB"], ["she", "will", "be", "see"], [2, 3]),
    ],
)
@pytest.mark.parametrize(
    "heads, labels", [((3, 3, 3, -1), ("nsubj", "aux", "aux", "root")), ((1, -1, 1, 2), ("SBJ", "ROOT", "VC", "VC"))]
)
def test_auxiliaries_that_propbank_has_frames_for(tags, lemmas, expected, heads, labels):
    sentence = DependencySentence(tuple(lemmas), tuple(lemmas), tuple(tags), heads, labels)
    assert select_predicates(sentence, ["VERB"], auxiliaries=True) == expected
    assert select_predicates(sentence, ["VERB"]) == [3]
    assert select_predicates(sentence, ["NOUN"], auxiliaries=True) == []


@pytest.mark.parametrize(
    "value, expected",
    [
        (["NOUN", "verb"], ["predicate_parts_of_speech[1] is 'verb'", "'VERB'"]),
        ("VERB", ["predicate_parts_of_speech is 'VERB'", "list"]),
    ],
)
def test_wrong_parts_of_speech_are_named(srl_archive, value, expected):
    with refused(*expected):
        GraphSrlPredictor(srl_archive.model, srl_archive.validation_dataset_reader, predicate_parts_of_speech=value)


def test_a_sign_is_not_a_predicate() -> None:
    words = ("grow", "🌶", "->", "ешь", "'s")
    sentence = DependencySentence(
        words=words,
        lemmas=words,
        parts_of_speech=("VB",) * 5,
        heads=(-1, 0, 0, 0, 0),
        dependency_labels=("root", *("dep",) * 4),
    )
    assert select_predicates(sentence, ["VERB"]) == [0, 3, 4]
