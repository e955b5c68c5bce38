"""The drawing of a graph: its nodes on a circle, its edges as curves."""

import math
from collections import Counter
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from allennlp_graphmask.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.views.text_layout import shorten
from allennlp_graphmask.views.text_widths import text_width

_NODE_SIZE = 14.0
_LABEL_SIZE = 11.5
_MAX_NODES = 60
# More labels than this would overlap; the colours and dashes of the relations show the same.
_MAX_LABELS = 30
_MARGIN = 20.0

Point = Tuple[float, float]


def choose_nodes(explanation: Explanation) -> List[int]:
    """Return the nodes to draw: all of them, or the 60 with the most kept edges."""
    nodes = range(len(explanation.nodes))
    kept = Counter(node for edge in explanation.kept_edges() for node in (edge.source, edge.target))
    return sorted(sorted(nodes, key=lambda node: -kept[node])[:_MAX_NODES])


def draw_graph(nodes: Sequence[int], edges: Sequence[ExplainedEdge], names: Sequence[str]) -> Dict[str, Any]:
    """Return the drawing of these nodes and of these edges between them, the first ones on top, as the template takes it."""
    texts = {node: shorten(names[node], 24) for node in nodes}
    widths = {node: max(text_width(text, _NODE_SIZE) + 18, 30.0) for node, text in texts.items()}
    labels = [shorten(edge.type, 20) for edge in edges]
    label_widths = [text_width(label, _LABEL_SIZE) for label in labels]
    centres, width, height = _place_nodes(
        nodes, _find_hub(nodes, edges), max(widths.values(), default=0.0), max(label_widths, default=0.0)
    )
    occurrences: Counter[FrozenSet[int]] = Counter()
    drawn = []
    for edge, label, label_width in zip(edges, labels, label_widths):
        pair = frozenset((edge.source, edge.target))
        occurrences[pair] += 1
        curve = _draw_edge(edge, centres, widths, occurrences[pair])
        shown_label = label if len(edges) <= _MAX_LABELS else ""
        drawn.append({"edge": edge, "label": shown_label, "label_width": label_width + 6, **curve})
    boxes = [(node, texts[node], *centres[node], widths[node]) for node in nodes]
    return {"width": width, "height": height, "edges": drawn[::-1], "nodes": boxes}


def _find_hub(nodes: Sequence[int], edges: Sequence[ExplainedEdge]) -> int:
    """Return the one node at which all edges meet, -1 if there is none."""
    if len(nodes) < 4 or not edges:
        return -1
    common = set.intersection(*({edge.source, edge.target} for edge in edges))
    return common.pop() if len(common) == 1 else -1


def _place_nodes(
    nodes: Sequence[int], hub: int, widest_node: float, widest_label: float
) -> Tuple[Dict[int, Point], float, float]:
    """Return the centre of each node, and the width and height of the drawing."""
    around = [node for node in nodes if node != hub]
    # Neighbours must neither overlap at the sides of the circle (height) nor at its top (width).
    radius = max(130.0, len(around) * 34.0 / (2 * math.pi) * 1.25)
    if hub >= 0:
        # A label must fit between the hub and the nodes around it.
        radius = max(radius, widest_label + 80.0)
    wide_radius = radius * 1.2 + widest_node
    centre = (_MARGIN + widest_node / 2 + wide_radius, _MARGIN + 16 + radius)
    centres = {hub: centre} if hub >= 0 else {}
    for position, node in enumerate(around):
        angle = 2 * math.pi * position / len(around) - math.pi / 2
        centres[node] = (centre[0] + wide_radius * math.cos(angle), centre[1] + radius * math.sin(angle))
    return centres, 2 * centre[0], 2 * centre[1]


def _draw_edge(
    edge: ExplainedEdge, centres: Mapping[int, Point], widths: Mapping[int, float], occurrence: int
) -> Dict[str, Any]:
    """Return the curve, its arrow head and the centre of its label; `occurrence` counts edges between the same nodes from 1."""
    (x1, y1), (x2, y2) = centres[edge.source], centres[edge.target]
    if edge.source == edge.target:
        top, reach = y1 - 14, 14.0 + 8 * occurrence
        path = f"M{x1 - 10:.1f} {top:.1f} C{x1 - 24:.1f} {top - reach:.1f} {x1 + 24:.1f} {top - reach:.1f} {x1 + 10:.1f} {top - 6:.1f}"
        head = f"M{x1 + 7:.1f} {top:.1f} L{x1 + 6.5:.1f} {top - 8:.1f} L{x1 + 14:.1f} {top - 5:.1f} Z"
        return {"path": path, "head": head, "x": x1, "y": top - reach * 0.75}
    distance = math.hypot(x2 - x1, y2 - y1) or 1.0
    # Always to the same side as seen from the source, so that two edges between the same nodes lie apart.
    bow = 12.0 + 15.0 * (occurrence - 1)
    control = ((x1 + x2) / 2 - (y2 - y1) / distance * bow, (y1 + y2) / 2 + (x2 - x1) / distance * bow)
    begin = _find_border(centres[edge.source], control, widths[edge.source])
    end = _find_border(centres[edge.target], control, widths[edge.target])
    away = math.hypot(control[0] - end[0], control[1] - end[1]) or 1.0
    back = ((control[0] - end[0]) / away, (control[1] - end[1]) / away)
    foot = (end[0] + 8 * back[0], end[1] + 8 * back[1])
    path = f"M{begin[0]:.1f} {begin[1]:.1f} Q{control[0]:.1f} {control[1]:.1f} {foot[0]:.1f} {foot[1]:.1f}"
    head = (
        f"M{end[0]:.1f} {end[1]:.1f} L{foot[0] - 4 * back[1]:.1f} {foot[1] + 4 * back[0]:.1f} "
        f"L{foot[0] + 4 * back[1]:.1f} {foot[1] - 4 * back[0]:.1f} Z"
    )
    # Nearer to the source than the middle of the curve, where many others cross.
    x, y = (0.42 * begin[axis] + 0.455 * control[axis] + 0.125 * foot[axis] for axis in (0, 1))
    return {"path": path, "head": head, "x": x, "y": y}


def _find_border(centre: Point, towards: Point, width: float) -> Point:
    """Return where the line from a node's centre leaves its box."""
    across, down = towards[0] - centre[0], towards[1] - centre[1]
    share = min((width / 2 + 2) / abs(across) if across else math.inf, 15.0 / abs(down) if down else math.inf, 1.0)
    return centre[0] + share * across, centre[1] + share * down
