import pytest
import torch

from allennlp_graphmask.modules.relation_transform import RelationTransform

OPTIONS = [{}, {"num_bases": 2}, {"num_blocks": 2}, {"bias": False}, {"num_blocks": 2, "bias": False}]


@pytest.fixture(params=OPTIONS, ids=str)
def transform(request) -> RelationTransform:
    torch.manual_seed(0)
    transform = RelationTransform(6, 4, 8, **request.param).double()
    if transform.bias is not None:
        torch.nn.init.normal_(transform.bias)
    return transform


def test_pairs_are_a_part_of_all(transform) -> None:
    """Both ways use the weights of the relations that they are asked for."""
    states = torch.randn(5, 4, dtype=torch.float64)
    relations = torch.tensor([2, 3, 5])
    everything = transform.of_all(states, relations)
    assert everything.shape == (5, 3, 8)
    chosen = torch.tensor([0, 4, 1, 2, 2])
    pairs = transform.of_pairs(states[chosen], relations, [2, 0, 3])
    expected = torch.stack([everything[node, place] for node, place in zip(chosen, [0, 0, 2, 2, 2])])
    assert torch.allclose(pairs, expected, rtol=0, atol=1e-12)


def test_no_relations(transform) -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    assert transform.of_pairs(torch.randn(0, 4, dtype=torch.float64), nothing, []).shape == (0, 8)
    assert transform.of_all(torch.randn(3, 4, dtype=torch.float64), nothing).shape == (3, 0, 8)


def test_weights_start_with_the_variance_of_glorot() -> None:
    torch.manual_seed(0)
    for options, expected in (({}, 2 / 96), ({"num_bases": 8}, 2 / 96), ({"num_blocks": 4}, 8 / 96)):
        transform = RelationTransform(500, 32, 64, bias=False, **options)
        weights, _ = transform._select(torch.arange(2, 500))
        assert float(weights.detach().var()) == pytest.approx(expected, rel=0.3)
        reserved, _ = transform._select(torch.arange(2))
        assert not reserved.any()


def test_decompositions_have_fewer_parameters() -> None:
    def count(**options) -> int:
        return sum(p.numel() for p in RelationTransform(10, 8, 8, bias=False, **options).parameters())

    assert count() == 640 and count(num_bases=2) == 2 * 64 + 10 * 2 and count(num_blocks=4) == 10 * 4 * 4


def test_added_relations_start_at_zero_and_change_nothing(transform) -> None:
    states = torch.randn(3, 4, dtype=torch.float64)
    before = transform.of_all(states, torch.arange(6))
    transform.extend_relations(["r"] * 8)
    assert torch.equal(transform.of_all(states, torch.arange(6)), before)
    assert not transform.of_all(states, torch.tensor([6, 7])).any()
