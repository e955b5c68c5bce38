from allennlp_graphmask.data.dataset_readers.graph_jsonl import GraphJsonlReader
from allennlp_graphmask.data.dataset_readers.multihop_qa import HotpotQaGraphReader, WikiHopReader
from allennlp_graphmask.data.dataset_readers.propbank_srl import (
    Conll2009SrlReader,
    NltkPropbankReader,
    UniversalPropositionsReader,
)
from allennlp_graphmask.data.dataset_readers.star_graphs import StarGraphReader

__all__ = [
    "Conll2009SrlReader",
    "GraphJsonlReader",
    "HotpotQaGraphReader",
    "NltkPropbankReader",
    "StarGraphReader",
    "UniversalPropositionsReader",
    "WikiHopReader",
]
