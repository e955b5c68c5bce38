"""
Five small models with a proof of what their predictions depend on (docs/ground_truth.md): any interpreter can be scored against
them.
"""

from typing import Dict, Type

from allennlp_graphmask.evaluation.ground_truth.exclusive_or import ExclusiveOr
from allennlp_graphmask.evaluation.ground_truth.ground_truth import (
    GroundTruth,
    MessageSet,
    NodeClassifier,
    TruthEdge,
    TruthGraph,
    is_accepted,
    kept_messages,
    ranks_accepted_first,
)
from allennlp_graphmask.evaluation.ground_truth.maximum import Maximum
from allennlp_graphmask.evaluation.ground_truth.redundant_pair import RedundantPair
from allennlp_graphmask.evaluation.ground_truth.sum_over_relation import SumOverRelation
from allennlp_graphmask.evaluation.ground_truth.two_hop_chain import TwoHopChain

#: All of them by name.
GROUND_TRUTHS: Dict[str, Type[GroundTruth]] = {
    truth.name: truth for truth in (SumOverRelation, Maximum, ExclusiveOr, TwoHopChain, RedundantPair)
}

__all__ = [
    "GROUND_TRUTHS",
    "ExclusiveOr",
    "GroundTruth",
    "Maximum",
    "MessageSet",
    "NodeClassifier",
    "RedundantPair",
    "SumOverRelation",
    "TruthEdge",
    "TruthGraph",
    "TwoHopChain",
    "is_accepted",
    "kept_messages",
    "ranks_accepted_first",
]
