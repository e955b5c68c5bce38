import torch
from torch.nn import functional

from allennlp_graphmask.interpret.divergences.divergence import Divergence
from allennlp_graphmask.rounding import most_probable


@Divergence.register("prediction_nll")
class PredictionNll(Divergence):
    """
    The negative log likelihood, under the masked graph, of the prediction on the whole graph: the divergence of the original
    paper's code. With all gates open it is not zero, but the uncertainty of the model.

    Registered as a `Divergence` with name "prediction_nll".
    """

    name = "prediction_nll"

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        predicted = most_probable(original_logits)
        # cross_entropy wants the classes in dimension 1.
        return functional.cross_entropy(masked_logits.movedim(-1, 1), predicted, reduction="none")
