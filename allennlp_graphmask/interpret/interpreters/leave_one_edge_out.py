from typing import Any, List, Optional

import torch

from allennlp_graphmask.interpret.divergences import Divergence, Kl
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate


@Interpreter.register("leave_one_edge_out")
class LeaveOneEdgeOut(Interpreter):
    """
    The score of a message is the divergence from the prediction with all messages to the prediction without this one (it is replaced
    by zeros). If either of two messages suffices, neither gets a score. A message is kept if its score is above rounding.

    A batch takes as many passes as its largest graph has messages: each leaves out one message of every graph.

    Registered as an `Interpreter` with name "leave_one_edge_out".

    # Parameters

    divergence : `Divergence`, optional (default = `kl`)
    """

    ranks_only = True

    def __init__(self, *, divergence: Optional[Divergence] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.divergence = divergence or Kl()

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        graph = unmasked.graph
        edge_graph = graph.edge_graph
        scores: List[torch.Tensor] = []
        with torch.no_grad():
            for layer, (messages, reaches) in enumerate(zip(unmasked.layers, unmasked.reachable())):
                layer_scores = messages.node_states.new_zeros(graph.num_edges)
                # Messages without effect are not left out. The n-th of each graph are, in one pass.
                places = reaches.nonzero().squeeze(-1)
                places = places[torch.argsort(edge_graph[places], stable=True)]
                counts = torch.bincount(edge_graph[places], minlength=graph.num_graphs)
                first = (counts.cumsum(0) - counts)[edge_graph[places]]
                number_in_graph = torch.full_like(edge_graph, -1)
                number_in_graph[places] = torch.arange(len(places), device=places.device) - first
                for number in range(int(counts.max()) if graph.num_graphs else 0):
                    left_out = number_in_graph == number
                    gates: List[Optional[Gate]] = [None] * len(unmasked.layers)
                    gates[layer] = Gate(~left_out, None if self.replacements is None else self.replacements[layer])
                    masked = masked_model.masked(unmasked, gates)
                    divergence = masked_model.divergence(self.divergence, unmasked, masked, precise=True)
                    layer_scores[left_out] = divergence[edge_graph[left_out]].to(layer_scores.dtype)
                scores.append(layer_scores)
        logit_rounding = masked_model.logit_rounding(unmasked)[edge_graph]
        return LayerScores(scores, rounding=[self.divergence.rounding(layer, logit_rounding) for layer in scores])
