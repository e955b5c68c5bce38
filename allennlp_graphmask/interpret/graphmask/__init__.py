from allennlp_graphmask.interpret.graphmask.graph_mask import GraphMask
from allennlp_graphmask.interpret.graphmask.model_to_explain import model_to_explain
from allennlp_graphmask.interpret.graphmask.objectives import AllBudgets, MaskedPass, Objective
from allennlp_graphmask.interpret.graphmask.threshold import ThresholdPoint, choose_threshold, threshold_curve
from allennlp_graphmask.interpret.graphmask.trainer_callback import GraphMaskCallback

__all__ = [
    "AllBudgets",
    "GraphMask",
    "GraphMaskCallback",
    "MaskedPass",
    "Objective",
    "ThresholdPoint",
    "choose_threshold",
    "model_to_explain",
    "threshold_curve",
]
