from typing import Dict, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.nn.util import dist_reduce_sum
from allennlp.training.metrics import Metric
from torch import nn


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
        self._null_row = known[null_label] + 1
        # Not its size: it may grow.
        self._vocab = vocab
        self._label_namespace = label_namespace
        self.reset()

    def reset(self) -> None:
        # Of all predicates, and of those with a gold argument; by label; right predictions, predictions, gold arguments. The
        # first label is for roles that training never saw.
        self._stored_counts = torch.zeros(2, 0, 3, dtype=torch.long)

    @property
    def _counts(self) -> torch.Tensor:
        """The counts, with a row for each label of the vocabulary as it is now. Shape: `(2, num_labels + 1, 3)`."""
        num_rows = self._vocab.get_vocab_size(self._label_namespace) + 1
        return nn.functional.pad(self._stored_counts, (0, 0, 0, num_rows - self._stored_counts.size(1)))

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
        has_argument = ((gold_labels + 1 != self._null_row) & is_scored).any(-1, keepdim=True)
        before = self._counts
        counts = [
            self._count(predictions[chosen], gold_labels[chosen], before.size(1))
            for chosen in (is_scored, is_scored & has_argument)
        ]
        self._stored_counts = before.to(predictions.device) + torch.stack(counts)

    def _count(self, predictions: torch.Tensor, gold_labels: torch.Tensor, num_rows: int) -> torch.Tensor:
        """Count tokens by label. Shape of both: `(num_scored,)`, of the result: `(num_rows, 3)`."""
        right = predictions[predictions == gold_labels]
        counts = [
            torch.bincount(labels.clamp(min=-1) + 1, minlength=num_rows) for labels in (right, predictions, gold_labels)
        ]
        by_label = torch.stack(counts, dim=1)
        by_label[self._null_row] = 0
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
        names = self._vocab.get_index_to_token_vocabulary(self._label_namespace)
        return {
            names.get(row - 1, "@@UNSEEN@@"): {**_compute_scores(right, predicted, gold), "count": float(gold)}
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
