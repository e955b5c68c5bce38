"""
Measure verified explanations of archives of GraphMask, trained with different seeds, for every kind of focus of their models, and
print the tables of `docs/results/verified.md`.

    python -m benchmarks.verified results/propbank/small_?_graphmask/model.tar.gz --json results/verified_roles.jsonl
    python -m benchmarks.verified results/wikihop/small_graphmask_?/model.tar.gz --data $GRAPHMASK_DATA/qa_wikihop_format/redocred_dev.json.xz \\
        --json results/verified_questions.jsonl

Thresholds are chosen on every second instance (or on a file of their own), and everything is measured on the others: what is kept and changed in a single pass,
and after verification. A random order starts with as many messages of each graph. Seconds are CPU seconds of this process, of
prediction and of explaining in turns, batch by batch. Explanations in batches of 1, 7 and 64 are compared on the first 300 of the
instances.
"""

import argparse
import operator
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader, Instance
from allennlp.models import load_archive

from allennlp_graphmask.focus import default_focus, foci_by_kind
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold
from allennlp_graphmask.interpret.graphmask.threshold import focused_passes
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.interpret.ranking import highest_messages
from allennlp_graphmask.interpret.verification import verify
from allennlp_graphmask.predictors.graphmask import GraphMaskPredictor
from benchmarks.tables import machine, markdown_table, mean_and_range, value_over_lines
from benchmarks.training import append_line, split

Batches = List[Dict[str, Any]]
#: What is compared on the first of the instances.
BATCH_SIZES, BATCHED_INSTANCES = (64, 7, 1), 300
#: The largest share of changed predictions before verification. With the second, explanations are justifications.
STARTS = (0.05, 0.12)


class Counts:
    """Sums over explained instances, of one order of messages."""

    def __init__(self) -> None:
        self._sums: Dict[str, float] = defaultdict(float)

    def add(self, unmasked: UnmaskedPass, attribution: EdgeAttribution, changed: torch.Tensor) -> None:
        """Count a verified attribution. `changed` is measured with its kept messages alone. Shape: `(batch_size,)`."""
        verification, graph = attribution.verification, attribution.graph
        assert verification is not None
        counts = unmasked.focus.is_explained
        messages = graph.edges_per_graph() * attribution.num_layers
        kept = {"single": count_kept(attribution, verification.kept_before), "verified": count_kept(attribution)}
        changes = {"single": verification.changed_before, "verified": changed}
        self._sums["instances"] += int(counts.sum())
        self._sums["messages"] += int(messages[counts].sum())
        self._sums["passes"] += int(verification.num_passes[counts].sum())
        for name in kept:
            self._sums[f"{name}_kept"] += int(kept[name][counts].sum())
            self._sums[f"{name}_shares"] += float((kept[name] / messages.clamp(min=1))[counts].sum())
            self._sums[f"{name}_changed"] += int(changes[name][counts].sum())

    def figures(self) -> Dict[str, float]:
        sums, instances = self._sums, self._sums["instances"]
        figures = {"instances": instances, "passes": sums["passes"] / instances}
        for name in ("single", "verified"):
            figures[f"{name}_kept"] = sums[f"{name}_kept"] / sums["messages"]
            figures[f"{name}_kept_mean"] = sums[f"{name}_shares"] / instances
            figures[f"{name}_messages"] = sums[f"{name}_kept"] / instances
            figures[f"{name}_changed"] = sums[f"{name}_changed"] / instances
        return figures


def count_kept(attribution: EdgeAttribution, kept: Optional[List[torch.Tensor]] = None) -> torch.Tensor:
    """Count the messages that each graph keeps, all layers together. Shape: `(num_graphs,)`."""
    of_edges = torch.stack(attribution.kept if kept is None else kept).sum(0)
    return sum_per_graph(of_edges, attribution.graph)


def shuffle(unmasked: UnmaskedPass, attribution: EdgeAttribution, generator: torch.Generator) -> EdgeAttribution:
    """Return random scores, and the decision that keeps as many messages of each graph as a verified one did before."""
    assert attribution.verification is not None
    scores = [
        torch.rand(len(layer), generator=generator, dtype=torch.float64).masked_fill(~reaches, -1.0)
        for layer, reaches in zip(attribution.scores, unmasked.reachable())
    ]
    wanted = count_kept(attribution, attribution.verification.kept_before)
    return attribution.with_decisions(highest_messages(scores, wanted, attribution.graph), scores=scores)


@torch.no_grad()
def measure_focus(model: GraphMask, batches: Batches, focus: str) -> Dict[str, Dict[str, float]]:
    """Explain the batches, verified, in the order of the masker and in a random one."""
    masked_model, interpreter = model.masked_model, AmortisedGraphMask(graphmask=model, verify=True)
    counts = {"masker": Counts(), "random": Counts()}
    generator = torch.Generator().manual_seed(0)
    for batch in batches:
        for unmasked in focused_passes(model, batch, focus):
            found = interpreter.attribute(masked_model, unmasked)
            control = verify(
                masked_model, unmasked, shuffle(unmasked, found, generator), None, interpreter.reported_divergence
            )
            for order, attribution in (("masker", found), ("random", control)):
                masked = masked_model.masked(unmasked, attribution.gates())
                counts[order].add(unmasked, attribution, masked_model.changed(unmasked, masked))
    return {order: one.figures() for order, one in counts.items()}


@torch.no_grad()
def explaining_seconds(model: GraphMask, batches: Batches) -> Dict[str, float]:
    """CPU seconds of prediction alone and of verified explanations of the default focus, with their predictions."""
    masked_model, interpreter = model.masked_model, AmortisedGraphMask(graphmask=model, verify=True)
    seconds: Dict[str, float] = defaultdict(float)
    for batch in batches:
        start = time.process_time()
        model.target(**batch)
        between = time.process_time()
        (unmasked,) = masked_model.focused(masked_model.record(batch), default_focus(model.target))
        masked_model.masked(unmasked, interpreter.attribute(masked_model, unmasked).gates())
        seconds["predict"] += between - start
        seconds["explain"] += time.process_time() - between
    return {**seconds, "ratio": seconds["explain"] / seconds["predict"]}


def median_seconds(model: GraphMask, batches: Batches) -> Dict[str, float]:
    """Return `explaining_seconds` of the round with the median ratio, of three after a warm-up."""
    explaining_seconds(model, batches[:3])
    rounds = sorted((explaining_seconds(model, batches) for _ in range(3)), key=lambda round: round["ratio"])
    return rounds[len(rounds) // 2]


def compare_batch_sizes(model: GraphMask, reader: DatasetReader, instances: List[Instance]) -> Dict[str, float]:
    """Count what differs between explanations in batches of several sizes."""
    by_size = [
        [
            explanation
            for focus in foci_by_kind(model.target).values()
            for explanation in GraphMaskPredictor(model, reader, batch_size=size, focus=focus).explain_instances(
                instances
            )
        ]
        for size in BATCH_SIZES
    ]
    found = {"explanations": len(by_size[0]), "foci": 0, "decisions": 0, "largest_difference": 0.0, "near_threshold": 0}
    for same in zip(*by_size, strict=True):
        first = same[0]
        scores = torch.tensor([edge.score for edge in first.edges], dtype=torch.double)
        found["near_threshold"] += int(((scores - 0.5).abs() <= 1e-5).sum())
        for other in same[1:]:
            found["foci"] += other.focus != first.focus
            for edge, other_edge in zip(first.edges, other.edges, strict=True):
                found["decisions"] += sum(map(operator.ne, edge.kept, other_edge.kept))
                differences = (abs(a - b) for a, b in zip(edge.score, other_edge.score, strict=True))
                found["largest_difference"] = max(found["largest_difference"], *differences)
    return found


def load(archive_file: str, data: Optional[str]) -> Tuple[GraphMask, DatasetReader, str]:
    """Return the model of an archive, its reader, and the file to measure on."""
    archive = load_archive(archive_file)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    return model.eval(), reader, data or archive.config["validation_data_path"]


def measure(archive_file: str, data: Optional[str], choose_on: Optional[str], batch_size: int) -> Dict[str, Any]:
    """Measure an archive on its validation data, or on others."""
    model, reader, path = load(archive_file, data)
    chosen_on, measured_on = split(model, reader, path, choose_on, batch_size)
    instances = list(reader.read(path))
    foci: Dict[str, Any] = {}
    for focus in foci_by_kind(model.target).values():
        foci[focus] = {}
        # The last is that of the archive's allowance, with which seconds are measured.
        for start in sorted(STARTS, reverse=True):
            threshold = choose_threshold(model, chosen_on, start, focus=focus)[0].threshold
            model.set_threshold(focus, threshold)
            foci[focus][str(start)] = {"threshold": threshold, **measure_focus(model, measured_on, focus)}
    return {
        "archive": archive_file,
        "trained_foci": model.training_foci,
        "machine": machine(),
        "foci": foci,
        "seconds": median_seconds(model, measured_on),
        "batch_sizes": compare_batch_sizes(model, reader, instances[1::2][:BATCHED_INSTANCES]),
    }


def format_tables(lines: List[Dict[str, Any]]) -> str:
    """Format what was measured of several archives."""

    over_archives = partial(value_over_lines, [line["foci"] for line in lines])
    rows = []
    for focus in lines[0]["foci"]:
        for start in STARTS:
            for order in ("masker", "random"):
                place = (focus, str(start), order)
                rows.append(
                    [
                        focus,
                        f"{100 * start:g} %",
                        order,
                        *(over_archives(*place, f"single_{name}") for name in ("kept", "changed")),
                        *(over_archives(*place, f"verified_{name}") for name in ("kept", "kept_mean")),
                        over_archives(*place, "verified_messages", number="{:.2f}", factor=1),
                        over_archives(*place, "verified_changed"),
                        over_archives(*place, "passes", number="{:.3f}", factor=1),
                    ]
                )
    header = ["focus", "start", "order", "kept", "changed", "verified: kept", "mean", "messages", "changed", "passes"]
    counts = "; ".join(
        f"{focus}: {line[str(STARTS[0])]['masker']['instances']:.0f}" for focus, line in lines[0]["foci"].items()
    )
    ratio = mean_and_range([line["seconds"]["ratio"] for line in lines], number="{:.2f}", factor=1)
    trained = " or ".join(sorted({" and ".join(line["trained_foci"]) for line in lines}))
    batches = [line["batch_sizes"] for line in lines]
    differ = ", ".join(f"{sum(one[key] for one in batches)} {key}" for key in ("foci", "decisions"))
    return (
        f"Masker trained for: {trained}. Explained: {counts}. Explaining, verified, takes {ratio} times as long as prediction. "
        f"In batches of {', '.join(map(str, BATCH_SIZES))} of {sum(one['explanations'] for one in batches)} explanations {differ} differ, "
        f"scores by at most {max(one['largest_difference'] for one in batches):.1e}; {sum(one['near_threshold'] for one in batches)} "
        f"scores are within 1e-5 of one half.\n\n{markdown_table(header, rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", help="archives of GraphMask, of one configuration")
    parser.add_argument("--data", help="file to explain (default: the validation data of each archive)")
    parser.add_argument("--choose-on", help="file to choose thresholds on (default: every second instance)")
    parser.add_argument("--json", type=Path, required=True, help="file that a line for each archive is appended to")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--seconds-only", action="store_true", help="measure the time of explaining, at the archive's thresholds"
    )
    arguments = parser.parse_args()
    import_plugins()
    if arguments.seconds_only:
        for archive_file in arguments.archives:
            model, reader, path = load(archive_file, arguments.data)
            batches = split(model, reader, path, arguments.choose_on, arguments.batch_size)[1]
            append_line(arguments.json, {"archive": archive_file, "seconds": median_seconds(model, batches)})
        return
    lines = []
    for archive_file in arguments.archives:
        lines.append(measure(archive_file, arguments.data, arguments.choose_on, arguments.batch_size))
        append_line(arguments.json, lines[-1])
    sys.stdout.write(f"{machine()}\n\n{format_tables(lines)}\n")


if __name__ == "__main__":
    main()
