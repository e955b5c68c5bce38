import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl import check_scheme, guess_scheme
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import DEPENDENCY_SCHEMES, belongs_to

# The same sentence, "She was not seen by him.", in each scheme.
TREES = {
    "universal_dependencies": ["nsubj:pass", "aux:pass", "advmod", "root", "case", "obl:agent", "punct"],
    "clearnlp": ["nsubjpass", "auxpass", "neg", "ROOT", "agent", "pobj", "punct"],
    "conll2008": ["SBJ", "ROOT", "ADV", "VC", "LGS", "PMOD", "P"],
}


@pytest.mark.parametrize("scheme", TREES)
def test_trees_of_the_declared_scheme_are_let_through(scheme):
    check_scheme(TREES[scheme], scheme, "here")
    assert guess_scheme(TREES[scheme]) == scheme
    check_scheme(sorted(DEPENDENCY_SCHEMES[scheme]), scheme, "here")


@pytest.mark.parametrize("scheme", TREES)
@pytest.mark.parametrize("declared", TREES)
def test_trees_of_another_scheme_are_refused_by_name(scheme, declared):
    if scheme == declared:
        return
    with pytest.raises(ConfigurationError) as caught:
        check_scheme(TREES[scheme], declared, "file.conll09, sentence 7")
    message = str(caught.value)
    assert message.startswith("file.conll09, sentence 7: the dependency label '")
    label = message.split("'")[1]
    assert label in TREES[scheme] and not belongs_to(label, declared)
    assert f"does not exist in the scheme '{declared}'" in message
    assert f"but in '{scheme}'" in message


@pytest.mark.parametrize("declared", TREES)
def test_labels_that_no_scheme_has_are_let_through(declared):
    check_scheme(["nonsense", "_", "", "Root", *TREES[declared]], declared, "here")


def test_schemes_of_ones_own_are_not_checked():
    check_scheme([*TREES["clearnlp"], *TREES["conll2008"]], "my_own_scheme", "here")


def test_subtypes_and_compounds():
    assert belongs_to("acl:relcl", "universal_dependencies") and not belongs_to("acl:relcl", "conll2008")
    assert belongs_to("conj:and", "universal_dependencies")
    assert not belongs_to("relcl:acl", "universal_dependencies")
    assert belongs_to("ADV-GAP", "conll2008") and not belongs_to("adv-gap", "conll2008")
    # The root is written in small letters by some, in capitals by spaCy.
    assert all(belongs_to(label, "clearnlp") for label in ("root", "ROOT"))


def test_a_guess_counts_occurrences():
    labels = TREES["clearnlp"]
    # One odd label in a hundred does not matter, twenty do.
    assert guess_scheme(labels * 14 + ["odd"]) == "clearnlp"
    assert guess_scheme(labels * 14 + ["odd"] * 20) is None


@pytest.mark.parametrize("labels", [[], ["odd"], ["det", "amod"], TREES["clearnlp"] + TREES["conll2008"]])
def test_no_guess_without_evidence(labels):
    """No label, none known, only labels that two schemes share, and a mixture."""
    assert guess_scheme(labels) is None
