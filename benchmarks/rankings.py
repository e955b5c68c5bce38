"""
Measure how well GraphMask orders messages beside other orders, for every kind of focus of a model, and print the tables of
`docs/results/rankings.md`.

    python -m benchmarks.rankings results/propbank/small_?_graphmask/model.tar.gz --json results/rankings_roles.jsonl
    python -m benchmarks.rankings results/wikihop/small_graphmask_?/model.tar.gz --json results/rankings_questions.jsonl \\
        --data $GRAPHMASK_DATA/qa_wikihop_format/redocred_dev.json.xz --without leave_one_edge_out

All orders drop messages for the baselines of the archive's masker. In the first table each instance keeps the same share of its
messages; brackets are a paired bootstrap over instances of the difference to GraphMask. In the second a message is kept if its score
is above one threshold for all instances, chosen on every second instance (or on a file of their own) for a largest share of changed
predictions, and measured on the others. `--plot` draws that curve on the others.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader
from allennlp.models import load_archive

from allennlp_graphmask.evaluation.metrics import AttributionEvaluation, EdgeSwap
from allennlp_graphmask.focus import foci_by_kind
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.threshold import focused_passes
from allennlp_graphmask.interpret.interpreters import (
    AmortisedGraphMask,
    GradientTimesMessage,
    IntegratedGradients,
    Interpreter,
    LeaveOneEdgeOut,
    RandomInterpreter,
)
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.interpret.ranking import top_fraction_mask
from benchmarks.tables import machine, markdown_table, mean_and_range
from benchmarks.training import append_line, split

Explained = List[Tuple[UnmaskedPass, EdgeAttribution]]
ORDERS = (
    "graphmask",
    "leave_one_edge_out",
    "integrated_gradients",
    "signed_integrated_gradients",
    "gradient_x_message",
    "random",
)
SHARES = (0.1, 0.2, 0.3, 0.4)
#: The shares of changed predictions that thresholds are chosen for, and the kept shares that are compared for it.
BOUNDS = (0.05, 0.1)
KEPT = numpy.geomspace(0.005, 1.0, 60)


def build_orders(model: GraphMask, names: Sequence[str]) -> Dict[str, Interpreter]:
    integrated: Dict[str, Any] = {"num_steps": 8, "completeness_tolerance": None}
    orders: Dict[str, Interpreter] = {
        "graphmask": AmortisedGraphMask(graphmask=model),
        "leave_one_edge_out": LeaveOneEdgeOut(),
        "integrated_gradients": IntegratedGradients(**integrated),
        "signed_integrated_gradients": IntegratedGradients(signed=True, **integrated),
        "gradient_x_message": GradientTimesMessage(),
        "random": RandomInterpreter(),
    }
    for interpreter in orders.values():
        interpreter.replacements = list(model.masker.baselines)
    return {name: orders[name] for name in names}


def measure_order(model: GraphMask, interpreter: Interpreter, passes: Sequence[List[UnmaskedPass]]) -> Dict[str, Any]:
    """Measure an order of messages on two halves of the data: thresholds are chosen on the first."""
    masked_model = model.masked_model
    explained = [[(unmasked, interpreter.attribute(masked_model, unmasked)) for unmasked in half] for half in passes]
    messages = torch.cat([torch.cat(attribution.scores) for _, attribution in explained[0]])
    ordered = messages.sort(descending=True).values
    # A message is kept above a threshold: with the last all are.
    places = numpy.minimum((KEPT * len(ordered)).astype(int), len(ordered) - 1)
    thresholds = [*ordered[places].tolist()[:-1], float("-inf")]
    chosen_on, measured_on = (curve(model, half, thresholds) for half in explained)
    return {
        **equal_shares(model, interpreter, explained[0] + explained[1]),
        "curve": measured_on.tolist(),
        "thresholds": {
            str(bound): dict(zip(("kept", "kept_mean", "changed"), measured_on[smallest(chosen_on, bound)].tolist()))
            for bound in BOUNDS
        },
    }


def smallest(points: numpy.ndarray, bound: float) -> int:
    """Return the number of the point that keeps the fewest messages of those that change no more than the bound."""
    feasible = numpy.flatnonzero(points[:, 2] <= bound)
    return int(feasible[points[feasible, 0].argmin()])


def curve(model: GraphMask, explained: Explained, thresholds: Sequence[float]) -> numpy.ndarray:
    """
    Return for each threshold the share of messages kept, the mean share of an instance, and the share of instances with a changed
    prediction. Shape: `(num_thresholds, 3)`.
    """
    sums, totals = numpy.zeros((len(thresholds), 3)), numpy.zeros(3)
    for unmasked, attribution in explained:
        counts, graph = unmasked.focus.is_explained, unmasked.graph
        messages = model.num_layers * graph.edges_per_graph()
        totals += [int(messages[counts].sum()), int(counts.sum()), int(counts.sum())]
        for number, threshold in enumerate(thresholds):
            kept = [(layer > threshold) & reaches for layer, reaches in zip(attribution.scores, unmasked.reachable())]
            masked = model.masked_model.masked(unmasked, attribution.gates(kept))
            num_kept = sum_per_graph(torch.stack(kept).sum(0), graph)
            changed = model.masked_model.changed(unmasked, masked)
            shares = num_kept / messages.clamp(min=1)
            sums[number] += [float(one[counts].sum()) for one in (num_kept, shares, changed)]
    return sums / totals


def equal_shares(model: GraphMask, interpreter: Interpreter, explained: Explained) -> Dict[str, Any]:
    """Keep the same share of each instance's messages, and measure the swap control."""
    changed: Dict[str, List[bool]] = defaultdict(list)
    swap = EdgeSwap()
    for unmasked, attribution in explained:
        for share in SHARES:
            kept = top_fraction_mask(attribution.scores, share, unmasked.graph, attribution.rounding)
            masked = model.masked_model.masked(unmasked, attribution.gates(kept))
            found = model.masked_model.changed(unmasked, masked)
            changed[str(share)] += found[unmasked.focus.is_explained].tolist()
        swap(AttributionEvaluation(model.masked_model, unmasked, attribution, interpreter=interpreter))
    return {"changed": changed, "swap": swap.get_metric(reset=True)}


@torch.no_grad()
def measure(
    archive_file: str,
    data: Optional[str],
    choose_on: Optional[str],
    foci: Sequence[str],
    names: Sequence[str],
    batch_size: int,
) -> Dict[str, Any]:
    """Measure an archive on its validation data, or on others."""
    archive = load_archive(archive_file)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    model.eval()
    halves = split(model, reader, data or archive.config["validation_data_path"], choose_on, batch_size)
    measured: Dict[str, Any] = {}
    for focus in foci or foci_by_kind(model.target).values():
        passes = [[unmasked for batch in half for unmasked in focused_passes(model, batch, focus)] for half in halves]
        measured[focus] = {
            name: measure_order(model, interpreter, passes) for name, interpreter in build_orders(model, names).items()
        }
    return {"archive": archive_file, "trained_foci": model.training_foci, "machine": machine(), "foci": measured}


def paired_interval(first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]]) -> Tuple[float, float]:
    """
    Return a 95 % bootstrap interval of the difference of two shares. Each is given for several archives, instance by instance. Where
    all archives explain the same instances these are resampled, otherwise pairs of archive and instance.
    """
    differences = [numpy.subtract(one, other, dtype=float) for one, other in zip(first, second, strict=True)]
    same = len({len(one) for one in differences}) == 1
    values = numpy.mean(differences, axis=0) if same else numpy.concatenate(differences)
    random = numpy.random.default_rng(0)
    means = [values[random.integers(len(values), size=len(values))].mean() for _ in range(1000)]
    low, high = numpy.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def format_tables(lines: List[Dict[str, Any]]) -> str:
    """Format what was measured of several archives."""
    shares: List[List[str]] = []
    thresholds: List[List[str]] = []
    for focus, orders in lines[0]["foci"].items():
        for order in orders:
            found = [line["foci"][focus][order] for line in lines]
            cells = []
            for share in map(str, SHARES):
                cell = mean_and_range([float(numpy.mean(one["changed"][share])) for one in found])
                if order != "graphmask":
                    masker = [line["foci"][focus]["graphmask"]["changed"][share] for line in lines]
                    low, high = paired_interval([one["changed"][share] for one in found], masker)
                    cell += f" ({100 * low:+.1f} to {100 * high:+.1f})"
                cells.append(cell)
            swap = [
                mean_and_range([one["swap"][name] for one in found]) for name in ("rival_wins", "swapped_rival_wins")
            ]
            shares.append([focus, order, *cells, *swap])
            at = [
                mean_and_range([one["thresholds"][str(bound)][name] for one in found])
                for bound in BOUNDS
                for name in ("kept", "kept_mean", "changed")
            ]
            thresholds.append([focus, order, *at])
    first = ["focus", "order", *(f"changed at {100 * share:g} %" for share in SHARES), "rival wins", "swapped"]
    second = [
        "focus",
        "order",
        *(f"{name}, for {100 * bound:g} %" for bound in BOUNDS for name in ("kept", "mean", "changed")),
    ]
    return f"{markdown_table(first, shares)}\n\n{markdown_table(second, thresholds)}"


def plot(lines: List[Dict[str, Any]], path: str) -> None:
    """Draw changed predictions against messages kept, a line for each archive and order."""
    from matplotlib import pyplot

    foci = list(lines[0]["foci"])
    figure, axes = pyplot.subplots(1, len(foci), figsize=(5 * len(foci), 4), sharey=True, squeeze=False)
    for axis, focus in zip(axes[0], foci):
        for number, order in enumerate(lines[0]["foci"][focus]):
            for line_number, line in enumerate(lines):
                points = 100 * numpy.asarray(line["foci"][focus][order]["curve"])
                axis.plot(
                    points[:, 0], points[:, 2], color=f"C{number}", linewidth=1, label=None if line_number else order
                )
        axis.set(title=focus, xlabel="messages kept (%)", xlim=(0, 60), ylim=(0, 40))
        axis.grid(linewidth=0.3)
    axes[0][0].set_ylabel("predictions changed (%)")
    axes[0][-1].legend()
    figure.savefig(path, bbox_inches="tight", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", help="archives of GraphMask, of one configuration")
    parser.add_argument("--data", help="file to explain (default: the validation data of each archive)")
    parser.add_argument("--choose-on", help="file to choose thresholds on (default: every second instance)")
    parser.add_argument("--json", type=Path, required=True, help="file that a line for each archive is appended to")
    parser.add_argument("--focus", action="append", help="may be repeated (default: one of each kind)")
    parser.add_argument("--without", action="append", default=[], metavar="ORDER", help="may be repeated")
    parser.add_argument("--plot", help="draw the curves to this file (needs matplotlib)")
    parser.add_argument("--batch-size", type=int, default=64)
    arguments = parser.parse_args()
    import_plugins()
    names = [name for name in ORDERS if name not in arguments.without]
    lines = []
    for archive_file in arguments.archives:
        lines.append(
            measure(archive_file, arguments.data, arguments.choose_on, arguments.focus, names, arguments.batch_size)
        )
        append_line(arguments.json, lines[-1])
    if arguments.plot:
        plot(lines, arguments.plot)
    sys.stdout.write(f"{machine()}\n\n{format_tables(lines)}\n")


if __name__ == "__main__":
    main()
