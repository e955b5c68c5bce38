from typing import Any, ClassVar, Dict, List, NamedTuple, Optional, Sequence

import torch
from allennlp.common import Registrable
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checked_parameters import CheckedParameters
from allennlp_graphmask.checks import check_at_least, check_fraction
from allennlp_graphmask.interpret.divergences import Divergence, SaturatingKl
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution, score_rounding
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.interpret.ranking import put_first, top_fraction_mask
from allennlp_graphmask.interpret.verification import verify


class LayerScores(NamedTuple):
    """
    What an interpreter finds for the messages of a batch, layer by layer from the bottom. See `EdgeAttribution` for the
    replacements.
    """

    #: A higher score means a more important message. Shape of each: `(num_edges,)`.
    scores: List[torch.Tensor]
    #: The interpreter's own decisions, if it makes some; they hold unless a threshold or fraction is set. Shape of each:
    #: `(num_edges,)`, `torch.bool`.
    kept: Optional[List[torch.Tensor]] = None
    replacements: Optional[List[Optional[torch.Tensor]]] = None
    replacements_per_graph: bool = False
    #: By how much scores may be off by rounding; as in `score_rounding` if not given. Shape of each: `(num_edges,)`.
    rounding: Optional[List[torch.Tensor]] = None


class Interpreter(CheckedParameters, Registrable):
    """
    Scores every edge in every layer by how much the prediction of a trained model depends on it, and decides which to keep.

    All interpreters look at the model through `MaskedModel`, leave it as it was, keep layers apart, take batches, and give
    bitwise equal results when they are called again with equal inputs. Their random numbers depend on the seed and on each
    instance (`PerGraphRandom`), not on the batch.

    Scores that are equal but for rounding are equal: rounding depends on the batch, and must not decide.

    Which messages are kept is decided, in this order: by `threshold`; by `top_fraction`; by the interpreter itself; by the
    interpreter's `default_threshold`.

    # Parameters

    threshold : `float`, optional (default = `None`)
        Messages with a score above it are kept.
    top_fraction : `float`, optional (default = `None`)
        The fraction of each graph's messages, all layers together, that are kept: those with the highest scores, rounded up to
        whole messages. Of equal scores the lower layer goes first, then the edge with the lower source, target and type.
    seed : `int`, optional (default = `0`)
    verify : `bool`, optional (default = `False`)
        Where nothing but the kept messages gives another prediction, keep more; see `verify` in `interpret/verification.py`.
    max_divergence : `float`, optional (default = `None`)
        With `verify`, also keep more where the `reported_divergence` is above this.

    # Raises

    `ConfigurationError` if both `threshold` and `top_fraction` are given, the fraction is not in [0, 1], or `max_divergence` is given
    without `verify`.
    """

    renamed_parameters = {"share": "top_fraction"}

    #: What decides if nothing else does.
    default_threshold: float = 0.0
    #: Whether scores rank messages and hardly any is zero, so that the default threshold keeps nearly all.
    ranks_only: ClassVar[bool] = False
    #: What gradients and leaving one out put in the place of messages, for each layer, shape `(message_dim,)`: zeros, or the baselines
    #: of a masker, to compare orders at equal replacements.
    replacements: Optional[Sequence[torch.Tensor]] = None

    def __init__(
        self,
        *,
        threshold: Optional[float] = None,
        top_fraction: Optional[float] = None,
        seed: int = 0,
        verify: bool = False,
        max_divergence: Optional[float] = None,
    ) -> None:
        if threshold is not None and top_fraction is not None:
            raise ConfigurationError(
                f"An interpreter keeps messages by threshold ({threshold}) or by top_fraction ({top_fraction}): give one of them."
            )
        if top_fraction is not None:
            check_fraction(type(self).__name__, top_fraction=top_fraction)
        if max_divergence is not None:
            check_at_least(type(self).__name__, 0, max_divergence=max_divergence)
            if not verify:
                raise ConfigurationError(
                    f"max_divergence is {max_divergence}, but without verify nothing is done about it: set verify to true."
                )
        self.threshold = threshold
        self.top_fraction = top_fraction
        self.seed = seed
        self.verify = verify
        self.max_divergence = max_divergence

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        """
        Score the messages of a batch, those of the layers of `unmasked`. The model to explain is in evaluation mode,
        with parameters that ask for no gradient; `random` is the source of all random numbers.
        """
        raise NotImplementedError

    def interpret(self, masked_model: MaskedModel, batch: Dict[str, Any]) -> EdgeAttribution:
        """
        Explain a batch of inputs of the model: tensors of a collated batch. The attribution is of the whole batch;
        `split` gives one for each instance.
        """
        with masked_model.explaining():
            return self.attribute(masked_model, masked_model.unmasked(batch))

    def attribute(self, masked_model: MaskedModel, unmasked: UnmaskedPass) -> EdgeAttribution:
        """
        Explain the focus of an unmasked pass that has been made already. Messages that cannot have an effect on it have the score
        zero and are dropped.
        """
        graph = unmasked.graph
        with masked_model.explaining():
            found = self.score(masked_model, unmasked, PerGraphRandom(graph, unmasked.batch, self.seed))
            reachable = unmasked.reachable()
            found = found._replace(
                scores=[layer.masked_fill(~reaches, 0) for layer, reaches in zip(found.scores, reachable)]
            )
            rounding = score_rounding(found.scores, graph) if found.rounding is None else found.rounding
            attribution = EdgeAttribution(
                graph,
                found.scores,
                [kept & reaches for kept, reaches in zip(self._decide(found, rounding, unmasked), reachable)],
                masked_model.relation_names,
                replacements=self.replacements if found.replacements is None else found.replacements,
                replacements_per_graph=found.replacements_per_graph,
                rounding=rounding,
            )
            if self.verify:
                attribution = verify(masked_model, unmasked, attribution, self.max_divergence, self.reported_divergence)
        return attribution

    def _decide(self, found: LayerScores, rounding: List[torch.Tensor], unmasked: UnmaskedPass) -> List[torch.Tensor]:
        if self.top_fraction is not None:
            # A negative score goes before that of a message without effect, which would be dropped anyway.
            ranked = put_first(found.scores, rounding, torch.stack(unmasked.reachable()))
            return top_fraction_mask(ranked, self.top_fraction, unmasked.graph, rounding)
        if self.threshold is None and found.kept is not None:
            return found.kept
        threshold = self.default_threshold if self.threshold is None else self.threshold
        return [layer > threshold + off for layer, off in zip(found.scores, rounding)]

    @property
    def reported_divergence(self) -> Divergence:
        """What explanations measure between the predictions with all and with the kept messages."""
        return SaturatingKl()

    def describe(self, focus_kind: Optional[str] = None) -> Dict[str, Any]:
        """
        Describe the interpreter for the `interpreter` section of an explanation, beyond its name and settings; `focus_kind` is the kind
        of focus that is explained.
        """
        return {"divergence": self.reported_divergence.name}
