from typing import Any

from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import gate_gradients
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom


@Interpreter.register("gradient_x_message")
class GradientTimesMessage(Interpreter):
    """
    The derivative of the log likelihood of the model's prediction by the scale z of each message, `z m`, at z = 1. By the chain
    rule this is the message times the gradient by the message, `m . d log p / d m` ("gradient times input", [Shrikumar et al.,
    2016](https://arxiv.org/abs/1605.01713), for messages): the first-order estimate of the loss if the message is replaced by
    zeros. The prediction is that on the whole graph; the log likelihoods of an instance with several positions are summed.

    One forward and one backward pass for a batch. Where the model is certain, the likelihood hardly moves and all scores are
    small; they can be compared within an instance.

    Registered as an `Interpreter` with name "gradient_x_message".

    # Parameters

    signed : `bool`, optional (default = `False`)
        Whether messages against the prediction get negative scores. By default a score is the absolute value: as with the other
        interpreters, how much the prediction depends on a message, in either direction.

        By default a message is only dropped if the derivative is exactly zero; use `top_fraction`.
    """

    ranks_only = True

    def __init__(self, *, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signed = signed

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        scores = gate_gradients(masked_model, unmasked, 1.0, self.replacements)
        return LayerScores(scores if self.signed else [layer.abs() for layer in scores])
