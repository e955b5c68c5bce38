"""Views of a comparison's results: rows, CSV, lines to print, plots."""

import csv
import io
from typing import IO, Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

#: The columns of the CSV file.
COLUMNS = (
    "interpreter",
    "metric",
    "quantity",
    "layer",
    "relation",
    "fraction",
    "group",
    "value",
    "lower",
    "upper",
    "control",
    "control_lower",
    "control_upper",
    "difference",
    "difference_lower",
    "difference_upper",
    "direction",
    "lowest",
    "highest",
    "best",
    "defined_instances",
    "instances",
    "cpu_seconds_per_explanation",
)

#: The columns that say which part of the messages a number is of.
PARTS = ("layer", "relation", "fraction", "group")


def build_rows(results: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Yield a row for each number of each interpreter, with the keys `COLUMNS`; `None` for what is undefined."""
    for label, result in results["interpreters"].items():
        metrics = dict(result["metrics"])
        if "agreement" in result:
            metrics["edge_agreement"] = result["agreement"]
        for metric, numbers in metrics.items():
            for number in numbers.values():
                yield {
                    **{column: number.get(column) for column in COLUMNS},
                    "interpreter": label,
                    "metric": metric,
                    **_flatten_estimate(number, "value", ""),
                    **_flatten_estimate(number["control"], "control", "control_"),
                    **_flatten_estimate(number["difference"], "difference", "difference_"),
                    "lowest": number["range"][0],
                    "highest": number["range"][1],
                    "defined_instances": number["instances"],
                    "instances": result["instances"],
                    "cpu_seconds_per_explanation": result["cpu_seconds_per_explanation"],
                }


def _flatten_estimate(estimate: Optional[Dict[str, Any]], name: str, prefix: str) -> Dict[str, Any]:
    value, interval = (estimate["value"], estimate["interval"]) if estimate else (None, None)
    lower, upper = interval or (None, None)
    return {name: value, f"{prefix}lower": lower, f"{prefix}upper": upper}


def to_csv(results: Dict[str, Any]) -> str:
    """Format the rows as CSV; what is undefined is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(build_rows(results))
    return file.getvalue()


def format_summary(results: Dict[str, Any]) -> List[str]:
    """Return the lines that a command prints: numbers of all messages together, beside their random controls."""
    cells = [("interpreter", "quantity", "value", "interval", "random", "interval", "better")]
    of_all_messages = [row for row in build_rows(results) if all(row[part] is None for part in PARTS)]
    for row in of_all_messages:
        cells.append(
            (
                row["interpreter"],
                row["quantity"],
                _format_number(row["value"]),
                _format_interval(row["lower"], row["upper"]),
                _format_number(row["control"]),
                _format_interval(row["control_lower"], row["control_upper"]),
                {"higher": "higher", "lower": "lower", "zero": "near 0"}[row["direction"]],
            )
        )
    for label, result in results["interpreters"].items():
        seconds = _format_number(result["cpu_seconds_per_explanation"])
        cells.append((label, "CPU seconds per explanation", seconds, "", "", "", "lower"))
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    shares = describe_unequal_shares(of_all_messages)
    if shares:
        lines.append(f"{shares} See docs/comparing.md.")
    return lines


def to_latex(results: Dict[str, Any]) -> str:
    """
    Format the numbers of all messages together as a LaTeX table (packages booktabs and graphicx): a column for each quantity with
    the direction that is better, a row for each interpreter, and below it that of its random control. A note under the table
    names the kept shares if decisions keep different ones.
    """
    rows = [row for row in build_rows(results) if all(row[part] is None for part in PARTS)]
    quantities = {row["quantity"]: row["direction"] for row in rows}
    arrows = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "zero": r"$\to 0$"}
    header = ["", *(f"{_escape(name)} {arrows[direction]}" for name, direction in quantities.items())]
    lines = [rf"\begin{{tabular}}{{l{'c' * len(quantities)}}}", r"\toprule", _latex_row(header), r"\midrule"]
    for label in results["interpreters"]:
        own = {row["quantity"]: row for row in rows if row["interpreter"] == label}
        for name, prefix in ((_escape(label), ""), (r"\quad random", "control_")):
            cells = [_latex_cell(own.get(quantity), prefix) for quantity in quantities]
            if any(cells):
                lines.append(_latex_row([name, *cells]))
    lines += [r"\bottomrule", r"\end{tabular}"]
    shares = describe_unequal_shares(rows)
    if shares:
        lines.append(rf"\par\smallskip\footnotesize {_escape(shares)}")
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _latex_cell(row: Optional[Dict[str, Any]], prefix: str) -> str:
    if row is None or row[prefix.rstrip("_") or "value"] is None:
        return ""
    interval = _format_interval(row[f"{prefix}lower"], row[f"{prefix}upper"])
    return _format_number(row[prefix.rstrip("_") or "value"]) + (rf" {{\scriptsize {interval}}}" if interval else "")


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(letter, f"\\{letter}" if letter in "&%$#_{}" else letter) for letter in text)


def describe_unequal_shares(rows: Sequence[Dict[str, Any]]) -> Optional[str]:
    """Return what a reader must know if the decisions of interpreters keep different shares."""
    kept = {row["interpreter"]: row["value"] for row in rows if row["quantity"] == "kept" and row["value"] is not None}
    if len(set(kept.values())) < 2:
        return None
    shares = ", ".join(f"{label} {100 * share:.3g} %" for label, share in kept.items() if label != "all_edges")
    return (
        f"Decisions keep different shares ({shares}). Compare fidelity, precision and F1 at an equal top_fraction only, and "
        "rankings by sufficiency and auroc."
    )


def _format_number(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.3g}"


def _format_interval(lower: Optional[float], upper: Optional[float]) -> str:
    return "" if lower is None else f"[{lower:.3g}, {upper:.3g}]"


def _new_figure(width: float) -> Any:
    # Without pyplot, which would keep the figure and change settings of the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot_fidelity(results: Dict[str, Any], file: Union[str, IO[bytes]]) -> bool:
    """
    Draw fidelity against the kept share: for each interpreter the loss of the prediction's probability when the messages with
    the highest scores are kept (left; lower is better) or dropped (right; higher is better), as a line over the fractions of
    `edge_sufficiency`, and as a point for its own decisions from `edge_fidelity`. Random controls are dashed, in the same color.

    The image is a PNG unless the file's name has another ending. Return whether there was anything to draw.

    # Raises

    `ModuleNotFoundError` without matplotlib.
    """
    figure = _new_figure(10)
    panels = (
        ("sufficiency", "fidelity_minus_probability", "with nothing but the kept messages"),
        ("comprehensiveness", "fidelity_plus_probability", "without the kept messages"),
    )
    drawn = False
    for number, (curve, point, title) in enumerate(panels):
        axes = figure.add_subplot(1, 2, number + 1)
        axes.set_title(title)
        axes.set_xlabel("share of messages kept")
        axes.set_ylabel("loss of the prediction's probability")
        axes.axhline(0, color="0.8", linewidth=1)
        for position, (label, result) in enumerate(results["interpreters"].items()):
            color = f"C{position % 10}"
            numbers = [row for metric in result["metrics"].values() for row in metric.values()]
            points = _curve(numbers, curve)
            if points:
                drawn = True
                fractions, values, controls = zip(*points)
                axes.plot(fractions, values, color=color, label=label)
                axes.plot(fractions, controls, color=color, linestyle="dashed", linewidth=1)
            kept, lost = _value(numbers, "kept"), _value(numbers, point)
            if kept is not None and lost is not None:
                drawn = True
                axes.plot([kept], [lost], "o", color=color, label=None if points else label)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    if drawn:
        figure.savefig(file, dpi=150)
    return drawn


def _value(numbers: List[Dict[str, Any]], quantity: str) -> Optional[float]:
    """Return the value of a quantity of all messages."""
    for row in numbers:
        if row["quantity"] == quantity and all(row[part] is None for part in PARTS):
            return row["value"]
    return None


def _curve(numbers: List[Dict[str, Any]], quantity: str) -> List[Tuple[float, float, Optional[float]]]:
    """Return fraction, value and control at each fraction, in order."""
    return sorted(
        (row["fraction"], row["value"], (row["control"] or {}).get("value"))
        for row in numbers
        if row["quantity"] == quantity and row["fraction"] is not None and row["value"] is not None
    )


def plot_allowances(results: Dict[str, Any], file: Union[str, IO[bytes]]) -> bool:
    """
    Draw the share of changed predictions against the share of kept messages, a point for each allowance, hollow where no epoch
    of its training met the constraint; dashed, that of the random controls.

    Arguments and result are those of `plot_fidelity`.
    """
    rows = sorted(
        (row for row in results.get("allowances", ()) if row["kept"] is not None), key=lambda row: row["kept"]
    )
    if not rows:
        return False
    figure = _new_figure(5.5)
    axes = figure.add_subplot()
    axes.set_xlabel("share of messages kept")
    axes.set_ylabel("share of instances with a changed prediction")
    kept = [row["kept"] for row in rows]
    axes.plot(kept, [row["changed"] for row in rows], color="C0", label="maskers")
    axes.plot(kept, [row["control_changed"] for row in rows], color="C0", linestyle="dashed", label="random")
    for row in rows:
        point = (row["kept"], row["changed"])
        axes.plot(*point, "o", color="C0", fillstyle="full" if row["constraint_met"] else "none")
        axes.annotate(f"{row['allowance']:g}", point, (4, 4), textcoords="offset points")
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=150)
    return True
