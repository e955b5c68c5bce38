"""NLTK's readers over the corpora in a user's `nltk_data` folder. Nothing is ever downloaded."""

import contextlib
import warnings
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

import nltk.data
from allennlp.common.checks import ConfigurationError
from nltk.corpus.reader import BracketParseCorpusReader, PropbankCorpusReader, WordNetCorpusReader
from nltk.corpus.reader.propbank import PropbankInstance
from nltk.tree import Tree

from allennlp_graphmask.data.files import decode_line

#: The part of speech in WordNet by the first letter of a Penn Treebank tag.
_WORDNET_TAGS = {"N": "n", "V": "v", "J": "a", "R": "r"}
_PROPER_NOUN = "NNP"


class Corpora(NamedTuple):
    """NLTK's readers, and the folder that they read."""

    folder: str
    treebank: BracketParseCorpusReader
    propbank: PropbankCorpusReader


class ReadTree(NamedTuple):
    """A tree, or what is wrong with it, and the line that it starts at."""

    line: int
    tree: Union[Tree, ConfigurationError]


class ReadProposition(NamedTuple):
    """A line of PropBank, or what is wrong with it."""

    line: int
    proposition: Union[PropbankInstance, ConfigurationError]


class _Treebank(BracketParseCorpusReader):  # type: ignore[misc]
    """Gives what is wrong with a malformed tree in its place, where NLTK guesses."""

    def _parse(self, t: str) -> Union[Tree, ConfigurationError]:
        try:
            tree = Tree.fromstring(self._normalize(t))
        except ValueError as error:
            return ConfigurationError(f"this is not a tree in brackets: {' '.join(str(error).split())}")
        # The treebank wraps each tree in a pair of brackets.
        while tree.label() == "" and len(tree) == 1 and isinstance(tree[0], Tree):
            tree = tree[0]
        return tree if len(tree) else ConfigurationError("the tree is empty.")


def open_corpora(folder: str) -> Corpora:
    """
    Open the corpora in a folder, which from then on is one of those that NLTK may read.

    # Raises

    `ConfigurationError` if one of the corpora is not in the folder.
    """
    if folder not in nltk.data.path:
        # It refuses all others; the user has named this one.
        nltk.data.path.append(folder)
    try:
        treebank = _Treebank(_find(folder, "treebank", "/combined"), r"wsj_.*\.mrg", encoding="utf8")
        propbank = PropbankCorpusReader(
            _find(folder, "propbank"),
            "prop.txt",
            # prop.txt names the files of the whole treebank: wsj/00/wsj_0001.mrg
            parse_fileid_xform=lambda name: name.rpartition("/")[2],
            parse_corpus=treebank,
        )
    except OSError as error:
        raise ConfigurationError(f"{folder}: NLTK does not read it: {error}.") from error
    return Corpora(folder, treebank, propbank)


def _find(folder: str, corpus: str, below: str = "") -> str:
    """Return a corpus, unpacked or not."""
    refusal = None
    for name in (f"corpora/{corpus}{below}", f"corpora/{corpus}.zip/{corpus}{below}/"):
        try:
            return nltk.data.find(name, [folder])
        except (LookupError, OSError) as error:
            refusal = error
    raise ConfigurationError(
        f"{folder} has no corpora/{corpus}{below} that NLTK can read. Name the folder of your nltk_data; if it lacks the corpus: "
        f"python -m nltk.downloader -d '{folder}' {corpus}"
    ) from refusal


def read_trees(corpora: Corpora, file: str) -> Iterator[ReadTree]:
    """Yield the trees of a file, in order."""
    path = str(corpora.treebank.abspath(file))
    # Each tree starts with a bracket at the start of a line.
    starts = [number for number, line in _read_lines(corpora.treebank, file) if line.startswith("(")]
    if not starts:
        raise ConfigurationError(
            f"{path}, line 1: there is no tree, which a bracket at the start of a line would start."
        )
    for line, tree in zip(starts, corpora.treebank.parsed_sents(file), strict=True):
        if isinstance(tree, ConfigurationError):
            tree = ConfigurationError(f"{path}, line {line}: {tree.message}")
        yield ReadTree(line, tree)


def read_propositions(corpora: Corpora) -> Iterator[ReadProposition]:
    """Yield the lines of PropBank."""
    propbank = corpora.propbank
    path = str(propbank.abspath("prop.txt"))
    for number, line in _read_lines(propbank, "prop.txt"):
        if not line.strip():
            continue
        proposition: Union[PropbankInstance, ConfigurationError]
        try:
            proposition = PropbankInstance.parse(line, propbank._parse_fileid_xform, corpora.treebank)
        except ValueError as error:
            proposition = ConfigurationError(
                f"{path}, line {number}: {error}. Expected file, sentence, word, annotator, roleset, inflection, and pointers such as "
                "8:0-rel and 0:2-ARG0."
            )
        yield ReadProposition(number, proposition)


def _read_lines(corpus: Union[BracketParseCorpusReader, PropbankCorpusReader], file: str) -> List[Tuple[int, str]]:
    """
    Return lines with their numbers. NLTK divides them further, at rare separators; the parts have the number of the whole.

    # Raises

    `ConfigurationError` that names the file and, if it is not UTF-8, the line.
    """
    try:
        path = corpus.abspath(file)
        with contextlib.closing(path.open()) as lines:
            decoded = [decode_line(line, str(path), number) for number, line in enumerate(lines, start=1)]
    except OSError as error:
        raise ConfigurationError(f"{corpus.root}, {file}: the file could not be read: {error}.") from error
    if decoded:
        decoded[0] = decoded[0].removeprefix("\ufeff")
    return [(number, part) for number, line in enumerate(decoded, start=1) for part in line.splitlines()]


def build_lemmatizer(folder: str) -> Optional[Callable[[str, str], str]]:
    """
    Return a function of a word and its tag that gives the word's lemma by NLTK's WordNet; `None` if the folder has none. Words that
    are not in WordNet are their own lemmas.
    """
    try:
        root = _find(folder, "wordnet")
    except ConfigurationError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there are no other languages
            wordnet = WordNetCorpusReader(root, None)
    except (OSError, LookupError, ValueError, AssertionError) as error:
        raise ConfigurationError(
            f"{root}: this WordNet cannot be read: {error}. Get it again, or remove it."
        ) from error
    known: Dict[str, str] = {}

    def lemmatize(word: str, tag: str) -> str:
        key = f"{tag[:1]} {word}"
        if key not in known:
            found = wordnet.morphy(word.lower(), _WORDNET_TAGS[tag[0]]) if tag[:1] in _WORDNET_TAGS else None
            known[key] = found or word_as_lemma(word, tag)
        return word if tag.startswith(_PROPER_NOUN) else known[key]

    return lemmatize


def word_as_lemma(word: str, tag: str) -> str:
    """Return what stands for a lemma that is not known: the word, in lower case unless it is a name."""
    return word if tag.startswith(_PROPER_NOUN) else word.lower()
