"""The view of a multi-hop question."""

import functools
import itertools
from pathlib import Path
from typing import Any, Dict, List, Tuple

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.focus import WHOLE_PREDICTION
from allennlp_graphmask.views.message_table import MessageRow, MessageTable, build_message_table
from allennlp_graphmask.views.question.chains import ChainHop, find_chains
from allennlp_graphmask.views.question.mentions import build_mentions, join_lines
from allennlp_graphmask.views.question.metadata import question_metadata
from allennlp_graphmask.views.question.ranking import format_answer, get_answer, get_ranking, list_candidates
from allennlp_graphmask.views.question.supports import split_support
from allennlp_graphmask.views.question.text import format_candidates, format_chain, format_hops, format_supports
from allennlp_graphmask.views.relation_styles import WEAK_RELATION, choose_styles
from allennlp_graphmask.views.text_layout import shorten, wrap
from allennlp_graphmask.views.view import View

_MAX_CANDIDATES = 8
# Without a chain, this many of the strongest links are drawn at first.
_LINKS_WITHOUT_CHAIN = 12


@View.register("question")
class QuestionView(View):
    """
    The view of a multi-hop question, whose nodes are mentions in its supports. The text has the best candidates, the supports
    with their mentions in `[[ ]]`, a chain of kept messages from the subject to the answer, and the kept messages as hops from mention to mention; mentions have the number of their
    node where their support has the same words several times, or where they overlap. The page draws the links between the
    mentions, and lists the chains from the subject to the answer.

    Registered as a `View` with name "question".
    """

    template = Path(__file__).with_name("question.html")
    style = Path(__file__).with_name("question.css")
    script = Path(__file__).with_name("question.js")
    prediction_label = "answer"
    messages_name = "messages along the links"
    max_text_edges = 10

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation)
        self.metadata = question_metadata(explanation)
        self.mentions = build_mentions(self.metadata, explanation.nodes)

    @functools.cached_property
    def node_names(self) -> List[str]:
        """The mentions as the page names them."""
        return [f"{shorten(mention.text)} [{mention.node}], support {mention.support}" for mention in self.mentions]

    def get_title(self) -> str:
        """Return the query; if it is a relation and a subject, `capital_of nepal`, as `nepal: capital of`."""
        if not (self.metadata.relation and self.metadata.subject):
            return self.metadata.query
        relation = self.metadata.relation.replace("_", " ").replace("/", " / ")
        return f"{self.metadata.subject}: {relation}"

    def summarize(self, prediction: Any) -> str:
        return format_answer(prediction)

    def describe_explained(self) -> Tuple[str, bool]:
        """Name the answer, and against which candidate it is explained if that is the focus."""
        focus, answer = self.explanation.focus, get_answer(self.explanation.prediction["original"])
        if not isinstance(answer, str) or (focus is not None and focus["kind"] != WHOLE_PREDICTION):
            return super().describe_explained()
        return f'the answer "{shorten(join_lines(answer), 60)}"', False

    def list_facts(self) -> List[Tuple[str, str]]:
        known = {"true answer": self.metadata.answer, "candidates": self.metadata.candidates_found_by}
        own = [(label, join_lines(text)) for label, text in known.items() if text is not None]
        return [*own, *super().list_facts()]

    def format_header(self, width: int) -> List[str]:
        parts = [
            wrap(join_lines(self.metadata.query), width),
            self.format_statement(width),
            self.format_facts(width),
            format_candidates(self.explanation.prediction),
            format_supports(self.explanation, self.metadata.supports, self.mentions, width),
            self._format_chain(width),
        ]
        # An empty line between the parts that there are.
        return list(itertools.chain.from_iterable(["", *part] for part in parts if part))[1:]

    def _format_chain(self, width: int) -> List[str]:
        if not self.chains:
            return wrap(self._explain_missing_chain(), width)
        return format_chain(next(iter(self.chains.values())), self.mentions, len(self.chains) - 1, width)

    def format_layer(self, layer: int, width: int, max_edges: int) -> List[str]:
        return format_hops(self.explanation, self.mentions, layer, width, max_edges)

    # --- The page

    def build_table(self, max_rows: int) -> MessageTable:
        """Return the table of the links that are drawn."""
        edges = self.explanation.edges
        rows = [MessageRow(edges[number], edges[number].type) for number in self._choose_links(max_rows)]
        return build_message_table(self.explanation, rows, max_rows)

    def build_context(self, max_edges: int) -> Dict[str, Any]:
        """
        See `View.build_context`. The links of chains are drawn in any case; then come those into mentions of the answer, then
        those with the highest scores.
        """
        explanation = self.explanation
        links = self._choose_links(max_edges)
        candidates, more_candidates = list_candidates(explanation.prediction, _MAX_CANDIDATES)
        styles = choose_styles(edge.type for edge in explanation.edges)
        return {
            "true_answer": self.metadata.answer,
            "candidates": candidates,
            "more_candidates": more_candidates,
            "mentions": self.mentions,
            "chains": self.named_chains,
            "best_answer": self.answers[0] if self.answers else None,
            "more_chains": len(self.chains) - len(self.named_chains),
            "no_chain": "" if self.chains else self._explain_missing_chain(),
            "supports": self._group_supports(links),
            "kinds": [self._get_kind(node) for node in range(len(self.mentions))],
            "styles": styles,
            "chain_relations": {hop.edge.type for chain in self.named_chains.values() for _, hop in chain},
            "weak_relation": WEAK_RELATION if len(styles) > 1 else None,
            "links_data": {
                "relations": [{"name": name, **style._asdict()} for name, style in styles.items()],
                "links": self._describe_links(links, list(styles)),
                "names": self.node_names,
            },
            "links_left_out": len(explanation.kept_edges()) - len(links),
        }

    @functools.cached_property
    def subjects(self) -> List[int]:
        """The mentions of the subject of the query."""
        return [node for node, place in enumerate(self.metadata.nodes) if place.is_subject]

    @functools.cached_property
    def answers(self) -> List[int]:
        """The mentions of the predicted answer, the highest scored first or else in the order of the text."""
        original = self.explanation.prediction["original"]
        ranking = get_ranking(original)
        mentions = ranking[0].get("mentions") if ranking else None
        if isinstance(mentions, list) and mentions:
            if all(type(node) is int and 0 <= node < len(self.mentions) for node in mentions):
                return mentions
        answer, candidates = get_answer(original), self.metadata.candidates
        number = candidates.index(answer) if answer in candidates else None
        places = enumerate(self.metadata.nodes)
        return [node for node, place in places if number is not None and place.candidate == number]

    @functools.cached_property
    def chains(self) -> Dict[int, List[ChainHop]]:
        """See `find_chains`."""
        return find_chains(self.explanation, self.subjects, self.answers)

    @functools.cached_property
    def named_chains(self) -> Dict[int, List[Tuple[str, ChainHop]]]:
        """The first chains by their target, with the names of their hops: 1, 2, ... of a single chain, else A1, A2, B1, ..."""
        letters = "ABC" if len(self.chains) > 1 else [""]
        return {
            target: [(f"{letter}{place}", hop) for place, hop in enumerate(self.chains[target], start=1)]
            for letter, target in zip(letters, self.chains)
        }

    @functools.cached_property
    def hop_names(self) -> Dict[int, str]:
        """The names of the hops by the number of their edge. If several chains go over it, the first one names it."""
        hops = [(hop.number, name) for chain in self.named_chains.values() for name, hop in chain]
        return dict(reversed(hops))

    def _explain_missing_chain(self) -> str:
        if not self.answers:
            return "No mention of a predicted answer is known, so no chain can end there."
        if not self.subjects:
            return "The subject of the query is not mentioned in the supports, so no chain can begin there."
        if set(self.answers) <= set(self.subjects):
            return "The mentions of the answer are those of the subject: there is nothing between them."
        return "No chain of kept messages leads from a mention of the query's subject to one of the answer."

    def _choose_links(self, max_links: int) -> List[int]:
        """Return the numbers of the kept edges to draw, the most important first."""
        edges = self.explanation.edges
        answers = set(self.answers)

        def rank(number: int) -> Any:
            edge = edges[number]
            best = max(score for score, is_kept in zip(edge.score, edge.kept) if is_kept)
            return (number not in self.hop_names, edge.target not in answers, -best)

        kept = [number for number, edge in enumerate(edges) if any(edge.kept)]
        return sorted(kept, key=rank)[: max(max_links, len(self.hop_names))]

    def _describe_links(self, links: List[int], relations: List[str]) -> Dict[str, List[Any]]:
        """Return what the page's script needs of the links, as lists with an entry for each."""
        described: List[Dict[str, Any]] = [
            {
                "source": edge.source,
                "target": edge.target,
                "relation": relations.index(edge.type),
                "kept": [layer for layer, kept in enumerate(edge.kept) if kept],
                "scores": [f"{score:.2f}" for score in edge.score],
                "chain": number in self.hop_names if self.chains else rank < _LINKS_WITHOUT_CHAIN,
                "answer": edge.target in self.answers,
                "place": self.hop_names.get(number, ""),
            }
            for rank, number in enumerate(links)
            for edge in [self.explanation.edges[number]]
        ]
        return {name: [link[name] for link in described] for name in (described[0] if described else ())}

    def _get_kind(self, node: int) -> str:
        if node in self.answers:
            return "answer"
        if node in self.subjects:
            return "subject"
        return "coreferent" if self.metadata.nodes[node].kind == "coreferent" else "candidate"

    def _group_supports(self, links: List[int]) -> Dict[str, List[Dict[str, Any]]]:
        """Return the supports with mentions of a chain or of the strongest links, those with other mentions, and the rest."""
        edges = [self.explanation.edges[number] for number in self.hop_names or links[:_LINKS_WITHOUT_CHAIN]]
        shown = {node for edge in edges for node in (edge.source, edge.target)}
        if not self.chains:
            shown.update(self.answers[:3], self.subjects[:3])
        groups: Dict[str, List[Dict[str, Any]]] = {"linked": [], "others": [], "without": []}
        for number, text in enumerate(self.metadata.supports):
            mentions = [mention for mention in self.mentions if mention.support == number]
            near = [mention for mention in mentions if mention.node in shown]
            group = "linked" if near else "others" if mentions else "without"
            runs = split_support(text, mentions, near or mentions)
            groups[group].append({"number": number, "runs": runs, "text": text})
        return groups
