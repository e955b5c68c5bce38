"""
Check the guarantee of `allennlp graphmask-calibrate` on real data: how often is the risk above the bound, over many calibrations?

    python -m benchmarks.calibration results/propbank/small_1_graphmask/model.tar.gz --changed .05 --changed .1 --divergence .05
    python -m benchmarks.calibration results/wikihop/small_graphmask_1/model.tar.gz \\
        --data $GRAPHMASK_DATA/qa_wikihop_format/redocred_dev.json.xz --changed .1

The explained instances of a file are the pool. Each calibration draws as many as `--instances` of them, with replacement, so that
the risk on new data is known: it is that of the pool. The oracle is the candidate that keeps the fewest messages of those whose
risk on the pool is at most the bound.
"""

import argparse
import sys
from typing import List, Optional

import torch
from allennlp.common.plugins import import_plugins
from allennlp.data import DatasetReader
from allennlp.models import load_archive

from allennlp_graphmask.focus import foci_by_kind
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.calibration import (
    CANDIDATES,
    RISKS,
    Outcomes,
    calibrate,
    length_groups,
    measure_outcomes,
    risk_by_group,
)
from benchmarks.tables import machine, markdown_table
from benchmarks.training import collate_by_size


def describe(
    outcomes: Outcomes, focus: str, risk: str, bound: float, size: int, splits: int, confidence: float
) -> List[str]:
    """Calibrate many times. Return a row of the table."""
    generator = torch.Generator().manual_seed(0)
    pool_risk = outcomes.risk(risk).mean(0)
    pool_kept = outcomes.kept.sum(0) / outcomes.messages.sum()
    thresholds = CANDIDATES.tolist()
    chosen = []
    for _ in range(splits):
        drawn = outcomes.select(torch.randint(len(outcomes.messages), (size,), generator=generator))
        found = calibrate(drawn, risk=risk, bound=bound, confidence=confidence)
        chosen.append(thresholds.index(found.threshold))
    numbers = torch.tensor(chosen)
    oracle = min(float(kept) for kept, value in zip(pool_kept, pool_risk) if value <= bound)
    middle = thresholds[int(numbers.median())]
    worst = risk_by_group(outcomes, middle, length_groups(outcomes), confidence)[0]
    return [
        focus,
        f"{RISKS[risk]} at most {100 * bound:g} %",
        str(size),
        f"{100 * float((pool_risk[numbers] > bound).double().mean()):.1f} %",
        f"{100 * float(pool_risk[numbers].mean()):.1f} %",
        f"{100 * float(pool_kept[numbers].mean()):.1f} %",
        f"{100 * oracle:.1f} %",
        f"{100 * worst.changed:.1f} % ({worst.group})",
    ]


@torch.no_grad()
def measure(
    archive_file: str,
    data: Optional[str],
    changed: List[float],
    divergences: List[float],
    size: Optional[int],
    splits: int,
) -> List[List[str]]:
    archive = load_archive(archive_file)
    model, reader = archive.model, archive.validation_dataset_reader
    assert isinstance(model, GraphMask) and isinstance(reader, DatasetReader)
    model.eval()
    batches = collate_by_size(list(reader.read(data or archive.config["validation_data_path"])), model, 64)
    rows = []
    for focus in foci_by_kind(model.target).values():
        outcomes = measure_outcomes(model, batches, focus)
        for risk, bounds in (("changed", changed), ("divergence", divergences)):
            for bound in bounds:
                drawn = size or len(outcomes.messages) // 2
                rows.append(describe(outcomes, focus, risk, bound, drawn, splits, confidence=0.9))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", help="an archive of GraphMask")
    parser.add_argument("--data", help="file to explain (default: the validation data of the archive)")
    parser.add_argument("--changed", type=float, action="append", default=[], help="a bound; may be repeated")
    parser.add_argument("--divergence", type=float, action="append", default=[], help="a bound; may be repeated")
    parser.add_argument("--instances", type=int, help="of a calibration (default: half of the pool)")
    parser.add_argument("--splits", type=int, default=500)
    arguments = parser.parse_args()
    import_plugins()
    rows = measure(
        arguments.archive,
        arguments.data,
        arguments.changed,
        arguments.divergence,
        arguments.instances,
        arguments.splits,
    )
    header = [
        "explained",
        "bound",
        "instances",
        "above it",
        "risk",
        "kept",
        "oracle",
        "worst quarter by length: changed",
    ]
    sys.stdout.write(f"{machine()}; confidence 90 %\n\n{markdown_table(header, rows)}\n")


if __name__ == "__main__":
    main()
