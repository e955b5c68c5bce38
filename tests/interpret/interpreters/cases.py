"""What the tests of several interpreters share: models to explain, and an optimiser written out."""

from typing import Any, Dict, List

import torch
from allennlp.data import Vocabulary

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
