"""The one pass over explanations in which everything is counted."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation import Explanation, ExplanationFormatError
from allennlp_graphmask.graph import split_relation
from allennlp_graphmask.report.cube import Cube
from allennlp_graphmask.report.facts import UNKNOWN, Facts, Pair, focus_kind, get_facts
from allennlp_graphmask.report.paths import (
    KeptArcs,
    describe_shape,
    find_reachable,
    find_shortest_path,
)
from allennlp_graphmask.report.sources import Run, read_run
from allennlp_graphmask.views.arcs import has_directions
from allennlp_graphmask.views.question.chains import find_chains

#: The properties that every cube has first: the number of the file, and what must never be mixed in one row.
SERIES = ("run", "focus", "verified")
#: What a page can filter by, as far as a cube has it.
FILTERS = ("label", "predicate", "correct")

#: Upper ends of groups of graphs by their number of nodes.
_SIZES = (10, 20, 40, 80, 160)
NOT_CONNECTED = "not connected"


class Example(NamedTuple):
    """An explanation: the number of its file, and its own number there, from 1."""

    run: int
    number: int


class Counts:
    """
    Everything that is counted, as cubes:

    - `messages`: one message is one edge in one layer. `reachable` counts those that can have an effect on what is explained; `random`
      is how many are kept, in expectation, if each explanation keeps as many messages as it does, chosen at random among these.
    - `explanations`: `sum_of_shares` is that of the kept shares of the explanations that have messages, of which `with_messages` is the
      number; `added` counts the messages that verification added. Of outcomes those that are known are counted too: whether what is
      explained is right with all messages (`before`) and with the kept ones (`after`), and whether it has changed, also with the messages
      of a single pass (`changed_before`).
    - `pairs`: of the two ends of a prediction. `arcs` counts those on the shortest path between the ends, `kept_arcs` those along which a
      message is kept; `whole` the pairs for which that holds for every arc, and `joined` those with a chain of kept messages.
    - `chains`: the best chain of kept messages from one end to the other (see `find_chains`), where there is one.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = list(runs)
        self.task = ""
        #: What the ends of a pair are called.
        self.ends: List[str] = []
        self.cubes = {
            "messages": Cube(
                (*SERIES, *FILTERS, "relation", "direction", "layer", "place"),
                ("messages", "reachable", "kept", "random"),
            ),
            "explanations": Cube(
                (*SERIES, *FILTERS, "predicate_tag", "nodes", "kept_share"),
                (
                    *("explanations", "with_messages", "messages", "kept", "added", "sum_of_shares"),
                    *("known_before", "correct_before", "known_after", "correct_after"),
                    *("measured", "changed", "measured_before", "changed_before"),
                ),
            ),
            "pairs": Cube((*SERIES, *FILTERS, "length", "shape"), ("pairs", "arcs", "kept_arcs", "whole", "joined")),
            "chains": Cube((*SERIES, *FILTERS, "ends", "chain"), ("chains",)),
        }
        #: For shapes and chains the first explanation with it, by series and its name.
        self.examples: Dict[Tuple[str, Tuple[Any, ...], str], Example] = {}


def count_runs(runs: Sequence[Run]) -> Counts:
    """
    Count the explanations of all files.

    # Raises

    `ConfigurationError` if a file cannot be read, has no explanations, or they are not all of one task.
    """
    counts = Counts(runs)
    for number, run in enumerate(runs):
        position = 0
        for position, explanation in enumerate(read_run(run), start=1):
            try:
                facts = get_facts(explanation)
            except ExplanationFormatError as error:
                raise ConfigurationError(f"{run.path}, explanation {position}: {error}") from error
            if counts.task and facts.task != counts.task:
                raise ConfigurationError(
                    f"{run.path}, explanation {position} is one of {facts.task}, but those before it are of {counts.task}. A report is "
                    "of one task: make one for each."
                )
            counts.task, counts.ends = facts.task, facts.ends
            count_explanation(counts, explanation, facts, Example(number, position))
        if not position:
            raise ConfigurationError(f"{run.path} has no explanations.")
    return counts


def count_explanation(counts: Counts, explanation: Explanation, facts: Facts, example: Example) -> None:
    """Add an explanation to all counts."""
    series = (example.run, focus_kind(explanation), "no" if explanation.verification is None else "yes")
    filters = (facts.label, facts.predicate_class, _name_outcome(facts.correct_before))
    is_directed = has_directions(explanation.edges)
    num_messages, num_kept = explanation.num_edges * explanation.num_layers, explanation.num_kept()
    _count_messages(counts.cubes["messages"], (*series, *filters), explanation, facts, is_directed)
    share = num_kept / num_messages if num_messages else 0.0
    verification, changed = explanation.verification, explanation.prediction["changed"]
    changed_before = changed if verification is None else verification["changed_before"]
    counts.cubes["explanations"].add(
        (
            *series,
            *filters,
            facts.predicate_tag,
            group_size(len(explanation.nodes)),
            group_share(num_kept, num_messages),
        ),
        [
            *(1, num_messages > 0, num_messages, num_kept, len(verification["added"]) if verification else 0, share),
            *(*_count_known(facts.correct_before), *_count_known(facts.correct_after)),
            *(*_count_known(changed), *_count_known(changed_before)),
        ],
    )
    if facts.pairs:
        _count_pairs(counts, series, explanation, facts, example, is_directed)


def _count_messages(
    cube: Cube, start: Tuple[Any, ...], explanation: Explanation, facts: Facts, is_directed: bool
) -> None:
    reachable = find_reachable(explanation)
    num_reachable = sum(map(sum, reachable))
    share = explanation.num_kept() / num_reachable if num_reachable else 0.0
    first = {node for pair in facts.pairs for node in pair.first}
    second = {node for pair in facts.pairs for node in pair.second}
    # Few cells for many messages: they are added up here first.
    sums: Dict[Tuple[str, int, str], List[int]] = {}
    for number, edge in enumerate(explanation.edges):
        ends = {edge.source, edge.target}
        place = _name_place(bool(ends & first), bool(ends & second), facts.ends)
        for layer, is_kept in enumerate(edge.kept):
            amounts = sums.setdefault((edge.type, layer, place), [0, 0, 0])
            amounts[0] += 1
            amounts[1] += reachable[layer][number]
            amounts[2] += is_kept
    for (relation, layer, place), amounts in sums.items():
        label, is_inverse = split_relation(relation)
        direction = ("against" if is_inverse else "along") if is_directed else ""
        cube.add((*start, label, direction, layer, place), [*amounts, amounts[1] * share])


def _name_place(is_at_first: bool, is_at_second: bool, ends: Sequence[str]) -> str:
    if not ends:
        return ""
    if is_at_first and is_at_second:
        return f"{ends[0]} and {ends[1]}"
    return ends[0] if is_at_first else ends[1] if is_at_second else "elsewhere"


def _count_pairs(
    counts: Counts,
    series: Tuple[Any, ...],
    explanation: Explanation,
    facts: Facts,
    example: Example,
    is_directed: bool,
) -> None:
    kept = KeptArcs(explanation.edges)
    for pair in facts.pairs:
        filters = (pair.label, facts.predicate_class, _name_outcome(pair.is_correct))
        chains = list(_find_chains(explanation, pair, facts.ends, is_directed))
        for ends, chain in chains:
            counts.cubes["chains"].add((*series, *filters, ends, chain), [1])
            counts.examples.setdefault(("chain", series, f"{ends}: {chain}"), example)
        path = find_shortest_path(explanation.edges, pair.first, pair.second, kept)
        length, shape, num_kept = "", NOT_CONNECTED, 0
        if path is not None:
            length, shape = str(len(path)), describe_shape([edge.type for edge in path], is_directed)
            num_kept = kept.count(path)
        num_arcs = len(path or ())
        counts.examples.setdefault(("shape", series, shape), example)
        counts.cubes["pairs"].add(
            (*series, *filters, length or NOT_CONNECTED, shape),
            [1, num_arcs, num_kept, path is not None and num_kept == num_arcs, bool(chains)],
        )


def _find_chains(
    explanation: Explanation, pair: Pair, ends: Sequence[str], is_directed: bool
) -> Iterable[Tuple[str, str]]:
    """Yield the best chain of kept messages from the first end of a pair to the second, and back, with the names of its ends."""
    ways = [(pair.first, pair.second, ends)]
    if is_directed:
        ways.append((pair.second, pair.first, ends[::-1]))
    for sources, targets, (start, end) in ways:
        for hops in find_chains(explanation, sources, targets).values():
            yield f"{start} to {end}", describe_shape([hop.edge.type for hop in hops], is_directed)
            break


def _count_known(outcome: Optional[bool]) -> Tuple[int, int]:
    """Return how many outcomes are known, and how many of them are true."""
    return int(outcome is not None), int(outcome is True)


def _name_outcome(is_correct: Optional[bool]) -> str:
    return {True: "correct", False: "wrong", None: UNKNOWN}[is_correct]


def group_size(num_nodes: int) -> str:
    """Return the group of graphs that one with this number of nodes belongs to: `11-20`."""
    start = 1
    for end in _SIZES:
        if num_nodes <= end:
            return f"{start}-{end}"
        start = end + 1
    return f"{start} or more"


def group_share(kept: int, messages: int) -> str:
    """Return the group to which a kept share belongs: `0 %`, `0-10 %` (above 0, up to 10), ..., `90-100 %`."""
    if not messages:
        return "no messages"
    # In whole numbers, rounded up: 0.3 is not three tenths.
    tenth = -(-10 * kept // messages)
    return f"{10 * tenth - 10}-{10 * tenth} %" if tenth else "0 %"
