"""The view of any graph: its text, its kept arcs, and a drawing of its nodes and edges."""

from pathlib import Path
from typing import Any, Dict

from allennlp_graphmask.views.graph.drawing import choose_nodes, draw_graph
from allennlp_graphmask.views.message_table import rank_edge
from allennlp_graphmask.views.relation_styles import choose_styles
from allennlp_graphmask.views.view import View

_MAX_DRAWN = 120


@View.register("graph")
class GraphView(View):
    """
    The view of any graph. The page draws its nodes on a circle, around the one that all edges meet at if there is such a hub.

    Registered as a `View` with name "graph". Explanations of a kind without a view of its own are shown by it, too.
    """

    template = Path(__file__).with_name("graph.html")
    style = Path(__file__).with_name("graph.css")

    def build_context(self, max_edges: int) -> Dict[str, Any]:
        """See `View.build_context`. At most 120 edges and 60 nodes are drawn, the nodes with the most kept edges."""
        explanation = self.explanation
        nodes = choose_nodes(explanation)
        edges = [edge for edge in explanation.edges if edge.source in nodes and edge.target in nodes]
        drawn = sorted(edges, key=rank_edge)[: min(max_edges, _MAX_DRAWN)]
        return {
            "drawing": draw_graph(nodes, drawn, self.node_names),
            "styles": choose_styles(edge.type for edge in explanation.edges),
            "nodes_left_out": len(explanation.nodes) - len(nodes),
            "edges_left_out": len(explanation.edges) - len(drawn),
            "kept_left_out": len(explanation.kept_edges()) - sum(any(edge.kept) for edge in drawn),
        }
