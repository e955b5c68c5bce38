"""The view of any other graph: its nodes on a circle, around the one that most edges meet at if there is such a hub."""

import math
from collections import Counter
from typing import Any, Dict, List, Sequence, Tuple

from allennlp_graphmask.explanation.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.views.message_rows import (
    MessageTable,
    kept_classes,
    layers_in_words,
    message_row,
    message_table,
)
from allennlp_graphmask.views.relation_styles import relation_styles
from allennlp_graphmask.views.sentence.text import node_names
from allennlp_graphmask.views.text_layout import shortened
from allennlp_graphmask.views.text_widths import text_width

_NODE_SIZE = 14.0
_MAX_NODES = 60
_MAX_DRAWN = 120
# More labels than this would lie on each other; the relations' colours and dashes tell the same.
_MAX_LABELS = 30
_MARGIN = 20.0


def graph_context(explanation: Explanation, max_edges: int) -> Dict[str, Any]:
    """
    What the template `graph.html` shows.

    # Parameters

    explanation : `Explanation`
    max_edges : `int`
        At most so many kept and so many dropped messages are listed, and so many edges are drawn: kept ones first, and those
        with the highest scores before others. No more than 120 edges and 60 nodes are drawn, those with the most kept edges.
    """
    names = node_names(explanation)
    order = sorted(
        range(len(explanation.edges)),
        key=lambda number: (
            not any(explanation.edges[number].kept),
            -max(explanation.edges[number].score),
            number,
        ),
    )
    nodes = _drawn_nodes(explanation)
    drawn = [
        explanation.edges[number]
        for number in order
        if explanation.edges[number].source in nodes and explanation.edges[number].target in nodes
    ][: min(max_edges, _MAX_DRAWN)]
    styles = relation_styles(edge.type for edge in explanation.edges)
    drawing = _drawing(explanation, nodes, drawn, names)
    for entry, edge in zip(drawing["edges"], drawn):
        entry["style"] = styles[edge.type]
    # What is drawn last lies on top.
    drawing["edges"].reverse()
    return {
        "text": " ".join(explanation.tokens),
        "drawing": drawing,
        "relations": [{"name": name, "style": style} for name, style in styles.items()],
        "nodes_left_out": len(explanation.nodes) - len(nodes),
        "edges_left_out": len(explanation.edges) - len(drawn),
        "kept_left_out": len(explanation.kept_edges()) - sum(any(edge.kept) for edge in drawn),
        "table": _table(explanation, [explanation.edges[number] for number in order], names, max_edges),
    }


def _drawn_nodes(explanation: Explanation) -> List[int]:
    if len(explanation.nodes) <= _MAX_NODES:
        return list(range(len(explanation.nodes)))
    kept: Counter = Counter()
    for edge in explanation.kept_edges():
        kept.update((edge.source, edge.target))
    return sorted(sorted(range(len(explanation.nodes)), key=lambda node: (-kept[node], node))[:_MAX_NODES])


def _table(
    explanation: Explanation, edges: Sequence[ExplainedEdge], names: Sequence[str], max_rows: int
) -> MessageTable:
    rows = [(edge, message_row(edge, names)) for edge in edges]
    return message_table(rows, max_rows, len(explanation.kept_edges()), len(explanation.edges))


def _hub(nodes: Sequence[int], edges: Sequence[ExplainedEdge]) -> int:
    """The one node at which all edges meet, else -1."""
    if len(nodes) < 4 or not edges:
        return -1
    common = {edges[0].source, edges[0].target}
    for edge in edges:
        common &= {edge.source, edge.target}
    return common.pop() if len(common) == 1 else -1


def _places(
    nodes: Sequence[int], hub: int, widths: Dict[int, float], label_room: float
) -> Tuple[Dict[int, Tuple[float, float]], float, float]:
    """The middle of each node, and the size of the drawing."""
    around = [node for node in nodes if node != hub]
    widest = max(widths.values(), default=0.0)
    # Neighbours on the circle must neither overlap at its sides (height) nor at its top (width).
    radius = max(130.0, len(around) * 34.0 / (2 * math.pi) * 1.25)
    if hub >= 0:
        # Room for a label between the hub and the nodes around it.
        radius = max(radius, label_room + 80.0)
    wide = radius * 1.2 + widest
    centre = (_MARGIN + widest / 2 + wide, _MARGIN + 16 + radius)
    places = {hub: centre} if hub >= 0 else {}
    for place, node in enumerate(around):
        angle = 2 * math.pi * place / len(around) - math.pi / 2
        places[node] = (centre[0] + wide * math.cos(angle), centre[1] + radius * math.sin(angle))
    return places, 2 * centre[0], 2 * centre[1]


def _drawing(
    explanation: Explanation, nodes: Sequence[int], edges: Sequence[ExplainedEdge], names: Sequence[str]
) -> Dict[str, Any]:
    texts = {node: shortened(names[node], 24) for node in nodes}
    widths = {node: max(text_width(text, _NODE_SIZE) + 18, 30.0) for node, text in texts.items()}
    places, width, height = _places(
        nodes,
        _hub(nodes, edges),
        widths,
        max((text_width(shortened(edge.type, 20), 11.5) for edge in edges), default=0.0),
    )
    between: Counter = Counter()
    drawn = []
    for edge in edges:
        pair = (min(edge.source, edge.target), max(edge.source, edge.target))
        between[pair] += 1
        path, head, middle = _edge_path(edge, places, widths, between[pair])
        description = (
            f"{edge.type}: {names[edge.source]} → {names[edge.target]}\n{layers_in_words(explanation, edge)}"
        )
        label = shortened(edge.type, 20)
        drawn.append(
            {
                "path": path,
                "head": head,
                "x": middle[0],
                "y": middle[1],
                "label": label if len(edges) <= _MAX_LABELS else "",
                "label_width": text_width(label, 11.5) + 6,
                "classes": kept_classes(edge.kept),
                "kept": any(edge.kept),
                "description": description,
            }
        )
    return {
        "width": width,
        "height": height,
        "edges": drawn,
        "nodes": [
            {
                "text": texts[node],
                "full": explanation.nodes[node].text,
                "x": places[node][0],
                "y": places[node][1],
                "width": widths[node],
            }
            for node in nodes
        ],
    }


def _edge_path(
    edge: ExplainedEdge, places: Dict[int, Tuple[float, float]], widths: Dict[int, float], occurrence: int
) -> Tuple[str, str, Tuple[float, float]]:
    """The curve, its arrow head and the place of its label."""
    (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
    if edge.source == edge.target:
        top, reach = y1 - 14, 14.0 + 8 * occurrence
        path = f"M{x1 - 10:.1f} {top:.1f} C{x1 - 24:.1f} {top - reach:.1f} {x1 + 24:.1f} {top - reach:.1f} {x1 + 10:.1f} {top - 6:.1f}"
        head = f"M{x1 + 7:.1f} {top:.1f} L{x1 + 6.5:.1f} {top - 8:.1f} L{x1 + 14:.1f} {top - 5:.1f} Z"
        return path, head, (x1, top - reach * 0.75)
    distance = math.hypot(x2 - x1, y2 - y1) or 1.0
    # Always to the same side as seen from the source, so that two edges between the same nodes lie apart.
    bow = 12.0 + 15.0 * (occurrence - 1)
    control = (
        (x1 + x2) / 2 - (y2 - y1) / distance * bow,
        (y1 + y2) / 2 + (x2 - x1) / distance * bow,
    )
    begin = _border(x1, y1, *control, widths[edge.source])
    end = _border(x2, y2, *control, widths[edge.target])
    away = math.hypot(control[0] - end[0], control[1] - end[1]) or 1.0
    back = ((control[0] - end[0]) / away, (control[1] - end[1]) / away)
    foot = (end[0] + 8 * back[0], end[1] + 8 * back[1])
    path = f"M{begin[0]:.1f} {begin[1]:.1f} Q{control[0]:.1f} {control[1]:.1f} {foot[0]:.1f} {foot[1]:.1f}"
    head = (
        f"M{end[0]:.1f} {end[1]:.1f} L{foot[0] - 4 * back[1]:.1f} {foot[1] + 4 * back[0]:.1f} "
        f"L{foot[0] + 4 * back[1]:.1f} {foot[1] - 4 * back[0]:.1f} Z"
    )
    # Nearer to the source than the middle of the curve, where many others cross.
    middle = tuple(0.42 * begin[axis] + 0.455 * control[axis] + 0.125 * foot[axis] for axis in (0, 1))
    return path, head, (middle[0], middle[1])


def _border(x: float, y: float, towards_x: float, towards_y: float, width: float) -> Tuple[float, float]:
    """Where the way from a node's middle leaves its box."""
    across, down = towards_x - x, towards_y - y
    share = min(
        (width / 2 + 2) / abs(across) if across else math.inf, 15.0 / abs(down) if down else math.inf, 1.0
    )
    return x + share * across, y + share * down
