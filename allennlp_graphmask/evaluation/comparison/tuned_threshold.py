"""The threshold with the best F1 on data whose truth is known, for interpreters that rank messages."""

from operator import attrgetter
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence

import numpy
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.evaluation.metrics.truth import read_truth
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.interpreters.interpreter import LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom


class Cut(NamedTuple):
    """A rule for what to keep: the messages with a score above a threshold."""

    #: Whether scores are first divided by the largest absolute score of their graph, all layers together.
    relative: bool
    threshold: float
    #: From 0 to 1, on the data on which the rule was chosen.
    f1: float


def best_cut(attributions: Sequence[EdgeAttribution], truths: Sequence[Sequence[torch.Tensor]]) -> Cut:
    """
    Choose the rule with the highest F1 against the truth among all thresholds, for scores as they are and for relative ones. A
    threshold lies in the middle between two scores that occur, or one below the lowest; of equally good ones it is the highest,
    and of equally good rules that for scores as they are.

    `attributions` are of several batches, `truths` the results of `read_truth` for them; messages of which nothing is known are
    left out.

    # Raises

    `ConfigurationError` if no message matters.
    """
    truth = torch.cat([layer for layers in truths for layer in layers]).cpu().numpy()
    matters = (truth == 1)[truth >= 0]
    if not matters.any():
        raise ConfigurationError("No threshold is best: no message matters in the data to choose it on.")
    cuts = []
    for relative in (False, True):
        scores, rounding = (
            torch.cat([layer for one in attributions for layer in scale(one, layers_of(one), relative)])
            .cpu()
            .numpy()[truth >= 0]
            for layers_of in (attrgetter("scores"), attrgetter("rounding"))
        )
        order = numpy.argsort(-scores, kind="stable")
        scores, rounding, hits = scores[order], rounding[order], matters[order].cumsum()
        # A threshold lies between a score and the next lower one; scores that are equal but for rounding cannot be separated.
        below = numpy.append(scores[1:], scores[-1] - 2 - 2 * rounding[-1])
        f1 = 2 * hits / (numpy.arange(1, len(scores) + 1) + matters.sum())
        f1[scores - below <= rounding] = -1
        best = int(f1.argmax())
        cuts.append(Cut(relative, float(scores[best] + below[best]) / 2, float(f1[best])))
    return max(cuts, key=lambda cut: cut.f1)


def apply_cut(cut: Cut, attribution: EdgeAttribution) -> EdgeAttribution:
    """Return the attribution with the decisions of this rule."""
    kept = [layer > cut.threshold for layer in scale(attribution, attribution.scores, cut.relative)]
    return attribution.with_decisions(kept)


def scale(attribution: EdgeAttribution, layers: Sequence[torch.Tensor], relative: bool) -> List[torch.Tensor]:
    """
    Return the scores, or their rounding, as they are, or, where `relative`, each divided by the largest absolute score of its graph
    (as it is where scores are all zero). Shape of each: `(num_edges,)`, `torch.double`.
    """
    if not relative:
        return [layer.double() for layer in layers]
    owner = attribution.graph.edge_graph
    largest = torch.zeros(attribution.graph.num_graphs, dtype=torch.double, device=owner.device)
    for layer in attribution.scores:
        largest = largest.scatter_reduce(0, owner, layer.double().abs(), "amax")
    divisor = torch.where(largest > 0, largest, 1.0).index_select(0, owner)
    return [layer.double() / divisor for layer in layers]


@Interpreter.register("tuned_threshold")
class TunedThreshold(Interpreter):
    """
    Another interpreter with the threshold that has the best F1 on data whose truth is known (see `best_cut`). No real task has
    such data: its figures are the best that a threshold can do for the interpreter. `fit` must be called first;
    `allennlp compare-interpreters --development-data` does.

    Registered as an `Interpreter` with name "tuned_threshold".
    """

    def __init__(
        self, interpreter: Interpreter, *, verify: bool = False, max_divergence: Optional[float] = None
    ) -> None:
        super().__init__(seed=interpreter.seed, verify=verify, max_divergence=max_divergence)
        self.interpreter = interpreter
        self.cut: Optional[Cut] = None

    def fit(self, masked_model: MaskedModel, batches: Iterable[Dict[str, Any]]) -> Cut:
        """
        Choose the threshold. Raise a `ConfigurationError` if the batches have no truth, or no message in them matters.
        """
        attributions, truths = [], []
        for batch in batches:
            attribution = self.interpreter.interpret(masked_model, batch)
            truth = read_truth(batch, attribution.graph, attribution.num_layers)
            if truth is not None:
                attributions.append(attribution)
                truths.append(truth)
        if not truths:
            raise ConfigurationError(
                "tuned_threshold: the data to choose the threshold on do not state which messages matter."
            )
        self.cut = best_cut(attributions, truths)
        return self.cut

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        """Decide by the chosen threshold. Without one, raise a `ConfigurationError`."""
        if self.cut is None:
            raise ConfigurationError(
                "tuned_threshold has no threshold yet. Give data with a known truth: --development-data of "
                "`allennlp compare-interpreters`, or the method `fit`."
            )
        found = apply_cut(self.cut, self.interpreter.attribute(masked_model, unmasked))
        return LayerScores(found.scores, found.kept, found.replacements, found.replacements_per_graph, found.rounding)
