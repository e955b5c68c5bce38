"""Views of a comparison's results: rows, CSV, lines to print, a plot."""

import csv
import io
from typing import IO, Any, Dict, Iterator, List, Tuple, Union

from allennlp_graphmask.evaluation.metrics.edge_metric import is_part

#: The columns of the CSV file.
COLUMNS = (
    "interpreter",
    "metric",
    "quantity",
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


def rows_of(results: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """One for each quantity of each interpreter, with the keys `COLUMNS`; `None` for what is undefined."""
    for label, result in results["interpreters"].items():
        metrics = dict(result["metrics"])
        if "agreement" in result:
            metrics["edge_agreement"] = result["agreement"]
        for metric, quantities in metrics.items():
            for name, quantity in quantities.items():
                row = {
                    "interpreter": label,
                    "metric": metric,
                    "quantity": name,
                    "direction": quantity["direction"],
                    "lowest": quantity["range"][0],
                    "highest": quantity["range"][1],
                    "best": quantity["best"],
                    "defined_instances": quantity["instances"],
                    "instances": result["instances"],
                    "cpu_seconds_per_explanation": result["cpu_seconds_per_explanation"],
                }
                for prefix, part in (
                    ("", quantity),
                    ("control", quantity["control"]),
                    ("difference", quantity["difference"]),
                ):
                    lower, upper = (part and part["interval"]) or (None, None)
                    row[prefix or "value"] = part and part["value"]
                    row[f"{prefix}_lower".lstrip("_")] = lower
                    row[f"{prefix}_upper".lstrip("_")] = upper
                yield {column: row[column] for column in COLUMNS}


def to_csv(results: Dict[str, Any]) -> str:
    """The rows as CSV; what is undefined is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows_of(results))
    return file.getvalue()


def summary_lines(results: Dict[str, Any]) -> List[str]:
    """What a command prints: quantities of all messages together, beside their random controls."""
    cells = [("interpreter", "quantity", "value", "interval", "random", "interval", "better")]
    for row in rows_of(results):
        if is_part(row["quantity"]):
            continue
        cells.append(
            (
                row["interpreter"],
                row["quantity"],
                _number(row["value"]),
                _interval(row["lower"], row["upper"]),
                _number(row["control"]),
                _interval(row["control_lower"], row["control_upper"]),
                {"higher": "higher", "lower": "lower", "zero": "near 0"}[row["direction"]],
            )
        )
    for label, result in results["interpreters"].items():
        seconds = _number(result["cpu_seconds_per_explanation"])
        cells.append((label, "CPU seconds per explanation", seconds, "", "", "", "lower"))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}"


def _interval(lower: Any, upper: Any) -> str:
    return "" if lower is None else f"[{lower:.3g}, {upper:.3g}]"


def plot(results: Dict[str, Any], file: Union[str, IO[bytes]]) -> bool:
    """
    Draws fidelity against the kept share: for each interpreter the loss of the prediction's probability when the messages with
    the highest scores are kept (left; lower is better) or dropped (right; higher is better), as a line over the shares of
    `edge_sufficiency`, and as a point for its own decisions from `edge_fidelity`. Random controls are dashed, in the same colour.

    # Parameters

    results : `Dict[str, Any]`
    file : `str` or `IO[bytes]`
        Where the image goes, a PNG unless the name says otherwise.

    # Returns

    `bool`
        Whether there was anything to draw.

    # Raises

    `ModuleNotFoundError` without matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot: it would keep the figure, and change settings of the whole process.
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
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
            colour = f"C{position % 10}"
            quantities = {name: row for metric in result["metrics"].values() for name, row in metric.items()}
            points = _curve(quantities, curve)
            if points:
                drawn = True
                shares, values, controls = zip(*points)
                axes.plot(shares, values, color=colour, label=label)
                axes.plot(shares, controls, color=colour, linestyle="dashed", linewidth=1)
            own = quantities.get(point), quantities.get("kept")
            if own[0] and own[1] and own[0]["value"] is not None and own[1]["value"] is not None:
                drawn = True
                axes.plot(
                    [own[1]["value"]],
                    [own[0]["value"]],
                    "o",
                    color=colour,
                    label=None if points else label,
                )
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    if drawn:
        figure.savefig(file, dpi=150)
    return drawn


def plot_allowances(results: Dict[str, Any], file: Union[str, IO[bytes]]) -> bool:
    """
    Draws the share of changed predictions against the share of kept messages, a point for each allowance, hollow where no epoch
    of its training met the constraint; dashed, that of the random controls.

    # Parameters

    results : `Dict[str, Any]`
        With `allowances`.
    file : `str` or `IO[bytes]`
        Where the image goes, a PNG unless the name says otherwise.

    # Returns

    `bool`
        Whether there was anything to draw.

    # Raises

    `ModuleNotFoundError` without matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = sorted(
        (row for row in results["allowances"] if row["kept"] is not None), key=lambda row: row["kept"]
    )
    if not rows:
        return False
    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel("share of messages kept")
    axes.set_ylabel("share of instances with a changed prediction")
    kept = [row["kept"] for row in rows]
    axes.plot(kept, [row["changed"] for row in rows], color="C0", label="maskers")
    axes.plot(kept, [row["control_changed"] for row in rows], color="C0", linestyle="dashed", label="random")
    for row in rows:
        axes.plot(
            [row["kept"]],
            [row["changed"]],
            "o",
            color="C0",
            fillstyle="full" if row["constraint_met"] else "none",
        )
        axes.annotate(
            f"{row['allowance']:g}", (row["kept"], row["changed"]), (4, 4), textcoords="offset points"
        )
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=150)
    return True


def _curve(quantities: Dict[str, Any], name: str) -> List[Tuple[float, Any, Any]]:
    """Share, value and control at each share, in order."""
    points = []
    for label, row in quantities.items():
        if label.startswith(f"{name}_at_") and row["value"] is not None:
            points.append(
                (float(label[len(f"{name}_at_") :]), row["value"], (row["control"] or {}).get("value"))
            )
    return sorted(points, key=lambda point: point[0])
