"""
Dependency trees from the constituents of the Penn Treebank, by the head rules of Collins (1999), "Head-Driven Statistical Models for
Natural Language Parsing", appendix A.

A constituent's head word is that of its head child; the head words of the other children depend on it. The label of an arc is the
first function tag of the dependent's largest constituent (SBJ, TMP, ...), or where it has none its category (NP, DT, ...).
"""

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from allennlp.common.checks import ConfigurationError
from nltk.tree import Tree

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT

_TRACE = "-NONE-"
_ROOT_LABEL = "ROOT"
#: How the treebank writes brackets and slashes.
_WORDS = {"-LRB-": "(", "-RRB-": ")", "-LCB-": "{", "-RCB-": "}", "-LSB-": "[", "-RSB-": "]"}

#: Whether children are searched from the first or from the last, and their categories in the order in which they are searched for.
_HEAD_RULES: Dict[str, Tuple[str, str]] = {
    "ADJP": ("first", "NNS QP NN $ ADVP JJ VBN VBG ADJP JJR NP JJS DT FW RBR RBS SBAR RB"),
    "ADVP": ("last", "RB RBR RBS FW ADVP TO CD JJR JJ IN NP JJS NN"),
    "CONJP": ("last", "CC RB IN"),
    "FRAG": ("last", ""),
    "INTJ": ("first", ""),
    "LST": ("last", "LS :"),
    "NAC": ("first", "NN NNS NNP NNPS NP NAC EX $ CD QP PRP VBG JJ JJS JJR ADJP FW"),
    "PP": ("last", "IN TO VBG VBN RP FW"),
    "PRN": ("first", ""),
    "PRT": ("last", "RP"),
    "QP": ("first", "$ IN NNS NN JJ RB DT CD NCD QP JJR JJS"),
    "RRC": ("last", "VP NP ADVP ADJP PP"),
    "S": ("first", "TO IN VP S SBAR ADJP UCP NP"),
    "SBAR": ("first", "WHNP WHPP WHADVP WHADJP IN DT S SQ SINV SBAR FRAG"),
    "SBARQ": ("first", "SQ S SINV SBARQ FRAG"),
    "SINV": ("first", "VBZ VBD VBP VB MD VP S SINV ADJP NP"),
    "SQ": ("first", "VBZ VBD VBP VB MD VP SQ"),
    "UCP": ("last", ""),
    "VP": ("first", "TO VBD VBN MD VBZ VB VBG VBP VP ADJP NN NNS NP"),
    "WHADJP": ("first", "CC WRB JJ ADJP"),
    "WHADVP": ("last", "CC WRB"),
    "WHNP": ("first", "WDT WP WP$ WHADJP WHPP WHNP"),
    "WHPP": ("last", "IN TO FW"),
}
_NOUN_PHRASES = ("NP", "NX")
#: For noun phrases: one search after the other, for any of the categories.
_NOUN_PHRASE_RULES = (
    ("last", "NN NNP NNPS NNS NX POS JJR"),
    ("first", "NP"),
    ("last", "$ ADJP PRN"),
    ("last", "CD"),
    ("last", "JJ JJS RB QP"),
)
_COORDINATION = "CC"


class ConvertedTree(NamedTuple):
    """The dependency tree of the words, without traces."""

    words: Tuple[str, ...]
    tags: Tuple[str, ...]
    heads: Tuple[int, ...]
    labels: Tuple[str, ...]
    #: The word of each leaf, `None` for traces.
    leaf_tokens: Tuple[Optional[int], ...]


def convert_tree(tree: Tree) -> ConvertedTree:
    """Raise a `ConfigurationError` if the tree has no word, or a word beside constituents."""
    conversion = _Conversion()
    if conversion.attach(tree) is None:
        raise ConfigurationError("the tree has no word.")
    return ConvertedTree(
        tuple(conversion.words),
        tuple(conversion.tags),
        tuple(conversion.heads),
        tuple(conversion.labels),
        tuple(conversion.leaf_tokens),
    )


class _Conversion:
    def __init__(self) -> None:
        self.words: List[str] = []
        self.tags: List[str] = []
        self.heads: List[int] = []
        self.labels: List[str] = []
        self.leaf_tokens: List[Optional[int]] = []

    def attach(self, node: Union[Tree, str]) -> Optional[int]:
        """Add the words below a node, with their arcs, and return its head word; `None` if it has only traces."""
        if not isinstance(node, Tree) or not len(node):
            raise ConfigurationError(f"{str(node)!r:.60} is not a constituent with a word: expected (TAG word).")
        if len(node) == 1 and isinstance(node[0], str):
            return self._add_word(node.label(), node[0])
        children = []
        # Without a comprehension, which would be a call of its own at each level of the tree.
        for child in node:
            child_head = self.attach(child)
            if child_head is not None:
                children.append((child.label(), child_head))
        if not children:
            return None
        _, head = children.pop(find_head_child(node.label(), [label for label, _ in children]))
        for label, dependent in children:
            self.heads[dependent], self.labels[dependent] = head, _function(label)
        return head

    def _add_word(self, tag: str, word: str) -> Optional[int]:
        token = None if tag == _TRACE else len(self.words)
        self.leaf_tokens.append(token)
        if token is not None:
            self.words.append(_WORDS.get(word) or word.replace("\\/", "/").replace("\\*", "*"))
            self.tags.append(tag)
            self.heads.append(ROOT)
            self.labels.append(_ROOT_LABEL)
        return token


def find_head_child(label: str, children: Sequence[str]) -> int:
    """Return the position of the head among the labels of a constituent's children, which all have words."""
    parent, categories = _category(label), [_category(child) for child in children]
    if parent in _NOUN_PHRASES:
        found = [_search(categories, side, names.split()) for side, names in _NOUN_PHRASE_RULES]
        last = len(children) - 1
        position = next((place for place in found if place is not None), last)
        return last if categories[last] == "POS" else _before_coordination(categories, position)
    side, names = _HEAD_RULES.get(parent, ("first", ""))
    found = [_search(categories, side, [name]) for name in names.split()]
    default = 0 if side == "first" else len(children) - 1
    return _before_coordination(categories, next((place for place in found if place is not None), default))


def _search(categories: Sequence[str], side: str, names: Sequence[str]) -> Optional[int]:
    places = [place for place, category in enumerate(categories) if category in names]
    if not places:
        return None
    return places[0] if side == "first" else places[-1]


def _before_coordination(categories: Sequence[str], position: int) -> int:
    """Return the first of two conjuncts, of which this is the second."""
    return position - 2 if position >= 2 and categories[position - 1] == _COORDINATION else position


def _parts(label: str) -> List[str]:
    # Tags such as -LRB- are whole.
    return [label] if label.startswith("-") else re.split("[-=]", label)


def _category(label: str) -> str:
    return _parts(label)[0].partition("|")[0]


def _function(label: str) -> str:
    return next((part for part in _parts(label)[1:] if part.isalpha()), _category(label))
