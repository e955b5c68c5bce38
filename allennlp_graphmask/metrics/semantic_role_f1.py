from typing import Dict, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.nn.util import dist_reduce_sum
from allennlp.training.metrics import Metric


@Metric.register("propbank_role_f1")
class SemanticRoleF1(Metric):
    """
    Labelled precision, recall and F1 of the arguments of given predicates, as the CoNLL-2009 shared task defines them: an
    argument is right if its predicate, its head token and its role are right. Predicate senses are not scored; the published
    scores of that task count them as one more (and easier) argument of each predicate.

    Registered as a `Metric` with name "propbank_role_f1".

    # Parameters

    vocab : `Vocabulary`
    label_namespace : `str`, optional (default = `"role_labels"`)
    null_label : `str`, optional (default = `"_"`)
        The label of tokens that are not arguments.
    """

    def __init__(self, vocab: Vocabulary, label_namespace: str = "role_labels", null_label: str = "_") -> None:
        known = vocab.get_token_to_index_vocabulary(label_namespace)
        if null_label not in known:
            raise ConfigurationError(
                f"The vocabulary's namespace '{label_namespace}' lacks {null_label!r}, the label of tokens that are not arguments. "
                "Make the vocabulary from data with roles."
            )
        self._null_index = known[null_label]
        self._names = vocab.get_index_to_token_vocabulary(label_namespace)
        self._num_labels = len(known)
        self.reset()

    def reset(self) -> None:
        # By label: right predictions, predictions, gold arguments. The last row is for roles that training never saw.
        self._counts = torch.zeros(self._num_labels + 1, 3, dtype=torch.long)

    def __call__(
        self, predictions: torch.Tensor, gold_labels: torch.Tensor, mask: Optional[torch.BoolTensor] = None
    ) -> None:
        """
        # Parameters

        predictions : `torch.Tensor`
            Label indices. Shape: `(batch_size, num_tokens)`.
        gold_labels : `torch.Tensor`
            Label indices, -1 for roles that training never saw: arguments that no prediction can match. Shape: `(batch_size,
            num_tokens)`.
        mask : `torch.BoolTensor`, optional
            Shape: `(batch_size, num_tokens)`.
        """
        is_scored = torch.ones_like(gold_labels, dtype=torch.bool) if mask is None else mask.bool()
        predictions, gold_labels = predictions[is_scored], gold_labels[is_scored]  # Shape: (num_scored,)
        num_rows = self._num_labels + 1
        gold_rows = torch.where(gold_labels < 0, torch.full_like(gold_labels, self._num_labels), gold_labels)
        right = predictions[predictions == gold_labels]
        counts = torch.stack(
            [torch.bincount(labels, minlength=num_rows) for labels in (right, predictions, gold_rows)], dim=1
        )  # Shape: (num_rows, 3)
        counts[self._null_index] = 0
        self._counts = self._counts.to(counts.device) + counts

    def get_metric(self, reset: bool = False) -> Dict[str, float]:
        """Return `precision`, `recall` and `f1`, from 0 to 1, higher is better. With `reset` the workers' counts are summed."""
        counts = dist_reduce_sum(self._counts) if reset else self._counts
        scores = _compute_scores(*counts.sum(0).tolist())
        if reset:
            self.reset()
        return scores

    def get_metric_per_label(self, reset: bool = False) -> Dict[str, Dict[str, float]]:
        """Return the same for each role that occurs, and `count`, the number of gold arguments with it."""
        counts = (dist_reduce_sum(self._counts) if reset else self._counts).tolist()
        names = {**self._names, self._num_labels: "@@UNSEEN@@"}
        scores = {
            names[row]: {**_compute_scores(right, predicted, gold), "count": float(gold)}
            for row, (right, predicted, gold) in enumerate(counts)
            if predicted or gold
        }
        if reset:
            self.reset()
        return scores


def _compute_scores(right: int, predicted: int, gold: int) -> Dict[str, float]:
    precision = right / predicted if predicted else 0.0
    recall = right / gold if gold else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }
