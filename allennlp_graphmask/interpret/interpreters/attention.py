from typing import Any, List

import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checks import check_at_least, check_choice
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom

# An exactly equal share must not fall below itself by rounding.
_ROUNDING = 1e-5


@Interpreter.register("attention")
class AttentionInterpreter(Interpreter):
    """
    The score of a message is the attention that it gets from its target, in [0, 1]; the weights of the edges that enter one node
    sum to one in each layer. It costs one pass, and shows where the model looks, which need not be what its prediction depends on
    ([Jain and Wallace, 2019](https://arxiv.org/abs/1902.10186)): the only edge into a node has weight one whatever it carries.

    By its own rule it keeps messages with at least `min_attention_ratio` times an equal share of their target's attention.

    Registered as an `Interpreter` with name "attention".

    # Parameters

    heads : `str`, optional (default = `"mean"`)
        How the weights of several heads become one number: `"mean"` or `"max"`.
    min_attention_ratio : `float`, optional (default = `1.0`)

    # Raises

    `ConfigurationError` for an unknown way to combine heads, a negative `min_attention_ratio` or, when it explains, a graph encoder
    without attention.
    """

    renamed_parameters = {"least_share": "min_attention_ratio"}

    def __init__(self, *, heads: str = "mean", min_attention_ratio: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_choice("attention", ("mean", "max"), heads=heads)
        check_at_least("attention", 0, min_attention_ratio=min_attention_ratio)
        self.heads = heads
        self.min_attention_ratio = min_attention_ratio

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        graph = unmasked.graph
        # Shape: (num_edges,)
        in_degree = torch.bincount(graph.targets, minlength=graph.num_nodes).index_select(0, graph.targets)
        scores: List[torch.Tensor] = []
        with torch.no_grad():
            for messages in unmasked.layers:
                weights = messages.weights  # Shape: (num_edges, num_heads)
                if weights is None:
                    raise ConfigurationError(
                        f'The interpreter "attention" needs an encoder with attention, but layer {messages.layer} of '
                        f"{type(masked_model.encoder).__name__} shows none in Messages.weights. Explain a graph_attention, give "
                        "compute_weights to intervened_messages in your own encoder, or choose another interpreter."
                    )
                scores.append(weights.mean(-1) if self.heads == "mean" else weights.amax(-1))
        kept = [layer * in_degree >= self.min_attention_ratio - _ROUNDING for layer in scores]
        return LayerScores(scores, kept=kept)
