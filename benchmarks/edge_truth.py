"""
Compares what explanations keep with the truth, where it is known: `matters` in the metadata of edges, one value for each layer, as
explanations of star graphs have it.

    python -m benchmarks.edge_truth EXPLANATIONS.jsonl
"""

import sys
from typing import Dict, List, Optional, Sequence

from allennlp_graphmask.explanation.files import read_explanations


def against_truth(kept: Sequence[bool], truth: Sequence[Optional[bool]]) -> Dict[str, float]:
    """
    # Parameters

    kept : `Sequence[bool]`
    truth : `Sequence[Optional[bool]]`
        Whether each edge matters. Those of which it is not defined (`None`) are left out.

    # Returns

    `Dict[str, float]`
        In percent `precision`, `recall`, `f1`, and the shares of edges `kept` and `true`; how many are `excluded`.
    """
    pairs = [
        (is_kept, bool(is_true)) for is_kept, is_true in zip(kept, truth, strict=True) if is_true is not None
    ]
    num_kept = sum(is_kept for is_kept, _ in pairs)
    num_true = sum(is_true for _, is_true in pairs)
    both = sum(is_kept and is_true for is_kept, is_true in pairs)
    return {
        "precision": percent(both, num_kept),
        "recall": percent(both, num_true),
        "f1": percent(2 * both, num_kept + num_true),
        "kept": percent(num_kept, len(pairs)),
        "true": percent(num_true, len(pairs)),
        "excluded": len(truth) - len(pairs),
    }


def percent(part: int, whole: int) -> float:
    """0 of nothing."""
    return round(100 * part / whole, 3) if whole else 0.0


def main(arguments: Optional[Sequence[str]] = None) -> None:
    [path] = sys.argv[1:] if arguments is None else arguments
    kept: List[bool] = []
    truth: List[Optional[bool]] = []
    count = 0
    for explanation in read_explanations(path):
        count += 1
        for edge, metadata in zip(explanation.edges, explanation.metadata["edge_metadata"], strict=True):
            kept += edge.kept
            truth += metadata["matters"]
    figures = against_truth(kept, truth)
    print(
        f"{count} explanations against the truth: precision {figures['precision']:.1f} %, recall {figures['recall']:.1f} %, "
        f"F1 {figures['f1']:.1f} %; {figures['kept']:.1f} % of the edges kept, {figures['true']:.1f} % matter"
    )


if __name__ == "__main__":
    main()
