from allennlp_graphmask.evaluation.metrics.agreement import EdgeAgreement, consensus_mask, similarity
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import AttributionEvaluation, shuffled_attribution
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, MetricKey, Quantity, Ratios
from allennlp_graphmask.evaluation.metrics.fidelity import EdgeFidelity
from allennlp_graphmask.evaluation.metrics.kept import EdgeKept, EdgeVerification
from allennlp_graphmask.evaluation.metrics.resampling import bootstrap, percentile_interval
from allennlp_graphmask.evaluation.metrics.sanity import (
    EdgeNodeInvariance,
    EdgeOrderInvariance,
    EdgeRandomization,
    randomized,
    relabel_nodes,
    reorder_edges,
)
from allennlp_graphmask.evaluation.metrics.sufficiency import EdgeSufficiency
from allennlp_graphmask.evaluation.metrics.swap import EdgeSwap
from allennlp_graphmask.evaluation.metrics.truth import TRUTH_KEY, EdgeTruth, has_truth, read_truth
from allennlp_graphmask.evaluation.metrics.unfaithfulness import EdgeChanged, EdgeUnfaithfulness

__all__ = [
    "AttributionEvaluation",
    "EdgeAgreement",
    "EdgeChanged",
    "EdgeFidelity",
    "EdgeKept",
    "EdgeMetric",
    "EdgeNodeInvariance",
    "EdgeOrderInvariance",
    "EdgeRandomization",
    "EdgeSufficiency",
    "EdgeSwap",
    "EdgeTruth",
    "EdgeUnfaithfulness",
    "EdgeVerification",
    "MetricKey",
    "Quantity",
    "Ratios",
    "TRUTH_KEY",
    "bootstrap",
    "consensus_mask",
    "has_truth",
    "percentile_interval",
    "randomized",
    "read_truth",
    "relabel_nodes",
    "reorder_edges",
    "shuffled_attribution",
    "similarity",
]
