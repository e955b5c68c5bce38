from allennlp_graphmask.evaluation.metrics.agreement import EdgeAgreement, consensus_mask, similarity
from allennlp_graphmask.evaluation.metrics.attribution_evaluation import (
    AttributionEvaluation,
    shuffled_attribution,
)
from allennlp_graphmask.evaluation.metrics.edge_metric import EdgeMetric, Quantity, Ratios
from allennlp_graphmask.evaluation.metrics.fidelity import EdgeFidelity
from allennlp_graphmask.evaluation.metrics.kept import EdgeKept
from allennlp_graphmask.evaluation.metrics.resampling import bootstrap, percentile_interval
from allennlp_graphmask.evaluation.metrics.sanity import (
    EdgeNodeInvariance,
    EdgeOrderInvariance,
    EdgeRandomisation,
    randomised,
    relabel_nodes,
    reorder_edges,
)
from allennlp_graphmask.evaluation.metrics.sufficiency import EdgeSufficiency
from allennlp_graphmask.evaluation.metrics.truth import TRUTH_KEY, EdgeTruth, truth_of_batch
from allennlp_graphmask.evaluation.metrics.unfaithfulness import EdgeChanged, EdgeUnfaithfulness

__all__ = [
    "EdgeAgreement",
    "EdgeChanged",
    "EdgeFidelity",
    "EdgeKept",
    "EdgeMetric",
    "EdgeNodeInvariance",
    "EdgeOrderInvariance",
    "EdgeRandomisation",
    "EdgeSufficiency",
    "EdgeTruth",
    "EdgeUnfaithfulness",
    "AttributionEvaluation",
    "Quantity",
    "Ratios",
    "TRUTH_KEY",
    "bootstrap",
    "consensus_mask",
    "percentile_interval",
    "randomised",
    "relabel_nodes",
    "reorder_edges",
    "shuffled_attribution",
    "similarity",
    "truth_of_batch",
]
