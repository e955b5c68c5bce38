from allennlp_graphmask.data.dataset_readers.multihop_qa.hotpotqa_graph import HotpotQaGraphReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.json_objects import JsonObject, read_json_objects
from allennlp_graphmask.data.dataset_readers.multihop_qa.mention_graph import MENTION_RELATIONS, link_mentions
from allennlp_graphmask.data.dataset_readers.multihop_qa.mentions import Mention, PhraseFinder, find_mentions
from allennlp_graphmask.data.dataset_readers.multihop_qa.multihop_qa_reader import MultihopQaReader
from allennlp_graphmask.data.dataset_readers.multihop_qa.question import MultihopQuestion
from allennlp_graphmask.data.dataset_readers.multihop_qa.wikihop import WikiHopReader

__all__ = [
    "MENTION_RELATIONS",
    "HotpotQaGraphReader",
    "JsonObject",
    "Mention",
    "MultihopQaReader",
    "MultihopQuestion",
    "PhraseFinder",
    "WikiHopReader",
    "find_mentions",
    "link_mentions",
    "read_json_objects",
]
