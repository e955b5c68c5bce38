from allennlp_graphmask.evaluation.comparison.comparison import (
    DEFAULT_INTERPRETERS,
    DEFAULT_METRICS,
    build_interpreters,
    build_metrics,
    compare_interpreters,
    read_data,
)
from allennlp_graphmask.evaluation.comparison.evaluation import Sampling, evaluate_interpreter
from allennlp_graphmask.evaluation.comparison.masker_training import advise, train_maskers
from allennlp_graphmask.evaluation.comparison.table import format_summary
from allennlp_graphmask.evaluation.comparison.tuned_threshold import TunedThreshold

__all__ = [
    "DEFAULT_INTERPRETERS",
    "DEFAULT_METRICS",
    "Sampling",
    "TunedThreshold",
    "advise",
    "build_interpreters",
    "build_metrics",
    "compare_interpreters",
    "evaluate_interpreter",
    "format_summary",
    "read_data",
    "train_maskers",
]
