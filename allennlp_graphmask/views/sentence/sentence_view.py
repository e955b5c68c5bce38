"""The view of a graph whose nodes are the words of a sentence."""

import functools
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.schema import default_kind
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.focus import WHOLE_PREDICTION
from allennlp_graphmask.views.arcs import Arc
from allennlp_graphmask.views.foci import SharedEdges
from allennlp_graphmask.views.message_table import MessageRow, describe_decisions, rank_edge, score_name
from allennlp_graphmask.views.sentence.drawing import SentenceDrawing
from allennlp_graphmask.views.sentence.roles import Argument, Predicate, RolePrediction, compare_arguments, parse_roles
from allennlp_graphmask.views.text_layout import shorten
from allennlp_graphmask.views.view import View


@View.register("sentence")
class SentenceView(View):
    """
    The view of a graph with a node for each token, in their order: the page draws the sentence with its arcs. For semantic
    roles predicate and arguments are marked.

    Registered as a `View` with name "sentence".
    """

    template = Path(__file__).with_name("sentence.html")
    style = Path(__file__).with_name("sentence.css")
    messages_name = "messages along the arcs"
    has_choice_of_foci = True

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation)
        nodes, tokens = explanation.nodes, explanation.tokens
        if default_kind([(node.start, node.end) for node in nodes], len(tokens)) != "sentence":
            raise ExplanationFormatError(
                f"kind is 'sentence', but the {len(nodes)} nodes do not stand for the {len(tokens)} tokens one by one."
            )
        original, masked = map(parse_roles, (explanation.prediction["original"], explanation.prediction["masked"]))
        #: The semantic roles before masking and, if they were measured, those after it. Empty for any other prediction.
        self.roles = [] if original is None else [original] if masked is None else [original, masked]

    @functools.cached_property
    def predicate_index(self) -> Optional[int]:
        """The token that the metadata mark as predicate."""
        index = self.explanation.metadata.get("predicate_index")
        is_token = type(index) is int and 0 <= index < len(self.explanation.tokens)
        return index if is_token else None

    @property
    def predicate(self) -> Optional[Predicate]:
        """The predicate of the semantic roles."""
        return self.roles[0].predicate if self.roles else None

    @functools.cached_property
    def explained_arguments(self) -> List[Argument]:
        """The arguments that the focus is about."""
        arguments, focus = self.roles[0].arguments if self.roles else [], self.explanation.focus
        if focus is None or focus["kind"] == WHOLE_PREDICTION:
            return arguments
        named = re.split(r"[\s,]+", focus["description"] or "")
        return [argument for argument in arguments if argument.head in focus["nodes"] and argument.role in named]

    def compare_explained(self) -> List[Tuple[Argument, List[str]]]:
        """Return the arguments that the focus is about with their probabilities; see `compare_arguments`."""
        explained = {(argument.head, argument.role) for argument in self.explained_arguments}
        focus = self.explanation.focus
        return [
            (argument, probabilities)
            for argument, probabilities in compare_arguments(self.roles)
            if focus is None or focus["kind"] == WHOLE_PREDICTION or (argument.head, argument.role) in explained
        ]

    def name_focus(self) -> str:
        focus, explained = self.explanation.focus, self.explained_arguments
        if focus is None or focus["kind"] == WHOLE_PREDICTION or not explained:
            return super().name_focus()
        if focus["kind"] == "assigned":
            return "all roles"
        return f"{explained[0].role}: {', '.join(shorten(argument.phrase, 28) for argument in explained)}"

    def describe_explained(self) -> Tuple[str, bool]:
        """Name the roles by their predicate, a single one by its words, too."""
        focus, explained = self.explanation.focus, self.explained_arguments
        if self.predicate is None or not explained:
            return super().describe_explained()
        of_predicate = f'of "{shorten(self.predicate.text)}"'
        if focus is None or focus["kind"] == WHOLE_PREDICTION:
            return f"the roles {of_predicate}, and that other words have none,", True
        if len({argument.role for argument in explained}) > 1:
            return f"the roles {of_predicate}", True
        words = '" and "'.join(shorten(argument.phrase, 40) for argument in explained)
        return f'the role {explained[0].role} {of_predicate} ("{words}")', False

    def list_notes(self) -> List[str]:
        gained = self.list_gained_arguments()
        note = (
            f"With the kept messages alone other words have roles, too ({' | '.join(gained)}): what is explained are the roles that "
            "the model assigns, not that other words have none."
        )
        return [*super().list_notes(), *([note] if gained else [])]

    def get_part_of_text(self) -> Optional[str]:
        return self.predicate.describe() if self.predicate else None

    def get_title(self) -> str:
        title = super().get_title()
        return f"{self.predicate.text}: {title}" if self.predicate else title

    def summarize(self, prediction: Any) -> str:
        roles = parse_roles(prediction)
        return super().summarize(prediction) if roles is None else roles.summarize()

    def list_facts(self) -> List[Tuple[str, str]]:
        predicate = [("predicate", self.predicate.describe())] if self.predicate else []
        return [*predicate, *super().list_facts()]

    def list_gained_arguments(self) -> List[str]:
        """Return the arguments that are predicted with the kept messages alone and not with all."""
        if len(self.roles) < 2:
            return []
        before = {(argument.head, argument.role) for argument in self.roles[0].arguments}
        return [
            f"{argument.role}: {argument.phrase}"
            for argument in self.roles[1].arguments
            if (argument.head, argument.role) not in before
        ]

    def list_words(self) -> List[str]:
        return [
            f"[[{token}]]" if number == self.predicate_index else token
            for number, token in enumerate(self.explanation.tokens)
        ]

    def list_rows(self) -> List[MessageRow]:
        """Return the messages in the order of the text."""
        return [
            MessageRow(edge, arc.relation, direction if self.is_directed else "")
            for arc in sorted(self.arcs, key=lambda arc: (arc.target, arc.source))
            for direction, edge in arc.messages
        ]

    def build_context(self, max_edges: int) -> Dict[str, Any]:
        arcs = self.arcs
        shared = SharedEdges([view.explanation for view in self.parts])
        edges = [[edge for _, edge in arc.messages] for arc in arcs]
        ranks = [min(rank_edge(same) for edge in of_arc for same in shared.decisions(edge)) for of_arc in edges]
        best = sorted(range(len(arcs)), key=ranks.__getitem__)[:max_edges]
        drawn = [arcs[number] for number in sorted(best)]
        explained = [part.explained_arguments for part in self.parts if isinstance(part, SentenceView)]
        drawing = SentenceDrawing(
            self.explanation.tokens,
            drawn,
            self.is_directed,
            self.predicate_index,
            self._list_drawn_roles(),
            explained if len(explained) > 1 else (),
        )
        num_kept = sum(not rank[0] for rank in ranks)
        return {
            "drawings": drawing.list_sizes(),
            "shared": shared,
            "describe_arc": functools.partial(self._describe_arc, shared),
            "verified": any(
                view.explanation.verification and view.explanation.verification["added"] for view in self.parts
            ),
            "arcs_left_out": len(arcs) - len(drawn),
            "kept_arcs_left_out": max(num_kept - len(drawn), 0),
            "predicate": self.predicate,
        }

    def _describe_arc(self, shared: SharedEdges, arc: Arc) -> str:
        """Return the relation of an arc and, in a line for each message, what the explanations decide about it."""
        names, score = self.node_names, score_name(self.explanation)
        lines = [f"{arc.relation}: {names[arc.source]} \N{RIGHTWARDS ARROW} {names[arc.target]}"]
        for direction, edge in arc.messages:
            same = shared.decisions(edge)
            if len(same) == 1:
                text = describe_decisions(edge, score)
            else:
                text = "; ".join(
                    f"{view.name_focus()} ({describe_decisions(decided, score)})"
                    for view, decided in zip(self.parts, same)
                    if any(decided.kept)
                )
                text = f"kept for {text}" if text else "dropped"
            way = f"{direction} the arc, {names[edge.source]} to {names[edge.target]}: " if self.is_directed else ""
            lines.append(way + text)
        return "\n".join(lines)

    def _list_drawn_roles(self) -> List[RolePrediction]:
        """Return the roles before masking, and those after it where the explanation answers for all of them."""
        focus = self.explanation.focus
        is_whole = focus is None or focus["kind"] == WHOLE_PREDICTION or bool(self.explanation.prediction["changed"])
        return self.roles if is_whole and len(self.parts) == 1 else self.roles[:1]
