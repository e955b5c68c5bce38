"""
Five small models of which it is proved what their predictions depend on (docs/known_truth.md): any interpreter can be
scored against them.
"""

from typing import Dict, Type

from allennlp_graphmask.testing.known_truth.exclusive_or import ExclusiveOr
from allennlp_graphmask.testing.known_truth.known_truth import (
    KnownTruth,
    MessageSet,
    NodeReader,
    TruthEdge,
    TruthGraph,
    is_accepted,
    kept_messages,
    ranks_accepted_first,
)
from allennlp_graphmask.testing.known_truth.maximum import Maximum
from allennlp_graphmask.testing.known_truth.redundant_pair import RedundantPair
from allennlp_graphmask.testing.known_truth.sum_over_relation import SumOverRelation
from allennlp_graphmask.testing.known_truth.two_hop_chain import TwoHopChain

#: All of them by name.
KNOWN_TRUTHS: Dict[str, Type[KnownTruth]] = {
    truth.name: truth for truth in (SumOverRelation, Maximum, ExclusiveOr, TwoHopChain, RedundantPair)
}

__all__ = [
    "KNOWN_TRUTHS",
    "ExclusiveOr",
    "KnownTruth",
    "Maximum",
    "MessageSet",
    "NodeReader",
    "RedundantPair",
    "SumOverRelation",
    "TruthEdge",
    "TruthGraph",
    "TwoHopChain",
    "is_accepted",
    "kept_messages",
    "ranks_accepted_first",
]
