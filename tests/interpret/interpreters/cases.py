"""What the tests of several interpreters share: models to explain, and what must hold for all that work on whole batches."""

from typing import Any, Callable, Dict, List

import torch
from allennlp.data import Vocabulary
from allennlp.data.batch import Batch

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import Interpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from tests.interpret.toy import ToyModel, toy_instances, toy_target

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
    batch = Batch(instances)
    batch.index_instances(vocab)
    tensors: Dict[str, Any] = batch.as_tensor_dict()
    tensors["features"] = tensors["features"].to(dtype)
    return tensors


def assert_graphs_are_explained_apart(
    make: Callable[[], Interpreter], name: str, vocab: Vocabulary, *, tolerance: float = 1e-8
) -> None:
    """Asserts, in double precision, that what is said of a graph does not depend on what else is in its batch."""
    masked_model = MaskedModel(target_of(name, vocab).double())
    instances = toy_instances(seed=3, count=5)
    together = make().interpret(masked_model, batch_of(instances, vocab, torch.double)).split()
    assert len(together) == len(instances)
    for instance, of_batch in zip(instances, together):
        alone = make().interpret(masked_model, batch_of([instance], vocab, torch.double))
        for layer in range(alone.num_layers):
            torch.testing.assert_close(of_batch.scores[layer], alone.scores[layer], atol=tolerance, rtol=tolerance)
            assert torch.equal(of_batch.kept[layer], alone.kept[layer])


def sums_of_instances(attribution: EdgeAttribution) -> List[float]:
    """For each instance the sum of its scores, all layers together."""
    return [float(torch.stack(part.scores).double().sum()) for part in attribution.split()]
