"""
The means over seeds of what `benchmarks.star_graphs` has written, as a table in Markdown. Of several lines for a method and seed
the last one counts.

    python -m benchmarks.star_graphs_table results/stars.jsonl
"""

import json
import sys
from statistics import fmean
from typing import Any, Dict, List, Optional, Sequence, Tuple

_HEADINGS = (
    "method",
    "seeds",
    "precision",
    "recall",
    "F1 (lowest, highest)",
    "kept",
    "recall: winning",
    "losing",
    "changed",
    "own rule: P / R / F1",
    "CPU s: once",
    "explaining",
)


def table(lines: Sequence[Dict[str, Any]]) -> str:
    """
    # Parameters

    lines : `Sequence[Dict[str, Any]]`
        For each variant a table is made.
    """
    by_variant: Dict[str, Dict[str, Dict[int, Dict[str, Any]]]] = {}
    for line in lines:
        by_variant.setdefault(line["variant"], {}).setdefault(line["method"], {})[line["seed"]] = line
    written = []
    for variant, by_method in by_variant.items():
        rows: List[Tuple[str, ...]] = [_HEADINGS, ("---",) * len(_HEADINGS)]
        rows += [_row(method, list(by_seed.values())) for method, by_seed in by_method.items()]
        written += [f"{variant}:", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
    return "\n".join(written)


def _row(method: str, lines: List[Dict[str, Any]]) -> Tuple[str, ...]:
    def mean(key: str) -> float:
        return fmean(line[key] for line in lines)

    f1 = [line["f1"] for line in lines]
    own = [line["own_rule"] for line in lines if "own_rule" in line]
    return (
        f"`{method}`",
        str(len(lines)),
        f"{mean('precision'):.1f}",
        f"{mean('recall'):.1f}",
        f"{fmean(f1):.1f} ({min(f1):.1f}, {max(f1):.1f})",
        f"{mean('kept'):.1f} %",
        f"{mean('recall_winning'):.1f}",
        f"{mean('recall_losing'):.1f}",
        f"{100 * mean('changed'):.1f} %",
        " / ".join(f"{fmean(line[key] for line in own):.1f}" for key in ("precision", "recall", "f1"))
        if own
        else "",
        f"{mean('train_cpu_seconds'):.2f}",
        f"{mean('explain_cpu_seconds'):.3f}",
    )


def main(arguments: Optional[Sequence[str]] = None) -> None:
    [path] = sys.argv[1:] if arguments is None else arguments
    with open(path) as file:
        sys.stdout.write(table([json.loads(line) for line in file]))


if __name__ == "__main__":
    main()
