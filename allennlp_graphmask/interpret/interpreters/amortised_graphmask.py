from typing import Any, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass, evaluating


@Interpreter.register("graphmask")
class AmortisedGraphMask(Interpreter):
    """
    GraphMask with a masker that was trained for the model ([Schlichtkrull, De Cao and Titov,
    2021](https://arxiv.org/abs/2010.00577)); see the model of the same name. A score is the probability that a gate is open,
    the decision is that of the archive's threshold, and what replaces a message is its layer's learnt baseline.

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

    def score(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, generator: torch.Generator
    ) -> LayerScores:
        # An archive that the interpreter's config names was loaded without a word about the device of the model to explain.
        model = self.graphmask.to(unmasked.layers[0].node_states.device)
        with torch.no_grad(), evaluating(model):
            locations = model.locations(unmasked.layers)
        graph = unmasked.layers[0].graph
        everything = torch.ones(graph.num_edges, device=graph.edge_index.device)
        return LayerScores(
            [
                everything if location is None else model.gate_distribution.probability_open(location)
                for location in locations
            ],
            kept=[
                everything.bool() if location is None else location > model.threshold
                for location in locations
            ],
            replacements=list(model.masker.baselines),
        )
