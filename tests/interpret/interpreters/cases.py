"""What the tests of several interpreters share: models to explain, short settings, and an optimiser written out."""

import copy
from typing import Any, Dict, List, Optional, Tuple

import torch
from allennlp.common import Params
from allennlp.data import Vocabulary

from allennlp_graphmask.evaluation.comparison.tuned_threshold import Cut, TunedThreshold
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, GradientTimesMessage, Interpreter
from tests.interpret.toy import ToyModel, toy_target
from tests.models.building import make_batch

#: Models on encoders that aggregate edge by edge and as matrix products: the kind, and the settings of `toy_target`.
TARGETS: Dict[str, Any] = {
    "classifier": ("classifier", {}),
    "tagger in one pass": ("tagger_in_one_pass", {}),
    "tagger": ("tagger", {}),
    "rgcn, edge by edge": (
        "classifier",
        {"encoder": "rgcn", "encoder_settings": {"aggregation": "edge_list"}},
    ),
    "rgcn, dense": (
        "tagger",
        {"encoder": "rgcn", "encoder_settings": {"aggregation": "dense", "activation": "tanh"}},
    ),
    "entity_gcn, edge by edge": (
        "tagger",
        {"encoder": "entity_gcn", "num_layers": 3, "encoder_settings": {"aggregation": "edge_list"}},
    ),
    "entity_gcn, dense": (
        "classifier",
        {"encoder": "entity_gcn", "num_layers": 3, "encoder_settings": {"aggregation": "dense"}},
    ),
}


GRADIENTS = {"num_steps": 8, "completeness_tolerance": None}
PER_INSTANCE = {"num_steps": 12, "learning_rate": 0.5}
#: The settings of a short run, and what a run is given besides that must show whether graphs depend on one another.
SETTINGS: Dict[str, Tuple[Dict[str, Any], Dict[str, Any]]] = {
    "random": ({}, {}),
    "all_edges": ({}, {}),
    "leave_one_edge_out": ({}, {}),
    "gradient_x_message": ({}, {"signed": True}),
    "integrated_gradients": (GRADIENTS, {"signed": True}),
    "gnn_explainer": ({"num_epochs": 5}, {"num_epochs": 20, "size_coefficient": 0.1}),
    "gnn_explainer, mean": ({"num_epochs": 5, "size_reduction": "mean"}, {"num_epochs": 20, "size_coefficient": 0.1}),
    "information_bottleneck": ({"num_steps": 2, "samples_per_step": 2}, {"num_steps": 4, "beta": 0.5}),
    "information_bottleneck, information": ({"num_steps": 2, "samples_per_step": 2, "score": "information"}, {}),
    "graphmask_per_instance": (PER_INSTANCE, {"num_steps": 25, "gates": "soft"}),
    "graphmask_per_instance, zeros": ({**PER_INSTANCE, "learn_baselines": False}, {"gates": "straight_through"}),
}


def build(name: str, **more: Any) -> Interpreter:
    settings = {"type": name.split(",")[0], **SETTINGS[name][0], **more}
    return Interpreter.from_params(Params(copy.deepcopy(settings)))


def build_registered(name: str, graphmask: Optional[GraphMask] = None, **more: Any) -> Interpreter:
    """Build any registered interpreter; `graphmask` from a model of it."""
    if name == "graphmask":
        assert graphmask is not None
        return AmortisedGraphMask(graphmask=graphmask, **more)
    if name == "tuned_threshold":
        tuned = TunedThreshold(GradientTimesMessage())
        tuned.cut = Cut(relative=True, threshold=0.5, f1=1.0)
        return tuned
    return build(name, **more) if name in SETTINGS else Interpreter.by_name(name)(**more)


def target_of(name: str, vocab: Vocabulary) -> ToyModel:
    kind, settings = TARGETS[name]
    return toy_target(kind, vocab, **settings)


def batch_of(instances: List[Any], vocab: Vocabulary, dtype: torch.dtype = torch.float) -> Dict[str, Any]:
    tensors = make_batch(instances, vocab)
    tensors["features"] = tensors["features"].to(dtype)
    return tensors


class AdamByHand:
    """The direction of each step, as the paper of Adam has it (Kingma and Ba, 2015, algorithm 1)."""

    def __init__(self) -> None:
        self.step = 0
        self.first: Any = 0.0
        self.second: Any = 0.0

    def direction(self, gradient: torch.Tensor) -> torch.Tensor:
        self.step += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        first, second = self.first / (1 - 0.9**self.step), self.second / (1 - 0.999**self.step)
        return first / (second.sqrt() + 1e-8)
