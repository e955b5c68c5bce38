"""Assertions that any `Interpreter` must pass."""

from typing import Any, Callable, Dict

import torch

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.testing.no_side_effects import assert_no_side_effects


def assert_is_interpreter(
    make: Callable[[], Interpreter], masked_model: MaskedModel, batch: Dict[str, Any]
) -> EdgeAttribution:
    """
    Assert what holds for every interpreter: finite scores and decisions for each message of each layer, bitwise equal
    results when it is called or built again, and a model that is bitwise what it was, also after an error or Ctrl-C.
    Return its attribution.

    # Parameters

    make : `Callable[[], Interpreter]`
        Builds the interpreter, each time with the same arguments.
    masked_model : `MaskedModel`
        A model to explain.
    batch : `Dict[str, Any]`
        Inputs of the model, with several graphs.
    """
    interpreter = make()
    first = interpreter.interpret(masked_model, batch)
    assert first.num_layers == masked_model.encoder.num_layers, (
        f"The attribution has {first.num_layers} layers, the encoder {masked_model.encoder.num_layers}."
    )
    assert first.relation_names == masked_model.relation_names
    for number, scores in enumerate(first.scores):
        assert scores.isfinite().all(), f"Some scores of layer {number} are not finite."
        assert not scores.requires_grad
    for name, again in (("the same interpreter", interpreter), ("an equal interpreter", make())):
        torch.manual_seed(1234)  # the global random state must not matter
        second = again.interpret(masked_model, batch)
        for number in range(first.num_layers):
            assert torch.equal(first.scores[number], second.scores[number]), (
                f"Called again, {name} gives other scores in layer {number}."
            )
            assert torch.equal(first.kept[number], second.kept[number]), (
                f"Called again, {name} makes other decisions in layer {number}."
            )
    assert sum(part.graph.num_edges for part in first.split()) == first.graph.num_edges

    def predict() -> Any:
        with torch.no_grad():
            return masked_model.target(**batch)

    assert_no_side_effects(masked_model.target, lambda: make().interpret(masked_model, batch), predict=predict)
    return first
