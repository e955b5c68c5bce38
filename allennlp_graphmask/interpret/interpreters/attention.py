from typing import Any, List

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass

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

    By itself it keeps what gets at least `min_attention_ratio` times an equal share of its target's attention.

    Registered as an `Interpreter` with name "attention".

    # Parameters

    heads : `str`, optional (default = `"mean"`)
        How the weights of several heads become one number: `"mean"` or `"max"`.
    min_attention_ratio : `float`, optional (default = `1.0`)

    # Raises

    `ConfigurationError` if there is no such way to combine heads, if `min_attention_ratio` is negative, or, when it explains, if the
    graph encoder shows no attention.
    """

    renamed_parameters = {"least_share": "min_attention_ratio"}

    def __init__(self, *, heads: str = "mean", min_attention_ratio: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if heads not in _HEADS:
            raise ConfigurationError(f"heads must be one of {', '.join(map(repr, _HEADS))}, got {heads!r}.")
        if min_attention_ratio < 0:
            raise ConfigurationError(f"min_attention_ratio must not be negative, got {min_attention_ratio}.")
        self.heads = heads
        self.min_attention_ratio = min_attention_ratio

    def score(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, generator: torch.Generator
    ) -> LayerScores:
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
                        f"{type(masked_model.encoder).__name__} shows none in Messages.weights. Explain a graph_attention, give "
                        "compute_weights to intervened_messages in an encoder of your own, or choose another interpreter."
                    )
                scores.append(weights.mean(-1) if self.heads == "mean" else weights.amax(-1))
        kept = [layer * competitors >= self.min_attention_ratio - _ROUNDING for layer in scores]
        return LayerScores(scores, kept=kept)
