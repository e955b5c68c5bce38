"""Tables as bar charts."""

import io
from typing import List

from allennlp_graphmask.checks import check_installed
from allennlp_graphmask.report.counting import Counts
from allennlp_graphmask.report.tables import Row, Table, name_parts

#: A chart has this many values, the most frequent ones.
_MAX_VALUES = 20


def check_plots() -> None:
    """Raise a `ConfigurationError` without matplotlib."""
    check_installed("--plots", "matplotlib")


def plot_table(counts: Counts, table: Table) -> str:
    """
    Draw the first share of a table as bars, one for each series beside each other, with the interval over runs and, as a line across the
    bar, the share of a random choice. Return the SVG.
    """
    import matplotlib
    from matplotlib.figure import Figure

    ratio = table.form.ratios[0].name
    values: List[str] = list(dict.fromkeys(_name(row) for row in table.rows))[:_MAX_VALUES]
    series = list(dict.fromkeys(row.series for row in table.rows))
    height = 0.8 / len(series)
    # The same report gives the same bytes, with text as text.
    with matplotlib.rc_context({"svg.hashsalt": table.form.name, "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 1.2 + 0.12 * (2 + len(series)) * len(values)), layout="constrained")
        axes = figure.add_subplot()
        for number, one in enumerate(series):
            rows = [
                row for row in table.rows if row.series == one and _name(row) in values and row.cells[ratio] is not None
            ]
            places = [values.index(_name(row)) + (number + 0.5) * height - 0.4 for row in rows]
            axes.barh(
                places, [row.cells[ratio] for row in rows], height, color=f"C{number % 10}", label=", ".join(one[:2])
            )
            for row, place in zip(rows, places):
                bounds = [row.cells[f"{ratio}_lower"], row.cells[f"{ratio}_upper"]]
                if None not in bounds:
                    axes.plot(bounds, [place, place], color="black", linewidth=1)
                if row.cells.get("random_share") is not None:
                    ends = [place - height / 2, place + height / 2]
                    axes.plot([row.cells["random_share"]] * 2, ends, color="black", linewidth=1, linestyle="dotted")
        axes.set_yticks(range(len(values)), values)
        axes.invert_yaxis()
        axes.set_xlabel(ratio.replace("_", " "))
        axes.set_title(table.form.title.format(**name_parts(counts)))
        axes.legend(fontsize="small")
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _name(row: Row) -> str:
    return ", ".join(str(part) or "none" for part in row.key)
