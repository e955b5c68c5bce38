from allennlp_graphmask.views.graph.graph_view import GraphView

__all__ = ["GraphView"]
