from allennlp_graphmask.data.dataset_readers.propbank_srl.conll2009 import (
    format_conll2009,
    parse_conll2009,
    read_conll2009,
)
from allennlp_graphmask.data.dataset_readers.propbank_srl.conll2009_srl import Conll2009SrlReader
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import check_scheme, guess_scheme
from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT
from allennlp_graphmask.data.dataset_readers.propbank_srl.nltk_propbank import NltkPropbankReader
from allennlp_graphmask.data.dataset_readers.propbank_srl.sentence import DependencySentence, Predicate, ReadSentence
from allennlp_graphmask.data.dataset_readers.propbank_srl.srl_reader import SrlReader
from allennlp_graphmask.data.dataset_readers.propbank_srl.universal_propositions import UniversalPropositionsReader

__all__ = [
    "ROOT",
    "Conll2009SrlReader",
    "DependencySentence",
    "NltkPropbankReader",
    "Predicate",
    "ReadSentence",
    "SrlReader",
    "UniversalPropositionsReader",
    "check_scheme",
    "format_conll2009",
    "guess_scheme",
    "parse_conll2009",
    "read_conll2009",
]
