import torch

from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass


@Interpreter.register("random")
class RandomInterpreter(Interpreter):
    """
    A control: scores drawn uniformly from [0, 1). An interpreter that is no better than this one at the same share of kept
    messages says nothing.

    Registered as an `Interpreter` with name "random".
    """

    default_threshold = 0.5

    def score(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, generator: torch.Generator
    ) -> LayerScores:
        graph = unmasked.layers[0].graph
        device = graph.edge_index.device
        return LayerScores(
            [torch.rand(graph.num_edges, generator=generator).to(device) for _ in unmasked.layers]
        )


@Interpreter.register("all_edges")
class AllEdgesInterpreter(Interpreter):
    """
    A control: everything is kept.

    Registered as an `Interpreter` with name "all_edges".
    """

    def score(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, generator: torch.Generator
    ) -> LayerScores:
        graph = unmasked.layers[0].graph
        return LayerScores(
            [torch.ones(graph.num_edges, device=graph.edge_index.device)] * len(unmasked.layers)
        )
