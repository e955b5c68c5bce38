from allennlp_graphmask.interpret.interpreters.amortised_graphmask import AmortisedGraphMask
from allennlp_graphmask.interpret.interpreters.attention import AttentionInterpreter
from allennlp_graphmask.interpret.interpreters.controls import AllEdgesInterpreter, RandomInterpreter
from allennlp_graphmask.interpret.interpreters.erasure_search import ErasureSearch, MinimumSet
from allennlp_graphmask.interpret.interpreters.gnn_explainer import GnnExplainer
from allennlp_graphmask.interpret.interpreters.gradient_x_message import GradientTimesMessage
from allennlp_graphmask.interpret.interpreters.information_bottleneck import InformationBottleneck
from allennlp_graphmask.interpret.interpreters.integrated_gradients import IntegratedGradients
from allennlp_graphmask.interpret.interpreters.interpreter import (
    Interpreter,
    LayerScores,
)
from allennlp_graphmask.interpret.interpreters.leave_one_edge_out import LeaveOneEdgeOut
from allennlp_graphmask.interpret.interpreters.per_instance_graphmask import PerInstanceGraphMask

__all__ = [
    "AllEdgesInterpreter",
    "AmortisedGraphMask",
    "AttentionInterpreter",
    "ErasureSearch",
    "GnnExplainer",
    "GradientTimesMessage",
    "InformationBottleneck",
    "IntegratedGradients",
    "Interpreter",
    "LayerScores",
    "LeaveOneEdgeOut",
    "MinimumSet",
    "PerInstanceGraphMask",
    "RandomInterpreter",
]
