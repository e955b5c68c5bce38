import logging
import os
import re
from fnmatch import fnmatch
from typing import Any, Dict, Iterator, List, Tuple

from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader
from nltk.corpus.reader.propbank import PropbankInstance
from nltk.tree import Tree

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import span_head
from allennlp_graphmask.data.dataset_readers.propbank_srl.nltk_corpora import (
    Corpora,
    build_lemmatizer,
    open_corpora,
    read_propositions,
    read_trees,
    word_as_lemma,
)
from allennlp_graphmask.data.dataset_readers.propbank_srl.penn_trees import ConvertedTree, convert_tree
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import (
    DependencySentence,
    Predicate,
    ReadSentence,
    role_name,
)
from allennlp_graphmask.data.dataset_readers.propbank_srl.srl_reader import SrlReader
from allennlp_graphmask.data.files import errors_at
from allennlp_graphmask.vocabulary_entries import check_entries

logger = logging.getLogger(__name__)

#: A modifier with its kind, or a numbered argument, which may have its preposition: ARGM-TMP, ARG4-to.
_ROLE = re.compile(r"ARGM-[A-Z]+|(ARG[0-9A])(?:-.*)?")

#: The propositions of a sentence, with their lines.
Propositions = List[Tuple[int, PropbankInstance]]


@DatasetReader.register("nltk_propbank")
class NltkPropbankReader(SrlReader):
    """
    Reads PropBank and the Penn Treebank by NLTK's corpus readers from a folder of the user's, `nltk_data`, in which
    `corpora/propbank` and `corpora/treebank` are. Nothing is downloaded. A path is that folder, or with a last part that is a
    pattern some of its files: `nltk_data/wsj_00*.mrg`.

    Trees become dependency trees by head rules (`penn_trees`), and traces are left out. The head of an argument is the first of its
    words whose own head is not one of them; its words are those of all constituents that its pointer has, be it split, or a chain of
    traces and what they stand for. What has no words, such as an understood subject, is not an argument. Roles have the names of
    CoNLL-2009 (A0 for ARG0), without the preposition of numbered ones.

    The lemma of a predicate is that of its roleset, other lemmas are those of WordNet, if the folder has `corpora/wordnet`;
    otherwise they are the words, which is logged once.

    Registered as a `DatasetReader` with name "nltk_propbank".

    # Parameters

    dependency_scheme : `str`, optional (default = `"penn_head_rules"`)
        As for `SrlReader`.

    The others are those of `SrlReader`.
    """

    def __init__(self, dependency_scheme: str = "penn_head_rules", **kwargs: Any) -> None:
        super().__init__(dependency_scheme, **kwargs)
        self._has_warned = False

    def read_sentences(self, path: str) -> Iterator[ReadSentence]:
        folder, pattern = (path, "*") if os.path.isdir(path) else os.path.split(path)
        folder = os.path.abspath(folder)
        corpora = open_corpora(folder)
        files = [file for file in corpora.treebank.fileids() if fnmatch(file, pattern)]
        if not files:
            raise ConfigurationError(f"{path}: no file of {corpora.treebank.root} matches '{pattern}'.")
        lemmatize = build_lemmatizer(folder)
        if lemmatize is None and not self._has_warned:
            self._has_warned = True
            logger.warning("%s has no WordNet: lemmas other than those of predicates are the words.", folder)
        propositions: Dict[Tuple[str, int], Propositions] = {}
        known, num_others = set(corpora.treebank.fileids()), 0
        for line, found in read_propositions(corpora):
            if isinstance(found, ConfigurationError):
                yield ReadSentence(f"line {line} of prop.txt", None, found)
            elif found.fileid in known:
                propositions.setdefault((found.fileid, found.sentnum), []).append((line, found))
            else:
                num_others += 1
        if num_others:
            logger.info("%s: %d propositions are of trees that the folder does not have.", folder, num_others)
        for file in files:
            yield from _read_file(corpora, file, propositions, lemmatize or word_as_lemma)


def _read_file(
    corpora: Corpora, file: str, propositions: Dict[Tuple[str, int], Propositions], lemmatize: Any
) -> Iterator[ReadSentence]:
    path = f"{corpora.propbank.abspath('prop.txt')}"
    number = 0
    for number, (line, tree) in enumerate(read_trees(corpora, file), start=1):
        sentence = error = None
        try:
            if isinstance(tree, ConfigurationError):
                raise tree
            with errors_at(f"{corpora.treebank.abspath(file)}, line {line}"):
                converted = convert_tree(tree)
                check_entries([*converted.words, *converted.tags, *converted.labels], "word or tag")
            # In the order of their words.
            of_sentence = sorted(propositions.get((file, number - 1), []), key=lambda pair: pair[1].wordnum)
            predicates = []
            for of_line, proposition in of_sentence:
                place = f"{path}, line {of_line}"
                with errors_at(place):
                    predicates.append(_build_predicate(tree, converted, proposition, place))
            sentence = _build_sentence(converted, tuple(predicates), f"{file} {number - 1}", lemmatize)
        except ConfigurationError as raised:
            error = raised
        yield ReadSentence(f"sentence at line {line} of {file}", sentence, error)
    for (of_file, sentence_number), of_sentence in propositions.items():
        if of_file == file and not 0 <= sentence_number < number:
            of_line = of_sentence[0][0]
            message = f"{path}, line {of_line}: {file} has no sentence {sentence_number}; it has {number}, from 0."
            yield ReadSentence(f"line {of_line} of prop.txt", None, ConfigurationError(message))


def _build_predicate(tree: Tree, converted: ConvertedTree, proposition: PropbankInstance, place: str) -> Predicate:
    leaf = proposition.wordnum
    token = converted.leaf_tokens[leaf] if 0 <= leaf < len(converted.leaf_tokens) else None
    if token is None:
        raise ConfigurationError(f"the predicate is word {leaf}, which is a trace, or not in the tree.")
    positions = tree.treepositions("leaves")
    roles: Dict[int, str] = {}
    for pointer, label in proposition.arguments:
        match = _ROLE.fullmatch(label)
        if match is None:
            raise ConfigurationError(f"{label!r} is not a role: expected one such as ARG0, ARG4-to or ARGM-TMP.")
        tokens = {converted.leaf_tokens[leaf] for piece in _pieces(pointer) for leaf in _leaves_below(positions, piece)}
        tokens.discard(None)
        if tokens:
            head = span_head(converted.heads, tokens)  # type: ignore[arg-type]
            role = role_name(match[1] or label)
            if head in roles:
                logger.warning(
                    "%s: %s and %s have one head, %r; the first is taken.",
                    place,
                    roles[head],
                    role,
                    converted.words[head],
                )
            roles.setdefault(head, role)
    return Predicate(token, proposition.roleset, roles)


def _pieces(pointer: Any) -> Iterator[Any]:
    """Yield the single pointers in a chain or a split one, or itself."""
    if hasattr(pointer, "pieces"):
        for piece in pointer.pieces:
            yield from _pieces(piece)
    else:
        yield pointer


def _leaves_below(positions: List[Tuple[int, ...]], pointer: Any) -> List[int]:
    """Return the leaves of a constituent, from the place of one leaf and the number of nodes above its tag."""
    depth = len(positions[pointer.wordnum]) - 1 - pointer.height if 0 <= pointer.wordnum < len(positions) else -1
    if pointer.height < 0 or depth < 0:
        raise ConfigurationError(
            f"the pointer {pointer} is not in the tree, which has {len(positions)} words with traces."
        )
    above = positions[pointer.wordnum][:depth]
    return [leaf for leaf, position in enumerate(positions) if position[:depth] == above]


def _build_sentence(
    converted: ConvertedTree, predicates: Tuple[Predicate, ...], sentence_id: str, lemmatize: Any
) -> DependencySentence:
    lemmas = [lemmatize(word, tag) for word, tag in zip(converted.words, converted.tags)]
    for predicate in predicates:
        # turn_up.05 is a sense of "turn".
        lemmas[predicate.index] = str(predicate.sense).partition(".")[0].partition("_")[0] or lemmas[predicate.index]
    return DependencySentence(
        words=converted.words,
        lemmas=tuple(lemmas),
        parts_of_speech=converted.tags,
        heads=converted.heads,
        dependency_labels=converted.labels,
        predicates=predicates,
        sentence_id=sentence_id,
    )
