"""The view of a graph whose nodes are the words of a sentence."""

import functools
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.schema import default_kind
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from allennlp_graphmask.views.message_table import MessageRow, added_layers, build_message_table, rank_edge
from allennlp_graphmask.views.sentence.drawing import SentenceDrawing
from allennlp_graphmask.views.sentence.roles import Predicate, compare_arguments, parse_roles
from allennlp_graphmask.views.view import View


@View.register("sentence")
class SentenceView(View):
    """
    The view of a graph with a node for each token, in their order: the page draws the sentence with its arcs. For semantic
    roles predicate and arguments are marked.

    Registered as a `View` with name "sentence".
    """

    template = Path(__file__).with_name("sentence.html")

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

    def get_title(self) -> str:
        title = super().get_title()
        return f"{self.predicate.text}: {title}" if self.predicate else title

    def summarize(self, prediction: Any) -> str:
        roles = parse_roles(prediction)
        return super().summarize(prediction) if roles is None else roles.summarize()

    def list_facts(self) -> List[Tuple[str, str]]:
        predicate = [("predicate", self.predicate.describe())] if self.predicate else []
        facts = [*predicate, *super().list_facts()]
        gained = self.list_gained_arguments()
        if gained:
            # An explanation of the roles that are assigned does not answer for them.
            facts.append(("also", f"with these messages alone, other words have roles: {' | '.join(gained)}"))
        return facts

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

    def build_context(self, max_edges: int) -> Dict[str, Any]:
        arcs, tokens = self.arcs, self.explanation.tokens
        ranks = [min(rank_edge(edge) for _, edge in arc.messages) for arc in arcs]
        best = sorted(range(len(arcs)), key=ranks.__getitem__)[:max_edges]
        drawn = [arcs[number] for number in sorted(best)]
        rows = [
            MessageRow(edge, arc.relation, direction if self.is_directed else "")
            for arc in sorted(arcs, key=lambda arc: (arc.target, arc.source))
            for direction, edge in arc.messages
        ]
        return {
            "table": build_message_table(self.explanation, rows, max_edges),
            "drawing": SentenceDrawing(tokens, drawn, self.is_directed, self.predicate_index, self.roles),
            "added": added_layers(self.explanation),
            "arcs_left_out": len(arcs) - len(drawn),
            "kept_arcs_left_out": sum(any(arc.kept) for arc in arcs) - sum(any(arc.kept) for arc in drawn),
            "predicate": self.predicate,
            "arguments": compare_arguments(self.roles),
        }
