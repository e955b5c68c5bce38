"""The view of one kind of explanation, and the registry of views."""

import functools
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Optional, Sequence, Tuple, Type, Union

from allennlp.common import Registrable

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views.arcs import Arc, build_arcs, format_arcs, has_directions
from allennlp_graphmask.views.message_table import MessageRow, MessageTable, build_message_table, rank_edge
from allennlp_graphmask.views.text_layout import (
    format_more,
    label_lines,
    layer_heading,
    printable,
    shorten,
    wrap,
    wrap_tokens,
)
from allennlp_graphmask.views.wording import (
    describe_calibration,
    describe_constraint,
    describe_divergence,
    describe_without_messages,
    format_kept,
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
    #: What messages are called where they are counted.
    messages_name: ClassVar[str] = "messages"

    #: At most this many arcs of each layer are listed as text.
    max_text_edges: ClassVar[int] = 60

    #: Whether a page may show several explanations of one prediction, with a choice of their foci.
    has_choice_of_foci: ClassVar[bool] = False

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        #: The views of all explanations on the page, this one first.
        self.parts: Sequence[View] = [self]

    def get_title(self) -> str:
        """Return what is explained, in a line or two at most."""
        text = shorten(" ".join(self.explanation.tokens), 160)
        return text or f"A graph of {len(self.explanation.nodes)} nodes"

    def get_part_of_text(self) -> Optional[str]:
        """Return which part of the text is explained, for an index of several parts of one text; `None` if it is not a part."""
        return None

    def name_focus(self) -> str:
        """Return the name of the focus where one is chosen."""
        focus = self.explanation.focus
        return "all" if focus is None else focus["description"] or focus["name"]

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

    def describe_explained(self) -> Tuple[str, bool]:
        """Return what is explained, as the subject of a sentence, and whether it is a plural."""
        focus = self.explanation.focus
        return "the whole prediction" if focus is None else focus["description"] or "nothing", False

    def get_statement(self) -> str:
        """Return in a sentence how many messages what is explained needs, and whether it stays the same without the others."""
        explanation = self.explanation
        subject, is_plural = self.describe_explained()
        kept, total, changed = self.num_kept, self.num_messages, explanation.prediction["changed"]
        verb = "" if is_plural else "s"
        if not total:
            return f"{_capitalize(subject)} depend{verb} on no message: the graph has no edges."
        # A budget was given: how many messages are kept is not a finding.
        settings = explanation.interpreter.get("settings")
        is_budget = isinstance(settings, dict) and settings.get("top_fraction") is not None
        needs = f"keep{verb}" if is_budget else f"need{verb}"
        messages = f"{total:,} {self.messages_name}"
        if explanation.num_layers > 1:
            messages += f" ({explanation.num_edges:,} in each of {explanation.num_layers} layers)"
        if changed:
            return f"{kept:,} of the {messages} are not enough: {subject} CHANGE{verb.upper()} without the others."
        if kept == total:
            return f"{_capitalize(subject)} {needs} all {messages}."
        outcome = ""
        if changed is not None:
            others = "any" if not kept else f"the other {total - kept:,}"
            outcome = f"; without {others} {'they stay' if is_plural else 'it stays'} the same"
        return f"{_capitalize(subject)} {needs} {f'{kept:,}' if kept else 'none'} of the {messages}{outcome}."

    def list_notes(self) -> List[str]:
        """Return what else must be known to read the statement, in sentences."""
        explanation = self.explanation
        focus, verification = explanation.focus, explanation.verification
        notes = []
        if self.num_messages and not self.num_kept and not explanation.prediction["changed"]:
            without = describe_without_messages(explanation.interpreter)
            notes.append(
                "That is, the states that the graph encoder starts from are enough, with one constant in the place of all messages: "
                f"either the model hardly uses its graph here, or the constant itself leads to this prediction. {without}{' ' if without else ''}"
                'What to try is under "No message is kept" in docs/choosing.md.'
            )
        if verification is not None and verification["added"]:
            reason = "the prediction changed" if verification["changed_before"] else "the divergence was too large"
            notes.append(
                f"{len(verification['added']):,} of the {self.num_kept:,} were added when this was checked, because {reason} without "
                "them."
            )
        not_stored = explanation.num_edges - len(explanation.edges)
        if not_stored:
            where = " in every layer" if explanation.num_layers > 1 else ""
            notes.append(
                f"{not_stored:,} edges whose messages are dropped{where} were not stored: they are counted, but not shown."
            )
        if focus is not None and focus["trained"] is False:
            notes.append("The masker was trained to explain another part of the prediction.")
        return notes

    def list_facts(self) -> List[Tuple[str, str]]:
        """Return what text and page show after the statement, as labels and texts: the prediction before and after masking."""
        prediction, changed = self.explanation.prediction, self.explanation.prediction["changed"]
        before, after = self.summarize(prediction["original"]), self.summarize(prediction["masked"])
        if changed is None and prediction["masked"] is None:
            after = "not measured"
        elif changed is False:
            after = "unchanged" if prediction["masked"] is None or after == before else f"unchanged: {after}"
        elif changed:
            after = f"CHANGED: {after}"
        return [(self.prediction_label, before), ("masked", after)]

    def list_measurements(self) -> List[Tuple[str, str, str]]:
        """Return what was measured and how the explanation was made, as labels, texts, and what they mean."""
        explanation = self.explanation
        rows = []
        if explanation.divergence is not None:
            meaning = "how far the probabilities of what is explained move when only the kept messages are left; 0: not at all"
            rows.append(("divergence", describe_divergence(explanation.divergence), meaning))
        if explanation.constraint is not None:
            meaning = "what the method had to keep to when it was trained"
            rows.append(("constraint", describe_constraint(explanation.constraint), meaning))
        calibration = explanation.interpreter.get("calibration")
        if isinstance(calibration, dict):
            meaning = "what holds for decisions of this method before they are verified, on inputs drawn as the calibration data were"
            rows.append(("calibration", describe_calibration(calibration), meaning))
        kept = f"{format_kept(self.num_kept, self.num_messages)} ({explanation.interpreter['name']})"
        meaning = (
            "a message is what one node sends to another along an edge, in one layer; a dropped one is replaced by a constant; in "
            "brackets is the method that chose them"
        )
        rows.append(("kept", kept, meaning))
        if explanation.input is not None and explanation.input["file"] is not None:
            names = [explanation.metadata.get("sentence_id"), explanation.metadata.get("id")]
            place = f"{explanation.input['place']} of {explanation.input['file']}"
            where = ", ".join([*(str(name) for name in names if name), place])
            rows.append(("input", where, "where the explained input is"))
        return rows

    @functools.cached_property
    def num_kept(self) -> int:
        """The number of messages kept, of all layers."""
        return self.explanation.num_kept()

    @property
    def num_messages(self) -> int:
        """The number of messages of all layers."""
        return self.explanation.num_edges * self.explanation.num_layers

    def format_lines(self, width: int, max_edges: int) -> List[str]:
        """
        Return the lines of the text view, of `width` columns: what `format_header` returns, then each layer under a heading. At
        most `max_edges` arcs of each layer are listed.
        """
        lines = self.format_header(width)
        for layer in range(self.explanation.num_layers):
            lines.extend(["", layer_heading(self.explanation, layer)])
            lines.extend(self.format_layer(layer, width, max_edges))
        return lines

    def format_header(self, width: int) -> List[str]:
        """Return the lines above the layers: the text, the statement and the facts."""
        text = wrap_tokens(self.list_words(), width)
        return [*text, *([""] if text else []), *self.format_statement(width), "", *self.format_facts(width)]

    def format_statement(self, width: int) -> List[str]:
        """Return the statement and its notes as lines."""
        return wrap(" ".join([self.get_statement(), *self.list_notes()]), width)

    def format_facts(self, width: int) -> List[str]:
        """Return the facts and what was measured as lines."""
        measurements = [(label, text) for label, text, _ in self.list_measurements()]
        return label_lines([*self.list_facts(), *measurements], width)

    def list_words(self) -> Sequence[str]:
        """Return the tokens as the text shows them."""
        return self.explanation.tokens

    def format_layer(self, layer: int, width: int, max_edges: int) -> List[str]:
        """Return the lines of a layer: its kept arcs in the order of the text, if there are too many the highest scored."""
        kept = [arc for arc in self.arcs if arc.kept_scores(layer)]
        best = sorted(kept, key=lambda arc: -max(score for _, score in arc.kept_scores(layer)))[:max_edges]
        lines = format_arcs(best, layer, self.node_names, width, self.is_directed)
        return lines + format_more(len(kept) - len(best))

    def build_context(self, max_edges: int) -> Dict[str, Any]:
        """
        Return what the template shows, beside `explanation`, `names`, `title`, `parts` and what `explanation.html` needs. At most
        `max_edges` edges are drawn: kept ones first, then by score.
        """
        return {}

    def list_rows(self) -> List[MessageRow]:
        """Return the messages in the order in which the page lists them: kept ones first, then by score."""
        return [MessageRow(edge, edge.type) for edge in sorted(self.explanation.edges, key=rank_edge)]

    def build_table(self, max_rows: int) -> MessageTable:
        """Return the table of messages, with at most `max_rows` kept and `max_rows` dropped ones."""
        return build_message_table(self.explanation, self.list_rows(), max_rows)

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


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_classification(prediction: Any) -> bool:
    return (
        isinstance(prediction, dict)
        and isinstance(prediction.get("label"), str)
        and isinstance(prediction.get("probability"), float)
    )


def get_view(explanation: Explanation) -> View:
    """Return the view registered for the explanation's kind, or that of a graph, with a warning, if there is none."""
    return _view_class(explanation.kind)(explanation)


def has_choice_of_foci(explanation: Explanation) -> bool:
    """Return whether a page can show this explanation together with others of the same prediction."""
    return _view_class(explanation.kind).has_choice_of_foci


def _view_class(kind: str) -> Type[View]:
    # `by_name` alone would import the module of an unknown name with dots in it.
    if kind not in View.list_available():
        _warn_of_unknown_kind(kind)
        kind = "graph"
    return View.resolve_class_name(kind)[0]


@functools.cache
def _warn_of_unknown_kind(kind: str) -> None:
    logger.warning(
        "No view is registered for explanations of kind '%s' (registered: %s): they are shown as graphs. Import the module that "
        "registers it, for example by a line in .allennlp_plugins.",
        kind,
        ", ".join(View.list_available()),
    )


def render_text(explanation: Explanation, *, width: int = 88, max_edges: Optional[int] = None) -> str:
    """
    Render an explanation as text without control characters: what is explained, the prediction before and after masking, and
    the kept messages of each layer.

    # Parameters

    explanation : `Explanation`
    width : `int`, optional (default = `88`)
        In columns. Only a single very long word makes a line longer.
    max_edges : `int`, optional (default = that of the view, `60`; of questions `10`)
        List at most this many arcs (of a question: hops) of each layer, those with the highest scores.
    """
    view = get_view(explanation)
    lines = view.format_lines(width, view.max_text_edges if max_edges is None else max_edges)
    return "\n".join(printable(line).rstrip() for line in lines)
