"""Tables as files: CSV, and LaTeX for papers."""

import csv
import io
import re
from typing import Any

from allennlp_graphmask.explanation.serialization import round_number
from allennlp_graphmask.report.tables import Table
from allennlp_graphmask.views.wording import format_share

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def to_csv(table: Table) -> str:
    """Format all columns of a table; what is undefined is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        cells = (row.cells[column] for column in table.columns)
        writer.writerow(round_number(cell) if isinstance(cell, float) else cell for cell in cells)
    return file.getvalue()


def to_latex(table: Table, max_rows: int = 40) -> str:
    """Format the first rows of each series for `booktabs`: what identifies them, the first count, and the shares."""
    names = [*(("source", "focus", "verified")), *table.form.keys, table.form.counts[0]]
    names += [ratio.name for ratio in table.form.ratios]
    alignment = "l" * (3 + len(table.form.keys)) + "r" * (1 + len(table.form.ratios))
    lines = [
        r"\begin{tabular}{" + alignment + "}",
        r"\toprule",
        _line(name.replace("_", " ") for name in names),
        r"\midrule",
    ]
    shown: dict[Any, int] = {}
    for row in table.rows:
        shown[row.series] = shown.get(row.series, 0) + 1
        if shown[row.series] > max_rows:
            continue
        if shown[row.series] == 1 and len(shown) > 1:
            lines.append(r"\addlinespace")
        cells = [_format(name, row.cells[name]) for name in names]
        for place, name in enumerate(names):
            lower, upper = (row.cells.get(f"{name}_{bound}") for bound in ("lower", "upper"))
            if lower is not None:
                cells[place] += f" [{_format(name, lower)}, {_format(name, upper)}]"
        lines.append(_line(cells))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _format(name: str, value: Any) -> str:
    if value is None:
        return "--"
    if isinstance(value, float):
        return f"{value:.2f}" if name == "times_random" else format_share(value)
    return f"{value:,}" if isinstance(value, int) and name != "layer" else str(value)


def _line(cells: Any) -> str:
    return " & ".join(map(_escape, cells)) + r" \\"


def _escape(text: str) -> str:
    return re.sub(r"[\\~^↑↓&%$#_{}]", lambda found: _SPECIAL.get(found.group(), "\\" + found.group()), text)
