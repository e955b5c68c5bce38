"""The page of a report: its tables, and the counts from which the page's script makes them again for a choice of filters."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from allennlp_graphmask.report.counting import FILTERS, SERIES, Counts, Example
from allennlp_graphmask.report.cube import Cube
from allennlp_graphmask.report.tables import Row, Table, TableForm, find_example, name_decisions, name_parts, quantile
from allennlp_graphmask.views.page import render_page
from allennlp_graphmask.views.wording import format_share

_TEMPLATES = Path(__file__).with_name("templates")
#: A page shows this many rows of a table at once, and has this many.
_SHOWN_ROWS, _MAX_ROWS = 12, 150
#: The share that is drawn as a mark.
_MARK = "random_share"
#: Values with a smaller share of what a table counts are not named as its highest or lowest.
_SMALL = 0.01
#: What filters are called, and the cubes' dimensions that they are for.
_FILTER_NAMES = {
    "relation": "relation",
    "layer": "layer",
    "label": "label",
    "predicate": "predicate",
    "correct": "prediction",
}

#: The rows of the overview, with their ratios.
_MEASURES = {
    "kept": "kept_share",
    "kept, mean over explanations": "mean_kept_share",
    "added by verification": "added_share",
    "predictions changed before verification": "changed_before_share",
    "predictions changed": "changed_share",
    "right with all messages": "correct_before_share",
    "right with the kept messages": "correct_after_share",
}


class PageRow(NamedTuple):
    """A row of a table on the page, with the cells of each series (`None` where it has no such row)."""

    key: Tuple[str, ...]
    cells: List[Optional[Dict[str, Any]]]
    examples: List[Optional[str]]


class PageTable(NamedTuple):
    """A table on the page, with the names of the ratios that are columns: a random share is a mark on the bar of the first one."""

    form: TableForm
    title: str
    statement: str
    findings: List[str]
    rows: List[PageRow]
    num_left_out: int
    ratios: List[str]
    has_mark: bool

    @property
    def has_examples(self) -> bool:
        return any(any(row.examples) for row in self.rows)

    @property
    def num_columns(self) -> int:
        return 1 + len(self.ratios) + self.has_examples


def render_report(
    counts: Counts, tables: Sequence[Table], examples: Mapping[Optional[Example], Tuple[str, str]]
) -> str:
    """
    Render the page of a report, which loads nothing. `examples` are the pages of explanations beside it, each with its file and title.
    """
    overview, *others = tables
    series = [row.series for row in overview.rows]
    # A model with one layer has the same in two tables.
    distinct = [table for table in others if len({row.key[-1] for row in table.rows}) > 1]
    shown = [_build_table(counts, table, series, examples) for table in distinct]
    context = {
        "title": f"What is kept in explanations of {counts.task}",
        "num_layers": 1,
        "num_foci": 1,
        "share": lambda share: format_share(_shorten(share)),
        "decisions": name_decisions,
        "words": lambda name: name.replace("_", " "),
        "overview": overview,
        "measures": _MEASURES,
        "series": series,
        "tables": shown,
        "has_arguments": "argument" in counts.ends,
        "filters": _list_filters(counts),
        "shown_rows": _SHOWN_ROWS,
        "examples": list(examples.values()),
        "data": {
            "series": series,
            "shown_rows": _SHOWN_ROWS,
            "sources": [run.source for run in counts.runs],
            "quantiles": [0.0, 0.0, *map(quantile, range(2, len(counts.runs) + 1))],
            "cubes": {name: _pack(cube) for name, cube in counts.cubes.items()},
            "tables": [_describe(table) for table in shown],
        },
    }
    return render_page(_TEMPLATES / "report.html", context, _TEMPLATES / "report.css", _TEMPLATES / "report.js")


def _build_table(
    counts: Counts,
    table: Table,
    series: Sequence[Tuple[str, ...]],
    examples: Mapping[Optional[Example], Tuple[str, str]],
) -> PageTable:
    form = table.form
    by_key: Dict[Tuple[Any, ...], Dict[Tuple[str, ...], Row]] = {}
    for row in table.rows:
        by_key.setdefault(row.key, {})[row.series] = row
    keys = list(by_key)
    if form.by_size:
        keys.sort(key=lambda key: -sum(row.cells[form.counts[0]] for row in by_key[key].values()))
    rows = []
    for key in keys[:_MAX_ROWS]:
        found = [by_key[key].get(one) for one in series]
        pages = [
            examples[example][0]
            if row is not None and (example := _find_example(counts, form, row)) in examples
            else None
            for row in found
        ]
        rows.append(PageRow(tuple(map(str, key)), [row and row.cells for row in found], pages))
    words = name_parts(counts)
    findings = [text for one in series if (text := _find_extremes(table, one)) is not None]
    names = [ratio.name for ratio in form.ratios]
    return PageTable(
        form,
        form.title.format(**words),
        form.statement.format(**words),
        findings,
        rows,
        max(0, len(keys) - _MAX_ROWS),
        [name for name in names if name != _MARK],
        _MARK in names,
    )


def _find_example(counts: Counts, form: TableForm, row: Row) -> Optional[Example]:
    return None if form.example is None else find_example(counts, form.example, row.series, row.key)


def _find_extremes(table: Table, series: Tuple[str, ...]) -> Optional[str]:
    """Return in words the rows of a series with the highest and the lowest share, or nothing if there are not three of them."""
    ratio = next((ratio.name for ratio in table.form.ratios if ratio.name == "times_random"), table.form.ratios[0].name)
    rows = [row for row in table.rows if row.series == series]
    least = _SMALL * sum(row.cells[table.form.counts[0]] for row in rows)
    rows = [row for row in rows if row.cells[table.form.counts[0]] >= least and row.cells[ratio] is not None]
    if len(rows) < 3 or table.form.ratios[0].of_all:
        return None
    lowest, *_, highest = sorted(rows, key=lambda row: row.cells[ratio])
    named = [
        f"{', '.join(map(str, row.key))} ({f'{row.cells[ratio]:.2g} times random' if ratio == 'times_random' else format_share(row.cells[ratio])})"
        for row in (highest, lowest)
    ]
    source, focus, verified = series
    return f"{source}, {focus}, {name_decisions(verified)}: highest {named[0]}, lowest {named[1]}."


def _describe(table: PageTable) -> Dict[str, Any]:
    """Return what the script needs to fill a table."""
    form = table.form
    return {
        "cube": form.cube,
        "keys": form.keys,
        "rows": [row.key for row in table.rows],
        "count": form.counts[0],
        "ratios": [ratio._asdict() for ratio in form.ratios],
        "has_examples": table.has_examples,
    }


def _list_filters(counts: Counts) -> List[Tuple[str, str, List[str]]]:
    """Return name, dimension and values of each property that has several."""
    found = []
    for dimension, name in _FILTER_NAMES.items():
        cube = counts.cubes["explanations" if dimension in FILTERS else "messages"]
        grouped = cube.group([dimension])
        values = sorted(grouped, key=lambda value: -grouped[value][0]) if dimension != "layer" else sorted(grouped)
        if len(values) > 1:
            found.append((name, dimension, [str(value) for (value,) in values]))
    return found


def _pack(cube: Cube) -> Dict[str, Any]:
    """Return a cube as columns: for each dimension its values and the number of that of each cell, and for each count its sums."""
    dimensions = {}
    for name, column in zip(cube.dimensions, zip(*cube.cells)):
        numbers = {value: number for number, value in enumerate(dict.fromkeys(column))}
        values = [value if name == SERIES[0] else str(value) for value in numbers]
        dimensions[name] = {"values": values, "cells": [numbers[value] for value in column]}
    sums = zip(*cube.cells.values())
    counts = {name: [_shorten(value) for value in column] for name, column in zip(cube.counts, sums)}
    return {"dimensions": dimensions, "counts": counts}


def _shorten(value: float) -> float:
    """Return a number without the digits that depend on the order of its terms."""
    return int(value) if value == int(value) else float(f"{value:.12g}")
