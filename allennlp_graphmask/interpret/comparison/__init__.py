from allennlp_graphmask.interpret.comparison.folder import ComparisonFolder
from allennlp_graphmask.interpret.comparison.judging import Sampling, describe_metric, judge_interpreter
from allennlp_graphmask.interpret.comparison.table import (
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
    "judge_interpreter",
    "plot",
    "plot_allowances",
    "rows_of",
    "summary_lines",
    "to_csv",
]
