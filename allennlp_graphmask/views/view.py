"""The view of one kind of explanation, and the registry of views."""

import functools
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple, Union

from allennlp.common import Registrable

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views.arcs import Arc, build_arcs, format_arcs, has_directions
from allennlp_graphmask.views.message_table import MessageRow, build_message_table, rank_edge
from allennlp_graphmask.views.text_layout import (
    format_kept,
    format_more,
    label_lines,
    layer_heading,
    printable,
    shorten,
    wrap_tokens,
)

logger = logging.getLogger(__name__)

#: Text, or the path of a file with it.
Source = Union[str, Path]


class View(Registrable):
    """
    How one explanation is shown, as text and as an HTML page. The name under which a subclass is registered is the `kind` of
    the explanations that it shows; a reader sets it by the metadata key `explanation_kind`.

    The defaults suit any graph. A subclass has a `template` and overrides what it shows in another way; `docs/extending.md` has
    an example.

    # Raises

    `ExplanationFormatError` if the view needs metadata that the explanation lacks.
    """

    #: The Jinja template of the page. It extends `explanation.html` and fills its block `view`.
    template: ClassVar[Source]
    #: Style sheet (a Jinja template, too) and script that pages of this kind need beside the shared ones.
    style: ClassVar[Source] = ""
    script: ClassVar[Source] = ""
    #: The label of the prediction.
    prediction_label: ClassVar[str] = "prediction"

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation

    def get_title(self) -> str:
        """Return what is explained, in a line or two at most."""
        text = shorten(" ".join(self.explanation.tokens), 160)
        return text or f"A graph of {len(self.explanation.nodes)} nodes"

    def summarize(self, prediction: Any) -> str:
        """Return a prediction (the original one or the masked one) in one line."""
        if isinstance(prediction, str):
            return prediction
        if _is_classification(prediction):
            return f"{prediction['label']} ({prediction['probability']:.2f})"
        nodes = prediction.get("nodes") if isinstance(prediction, dict) else None
        if isinstance(nodes, list) and all(_is_classification(node) and "text" in node for node in nodes):
            return " | ".join(f"{node['text']}: {node['label']}" for node in nodes) or "no nodes"
        return json.dumps(prediction, ensure_ascii=False)

    def list_facts(self) -> List[Tuple[str, str]]:
        """Return what text and page show first, as labels and texts: the prediction, what is explained, the divergence, the messages kept."""
        explanation = self.explanation
        prediction, changed = explanation.prediction, explanation.prediction["changed"]
        before, after = self.summarize(prediction["original"]), self.summarize(prediction["masked"])
        if changed is None and prediction["masked"] is None:
            after = "not measured"
        elif changed is False:
            after = "unchanged" if prediction["masked"] is None or after == before else f"unchanged: {after}"
        elif changed:
            after = f"CHANGED: {after}"
        facts = [(self.prediction_label, before), ("explained", self.describe_result()), ("masked", after)]
        if explanation.divergence is not None:
            value, name = explanation.divergence["value"], explanation.divergence["name"]
            facts.append(("divergence", f"{value:.4g} ({name})"))
        if explanation.constraint is not None:
            constraint = explanation.constraint
            answers = {True: "yes", False: "no", None: "not known"}
            met, met_in_training = answers[constraint["met"]], answers[constraint["met_in_training"]]
            bound = f"{constraint['kind']} at most {constraint['bound']:g}"
            facts.append(("constraint", f"{bound}; met here: {met}, in training: {met_in_training}"))
        kept = sum(sum(edge.kept) for edge in explanation.edges)
        total = len(explanation.edges) * explanation.num_layers
        facts.append(("kept", f"{format_kept(kept, total)} ({explanation.interpreter['name']})"))
        if explanation.input is not None and explanation.input["file"] is not None:
            names = [explanation.metadata.get("sentence_id"), explanation.metadata.get("id")]
            place = f"{explanation.input['place']} of {explanation.input['file']}"
            facts.append(("input", ", ".join([*(str(name) for name in names if name), place])))
        return facts

    def describe_result(self) -> str:
        """Return what is explained, how many messages it needs, and whether it stays the same without the others."""
        explanation = self.explanation
        focus, verification = explanation.focus, explanation.verification
        what = "the whole prediction" if focus is None else focus["description"]
        if what is None:
            return "nothing"
        total = len(explanation.edges) * explanation.num_layers
        kept = sum(sum(edge.kept) for edge in explanation.edges)
        outcome = {None: "", False: " It stays the same without the others.", True: " It CHANGES without the others."}
        text = f"{what}. It needs {kept} of the {total} messages.{outcome[explanation.prediction['changed']]}"
        if focus is not None and focus["trained"] is False:
            text += " The masker was not trained for this focus."
        if verification is not None and verification["added"]:
            text += f" {len(verification['added'])} of them were added when this was checked."
        return text

    def format_lines(self, width: int, max_edges: Optional[int]) -> List[str]:
        """
        Return the lines of the text view, of `width` columns: what `format_header` returns, then each layer under a heading. At
        most `max_edges` arcs of each layer are listed; `None` lists all.
        """
        lines = self.format_header(width)
        for layer in range(self.explanation.num_layers):
            lines.extend(["", layer_heading(self.explanation, layer)])
            lines.extend(self.format_layer(layer, width, max_edges))
        return lines

    def format_header(self, width: int) -> List[str]:
        """Return the lines above the layers: the text and the facts."""
        text = wrap_tokens(self.list_words(), width)
        return [*text, *([""] if text else []), *label_lines(self.list_facts(), width)]

    def list_words(self) -> Sequence[str]:
        """Return the tokens as the text shows them."""
        return self.explanation.tokens

    def format_layer(self, layer: int, width: int, max_edges: Optional[int]) -> List[str]:
        """Return the lines of a layer: its kept arcs in the order of the text, if there are too many the highest scored."""
        kept = [arc for arc in self.arcs if arc.kept_scores(layer)]
        best = sorted(kept, key=lambda arc: -max(score for _, score in arc.kept_scores(layer)))[:max_edges]
        lines = format_arcs(best, layer, self.node_names, width, self.is_directed)
        return lines + format_more(len(kept) - len(best))

    def build_context(self, max_edges: int) -> Dict[str, Any]:
        """
        Return what the template shows, beside `explanation`, `names`, `title`, `facts` and what `explanation.html` needs. The
        `MessageTable` under `table` must be part of it. At most `max_edges` edges are drawn, and as many kept and as
        many dropped messages listed: kept ones first, then by score.
        """
        rows = [MessageRow(edge, edge.type) for edge in sorted(self.explanation.edges, key=rank_edge)]
        return {"table": build_message_table(self.explanation, rows, max_edges)}

    @functools.cached_property
    def node_names(self) -> List[str]:
        """The shortened texts of the nodes, with the number of the node where several have the same text."""
        texts = [printable(node.text) for node in self.explanation.nodes]
        counts = Counter(texts)
        numbers = (f"[{number}]" if counts[text] > 1 else "" for number, text in enumerate(texts))
        return [shorten(text) + number for text, number in zip(texts, numbers)]

    @functools.cached_property
    def arcs(self) -> List[Arc]:
        """See `build_arcs`."""
        return build_arcs(self.explanation.edges)

    @functools.cached_property
    def is_directed(self) -> bool:
        """See `has_directions`."""
        return has_directions(self.explanation.edges)


def _is_classification(prediction: Any) -> bool:
    return (
        isinstance(prediction, dict)
        and isinstance(prediction.get("label"), str)
        and isinstance(prediction.get("probability"), float)
    )


def get_view(explanation: Explanation) -> View:
    """Return the view registered for the explanation's kind, or that of a graph, with a warning, if there is none."""
    kind = explanation.kind
    # `by_name` alone would import the module of an unknown name with dots in it.
    if kind not in View.list_available():
        _warn_of_unknown_kind(kind)
        kind = "graph"
    return View.by_name(kind)(explanation)


@functools.cache
def _warn_of_unknown_kind(kind: str) -> None:
    logger.warning(
        "No view is registered for explanations of kind '%s' (registered: %s): they are shown as graphs. Import the module that "
        "registers it, for example by a line in .allennlp_plugins.",
        kind,
        ", ".join(View.list_available()),
    )


def render_text(explanation: Explanation, *, width: int = 88, max_edges: Optional[int] = 60) -> str:
    """
    Render an explanation as text without control characters: what is explained, the prediction before and after masking, and
    the kept messages of each layer.

    # Parameters

    explanation : `Explanation`
    width : `int`, optional (default = `88`)
        In columns. Only a single very long word makes a line longer.
    max_edges : `int`, optional (default = `60`)
        List at most this many arcs (of a question: hops) of each layer, those with the highest scores. `None` lists all.
    """
    lines = get_view(explanation).format_lines(width, max_edges)
    return "\n".join(printable(line).rstrip() for line in lines)
