from typing import Any, Dict, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from allennlp_graphmask.checks import check_fraction
from allennlp_graphmask.focus import foci_by_kind
from allennlp_graphmask.interpret.divergences import Divergence
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.graphmask.threshold import ThresholdPoint, choose_point
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.model_state import evaluating
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom


@Interpreter.register("graphmask")
class AmortisedGraphMask(Interpreter):
    """
    GraphMask with a masker that was trained for the model ([Schlichtkrull, De Cao and Titov,
    2021](https://arxiv.org/abs/2010.00577)); see the model of the same name. A message is kept if the location of its gate is
    above the archive's threshold; its score is the sigmoid of the difference, so above one half exactly for kept messages. A dropped
    message is replaced by its layer's learnt baseline.

    Registered as an `Interpreter` with name "graphmask".

    # Parameters

    archive_file : `str`, optional (default = `None`)
        An archive of GraphMask on the model to explain.
    graphmask : `GraphMask`, optional (default = `None`)
        The same, loaded. Commands that explain a GraphMask archive give it.
    allowance : `float`, optional (default = `None`)
        Instead of the archive's threshold that with the fewest messages kept of those that change at most this share of the
        predictions on the validation data.

    # Raises

    `ConfigurationError` if there is no masker, the allowance is given together with `threshold` or `top_fraction`, or the archive
    has no thresholds to choose from, as that of a masker that was trained without `max_changed`.
    """

    def __init__(
        self,
        *,
        archive_file: Optional[str] = None,
        graphmask: Optional[GraphMask] = None,
        allowance: Optional[float] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if allowance is not None:
            check_fraction("graphmask", allowance=allowance)
            if self.threshold is not None or self.top_fraction is not None:
                raise ConfigurationError("graphmask: give allowance, threshold or top_fraction, and not two of them.")
        self.allowance = allowance
        # What the config names goes first: a command gives its own archive in any case.
        if archive_file is not None:
            model = load_archive(archive_file).model
            if not isinstance(model, GraphMask):
                raise ConfigurationError(
                    f"The archive '{archive_file}' holds a {type(model).__name__}, expected GraphMask: train one with a "
                    "graphmask config on the model to explain."
                )
            graphmask = model
        if graphmask is None:
            raise ConfigurationError(
                'The interpreter "graphmask" needs the archive of a masker that was trained on the model: give "archive_file".'
            )
        self.graphmask = graphmask

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        # An archive that the interpreter's config names was loaded onto the CPU.
        model, device = self.graphmask, unmasked.layers[0].node_states.device
        if model.enabled_layers.device != device:
            model.to(device)
        with torch.no_grad(), evaluating(model):
            found = model.score_messages(unmasked, self._choose_threshold(unmasked.focus.kind))
        return LayerScores(
            found.scores, kept=found.kept, replacements=list(model.masker.baselines), rounding=found.rounding
        )

    def _choose_threshold(self, kind: str) -> Optional[float]:
        if self.allowance is None:
            return None
        name = foci_by_kind(self.graphmask.target).get(kind, kind)
        points = self.graphmask.training_summary.get("threshold_curves", {}).get(name)
        if points is None:
            raise ConfigurationError(
                f"An allowance cannot be used with this archive: its training stored no thresholds for the focus '{name}'. Train the "
                'masker again with {"type": "graphmask", "max_changed": 0.05} among the trainer\'s callbacks, or give a budget (--budget, '
                "top_fraction), which every archive takes."
            )
        return choose_point([ThresholdPoint(**point) for point in points], self.allowance).threshold

    @property
    def reported_divergence(self) -> Divergence:
        return self.graphmask.divergence

    def describe(self, focus_kind: Optional[str] = None) -> Dict[str, Any]:
        description = self.graphmask.describe(focus_kind)
        if self.threshold is not None or self.top_fraction is not None:
            # The constraint was met, or not, with the masker's own decisions, and they were calibrated.
            description.pop("constraint", None)
            description.pop("calibration", None)
        if self.allowance is not None and focus_kind is not None:
            description.pop("calibration", None)
            description["threshold"] = self._choose_threshold(focus_kind)
        return description
