from allennlp_graphmask.interpret.interpreters.amortised_graphmask import AmortisedGraphMask
from allennlp_graphmask.interpret.interpreters.controls import AllEdgesInterpreter, RandomInterpreter
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores, highest_share
from allennlp_graphmask.interpret.interpreters.leave_one_edge_out import LeaveOneEdgeOut

__all__ = [
    "AllEdgesInterpreter",
    "AmortisedGraphMask",
    "Interpreter",
    "LayerScores",
    "LeaveOneEdgeOut",
    "RandomInterpreter",
    "highest_share",
]
