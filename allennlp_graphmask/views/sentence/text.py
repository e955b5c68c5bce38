"""
An Explanation as plain text: `python -m allennlp_graphmask.views.sentence.text FILE.jsonl [--max N]` prints those of
a file.
"""

import argparse
import itertools
import json
import os
import sys
import textwrap
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import read_explanations
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.graph import inverse_relation, is_inverse_relation
from allennlp_graphmask.views.question.text import render_question
from allennlp_graphmask.views.text_layout import (
    display_width,
    labelled_lines,
    layer_heading,
    pad,
    printable,
    result_rows,
    shortened,
)

_MAX_TOKENS = 300


def render_text(explanation: Explanation, *, width: int = 88, max_edges: Optional[int] = 60) -> str:
    """
    The text view of an explanation: the sentence with its predicate marked, the prediction before and after
    masking, and for each layer the kept edges. Words carry the number of their node where they occur more
    than once.

    Where a graph has edges of a relation and of its inverse, as dependency trees have, both are shown as one
    arc from head to dependent, with the direction of the kept messages: `down` from head to dependent, `up`
    from dependent to head.

    An explanation of a multi-hop question, as its metadata tell, is shown as `render_question` says.

    # Parameters

    explanation : `Explanation`
    width : `int`, optional (default = `88`)
        In columns. Only a single very long word makes a line longer.
    max_edges : `int`, optional (default = `60`)
        At most so many arcs (for a question hops) of a layer are listed, those with the highest scores. `None` lists all.

    # Returns

    `str`
        Without a line end at its end.
    """
    if explanation.kind == "question":
        return render_question(explanation, width=width, max_edges=max_edges)
    lines = _sentence_lines(explanation, width)
    if lines:
        lines.append("")
    lines.extend(_prediction_lines(explanation, width))
    for layer in range(explanation.num_layers):
        lines.append("")
        lines.extend(_layer_lines(explanation, layer, width, max_edges))
    return "\n".join(line.rstrip() for line in lines)


# --- The text


def _sentence_lines(explanation: Explanation, width: int) -> List[str]:
    words = [printable(token) for token in explanation.tokens[:_MAX_TOKENS]]
    predicate = explanation.metadata.get("predicate_index")
    if isinstance(predicate, int) and 0 <= predicate < len(words):
        words[predicate] = f"[[{words[predicate]}]]"
    if len(explanation.tokens) > _MAX_TOKENS:
        words.append(f"... ({len(explanation.tokens)} tokens)")
    return textwrap.wrap(" ".join(words), width, break_on_hyphens=False)


# --- The prediction


def _prediction_lines(explanation: Explanation, width: int) -> List[str]:
    rows = result_rows(explanation, "prediction", prediction_text)
    original = explanation.prediction["original"]
    if is_role_prediction(original):
        predicate = original["predicate"]
        sense = predicate.get("sense") or predicate.get("lemma") or "?"
        rows.insert(0, ("predicate", f"{predicate['text']} ({sense})"))
    return labelled_lines(rows, width)


def is_role_prediction(prediction: Any) -> bool:
    """Whether it is the arguments of a predicate, as `gcn_srl` predicts them."""
    return (
        isinstance(prediction, dict)
        and isinstance(prediction.get("predicate"), dict)
        and "text" in prediction["predicate"]
        and isinstance(prediction.get("arguments"), list)
        and all(_is_argument(argument) for argument in prediction["arguments"])
    )


def _is_argument(argument: Any) -> bool:
    return isinstance(argument, dict) and all(
        isinstance(argument.get(key), str) for key in ("role", "phrase")
    )


def _is_classification(prediction: Any) -> bool:
    return (
        isinstance(prediction, dict)
        and isinstance(prediction.get("label"), str)
        and isinstance(prediction.get("probability"), float)
    )


def _are_classified_nodes(nodes: Any) -> bool:
    return isinstance(nodes, list) and all(_is_classification(node) and "text" in node for node in nodes)


def prediction_text(prediction: Any) -> str:
    """A prediction in one line."""
    if is_role_prediction(prediction):
        arguments = [f"{argument['role']}: {argument['phrase']}" for argument in prediction["arguments"]]
        return " | ".join(arguments) if arguments else "no arguments"
    if isinstance(prediction, str):
        return prediction
    if _is_classification(prediction):
        return f"{prediction['label']} ({prediction['probability']:.2f})"
    if isinstance(prediction, dict) and _are_classified_nodes(prediction.get("nodes")):
        return " | ".join(f"{node['text']}: {node['label']}" for node in prediction["nodes"]) or "no nodes"
    return json.dumps(prediction, ensure_ascii=False)


# --- The arcs


class _Arc(NamedTuple):
    """A relation between two nodes and the kept messages along it, as (direction or "", score)."""

    source: int
    relation: str
    target: int
    messages: List[Tuple[str, float]]

    def best_score(self) -> float:
        return max(score for _, score in self.messages)


def _kept_arcs(explanation: Explanation, layer: int) -> List[_Arc]:
    directed = any(is_inverse_relation(edge.type) for edge in explanation.edges)
    arcs: Dict[Tuple[int, str, int], _Arc] = {}
    for edge in explanation.layer(layer):
        if not edge.kept:
            continue
        key, direction = (edge.source, edge.type, edge.target), "down" if directed else ""
        if is_inverse_relation(edge.type):
            key, direction = (edge.target, inverse_relation(edge.type), edge.source), "up"
        # Two equal edges (multigraphs have them) are two messages of one arc.
        arcs.setdefault(key, _Arc(*key, [])).messages.append((direction, edge.score))
    return list(arcs.values())


def _layer_lines(explanation: Explanation, layer: int, width: int, max_edges: Optional[int]) -> List[str]:
    lines = [layer_heading(explanation, layer)]
    arcs = _kept_arcs(explanation, layer)
    hidden = 0
    if max_edges is not None and len(arcs) > max_edges:
        hidden = len(arcs) - max_edges
        arcs = sorted(arcs, key=_Arc.best_score, reverse=True)[:max_edges]
    # In the order of the text, as the sentence is read.
    arcs.sort(key=lambda arc: (arc.target, arc.source))
    names = node_names(explanation)
    columns = [(names[arc.source], f"--{printable(arc.relation)}-->", names[arc.target]) for arc in arcs]
    widths = [max((display_width(row[column]) for row in columns), default=0) for column in range(3)]
    for arc, row in zip(arcs, columns):
        # Messages of both directions in a fixed order, whatever the order of the edges.
        messages = ", ".join(f"{direction} {score:.2f}".strip() for direction, score in sorted(arc.messages))
        line = (
            "  "
            + " ".join(pad(cell, column_width) for cell, column_width in zip(row, widths))
            + "  "
            + messages
        )
        if display_width(line) > width:
            line = "  " + " ".join(row) + "  " + messages
        lines.append(line)
    if hidden:
        lines.append(f"  ... and {hidden} more")
    return lines


def node_names(explanation: Explanation) -> List[str]:
    """The texts of the nodes, shortened, with the number of the node where there are several of the same text."""
    texts = [printable(node.text) for node in explanation.nodes]
    numbered = {text for text in texts if texts.count(text) > 1} if len(texts) <= _MAX_TOKENS else set(texts)
    return [
        shortened(text) + (f"[{node.id}]" if text in numbered else "")
        for node, text in zip(explanation.nodes, texts)
    ]


# --- The command


def _rendered(explanations: Iterator[Explanation], width: int, max_edges: Optional[int]) -> Iterator[str]:
    for number, explanation in enumerate(explanations):
        yield ("" if number == 0 else "-" * width + "\n") + render_text(
            explanation, width=width, max_edges=max_edges
        )


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Prints the explanations of a file; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m allennlp_graphmask.views.sentence.text",
        description="Print the explanations of a JSON-lines file as text.",
    )
    parser.add_argument("file", help="explanations, as `allennlp predict` writes them")
    parser.add_argument("--max", type=int, default=None, metavar="N", help="print the first N only")
    parser.add_argument(
        "--max-edges",
        type=int,
        default=60,
        metavar="N",
        help="list the N highest scores of a layer (default: 60)",
    )
    parser.add_argument("--width", type=int, default=88, help="columns (default: 88)")
    options = parser.parse_args(arguments)
    # A terminal that cannot show a character shows a question mark instead of ending the command.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        explanations = itertools.islice(read_explanations(options.file), options.max)
        for text in _rendered(explanations, options.width, options.max_edges):
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is left in the buffer goes nowhere, else Python complains at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ExplanationFormatError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
