from typing import Any, Dict, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from allennlp_graphmask.interpret.divergences import Divergence
from allennlp_graphmask.interpret.graphmask import GraphMask
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
    """

    def __init__(
        self, *, archive_file: Optional[str] = None, graphmask: Optional[GraphMask] = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
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
        model = self.graphmask.to(unmasked.layers[0].node_states.device)
        with torch.no_grad(), evaluating(model):
            scores, kept = model.score_messages(unmasked)
        return LayerScores(scores, kept=kept, replacements=list(model.masker.baselines))

    @property
    def reported_divergence(self) -> Divergence:
        return self.graphmask.divergence

    def describe(self, focus_kind: Optional[str] = None) -> Dict[str, Any]:
        description = self.graphmask.describe(focus_kind)
        if self.threshold is not None or self.top_fraction is not None:
            # The constraint was met, or not, with the masker's own decisions.
            description.pop("constraint", None)
        return description
