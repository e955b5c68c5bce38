"""PropBank and the Penn Treebank in NLTK's layout: the corpus of the fixtures, whose sentences were read by hand, and damaged ones."""

import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.tree import Tree

from allennlp_graphmask.data.dataset_readers import NltkPropbankReader
from allennlp_graphmask.data.dataset_readers.propbank_srl import DependencySentence
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import find_cycle, span_head
from allennlp_graphmask.data.dataset_readers.propbank_srl.penn_trees import convert_tree, find_head_child
from tests.data.dataset_readers.propbank_srl.conll_text import trees
from tests.data.dataset_readers.propbank_srl.test_dependency_tree import below
from tests.data.dataset_readers.propbank_srl.test_universal_propositions import describe
from tests.data.malformed import refused
from tests.data.readers import build_content, write_content

FIXTURE = Path(__file__).parents[4] / "fixtures" / "nltk_data"
TREES, PROPOSITIONS = "corpora/treebank/combined/wsj_0001.mrg", "corpora/propbank/prop.txt"

#: The arguments of each sentence; for some, the tree too: word, head and label.
BY_HAND = [
    {"asked ask.02": "A0:captain A2:cook A1:to", "light light.02": "A0:cook A1:stove"},
    {"leaks leak.01": "A1:It", "said say.01": "A1:leaks A0:he"},
    {"bought buy.01": "A1:rope A0:we", "broke break.01": "A1:rope"},
    {"gave give_up.08": "A0:They A1:chase AM-TMP:at"},
    {"came come.01": "A1:news", "was be.01": "A1:fog A2:near"},
    {"row row.01": "A0:Ann AM-MOD:will A4:to"},
    {},
    {"Pull pull.01": ""},
]
CAPTAIN = (
    "The captain DT, captain asked SBJ, asked - ROOT, the cook DT, cook asked NP, to asked S, light to VP, the stove DT"
)
ROPE = "The rope DT, rope broke SBJ, that rope SBAR, we bought SBJ, bought that S, broke - ROOT, . broke ."
COORDINATION = "Ann will SBJ, and Ann CC, Ben Ann NNP, will - ROOT, row will VP, to row DIR, the East DT, pier/dock East NN, ( East -LRB-"


def read(path: object) -> List[DependencySentence]:
    return [one.get_sentence() for one in NltkPropbankReader().read_sentences(str(path))]


def show_tree(sentence: DependencySentence) -> str:
    words = sentence.words
    arcs = zip(words, sentence.heads, sentence.dependency_labels)
    return ", ".join(f"{word} {'-' if head == -1 else words[head]} {label}" for word, head, label in arcs)


def test_the_sentences_of_the_fixture() -> None:
    sentences = read(FIXTURE)
    assert [describe(sentence) for sentence in sentences] == BY_HAND
    for number, tree in ((0, CAPTAIN), (2, ROPE), (5, COORDINATION)):
        assert show_tree(sentences[number]).startswith(tree)
    assert sentences[5].parts_of_speech[:3] == ("NNP", "CC", "NNP") and sentences[5].sentence_id == "wsj_0001.mrg 5"
    # Of predicates the roleset has the lemma.
    assert sentences[3].lemmas == ("they", "give", "the", "chase", "up", "at", "6", "p.m.", ".")
    assert sentences[5].lemmas[0] == "Ann"


def test_a_pattern_chooses_files() -> None:
    assert [sentence.words[0] for sentence in read(FIXTURE / "wsj_0002*")] == ["It", "Pull"]
    with refused(str(FIXTURE / "*.txt"), "'*.txt'"):
        read(FIXTURE / "*.txt")


def test_corpora_as_they_are_downloaded(tmp_path) -> None:
    (tmp_path / "corpora").mkdir()
    for corpus in ("treebank", "propbank"):
        with zipfile.ZipFile(tmp_path / "corpora" / f"{corpus}.zip", "w") as packed:
            for file in sorted((FIXTURE / "corpora" / corpus).rglob("*")):
                packed.write(file, file.relative_to(FIXTURE / "corpora"))
    assert read(tmp_path) == read(FIXTURE)


@pytest.mark.parametrize("missing", ["treebank", "propbank"])
def test_a_folder_without_a_corpus_is_named(tmp_path, missing) -> None:
    shutil.copytree(FIXTURE / "corpora", tmp_path / "corpora")
    shutil.rmtree(tmp_path / "corpora" / missing)
    with refused(f"{tmp_path} has no corpora/{missing}", "nltk.downloader"):
        read(tmp_path)


def write_wordnet(folder: Path) -> None:
    """WordNet's files with two lemmas."""
    folder.mkdir(parents=True)
    contents = {"lexnames": "00\tadj.all\t3\n", "noun.exc": "men man\n", "data.adj": "  1 WordNet 3.0 Copyright\n"}
    contents["index.noun"] = "captain n 1 0 1 0 00000001\n"
    contents["index.verb"] = "rain v 1 0 1 0 00000001\n"
    kinds = [f"{name}.{kind}" for kind in ("adj", "adv", "noun", "verb") for name in ("index", "data")]
    others = ["cntlist.rev", "lexnames", "index.sense", "adj.exc", "adv.exc", "noun.exc", "verb.exc"]
    for name in (*kinds, *others):
        (folder / name).write_text(contents.get(name, ""))


@pytest.mark.parametrize("has_wordnet", [True, False])
def test_lemmas_are_wordnets_or_the_words(tmp_path, caplog, has_wordnet) -> None:
    shutil.copytree(FIXTURE / "corpora", tmp_path / "corpora")
    file = tmp_path / TREES
    file.write_text(file.read_text().replace("captain", "Captains"))
    if has_wordnet:
        write_wordnet(tmp_path / "corpora" / "wordnet")
    reader = NltkPropbankReader()
    with caplog.at_level(logging.WARNING):
        sentences = [[one.get_sentence() for one in reader.read_sentences(str(tmp_path))] for _ in range(2)][0]
    expected = ("captain", "rain") if has_wordnet else ("captains", "rained")
    assert (sentences[0].lemmas[1], sentences[6].lemmas[1]) == expected
    # Not in WordNet, or not a word that it has.
    assert sentences[0].lemmas[3:5] == ("the", "cook")
    # Said once.
    assert len([record for record in caplog.records if str(tmp_path) in record.getMessage()]) == (not has_wordnet)


#: The file, what is changed in it, the line and what is named.
MALFORMED: Dict[str, Tuple[str, str, str, int, str]] = {
    "brackets": (TREES, "(. .) ))\n( (S \n    (`` ``)", "(. .) )\n( (S \n    (`` ``)", 2, "tree"),
    "a word beside constituents": (TREES, "(NP-1 (DT the) (NN cook) )", "(NP-1 cook (NN cook))", 2, "'cook'"),
    "an empty constituent": (TREES, "(DT The) (NN captain)", "(DT) (NN captain)", 2, "constituent"),
    "only traces": (TREES, "(S \n    (NP-SBJ (PRP They) )", "(S (-NONE- *)))\n( (S (NP (PRP They) )", 34, "no word"),
    "deeply nested": (TREES, "(DT The) (NN captain)", "(X " * 600 + "(DT The)" + ")" * 600, 2, "depth"),
    "not UTF-8": (TREES, "cook", "\xe9", 5, "0xe9 at column"),
    "no tree": (TREES, "", "", 1, "no tree"),
    "an entry that vocabularies lose": (TREES, "captain", "@@NEWLINE@@", 2, "@@NEWLINE@@"),
    "too few columns": (PROPOSITIONS, "ask.02 vp--a", "ask.02", 1, "wsj_0001.mrg 0 2 gold ask.02"),
    "a number": (PROPOSITIONS, "mrg 0 7", "mrg 0 seven", 2, "seven"),
    "no predicate": (PROPOSITIONS, "2:0-rel 3:1", "3:1", 1, "wsj_0001.mrg 0 2"),
    "a pointer without a number": (PROPOSITIONS, "3:1-ARG2", "3:x-ARG2", 1, "3:x"),
    "a pointer beyond the words": (PROPOSITIONS, "3:1-ARG2", "11:1-ARG2", 1, "11:1"),
    "a pointer above the root": (PROPOSITIONS, "3:1-ARG2", "3:9-ARG2", 1, "3:9"),
    "a negative pointer": (PROPOSITIONS, "3:1*5:1-ARG0", "3:1*-1:1-ARG0", 2, "-1"),
    "a role": (PROPOSITIONS, "3:1-ARG2", "3:1-LINK", 1, "'LINK'"),
    "a trace as predicate": (PROPOSITIONS, "mrg 0 2", "mrg 0 5", 1, "word 5"),
    "a sentence that is not there": (PROPOSITIONS, "mrg 0 2", "mrg 6 2", 1, "wsj_0001.mrg has no sentence 6"),
    "propositions not in UTF-8": (PROPOSITIONS, "gold ask", "\xe9 ask", 1, "0xe9"),
}


@pytest.mark.parametrize("file, old, new, line, expected", MALFORMED.values(), ids=MALFORMED)
def test_what_is_malformed_is_named_by_file_and_line(tmp_path, file, old, new, line, expected) -> None:
    shutil.copytree(FIXTURE / "corpora", tmp_path / "corpora")
    content = (FIXTURE / file).read_text()
    assert old in content
    (tmp_path / file).write_bytes((content.replace(old, new, 1) if old else "").encode("latin-1"))
    with refused(f"{tmp_path / file}, line {line}: ", expected):
        read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [lambda content: content.replace(b"\n", b"\r\n"), lambda content: b"\xef\xbb\xbf" + content.lstrip(), bytes.rstrip],
    ids=["windows", "byte order mark", "no final newline"],
)
def test_line_ends_and_byte_order_marks(tmp_path, change) -> None:
    shutil.copytree(FIXTURE / "corpora", tmp_path / "corpora")
    for file in (TREES, PROPOSITIONS):
        (tmp_path / file).write_bytes(change((FIXTURE / file).read_bytes()))
    assert read(tmp_path) == read(FIXTURE)


@pytest.mark.parametrize("word", ["x" * 100_000, "a\u0301", "x\x0by", "x\u2028y", "\0"])
def test_words_of_any_kind(tmp_path, word) -> None:
    """NLTK takes what separates lines elsewhere for the end of a word, and of a line."""
    path = write_content("treebank", build_content("treebank", [word, "b"]), tmp_path)
    if len(word.split()) > 1:
        with refused(path, "line 1"):
            read(path)
    else:
        assert [sentence.words[0] for sentence in read(path)] == [word, "b"]


def test_nearly_too_deep_a_tree() -> None:
    assert convert_tree(Tree.fromstring("(X " * 480 + "(NN word)" + ")" * 480)).words == ("word",)


def test_a_malformed_tree_does_not_hide_the_others(tmp_path) -> None:
    shutil.copytree(FIXTURE / "corpora", tmp_path / "corpora")
    for file, old, new in ((TREES, "(DT The) (NN captain)", "(DT) (NN captain)"), (PROPOSITIONS, "1 2 gold", "1 2")):
        (tmp_path / file).write_text((FIXTURE / file).read_text().replace(old, new))
    found = list(NltkPropbankReader().read_sentences(str(tmp_path)))
    assert [one.place for one in found[:3]] == [
        "line 3 of prop.txt",
        "sentence at line 2 of wsj_0001.mrg",
        "sentence at line 12 of wsj_0001.mrg",
    ]
    assert [one.error is not None for one in found] == [True, True] + [False] * 7


HEADS: List[Any] = [
    ("NP", "DT JJ NN", 2),
    ("NP", "NP SBAR", 0),
    ("NP", "NN CC NN", 0),
    ("NP-SBJ", "NNP POS", 1),
    ("NP", "DT JJ", 1),
    ("NP", "DT", 0),
    ("VP", "MD RB VP", 0),
    ("VP", "TO VP", 0),
    ("S", "PP-LOC , NP-SBJ VP .", 3),
    ("SBAR", "IN S", 0),
    ("SBAR", "WHNP-1 S", 0),
    ("PP", "ADVP IN NP", 1),
    ("ADJP-PRD", "RB JJ PP", 1),
    ("WHNP", "WDT", 0),
    ("PRN", ", S ,", 0),
    ("PRT|ADVP", "RB RP", 1),
    ("UNKNOWN", "A B", 0),
]


@pytest.mark.parametrize("parent, children, expected", HEADS)
def test_heads(parent, children, expected) -> None:
    assert find_head_child(parent, children.split()) == expected


_LABELS = st.sampled_from(["S", "NP", "NP-SBJ", "VP", "PP-LOC-1", "CC", "NN", "-LRB-", "-NONE-", "X", "PRT|ADVP"])
_WORDS = st.builds(lambda tag, word: Tree(tag, [word]), _LABELS, st.text("abc*", min_size=1, max_size=3))
_CONSTITUENTS = st.recursive(
    _WORDS,
    lambda children: st.builds(Tree, _LABELS.filter("-NONE-".__ne__), st.lists(children, min_size=1, max_size=4)),
)


@given(_CONSTITUENTS)
def test_every_constituent_has_one_head(tree) -> None:
    if all(tag == "-NONE-" for _, tag in tree.pos()):
        with refused("no word"):
            convert_tree(tree)
        return
    converted = convert_tree(tree)
    assert len(converted.words) == len(converted.heads) and find_cycle(converted.heads) is None
    assert converted.heads.count(-1) == 1
    positions = tree.treepositions("leaves")
    for constituent in tree.treepositions():
        leaves = [leaf for leaf, place in enumerate(positions) if place[: len(constituent)] == constituent]
        tokens = {converted.leaf_tokens[leaf] for leaf in leaves} - {None}
        outside = [token for token in tokens if converted.heads[token] not in tokens]  # type: ignore[index]
        assert len(outside) == bool(tokens)
        if tokens:
            assert span_head(converted.heads, tokens) == outside[0]  # type: ignore[arg-type]


@given(trees(), st.data())
def test_the_head_of_a_subtree_is_its_root(heads, data) -> None:
    token = data.draw(st.integers(0, len(heads) - 1))
    assert span_head(heads, set(below(heads, token))) == token
