"""
PropBank's roles on the trees of Universal Dependencies, for the English Web Treebank (EWT): a role goes to the head of its span, the
first token in it whose own head is outside.

The texts of EWT have the same sentences and, but for a few, the same tokens in both. What does not fit is reported, and left out.
"""

import lzma
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple, Union

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.propbank_srl.conll2009 import format_conll2009
from allennlp_graphmask.data.dataset_readers.propbank_srl.conllu import read_conllu
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import span_head
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate, role_name
from allennlp_graphmask.data.propbank_ewt.gold_skel import RoleSpans, Skeleton, read_gold_skel
from allennlp_graphmask.explanation.files import atomic_write

SPLITS = ("train", "dev", "test")
_SKELETON = ".gold_skel"
_VERB = "V"

#: Is given each message about what does not fit.
Report = Callable[[str], None]


@dataclass
class SplitCounts:
    """What is in the file of a split, and how much was left out."""

    path: Path
    num_sentences: int = 0
    num_predicates: int = 0
    num_with_arguments: int = 0
    num_left_out: int = 0
    #: The number of arguments of each role.
    roles: Counter[str] = field(default_factory=Counter)

    def add(self, sentence: DependencySentence) -> None:
        """Count a sentence."""
        self.num_sentences += 1
        for predicate in sentence.predicates:
            self.num_predicates += 1
            self.num_with_arguments += bool(predicate.roles)
            self.roles.update((predicate.roles or {}).values())

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.num_sentences} sentences, {self.num_predicates} predicates ({self.num_with_arguments} with an "
            f"argument), {self.roles.total()} arguments, {len(self.roles)} roles; {self.num_left_out} sentences left out"
        )


def merge_propbank_ewt(ud: Path, propbank: Path, output: Path, report: Report) -> Dict[str, SplitCounts]:
    """
    Merge a checkout of UD English EWT with one of the PropBank release. Write `ewt_SPLIT.conll09.xz` to the folder `output` for each
    split that is there: gold columns as CoNLL-2009 has them, the predicted ones empty. A file appears when it is complete.

    # Parameters

    ud : `Path`
        A folder with `*-ud-SPLIT.conllu` somewhere below it, or with documents in folders `train`, `dev` and `test`.
    propbank : `Path`
        A folder with documents `NAME.xml.gold_skel` somewhere below it; if it has `data/google/ewt`, below that.
    output : `Path`
        Is created if necessary.
    report : `Callable[[str], None]`
        Is given a message, which names files and lines, about each thing that does not fit.

    # Returns

    `Dict[str, SplitCounts]`
        By split.

    # Raises

    `ConfigurationError` if there are no such files, or a split has no sentence that fits.
    """
    documents = _find_documents(propbank)
    splits = _find_splits(ud)
    output.mkdir(parents=True, exist_ok=True)
    found = {}
    for split, paths in splits.items():
        counts = found[split] = SplitCounts(output / f"ewt_{split}.conll09.xz")
        merger = _Merger(documents, report)
        with atomic_write(counts.path) as file, lzma.open(file, "wb") as compressed:
            for path in paths:
                for sentence in merger.merge_file(str(path)):
                    counts.add(sentence)
                    compressed.write(format_conll2009(sentence, with_predicted=False).encode("utf-8"))
            merger.report_unused()
            counts.num_left_out = merger.num_left_out
            if not counts.num_sentences:
                raise ConfigurationError(
                    f"None of the sentences of '{split}' under {ud} fits a document under {propbank}. Check out the commits that fit."
                )
    return found


def _find_splits(ud: Path) -> Dict[str, List[Path]]:
    paths = sorted(ud.rglob("*.conllu"))
    splits = {
        split: [path for path in paths if path.stem.endswith(f"-ud-{split}") or path.parent.name == split]
        for split in SPLITS
    }
    splits = {split: of_split for split, of_split in splits.items() if of_split}
    if not splits:
        raise ConfigurationError(
            f"There is no file *-ud-{{{','.join(SPLITS)}}}.conllu under {ud}, nor a .conllu file in a folder of these names: name the "
            "folder of a checkout of https://github.com/UniversalDependencies/UD_English-EWT."
        )
    return splits


def _find_documents(propbank: Path) -> Dict[str, Path]:
    inside = propbank / "data" / "google" / "ewt"
    folder = inside if inside.is_dir() else propbank
    documents: Dict[str, Path] = {}
    for path in sorted(folder.rglob(f"*{_SKELETON}")):
        other = documents.setdefault(path.name.removesuffix(_SKELETON).removesuffix(".xml"), path)
        if other is not path:
            raise ConfigurationError(f"{other} and {path} are the same document. Name a folder that has each once.")
    if not documents:
        raise ConfigurationError(
            f"There is no file *{_SKELETON} under {folder}: name the folder of a checkout of "
            "https://github.com/propbank/propbank-release."
        )
    return documents


class _Merger:
    """Merges the files of a split."""

    def __init__(self, documents: Dict[str, Path], report: Report) -> None:
        self._documents = documents
        self._report = report
        #: Of each document that the split has, the sentences that have not been used.
        self._unused: Dict[str, Dict[int, Union[Skeleton, ConfigurationError]]] = {}
        self.num_left_out = 0

    def merge_file(self, path: str) -> Iterator[DependencySentence]:
        """Yield the sentences of a CoNLL-U file that fit, with their roles."""
        for read in read_conllu(path, propositions=False):
            try:
                sentence = read.get_sentence()
                place = f"{path}, {read.place} ({sentence.sentence_id})"
                yield self._merge(sentence, self._find_skeleton(sentence, place), place)
            except ConfigurationError as error:
                self.num_left_out += 1
                self._report(f"{error.message} The sentence is left out.")

    def report_unused(self) -> None:
        """Report the sentences of the split's documents that only PropBank has."""
        for name, skeletons in self._unused.items():
            for number in skeletons:
                self._report(
                    f"{self._documents[name]}, sentence {number}: the document has no such sentence in Universal Dependencies."
                )

    def _find_skeleton(self, sentence: DependencySentence, place: str) -> Skeleton:
        # Such as reviews-105326-0001: the kind of text, the name of the document, the number of the sentence from 1.
        document, _, number = str(sentence.sentence_id).rpartition("-")
        name = document.partition("-")[2]
        if not number.isdecimal() or not name:
            raise ConfigurationError(f"{place}: no sent_id such as reviews-105326-0001.")
        if name not in self._documents:
            raise ConfigurationError(f"{place}: there is no document {name}.xml{_SKELETON}.")
        if name not in self._unused:
            self._unused[name] = read_gold_skel(str(self._documents[name]))
        found = self._unused[name].pop(int(number) - 1, None)
        if found is None:
            raise ConfigurationError(f"{place}: {self._documents[name]} has no sentence {int(number) - 1}.")
        if isinstance(found, ConfigurationError):
            raise found
        return found

    def _merge(self, sentence: DependencySentence, skeleton: Skeleton, place: str) -> DependencySentence:
        if len(sentence) != len(skeleton.tags):
            raise ConfigurationError(f"{place}: {len(sentence)} tokens, but {len(skeleton.tags)} in {skeleton.place}.")
        for word, tag, other in zip(sentence.words, sentence.parts_of_speech, skeleton.tags):
            if tag != other:
                self._report(f"{place}: {word!r} is tagged {tag}, but {other} in {skeleton.place}.")
        predicates = []
        for predicate in skeleton.predicates:
            roles: Dict[int, str] = {}
            for head, role in self._find_roles(sentence, predicate, skeleton.place):
                if head in roles:
                    self._report(
                        f"{skeleton.place}: {roles[head]} and {role} of {predicate.sense} have the same head, {sentence.words[head]!r}; "
                        "the first is taken."
                    )
                roles.setdefault(head, role)
            predicates.append(Predicate(predicate.token, predicate.sense, roles))
        return replace(sentence, predicates=tuple(predicates))

    def _find_roles(self, sentence: DependencySentence, predicate: RoleSpans, place: str) -> Iterator[Tuple[int, str]]:
        verbs = [span for span in predicate.spans if span.label == _VERB]
        if not any(verb.start <= predicate.token < verb.end for verb in verbs):
            self._report(f"{place}: the column of {predicate.sense} has no V at its token {predicate.token}.")
        for label, start, end in predicate.spans:
            if label != _VERB:
                yield span_head(sentence.heads, range(start, end)), role_name(label)
