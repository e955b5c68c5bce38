"""The view of a multi-hop question: its supports, the links between their mentions, and the chain to the answer."""

from typing import Any, Dict, List, NamedTuple, Sequence, Set, Tuple

from allennlp_graphmask.explanation.explanation import ExplainedEdge, Explanation
from allennlp_graphmask.views.message_rows import MessageTable, message_row, message_table
from allennlp_graphmask.views.question.chains import WEAK_RELATION, ChainHop, chains_to
from allennlp_graphmask.views.question.metadata import question_metadata
from allennlp_graphmask.views.question.supports import folded_runs, pieces_of
from allennlp_graphmask.views.question.text import Mention, mentions_of, ranking_of
from allennlp_graphmask.views.relation_styles import relation_styles
from allennlp_graphmask.views.text_layout import shortened

_MAX_CHAINS = 3
_MAX_CANDIDATES = 8
# So many of the strongest links are drawn at first where there is no chain.
_LINKS_WITHOUT_CHAIN = 12


def ends(edge: ExplainedEdge) -> Tuple[int, int]:
    return edge.source, edge.target


class _Answer(NamedTuple):
    """The mentions of the predicted answer, the highest scored first, and those of the query's subject."""

    mentions: List[int]
    subjects: List[int]


def question_context(explanation: Explanation, max_edges: int) -> Dict[str, Any]:
    """
    What the template `question.html` shows.

    # Parameters

    explanation : `Explanation`
        One for which `is_question` is true.
    max_edges : `int`
        At most so many links are drawn (those of chains in any case) and so many kept messages listed: first those of the
        chains, then those into mentions of the answer, then those with the highest scores.
    """
    question_metadata(explanation)
    mentions = mentions_of(explanation)
    answer = _answer(explanation)
    chains = chains_to(explanation, answer.subjects, answer.mentions)
    chosen = list(chains.values())[:_MAX_CHAINS]
    in_chains = {hop.number for chain in chosen for hop in chain}
    links = _links(explanation, answer, in_chains, max_edges)
    styles = relation_styles(edge.type for edge in explanation.edges)
    relations = list(styles)
    badges = {
        hop.number: _hop_name(chain_number, place, len(chosen))
        for chain_number, chain in reversed(list(enumerate(chosen)))
        for place, hop in enumerate(chain)
    }
    shown_nodes = {node for number in in_chains for node in ends(explanation.edges[number])}
    if not shown_nodes:
        # No chain: what leads to the answer, or the strongest links of all.
        shown_nodes = {
            node for number in links[:_LINKS_WITHOUT_CHAIN] for node in ends(explanation.edges[number])
        }
        shown_nodes.update([*answer.mentions[:3], *answer.subjects[:3]])
    names = _names(mentions)
    return {
        "query": explanation.metadata["query"],
        "true_answer": explanation.metadata.get("answer"),
        "candidates": _candidates(explanation),
        "more_candidates": max(0, len(explanation.metadata["candidates"]) - _MAX_CANDIDATES),
        "chains": [
            {
                "target": names[target],
                "is_best": target == answer.mentions[0],
                "hops": [
                    {
                        **_hop(hop, mentions),
                        "style": styles[hop.edge.type],
                        "name": _hop_name(number, place, len(chosen)),
                    }
                    for place, hop in enumerate(chains[target])
                ],
            }
            for number, target in enumerate(list(chains)[:_MAX_CHAINS])
        ],
        "more_chains": max(0, len(chains) - _MAX_CHAINS),
        "no_chain": _why_no_chain(explanation, answer, chains),
        "supports": _supports(explanation, mentions, answer, shown_nodes),
        "relations": [
            {"name": name, "style": style, "weak": name == WEAK_RELATION and len(styles) > 1}
            for name, style in styles.items()
        ],
        "links": {
            "relations": [
                {"name": name, "colour": style.colour, "dashes": style.dashes}
                for name, style in styles.items()
            ],
            "links": [
                _link(
                    explanation.edges[number],
                    relations,
                    number in in_chains or (not chosen and place < _LINKS_WITHOUT_CHAIN),
                    answer,
                    badges.get(number, ""),
                    names,
                )
                for place, number in enumerate(links)
            ],
        },
        "links_left_out": len(explanation.kept_edges()) - len(links),
        "table": _table(explanation, links, names, max_edges),
    }


def _answer(explanation: Explanation) -> _Answer:
    details = explanation.metadata.get("nodes", [])
    subjects = [node for node, detail in enumerate(details) if detail.get("is_subject") is True]
    original = explanation.prediction["original"]
    ranking = ranking_of(original)
    mentions: Any = ranking[0].get("mentions") if ranking else None
    if not (
        isinstance(mentions, list) and mentions and all(_is_node(node, explanation) for node in mentions)
    ):
        # Not told by the model: the mentions that stand for its answer, in the order of the text.
        candidates = explanation.metadata["candidates"]
        text = original.get("answer") if isinstance(original, dict) else original
        number = candidates.index(text) if text in candidates else None
        mentions = [
            node
            for node, detail in enumerate(details)
            if number is not None and detail.get("candidate") == number
        ]
    return _Answer(mentions, subjects)


def _is_node(node: Any, explanation: Explanation) -> bool:
    return isinstance(node, int) and not isinstance(node, bool) and 0 <= node < len(explanation.nodes)


def _links(explanation: Explanation, answer: _Answer, in_chains: Set[int], max_links: int) -> List[int]:
    """The kept edges to draw, by number, the most telling first."""
    answers = set(answer.mentions)
    kept = [number for number, edge in enumerate(explanation.edges) if any(edge.kept)]

    def order(number: int) -> Any:
        edge = explanation.edges[number]
        best = max(score for score, is_kept in zip(edge.score, edge.kept) if is_kept)
        return (number not in in_chains, edge.target not in answers, -best, number)

    return sorted(kept, key=order)[: max(max_links, len(in_chains))]


def _names(mentions: Sequence[Mention]) -> List[str]:
    return [f"{shortened(mention.text)} [{mention.node}], support {mention.support}" for mention in mentions]


def _link(
    edge: ExplainedEdge,
    relations: Sequence[str],
    in_chain: bool,
    answer: _Answer,
    place: str,
    names: Sequence[str],
) -> Dict[str, Any]:
    return {
        "source": edge.source,
        "target": edge.target,
        "relation": relations.index(edge.type),
        "kept": [layer for layer, kept in enumerate(edge.kept) if kept],
        "scores": [f"{score:.2f}" for score in edge.score],
        "chain": in_chain,
        "answer": edge.target in answer.mentions,
        "place": place,
        "names": [names[edge.source], names[edge.target]],
    }


def _hop_name(chain: int, place: int, num_chains: int) -> str:
    """How the drawing and the list call a hop: 1, 2, ... of a single chain, A1, A2, B1, ... of several."""
    return f"{'ABC'[chain] if num_chains > 1 else ''}{place + 1}"


def _hop(hop: ChainHop, mentions: Sequence[Mention]) -> Dict[str, Any]:
    edge = hop.edge
    return {
        "layer": hop.layer,
        "source": mentions[edge.source],
        "target": mentions[edge.target],
        "relation": edge.type,
        "score": f"{edge.score[hop.layer]:.2f}",
    }


def _why_no_chain(explanation: Explanation, answer: _Answer, chains: Dict[int, List[ChainHop]]) -> str:
    if chains:
        return ""
    if not answer.mentions:
        return "No mention of a predicted answer is known, so no chain can end there."
    if not answer.subjects:
        return "The subject of the query is not mentioned in the supports, so no chain can begin there."
    if set(answer.mentions) <= set(answer.subjects):
        return "The mentions of the answer are those of the subject: there is nothing between them."
    return "No chain of kept messages leads from a mention of the query's subject to one of the answer."


def _candidates(explanation: Explanation) -> List[Dict[str, Any]]:
    before = ranking_of(explanation.prediction["original"])
    after = {entry["text"]: entry for entry in ranking_of(explanation.prediction["masked"])}
    best_after = next(iter(after), None)
    shown = before[:_MAX_CANDIDATES] + [
        entry for entry in before[_MAX_CANDIDATES:] if entry["text"] == best_after
    ]
    return [
        {
            "text": entry["text"],
            "before": float(entry["probability"]),
            "after": float(after[entry["text"]]["probability"]) if entry["text"] in after else None,
            "mentioned": entry.get("score", 0) is not None,
        }
        for entry in shown
    ]


def _supports(
    explanation: Explanation, mentions: Sequence[Mention], answer: _Answer, shown_nodes: Set[int]
) -> Dict[str, Any]:
    """The supports in which a link ends, those with other mentions, and those without any."""
    texts: List[str] = explanation.metadata["supports"]
    of_support: List[List[Mention]] = [[] for _ in texts]
    for mention in mentions:
        of_support[mention.support].append(mention)
    details = explanation.metadata.get("nodes", [])
    kinds = {}
    for mention in mentions:
        if mention.node in answer.mentions:
            kinds[mention.node] = "answer"
        elif mention.node in answer.subjects:
            kinds[mention.node] = "subject"
        elif details[mention.node].get("kind") == "coreferent":
            kinds[mention.node] = "coreferent"
        else:
            kinds[mention.node] = "candidate"
    result: Dict[str, Any] = {"linked": [], "others": [], "without": []}
    for number, (text, here) in enumerate(zip(texts, of_support)):
        near = [mention for mention in here if mention.node in shown_nodes]
        place = "linked" if near else "others" if here else "without"
        runs = folded_runs(pieces_of(text, here, near or here))
        result[place].append({"number": number, "runs": runs, "text": text})
    result["kinds"] = kinds
    result["order"] = ["subject", "answer", "candidate", "coreferent"]
    return result


def _table(
    explanation: Explanation, links: Sequence[int], names: Sequence[str], max_edges: int
) -> MessageTable:
    chosen = [(explanation.edges[number], message_row(explanation.edges[number], names)) for number in links]
    return message_table(chosen, max_edges, len(explanation.kept_edges()), len(explanation.edges))
