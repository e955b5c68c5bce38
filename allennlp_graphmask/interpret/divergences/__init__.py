from allennlp_graphmask.interpret.divergences.divergence import Divergence, broadcast_mask, changed_predictions
from allennlp_graphmask.interpret.divergences.kl import Kl, SaturatingKl
from allennlp_graphmask.interpret.divergences.margin_hinge import MarginHinge
from allennlp_graphmask.interpret.divergences.prediction_nll import PredictionNll

__all__ = ["Divergence", "Kl", "MarginHinge", "PredictionNll", "SaturatingKl", "broadcast_mask", "changed_predictions"]
