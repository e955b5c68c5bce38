import torch
from allennlp.nn.util import dist_reduce_sum
from allennlp.training.metrics import Metric


class Mean(Metric):
    """
    The mean of values of which a batch has any number, for example one for each instance with a label. AllenNLP's `Average`
    exchanges every value with the other workers of distributed training, which fails where they have different numbers of them.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        # Sum and number of values.
        self._sums = torch.zeros(2, dtype=torch.float64)

    def __call__(self, values: torch.Tensor) -> None:  # type: ignore[override]
        """Count values of any shape."""
        values = values.detach().double()
        self._sums = self._sums.to(values.device) + torch.stack([values.sum(), torch.ones_like(values).sum()])

    def get_metric(self, reset: bool = False) -> float:
        """Return the mean, 0 without values. With `reset` it is over all workers."""
        total, count = (dist_reduce_sum(self._sums) if reset else self._sums).tolist()
        if reset:
            self.reset()
        return total / count if count else 0.0
