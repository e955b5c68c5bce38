from allennlp_graphmask.data.dataset_readers.graph_jsonl.graph_jsonl_reader import GraphJsonlReader
from allennlp_graphmask.data.dataset_readers.graph_jsonl.text_graph import TextGraph

__all__ = ["GraphJsonlReader", "TextGraph"]
