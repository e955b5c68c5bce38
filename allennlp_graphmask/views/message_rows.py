"""What the views say of messages in words: for the tables, and for whoever points at a line or moves to it by keyboard."""

from typing import List, NamedTuple, Sequence, Tuple

from allennlp_graphmask.explanation.explanation import ExplainedEdge, Explanation


class LayerCell(NamedTuple):
    """One message in one layer."""

    kept: bool
    score: str


class MessageRow(NamedTuple):
    """A line of the table of messages: from where to where, how the relation is walked ("" if it has no inverse)."""

    source: str
    relation: str
    target: str
    direction: str
    cells: List[LayerCell]
    classes: str


class MessageTable(NamedTuple):
    """Kept messages and dropped ones, and how many of either there are beyond the listed ones."""

    kept: List[MessageRow]
    dropped: List[MessageRow]
    more_kept: int
    more_dropped: int


def score_name(explanation: Explanation) -> str:
    """What a score is called: for GraphMask it is the probability that the gate is open."""
    return "gate" if explanation.interpreter["name"].startswith("graphmask") else "score"


def kept_classes(kept_in_layers: Sequence[bool]) -> str:
    """Names for the style of a page, by which its switch of layers tells what is kept: `k-any k-0`."""
    if not any(kept_in_layers):
        return "k-none"
    return " ".join(["k-any", *(f"k-{layer}" for layer, kept in enumerate(kept_in_layers) if kept)])


def layers_in_words(explanation: Explanation, edge: ExplainedEdge) -> str:
    """`layer 0 kept, gate 0.98; layer 1 dropped, gate 0.02`."""
    name = score_name(explanation)
    return "; ".join(
        f"layer {layer} {'kept' if kept else 'dropped'}, {name} {score:.2f}"
        for layer, (score, kept) in enumerate(zip(edge.score, edge.kept))
    )


def message_row(
    edge: ExplainedEdge, names: Sequence[str], *, relation: str = "", direction: str = ""
) -> MessageRow:
    """The row of an edge, whose nodes have these names."""
    return MessageRow(
        names[edge.source],
        relation or edge.type,
        names[edge.target],
        direction,
        [LayerCell(kept, f"{score:.2f}") for score, kept in zip(edge.score, edge.kept)],
        kept_classes(edge.kept),
    )


def message_table(
    rows: Sequence[Tuple[ExplainedEdge, MessageRow]], max_rows: int, total_kept: int, total: int
) -> MessageTable:
    """
    The first `max_rows` of the kept and of the dropped ones.

    # Parameters

    rows : `Sequence[Tuple[ExplainedEdge, MessageRow]]`
        In the order in which they are to be read.
    max_rows : `int`
    total_kept, total : `int`
        Of the explanation, which may have more edges than there are `rows`.
    """
    kept = [row for edge, row in rows if any(edge.kept)][:max_rows]
    dropped = [row for edge, row in rows if not any(edge.kept)][:max_rows]
    return MessageTable(kept, dropped, total_kept - len(kept), total - total_kept - len(dropped))
