from typing import Any

import torch

from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.interpreters.per_graph import gate_gradients
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass


@Interpreter.register("gradient_x_message")
class GradientTimesMessage(Interpreter):
    """
    The derivative of the log likelihood of the model's prediction by the scale z of each message, `z m`, at z = 1. By the chain
    rule this is the message times the gradient by the message, `m . d log p / d m` ("gradient times input", [Shrikumar et al.,
    2016](https://arxiv.org/abs/1605.01713), for messages): the first-order estimate of what is lost if the message is replaced
    by zeros. The prediction is that on the whole graph; of an instance with several positions the log likelihoods are summed.

    One forward and one backward pass for a batch. Where the model is certain, the likelihood hardly moves and all scores are
    small; they can be compared within an instance.

    Registered as an `Interpreter` with name "gradient_x_message".

    # Parameters

    signed : `bool`, optional (default = `False`)
        Whether messages that speak against the prediction get negative scores. By default a score is the absolute value: like
        that of the other interpreters it says how much the prediction depends on a message, in whichever direction.

        Only where the derivative is exactly zero is a message dropped by default; keep by `top_fraction`.
    """

    def __init__(self, *, signed: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.signed = signed

    def score(
        self, masked_model: MaskedModel, unmasked: UnmaskedPass, generator: torch.Generator
    ) -> LayerScores:
        scores = gate_gradients(masked_model, unmasked, 1.0)
        return LayerScores(scores if self.signed else [layer.abs() for layer in scores])
