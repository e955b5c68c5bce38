import torch

from allennlp_graphmask.checks import check_above
from allennlp_graphmask.interpret.divergences.divergence import Divergence
from allennlp_graphmask.rounding import has_highest_logit, most_probable


@Divergence.register("margin_hinge")
class MarginHinge(Divergence):
    """
    `max(0, 1 - (log p(y) - max_{y' != y} log p(y')) / margin)` under the masked graph, y being the prediction on the whole
    graph, summed over the instance's positions. It is at least 1 for every changed prediction, so its mean bounds the share of
    changed instances from above, and it is 0 where the prediction is safe by the margin, however much the probabilities move.

    Registered as a `Divergence` with name "margin_hinge".

    # Parameters

    margin : `float`, optional (default = `1.0`)
        In nats.
    """

    name = "margin_hinge"

    def __init__(self, margin: float = 1.0) -> None:
        check_above("margin_hinge", 0, margin=margin)
        self.margin = margin

    def per_position(self, original_logits: torch.Tensor, masked_logits: torch.Tensor) -> torch.Tensor:
        predicted = most_probable(original_logits).unsqueeze(-1)
        log_probabilities = masked_logits.log_softmax(-1)
        own = log_probabilities.gather(-1, predicted).squeeze(-1)
        others = log_probabilities.scatter(-1, predicted, torch.finfo(log_probabilities.dtype).min)
        # Equals share the gradient, which else would go to the one that rounding lets win.
        shares = has_highest_logit(others)
        highest = torch.where(shares, others, 0).sum(-1) / shares.sum(-1)
        return torch.relu(1 - (own - highest) / self.margin)
