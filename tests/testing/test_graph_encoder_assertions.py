"""The assertions accept encoders that are right, and catch encoders that are wrong in one way each."""

import copy
from typing import Dict, Type

import pytest
import torch

from allennlp_graphmask import testing
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from tests.testing import broken_encoders as broken
from tests.testing.encoders import (
    NUM_RELATIONS,
    SoundAttentionEncoder,
    SoundEncoder,
    SoundFactorisedEncoder,
    SoundMaxEncoder,
)


def loop_reference(encoder: SoundEncoder, states: torch.Tensor, graph: Graph) -> torch.Tensor:
    for layer in range(2):
        rows = [encoder.self_weights[layer](states[node]) for node in range(graph.num_nodes)]
        for (source, target), relation in zip(graph.edge_index.t().tolist(), graph.edge_type.tolist()):
            rows[target] = (
                rows[target] + encoder.weights[layer](states[source]) + encoder.relations[layer].weight[relation]
            )
        states = torch.tanh(torch.stack(rows)) if rows else states.new_zeros(0, 6)
    return states


@pytest.mark.parametrize(
    "encoder_class, options",
    [
        (SoundEncoder, {"reference": loop_reference}),
        (SoundMaxEncoder, {}),
        (SoundAttentionEncoder, {"isolates_infinite_messages": False}),
        (SoundFactorisedEncoder, {"factorised": True, "reference": loop_reference}),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_sound_encoders_pass(encoder_class: Type[GraphEncoder], options: Dict, seed: int) -> None:
    torch.manual_seed(seed)
    testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, **options)


def test_the_encoder_itself_stays_as_it_is() -> None:
    encoder = SoundEncoder()
    before = copy.deepcopy(encoder.state_dict())
    testing.assert_is_graph_encoder(encoder, NUM_RELATIONS, dtypes=[torch.float64])
    assert encoder.training
    for key, value in encoder.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[key])


@pytest.fixture(autouse=True)
def no_gates_of_earlier_tests() -> None:
    broken.KeepsTheGateOfOtherThreads.gates.clear()


@pytest.mark.parametrize("encoder_class, assertion, pattern", broken.CAUGHT)
def test_each_assertion_catches_its_mistake(encoder_class, assertion, pattern) -> None:
    torch.manual_seed(0)
    encoder = encoder_class().double().eval()
    options = {"reference": loop_reference} if assertion is testing.assert_is_graph_encoder else {}
    with pytest.raises(AssertionError, match=pattern) as caught:
        assertion(encoder, NUM_RELATIONS, **options)
    assert encoder_class.__name__ in str(caught.value)


WRONG = list(dict.fromkeys(encoder_class for encoder_class, _, _ in broken.CAUGHT))


def test_every_wrong_encoder_has_an_assertion_that_catches_it() -> None:
    classes = {value for value in vars(broken).values() if isinstance(value, type)}
    classes = {value for value in classes if value.__module__ == broken.__name__}
    assert classes - set(WRONG) == {broken.AppliesItsOwnGate}


@pytest.mark.parametrize("encoder_class", WRONG, ids=lambda value: value.__name__)
def test_all_assertions_together_catch_each_mistake(encoder_class) -> None:
    torch.manual_seed(0)
    factorised = issubclass(encoder_class, SoundFactorisedEncoder)
    with pytest.raises(AssertionError):
        testing.assert_is_graph_encoder(encoder_class, NUM_RELATIONS, reference=loop_reference, factorised=factorised)


def test_something_else_than_an_encoder_is_refused() -> None:
    with pytest.raises(AssertionError, match="Linear is not a GraphEncoder"):
        testing.assert_is_graph_encoder(lambda: torch.nn.Linear(2, 2), NUM_RELATIONS)
