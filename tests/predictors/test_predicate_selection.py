import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.predictors.predicate_selection import check_parts_of_speech, select_predicates


class TestSelectPredicates:
    # "she has been seeing red lights"
    tags = ("PRP", "VBZ", "VBN", "VBG", "JJ", "NNS")
    heads = (3, 3, 3, -1, 5, 3)
    universal = ("nsubj", "aux", "aux", "root", "amod", "obj")

    def test_verbs_without_auxiliaries(self):
        assert select_predicates(self.tags, self.heads, self.universal, ["VERB"]) == [3]

    def test_other_parts_of_speech(self):
        assert select_predicates(self.tags, self.heads, self.universal, ["VERB", "NOUN", "ADJ"]) == [3, 4, 5]

    def test_no_parts_of_speech(self):
        assert select_predicates(self.tags, self.heads, self.universal, []) == []

    def test_copula_of_universal_dependencies(self):
        assert select_predicates(["PRP", "VBZ", "JJ"], [2, 2, -1], ["nsubj", "cop", "root"], ["VERB"]) == []

    def test_passive_auxiliary_of_clearnlp(self):
        labels = ["nsubjpass", "auxpass", "ROOT"]
        assert select_predicates(["PRP", "VBD", "VBN"], [2, 2, -1], labels, ["VERB"]) == [2]

    def test_verb_chain_of_conll_2008(self):
        # "she has been seeing": has -VC-> been -VC-> seeing
        labels = ["SBJ", "ROOT", "VC", "VC"]
        assert select_predicates(["PRP", "VBZ", "VBN", "VBG"], [1, -1, 1, 2], labels, ["VERB"]) == [3]

    def test_universal_tags(self):
        tags = ["PRON", "AUX", "VERB", "NOUN"]
        assert select_predicates(tags, [2, 2, -1, 2], ["nsubj", "aux", "root", "obj"], ["VERB"]) == [2]

    def test_the_parser_knows_better_than_the_tags(self):
        labels = ["nsubj", "ROOT", "acomp"]
        args = (["PRP", "VBZ", "JJ"], [1, -1, 1], labels, ["VERB"])
        assert select_predicates(*args) == [1]
        assert select_predicates(*args, coarse_tags=["PRON", "AUX", "ADJ"]) == []
        # A pipeline without coarse tags.
        assert select_predicates(*args, coarse_tags=["", "", ""]) == [1]

    def test_no_tokens(self):
        assert select_predicates([], [], [], ["VERB"]) == []


def test_unknown_part_of_speech():
    with pytest.raises(
        ConfigurationError, match="predicate_parts_of_speech has 'verb'; known are VERB, NOUN"
    ):
        check_parts_of_speech(["NOUN", "verb"])


def test_a_string_is_no_list():
    with pytest.raises(ConfigurationError, match=r'must be a list such as \["VERB", "NOUN"\], got \'VERB\''):
        check_parts_of_speech("VERB")
