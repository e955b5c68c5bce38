from typing import Any, Iterator

from allennlp.data import DatasetReader

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.data.dataset_readers.propbank_srl.conll2009 import SYNTAX, read_conll2009
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import ReadSentence
from allennlp_graphmask.data.dataset_readers.propbank_srl.srl_reader import SrlReader


@DatasetReader.register("conll2009_srl")
class Conll2009SrlReader(SrlReader):
    """
    Reads semantic role labelling data in the columns of CoNLL-2009, plain, .gz, .bz2 or .xz, by path or URL.

    Registered as a `DatasetReader` with name "conll2009_srl".

    # Parameters

    dependency_scheme : `str`
        As for `SrlReader`.
    syntax : `str`, optional (default = `"gold"`)
        `"gold"` or `"predicted"`: which columns lemmas, parts of speech and trees are taken from.

    The others are those of `SrlReader`.
    """

    format_name = "CoNLL-2009"

    def __init__(self, dependency_scheme: str, syntax: str = "gold", predicates: str = "all", **kwargs: Any) -> None:
        super().__init__(dependency_scheme, predicates, **kwargs)
        check_choice("conll2009_srl", SYNTAX, syntax=syntax)
        self.syntax = syntax

    def read_sentences(self, path: str) -> Iterator[ReadSentence]:
        return read_conll2009(path, self.syntax)
