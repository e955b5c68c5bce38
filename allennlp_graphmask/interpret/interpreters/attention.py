from typing import Any, List

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.passes import TargetPasses, UnmaskedPass

_HEADS = ("mean", "max")

# An exactly equal share must not fall below itself by rounding.
_ROUNDING = 1e-5


@Interpreter.register("attention")
class AttentionInterpreter(Interpreter):
    """
    The score of a message is the attention that it gets from its target, in [0, 1]; the weights of the edges that enter one
    node sum to one in each layer. It costs one pass, and says where the model looks, which need not be what its prediction
    depends on ([Jain and Wallace, 2019](https://arxiv.org/abs/1902.10186)): the only edge into a node has weight one whatever
    it carries.

    By itself it keeps what gets at least `least_share` times an equal share of its target's attention.

    Registered as an `Interpreter` with name "attention".

    # Parameters

    heads : `str`, optional (default = `"mean"`)
        How the weights of several heads become one number: `"mean"` or `"max"`.
    least_share : `float`, optional (default = `1.0`)

    # Raises

    `ConfigurationError` if there is no such way to combine heads, if `least_share` is negative, or, when it explains, if the
    graph encoder shows no attention.
    """

    def __init__(self, *, heads: str = "mean", least_share: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if heads not in _HEADS:
            raise ConfigurationError(f"heads must be one of {', '.join(map(repr, _HEADS))}, got {heads!r}.")
        if least_share < 0:
            raise ConfigurationError(f"least_share must not be negative, got {least_share}.")
        self.heads = heads
        self.least_share = least_share

    def score(self, passes: TargetPasses, unmasked: UnmaskedPass, generator: torch.Generator) -> LayerScores:
        graph = unmasked.layers[0].graph
        # Shape: (num_edges,)
        competitors = torch.bincount(graph.targets, minlength=graph.num_nodes).index_select(0, graph.targets)
        scores: List[torch.Tensor] = []
        with torch.no_grad():
            for messages in unmasked.layers:
                weights = messages.weights  # Shape: (num_edges, num_heads)
                if weights is None:
                    raise ConfigurationError(
                        f'The interpreter "attention" needs an encoder with attention, but layer {messages.layer} of '
                        f"{type(passes.encoder).__name__} shows none in Messages.weights. Explain a graph_attention, give "
                        "compute_weights to intervened_messages in an encoder of your own, or choose another interpreter."
                    )
                scores.append(weights.mean(-1) if self.heads == "mean" else weights.amax(-1))
        kept = [layer * competitors >= self.least_share - _ROUNDING for layer in scores]
        return LayerScores(scores, kept=kept)
