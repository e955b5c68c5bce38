"""The tables of a report: what each counts, and its rows."""

import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from allennlp_graphmask.report.counting import SERIES, Counts, Example

#: The level of the intervals over runs.
CONFIDENCE = 0.95

Value = Any

#: What titles and statements call the parts of a task.
_WORDS: Dict[str, Dict[str, str]] = {
    "semantic roles": {"relation": "dependency label", "nodes": "words", "label": "role"},
    "questions": {"relation": "relation", "nodes": "mentions", "label": "relation that the question asks for"},
    "graphs": {"relation": "relation", "nodes": "nodes", "label": "predicted class"},
}


class Ratio(NamedTuple):
    """A share: the sum of one count over that of another, in the row or, with `of_all`, in all rows of its series."""

    name: str
    numerator: str
    denominator: str
    of_all: bool = False


class TableForm(NamedTuple):
    """
    How a table is made of a cube: a row for each source, focus and verification, and each combination of values of `keys`. `statement` describes it to readers; see `name_parts` for the names in braces.
    """

    name: str
    title: str
    statement: str
    cube: str
    keys: Tuple[str, ...]
    counts: Tuple[str, ...]
    ratios: Tuple[Ratio, ...]
    #: Rows with larger counts come first; otherwise they have an order of their own.
    by_size: bool = True
    #: What its examples are called in `Counts`.
    example: Optional[str] = None


class Row(NamedTuple):
    """A row of a table; the values of its columns in their order are in `cells`."""

    series: Tuple[str, ...]
    key: Tuple[Value, ...]
    cells: Dict[str, Value]


class Table(NamedTuple):
    """
    A table with its rows. Each ratio has an interval over runs, `NAME_lower` and `NAME_upper`. `None` stands for a share of nothing, and
    for the interval of a single run.
    """

    form: TableForm
    columns: List[str]
    rows: List[Row]


_MESSAGES = ("messages", "reachable", "kept")
_KEPT = (
    Ratio("kept_share", "kept", "messages"),
    Ratio("random_share", "random", "messages"),
    Ratio("times_random", "kept", "random"),
)
_PAIRS = ("pairs", "arcs", "kept_arcs", "whole", "joined")
_OF_PAIRS = (
    Ratio("kept_arcs_share", "kept_arcs", "arcs"),
    Ratio("whole_share", "whole", "pairs"),
    Ratio("joined_share", "joined", "pairs"),
)
_EXPLANATIONS = ("explanations", "messages", "kept")
_OF_EXPLANATIONS = (Ratio("kept_share", "kept", "messages"), Ratio("mean_kept_share", "sum_of_shares", "with_messages"))

FORMS = (
    TableForm(
        "predictions",
        "Predictions",
        "How much is kept of all messages, on average over explanations, and whether what is explained is right with all messages and with "
        "the kept ones alone. It counts as changed if any label of it differs; before verification: with the messages of a single pass.",
        "explanations",
        (),
        (
            *("explanations", "with_messages", "messages", "kept", "added"),
            *("known_before", "correct_before", "known_after", "correct_after"),
            *("measured", "changed", "measured_before", "changed_before"),
        ),
        (
            *_OF_EXPLANATIONS,
            Ratio("added_share", "added", "messages"),
            Ratio("changed_share", "changed", "measured"),
            Ratio("changed_before_share", "changed_before", "measured_before"),
            Ratio("correct_before_share", "correct_before", "known_before"),
            Ratio("correct_after_share", "correct_after", "known_after"),
        ),
    ),
    TableForm(
        "relations",
        "{Relation}",
        "Which share of the messages along each {relation} is kept, in all layers together. The mark on its bar "
        "is the share if as many messages of each graph were kept at random, among those that can have an effect on what is explained; "
        "times random compares the two.",
        "messages",
        ("relation",),
        _MESSAGES,
        _KEPT,
    ),
    TableForm("layers", "Layers", "Layer 0 is at the bottom.", "messages", ("layer",), _MESSAGES, _KEPT, by_size=False),
    TableForm(
        "relations_layers",
        "{Relation} and layer",
        "The same for each layer.",
        "messages",
        ("relation", "layer"),
        _MESSAGES,
        _KEPT,
    ),
    TableForm(
        "directions",
        "Direction",
        "Along an arc, from head to dependent, or against it.",
        "messages",
        ("direction",),
        _MESSAGES,
        _KEPT,
    ),
    TableForm(
        "relations_directions",
        "{Relation} and direction",
        "The same for each direction.",
        "messages",
        ("relation", "direction"),
        _MESSAGES,
        _KEPT,
    ),
    TableForm(
        "relations_predicates",
        "{Relation} and predicate",
        "The same for nominal and verbal predicates.",
        "messages",
        ("relation", "predicate"),
        _MESSAGES,
        _KEPT,
    ),
    TableForm(
        "places",
        "Next to {first} and {second}",
        "Messages from or to the {first}, a {second}, both, or neither.",
        "messages",
        ("place",),
        _MESSAGES,
        _KEPT,
    ),
    TableForm(
        "predicates",
        "Part of speech of the predicate",
        "Nominal predicates are nouns, verbal ones verbs; most others are adjectives.",
        "explanations",
        ("predicate",),
        _EXPLANATIONS,
        _OF_EXPLANATIONS,
    ),
    TableForm(
        "predicate_tags",
        "Tag of the predicate",
        "The same for each tag.",
        "explanations",
        ("predicate_tag",),
        _EXPLANATIONS,
        _OF_EXPLANATIONS,
    ),
    TableForm(
        "labels",
        "{Label}",
        "The {label} that is explained.",
        "explanations",
        ("label",),
        _EXPLANATIONS,
        _OF_EXPLANATIONS,
    ),
    TableForm(
        "sizes",
        "{Nodes}",
        "The kept share by the number of {nodes}, of all messages together and on average over explanations.",
        "explanations",
        ("nodes",),
        _EXPLANATIONS,
        _OF_EXPLANATIONS,
        by_size=False,
    ),
    TableForm(
        "kept_shares",
        "Kept share of an explanation",
        "How many explanations keep which share of their messages (the upper end belongs to a group).",
        "explanations",
        ("kept_share",),
        ("explanations",),
        (Ratio("share_of_explanations", "explanations", "explanations", of_all=True),),
        by_size=False,
    ),
    TableForm(
        "path_lengths",
        "Length of the path from {first} to {second}",
        "The shortest path in the graph, of several one with the most kept arcs. Which share of its arcs carries a kept message, in some layer and direction; for how many pairs all "
        "of its arcs do; and how many pairs are joined by a chain of kept messages, one for each layer at most.",
        "pairs",
        ("length",),
        _PAIRS,
        _OF_PAIRS,
        by_size=False,
    ),
    TableForm(
        "path_shapes",
        "Shape of the path from {first} to {second}",
        "The relations on the shortest path; ↓ goes from head to dependent, ↑ from dependent to head.",
        "pairs",
        ("shape",),
        _PAIRS,
        _OF_PAIRS,
        example="shape",
    ),
    TableForm(
        "kept_paths",
        "Kept paths",
        "The best chain of kept messages from one end of a pair to the other, if there is one: from layer to layer upwards, at most one message "
        "for each layer, and as few as possible. With its share among all of them.",
        "chains",
        ("ends", "chain"),
        ("chains",),
        (Ratio("share_of_chains", "chains", "chains", of_all=True),),
        example="chain",
    ),
)


def name_decisions(verified: str) -> str:
    """Return in words what the value `verified` of a series means."""
    return "verified" if verified == "yes" else "not verified"


def name_parts(counts: Counts) -> Dict[str, str]:
    """Return what stands for the names in titles and statements; capitalised names give capitalised words."""
    words = {**_WORDS[counts.task], **dict(zip(("first", "second"), counts.ends))}
    return {**words, **{name.capitalize(): word[:1].upper() + word[1:] for name, word in words.items()}}


def build_tables(counts: Counts) -> List[Table]:
    """Build the tables that there are for a task: a key that has no value (the direction of a graph without directions) gives none."""
    tables = [build_table(counts, form) for form in FORMS]
    return [table for table in tables if table.rows and all(map(any, zip(*(map(str, row.key) for row in table.rows))))]


def build_table(counts: Counts, form: TableForm) -> Table:
    """Sum up a cube for a table."""
    cube = counts.cubes[form.cube]
    places = {name: number for number, name in enumerate(cube.counts)}
    grouped: Dict[Tuple[Tuple[str, ...], Tuple[Value, ...]], Dict[int, List[float]]] = {}
    totals: Dict[Tuple[str, ...], Dict[int, List[float]]] = {}
    for cell, sums in cube.group((*SERIES, *form.keys)).items():
        run, series, key = cell[0], (counts.runs[cell[0]].source, *cell[1:3]), cell[3:]
        grouped.setdefault((series, key), {})[run] = sums
        total = totals.setdefault(series, {}).setdefault(run, [0.0] * len(sums))
        total[:] = [one + other for one, other in zip(total, sums)]

    nothing = [0.0] * len(cube.counts)

    def share(ratio: Ratio, sums: List[float], of_series: List[float]) -> Optional[float]:
        denominator = (of_series if ratio.of_all else sums)[places[ratio.denominator]]
        return sums[places[ratio.numerator]] / denominator if denominator else None

    rows = []
    for (series, key), by_run in grouped.items():
        sums, total = _sum(by_run.values()), _sum(totals[series].values())
        cells: Dict[str, Value] = dict(zip(("source", "focus", "verified"), series))
        cells.update(runs=len(totals[series]), **dict(zip(form.keys, key)))
        cells.update({name: int(sums[places[name]]) for name in form.counts})
        for ratio in form.ratios:
            cells[ratio.name] = share(ratio, sums, total)
            of_runs = [share(ratio, by_run.get(run, nothing), of_run) for run, of_run in totals[series].items()]
            bounds = interval(
                [one for one in of_runs if one is not None], math.inf if ratio.name == "times_random" else 1
            )
            cells.update(zip((f"{ratio.name}_lower", f"{ratio.name}_upper"), bounds))
        if form.example is not None:
            cells["example"] = _find_example(counts, form.example, series, key)
        rows.append(Row(series, key, cells))
    order = _order(counts, form)
    rows.sort(key=order)
    columns = list(rows[0].cells) if rows else []
    return Table(form, columns, rows)


def _sum(parts: Any) -> List[float]:
    return [math.fsum(column) for column in zip(*parts)]


def _find_example(counts: Counts, kind: str, series: Tuple[str, ...], key: Tuple[Value, ...]) -> str:
    example = find_example(counts, kind, series, key)
    return f"{counts.runs[example.run].path}, explanation {example.number}"


def find_example(counts: Counts, kind: str, series: Tuple[str, ...], key: Tuple[Value, ...]) -> Example:
    """Return the first explanation with a shape or a chain."""
    source, *rest = series
    runs = [number for number, run in enumerate(counts.runs) if run.source == source]
    places = ((kind, (run, *rest), ": ".join(key)) for run in runs)
    return next(counts.examples[place] for place in places if place in counts.examples)


def _order(counts: Counts, form: TableForm) -> Callable[[Row], Any]:
    first_seen: Dict[Tuple[str, ...], int] = {}
    for run, focus, verified in counts.cubes[form.cube].group(SERIES):
        first_seen.setdefault((counts.runs[run].source, focus, verified), len(first_seen))

    def order(row: Row) -> Any:
        key = tuple(_natural(part) for part in row.key)
        return first_seen[row.series], -row.cells[form.counts[0]] if form.by_size else 0, key

    return order


def _natural(value: Value) -> Tuple[int, str]:
    """Order values by the number that they begin with; those without one come last."""
    text = str(value)
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    return (int(digits) if digits else 10**9), text


def interval(values: Sequence[float], largest: float = 1.0) -> Tuple[Optional[float], Optional[float]]:
    """Return Student's interval of the mean of several values from 0 to `largest`; `None` for fewer than two."""
    if len(values) < 2:
        return None, None
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = quantile(len(values)) * math.sqrt(variance / len(values))
    return max(0.0, mean - half), min(largest, mean + half)


def quantile(number: int) -> float:
    """Return Student's quantile for the mean of a number of values, at least two."""
    # Imported here: every `allennlp` command imports this module.
    from scipy.special import stdtrit

    return float(stdtrit(number - 1, (1 + CONFIDENCE) / 2))
