from allennlp_graphmask.evaluation.comparison.evaluation import (
    Sampling,
    describe_metric,
    evaluate_interpreter,
)
from allennlp_graphmask.evaluation.comparison.folder import ComparisonFolder
from allennlp_graphmask.evaluation.comparison.table import (
    plot,
    plot_allowances,
    rows_of,
    summary_lines,
    to_csv,
)

__all__ = [
    "ComparisonFolder",
    "Sampling",
    "describe_metric",
    "evaluate_interpreter",
    "plot",
    "plot_allowances",
    "rows_of",
    "summary_lines",
    "to_csv",
]
