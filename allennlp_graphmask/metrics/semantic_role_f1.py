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
    argument is right if its predicate, its head token and its role are right. What is predicted for a predicate without
    gold arguments counts, too. Predicate senses are not scored; the published scores of that task count them as one more
    (and easier) argument of each predicate.

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
        # Of all predicates, and of those with a gold argument; by label; right predictions, predictions, gold arguments. The
        # last label is for roles that training never saw.
        self._counts = torch.zeros(2, self._num_labels + 1, 3, dtype=torch.long)

    def __call__(
        self, predictions: torch.Tensor, gold_labels: torch.Tensor, mask: Optional[torch.BoolTensor] = None
    ) -> None:
        """
        # Parameters

        predictions : `torch.Tensor`
            Label indices; a row is for one predicate. Shape: `(batch_size, num_tokens)`.
        gold_labels : `torch.Tensor`
            Label indices, -1 for roles that training never saw: arguments that no prediction can match. Shape: `(batch_size,
            num_tokens)`.
        mask : `torch.BoolTensor`, optional
            Shape: `(batch_size, num_tokens)`.
        """
        is_scored = torch.ones_like(gold_labels, dtype=torch.bool) if mask is None else mask.bool()
        has_argument = ((gold_labels != self._null_index) & is_scored).any(-1, keepdim=True)
        counts = [
            self._count(predictions[chosen], gold_labels[chosen]) for chosen in (is_scored, is_scored & has_argument)
        ]
        self._counts = self._counts.to(predictions.device) + torch.stack(counts)

    def _count(self, predictions: torch.Tensor, gold_labels: torch.Tensor) -> torch.Tensor:
        """Count tokens by label. Shape of both: `(num_scored,)`, of the result: `(num_labels + 1, 3)`."""
        gold_rows = torch.where(gold_labels < 0, self._num_labels, gold_labels)
        right = predictions[predictions == gold_labels]
        counts = [torch.bincount(labels, minlength=self._num_labels + 1) for labels in (right, predictions, gold_rows)]
        by_label = torch.stack(counts, dim=1)
        by_label[self._null_index] = 0
        return by_label

    def get_metric(self, reset: bool = False) -> Dict[str, float]:
        """
        Return `precision`, `recall` and `f1`, from 0 to 1, higher is better, and `f1_with_arguments`, the F1 of the predicates
        that have a gold argument. With `reset` the workers' counts are summed.
        """
        every, with_arguments = self._get_counts(reset).sum(1).tolist()
        return {**_compute_scores(*every), "f1_with_arguments": _compute_scores(*with_arguments)["f1"]}

    def get_metric_per_label(self, reset: bool = False) -> Dict[str, Dict[str, float]]:
        """Return precision, recall and F1 of each role that occurs, and `count`, the number of gold arguments with it."""
        names = {**self._names, self._num_labels: "@@UNSEEN@@"}
        return {
            names[row]: {**_compute_scores(right, predicted, gold), "count": float(gold)}
            for row, (right, predicted, gold) in enumerate(self._get_counts(reset)[0].tolist())
            if predicted or gold
        }

    def _get_counts(self, reset: bool) -> torch.Tensor:
        counts = self._counts
        if reset:
            counts = dist_reduce_sum(counts)
            self.reset()
        return counts


def _compute_scores(right: int, predicted: int, gold: int) -> Dict[str, float]:
    precision = right / predicted if predicted else 0.0
    recall = right / gold if gold else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }
