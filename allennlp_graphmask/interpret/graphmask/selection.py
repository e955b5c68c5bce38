import math
from typing import Dict, Mapping, Optional

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checks import check_choice

CONSTRAINT_KINDS = ("changed", "divergence", "score")

#: Added to the selection metric of epochs that cannot be compared with others yet; more than any other value (a KL summed
#: over the words of a sentence can exceed a thousand).
_NOT_COMPARABLE = 1e9


class SelectionCriterion:
    """
    Chooses among the epochs of a training run: of those that meet the constraint the one that keeps the fewest messages; if none
    does, the one that violates it least. With `"validation_metric": "-selection"` the trainer keeps that epoch.

    # Parameters

    kind : `str`
        The bounded quantity: `"changed"` (the share of instances with any changed prediction), `"divergence"`, or `"score"` (the
        loss of the target's `score_metric`, relative to its value before masking).
    bound : `float`
    score_metric : `str`, optional
        For the kind `"score"` the name of the target's metric (higher is better).
    """

    def __init__(self, kind: str, bound: float, score_metric: Optional[str] = None) -> None:
        check_choice("graphmask", CONSTRAINT_KINDS, constraint=kind)
        if (kind == "score") != (score_metric is not None):
            raise ConfigurationError(
                'The constraint "score" needs "score_metric", the name of a metric of the model to explain; other constraints '
                "take none."
            )
        self.kind = kind
        self.bound = bound
        self._score_metric = score_metric

    def constrained_value(self, metrics: Mapping[str, float]) -> float:
        """Return the quantity that must not exceed the bound."""
        if self.kind != "score":
            return metrics[self.kind]
        original_name, masked_name = f"original_{self._score_metric}", f"masked_{self._score_metric}"
        if original_name not in metrics:
            known = sorted(name[len("original_") :] for name in metrics if name.startswith("original_"))
            raise ConfigurationError(f"The model to explain has no metric '{self._score_metric}'; it has {known}.")
        original, masked = metrics[original_name], metrics[masked_name]
        return (original - masked) / original if original else 0.0

    def evaluate(self, metrics: Mapping[str, float], *, comparable: bool) -> Dict[str, float]:
        """
        Compare an epoch with the bound and with other epochs. Return `constraint_met` (1.0 or 0.0) and `selection`
        (lower is better). `comparable` is whether all layers are enabled: until then every epoch is worse than any
        later one.
        """
        excess = self.constrained_value(metrics) - self.bound
        met = excess <= 0
        # Shares are at most 1, so every feasible epoch is better than every other, also than one with an excess so small that
        # 1 + excess is 1.
        selection = metrics["kept"] if met else 2 + excess
        return {
            "constraint_met": float(met),
            "selection": selection if comparable else _NOT_COMPARABLE + selection,
        }


class ObjectiveCriterion:
    """As `SelectionCriterion`, without a constraint: the epoch with the lowest loss of an `Objective`, metric `objective`."""

    kind = "objective"
    bound = math.inf

    def evaluate(self, metrics: Mapping[str, float], *, comparable: bool) -> Dict[str, float]:
        # Like the other means, zero before anything has been counted.
        selection = metrics.get("objective", 0.0)
        return {"constraint_met": 1.0, "selection": selection if comparable else _NOT_COMPARABLE + selection}
