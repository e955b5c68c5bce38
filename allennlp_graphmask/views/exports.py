"""Explanations as objects and text of other tools."""

import os
import re
from typing import TYPE_CHECKING, Callable, Dict, Iterable, List, Optional

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.explanation.messages import message_columns
from allennlp_graphmask.views.arcs import Arc, build_arcs
from allennlp_graphmask.views.page import render_svg

if TYPE_CHECKING:
    import networkx
    import pandas

#: What separates fields in CoNLL-U.
_SEPARATORS = re.compile(r"\s")
_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def to_networkx(explanation: Explanation) -> "networkx.MultiDiGraph":
    """
    Return the graph, by networkx: nodes are ids with `text`, `start` and `end`; each edge has its position as key, its `type`, and for
    each layer `score` and `kept`.
    """
    import networkx

    graph = networkx.MultiDiGraph(kind=explanation.kind, num_layers=explanation.num_layers)
    for node in explanation.nodes:
        graph.add_node(node.id, text=node.text, start=node.start, end=node.end)
    for key, edge in enumerate(explanation.edges):
        graph.add_edge(edge.source, edge.target, key, type=edge.type, score=edge.score, kept=edge.kept)
    return graph


def to_frame(explanation: Explanation) -> "pandas.DataFrame":
    """Return a row for each message, by pandas, with the columns of `message_columns` but the number of the explanation."""
    import pandas

    columns = message_columns(explanation)
    del columns["explanation"]
    return pandas.DataFrame(columns)


def to_conllu(explanation: Explanation) -> str:
    """
    Return a dependency tree as a sentence of CoNLL-U. Which messages are kept is in MISC, at the dependent of the arc: `Down` has the
    layers (from 0) in which the message from the head is kept, `Up` those in which the message to the head is kept. Comments name the
    predicate and the focus.

    # Raises

    `ValueError` if the graph is not a dependency tree over the tokens, as it has a cycle, or not all of its edges are stored (`kept_only`).
    """
    # Readers import AllenNLP, which views do without until a tree is asked for.
    from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_tree import ROOT, find_cycle

    if explanation.kind != "sentence":
        raise ValueError(f"An explanation of the kind '{explanation.kind}' is not a dependency tree.")
    if len(explanation.edges) < explanation.num_edges:
        raise ValueError(
            f"Only {len(explanation.edges)} of the {explanation.num_edges} edges are stored (explain --kept-only): the tree is not known."
        )
    arcs: Dict[int, Arc] = {}
    for arc in build_arcs(explanation.edges):
        if arcs.setdefault(arc.target, arc) is not arc:
            raise ValueError(
                f"The token {arc.target + 1} ('{explanation.tokens[arc.target]}') has two heads: this is not a dependency tree."
            )
    heads = [arcs[number].source if number in arcs else ROOT for number in range(len(explanation.tokens))]
    cycle = find_cycle(heads)
    if cycle is not None:
        raise ValueError(f"The arcs above the token {cycle[0] + 1} ('{explanation.tokens[cycle[0]]}') form a cycle.")
    lines = []
    sentence_id = explanation.metadata.get("sentence_id")
    if sentence_id is not None:
        lines.append(f"# sent_id = {_plain(str(sentence_id))}")
    lines.append(f"# text = {' '.join(map(_plain, explanation.tokens))}")
    predicate = explanation.metadata.get("predicate_index")
    if isinstance(predicate, int) and 0 <= predicate < len(explanation.tokens):
        lines.append(f"# predicate = {predicate + 1} {_plain(explanation.tokens[predicate])}")
    if explanation.focus is not None:
        lines.append(f"# focus = {explanation.focus['name']}: {explanation.focus['description']}")
    given = [
        values if isinstance(values := explanation.metadata.get(name), list) else [None] * len(explanation.tokens)
        for name in ("lemmas", "parts_of_speech")
    ]
    for number, token in enumerate(explanation.tokens):
        governing = arcs.get(number)
        head, relation = (0, "root") if governing is None else (governing.source + 1, _plain(governing.relation))
        lemma, tag = (_plain(str(values[number] or "_")) for values in given)
        fields = [str(number + 1), _plain(token), lemma, "_", tag, "_", str(head), relation, "_", _describe(governing)]
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n\n"


def _describe(arc: Optional[Arc]) -> str:
    features: List[str] = []
    for direction, edge in () if arc is None else arc.messages:
        layers = [str(layer) for layer, kept in enumerate(edge.kept) if kept]
        if layers:
            features.append(f"{'Down' if direction == 'along' else 'Up'}={','.join(layers)}")
    return "|".join(features) or "_"


def _plain(text: str) -> str:
    return _SEPARATORS.sub("_", text) or "_"


def to_graphml(explanation: Explanation) -> str:
    """Return the graph as GraphML, by networkx, which has no lists: `score_0`, `kept_0` and so on for each layer."""
    import networkx

    graph = to_networkx(explanation)
    for _, _, attributes in graph.edges(data=True):
        for name in ("score", "kept"):
            attributes.update((f"{name}_{layer}", value) for layer, value in enumerate(attributes.pop(name)))
        attributes["type"] = _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", attributes["type"])
    for _, attributes in graph.nodes(data=True):
        attributes["text"] = _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", attributes["text"])
        for name in [name for name, value in attributes.items() if value is None]:
            del attributes[name]
    return "\n".join(networkx.generate_graphml(graph)) + "\n"


def write_exports(explanations: Iterable[Explanation], name: str, folder: str, count: int) -> None:
    """
    Write each of `count` explanations to a file of its own in a folder, in a format of `EXPORTS`.

    # Raises

    `ConfigurationError` naming the explanation that the format cannot hold.
    """
    os.makedirs(folder, exist_ok=True)
    for number, explanation in enumerate(explanations, start=1):
        try:
            text = EXPORTS[name](explanation)
        except ValueError as error:
            raise ConfigurationError(f"Explanation {number} cannot be exported as {name}: {error}") from error
        write_atomically(os.path.join(folder, f"explanation_{number:0{len(str(count))}}.{name}"), text)


#: The formats of `allennlp explain --export`, each the suffix of its files.
EXPORTS: Dict[str, Callable[[Explanation], str]] = {"conllu": to_conllu, "graphml": to_graphml, "svg": render_svg}
