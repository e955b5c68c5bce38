"""Sentences in CoNLL-2009 columns, written by the tests themselves, and random ones."""

from typing import Dict, List, Optional, Sequence, Tuple

from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.propbank_srl import DependencySentence, Predicate


def row(number: int, word: str, head: int, label: str, *, predicate: bool = False, roles: Sequence[str] = ()) -> str:
    """One line, whose gold and predicted columns are the same."""
    sense = f"{word.lower()}.01" if predicate else "_"
    columns = [number, word, word.lower(), word.lower(), "X", "X", "_", "_", head, head, label, label]
    return "\t".join(map(str, [*columns, "Y" if predicate else "_", sense, *roles]))


#: Two predicates; the first has both arguments, the second shares one of them.
SHE_PLANS_TO_WIN = "\n".join(
    [
        row(1, "She", 2, "nsubj", roles=["A0", "A0"]),
        row(2, "Plans", 0, "root", predicate=True, roles=["_", "_"]),
        row(3, "to", 4, "mark", roles=["_", "_"]),
        row(4, "Win", 2, "xcomp", predicate=True, roles=["A1", "_"]),
    ]
)
#: One predicate without an argument.
RAIN = "\n".join([row(1, "Raining", 0, "root", predicate=True, roles=["_"]), row(2, ".", 1, "punct", roles=["_"])])
#: No predicate.
HELLO = row(1, "Hello", 0, "root")


def text(*sentences: str) -> str:
    return "".join(sentence + "\n\n" for sentence in sentences)


def change(sentence: str, line: int, column: int, value: str) -> str:
    """The sentence with one cell replaced; `line` and `column` count from 0."""
    rows = [row.split("\t") for row in sentence.split("\n")]
    rows[line][column] = value
    return "\n".join("\t".join(row) for row in rows)


def as_conll(gold: DependencySentence, predicted: Optional[DependencySentence] = None) -> str:
    """
    The sentence in columns, without the empty line after it. Lemmas, parts of speech and tree of `predicted` go into the
    predicted columns. Roles that are not known give no columns of roles.
    """
    predicted = predicted or gold
    lines = []
    for token, word in enumerate(gold.words):
        pairs: List[object] = []
        for name in ("lemmas", "parts_of_speech"):
            pairs += [getattr(gold, name)[token], getattr(predicted, name)[token]]
        pairs += [features_of(gold, token), features_of(predicted, token)]
        pairs += [gold.heads[token] + 1, predicted.heads[token] + 1]
        pairs += [gold.dependency_labels[token], predicted.dependency_labels[token]]
        here = next((predicate for predicate in gold.predicates if predicate.index == token), None)
        flags = ["Y" if here else "_", (here.sense or "_") if here else "_"]
        roles = [
            (predicate.roles or {}).get(token, "_") for predicate in gold.predicates if predicate.roles is not None
        ]
        lines.append("\t".join(map(str, [token + 1, word, *pairs, *flags, *roles])))
    return "\n".join(lines)


def features_of(sentence: DependencySentence, token: int) -> str:
    tag = sentence.universal_tags[token] if sentence.universal_tags else ""
    features = sentence.features[token] if sentence.features else "_"
    if not tag:
        return features
    return f"UPOS={tag}" if features == "_" else f"UPOS={tag}|{features}"


@st.composite
def trees(draw: st.DrawFn, min_size: int = 1, max_size: int = 9) -> List[int]:
    """Heads (-1 for roots) of a random forest, whose arcs may cross and point either way."""
    length = draw(st.integers(min_size, max_size))
    order = draw(st.permutations(range(length)))
    heads = [-1] * length
    for place, token in enumerate(order):
        # The head comes earlier in the random order: no cycle.
        head = draw(st.integers(-1, place - 1))
        heads[token] = -1 if head == -1 else order[head]
    return heads


# No tab, no end of line, nothing that str.strip removes: these have a meaning in the format.
_CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
# Not "_" alone, which stands for nothing.
_NAMES = _CELLS.filter(lambda cell: cell != "_")


@st.composite
def dependency_sentences(draw: st.DrawFn, with_roles: bool = True) -> DependencySentence:
    heads = draw(trees())
    length = len(heads)
    cells = st.tuples(*[_CELLS] * length)
    # A byte order mark at the start of a file is none of the first cell, which is a number here.
    words, lemmas, parts_of_speech, labels = (draw(cells) for _ in range(4))
    predicates = []
    for index in sorted(draw(st.sets(st.integers(0, length - 1), max_size=3))):
        roles: Optional[Dict[int, str]] = None
        if with_roles:
            roles = draw(st.dictionaries(st.integers(0, length - 1), _NAMES, max_size=length))
        predicates.append(Predicate(index, draw(st.none() | _NAMES), roles))
    columns = (words, lemmas, parts_of_speech, tuple(heads), labels, tuple(predicates))
    return DependencySentence(*columns, **draw(_features(length)))


def _features(length: int) -> st.SearchStrategy[Dict[str, Tuple[str, ...]]]:
    """Universal tags, other features, both or none."""
    choices = {
        "universal_tags": st.tuples(*[st.sampled_from(["", "NOUN", "X"])] * length).filter(any),
        "features": st.tuples(*[st.sampled_from(["_", "A=b", "A=b|C=d"])] * length).filter(
            lambda cells: {*cells} != {"_"}
        ),
    }
    return st.fixed_dictionaries({}, optional=choices)
