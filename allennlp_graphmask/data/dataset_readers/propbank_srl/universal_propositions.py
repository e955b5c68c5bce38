from typing import Any, Iterator

from allennlp.data import DatasetReader

from allennlp_graphmask.data.dataset_readers.propbank_srl.conllu import read_conllu
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import ReadSentence
from allennlp_graphmask.data.dataset_readers.propbank_srl.srl_reader import SrlReader


@DatasetReader.register("universal_propositions")
class UniversalPropositionsReader(SrlReader):
    """
    Reads Universal Propositions 1.0, CoNLL-U with columns of predicate senses and roles, plain, .gz, .bz2 or .xz, by path or URL.
    Roles have the names of CoNLL-2009 (A0 for ARG0), parts of speech are those of the language, or where it has none the universal
    ones.

    Registered as a `DatasetReader` with name "universal_propositions".

    # Parameters

    dependency_scheme : `str`, optional (default = `"universal_dependencies"`)
        As for `SrlReader`.

    The others are those of `SrlReader`.
    """

    format_name = "CoNLL-U"

    def __init__(self, dependency_scheme: str = "universal_dependencies", **kwargs: Any) -> None:
        super().__init__(dependency_scheme, **kwargs)

    def read_sentences(self, path: str) -> Iterator[ReadSentence]:
        return read_conllu(path, propositions=True)
