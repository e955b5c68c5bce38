from allennlp_graphmask.interpret.interpreters.amortised_graphmask import AmortisedGraphMask
from allennlp_graphmask.interpret.interpreters.attention import AttentionInterpreter
from allennlp_graphmask.interpret.interpreters.controls import AllEdgesInterpreter, RandomInterpreter
from allennlp_graphmask.interpret.interpreters.erasure_search import ErasureSearch, MinimumSet
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores, highest_share
from allennlp_graphmask.interpret.interpreters.leave_one_edge_out import LeaveOneEdgeOut

__all__ = [
    "AllEdgesInterpreter",
    "AmortisedGraphMask",
    "AttentionInterpreter",
    "ErasureSearch",
    "Interpreter",
    "LayerScores",
    "LeaveOneEdgeOut",
    "MinimumSet",
    "RandomInterpreter",
    "highest_share",
]
