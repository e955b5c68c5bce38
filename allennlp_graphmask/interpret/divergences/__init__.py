from allennlp_graphmask.interpret.divergences.divergence import Divergence, changed_predictions
from allennlp_graphmask.interpret.divergences.kl import Kl, SaturatingKl
from allennlp_graphmask.interpret.divergences.margin_hinge import MarginHinge
from allennlp_graphmask.interpret.divergences.prediction_nll import PredictionNll

__all__ = ["Divergence", "Kl", "MarginHinge", "PredictionNll", "SaturatingKl", "changed_predictions"]
