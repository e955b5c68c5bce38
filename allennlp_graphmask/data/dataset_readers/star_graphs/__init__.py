from allennlp_graphmask.data.dataset_readers.star_graphs.generation import generate_star_graphs
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import StarGraph
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph_reader import StarGraphReader

__all__ = ["StarGraph", "StarGraphReader", "generate_star_graphs"]
