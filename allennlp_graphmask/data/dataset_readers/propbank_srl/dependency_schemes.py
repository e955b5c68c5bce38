"""
The annotation schemes of dependency labels. A model trained on trees of one scheme gives wrong results on another's, without any
error: it does not know most of the labels, and those that both have mean different things.
"""

from collections import Counter
from typing import Dict, FrozenSet, Iterable, Optional

from allennlp.common.checks import ConfigurationError


def _labels(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


#: The labels of each known scheme, without subtypes.
DEPENDENCY_SCHEMES: Dict[str, FrozenSet[str]] = {
    # https://universaldependencies.org/u/dep/
    "universal_dependencies": _labels(
        "acl advcl advmod amod appos aux case cc ccomp clf compound conj cop csubj dep det discourse dislocated expl fixed flat "
        "goeswith iobj list mark nmod nsubj nummod obj obl orphan parataxis punct reparandum root vocative xcomp"
    ),
    # The CLEAR style of ClearNLP, in which spaCy's English pipelines parse.
    "clearnlp": _labels(
        "acl acomp advcl advmod agent amod appos attr aux auxpass case cc ccomp complm compound conj csubj csubjpass dative dep det "
        "dobj expl hmod hyph infmod intj iobj mark meta neg nmod nn npadvmod nsubj nsubjpass num number nummod oprd parataxis "
        "partmod pcomp pobj poss possessive preconj predet prep prt punct quantmod rcmod relcl root xcomp"
    ),
    # The conversion of the Penn Treebank used in the shared tasks of 2008 and 2009.
    "conll2008": _labels(
        "ADV AMOD APPO BNF CONJ COORD DEP DIR DTV EXT EXTR GAP HMOD HYPH IM IMP LGS LOC MNR NAME NMOD NONE OBJ OPRD P PMOD POSTHON "
        "PRD PRN PRP PRT PUT ROOT SBJ SUB SUFFIX TITLE TMP VC VOC"
    ),
}


def _base(label: str, scheme: str) -> str:
    """Return the first part of CoNLL-2008's compounds (ADV-GAP), and labels of other schemes without subtype, as inventories do."""
    if scheme == "conll2008":
        return label.split("-")[0]
    base = label.split(":")[0]
    return "root" if base == "ROOT" else base  # spaCy writes it in capitals


def belongs_to(label: str, scheme: str) -> bool:
    """Return whether a known scheme has a label."""
    return _base(label, scheme) in DEPENDENCY_SCHEMES[scheme]


def guess_scheme(labels: Iterable[str]) -> Optional[str]:
    """
    Return the known scheme that has the most of these labels (counted as often as they occur), or `None` if none has at least nine
    tenths of them, or two have equally many.
    """
    counts = Counter(labels)
    total = sum(counts.values())
    if not total:
        return None
    covered: Counter[str] = Counter()
    for scheme in DEPENDENCY_SCHEMES:
        covered[scheme] = sum(count for label, count in counts.items() if belongs_to(label, scheme))
    (best, most), (_, second) = covered.most_common(2)
    return best if most >= 0.9 * total and most > second else None


def check_scheme(labels: Iterable[str], declared: str, where: str) -> None:
    """
    Check that the dependency labels of a sentence are in the declared scheme. Nothing is checked for schemes that are not in
    `DEPENDENCY_SCHEMES`. `where` is what the error calls the place: file and sentence.

    # Raises

    `ConfigurationError` if the declared scheme lacks a label that another known scheme has. A label that no known scheme has
    is let through: treebanks have odd labels.
    """
    if declared not in DEPENDENCY_SCHEMES:
        return
    distinct = list(dict.fromkeys(labels))
    foreign = {
        scheme: [label for label in distinct if belongs_to(label, scheme) and not belongs_to(label, declared)]
        for scheme in DEPENDENCY_SCHEMES
    }
    if not any(foreign.values()):
        return
    # Schemes share labels, so the trees are most likely in the one that has the most of the sentence's.
    likely = max(
        (scheme for scheme in DEPENDENCY_SCHEMES if foreign[scheme]),
        key=lambda scheme: sum(belongs_to(label, scheme) for label in distinct),
    )
    raise ConfigurationError(
        f"{where}: the dependency label '{foreign[likely][0]}' does not exist in the scheme '{declared}', in which the trees "
        f"should be, but in '{likely}'. Choose the other columns (syntax: 'gold' or 'predicted'), parse the text in "
        f"'{declared}', or train a model on '{likely}' (dependency_scheme)."
    )
