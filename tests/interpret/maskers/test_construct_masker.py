"""A masker's constructor is given what it takes, however it comes to `graphmask`."""

import pytest
import torch
from allennlp.common import Lazy, Params, Registrable
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import num_relations
from allennlp_graphmask.interpret.maskers import BilinearMasker, EdgewiseMasker, Masker, construct_masker
from allennlp_graphmask.modules import SyntacticGcn

VOCABULARY = Vocabulary(counter={"edge_labels": {"a": 1, "b": 1}})
ENCODER = SyntacticGcn(VOCABULARY, 3, 4, num_layers=2)


class OldMasker(Masker):
    """As a third party could write it before there was `num_relations`."""

    def __init__(self, node_dims, message_dims, strength: float = 1.0, **kwargs) -> None:
        assert not kwargs
        super().__init__(node_dims, message_dims)
        self.strength = strength


@pytest.fixture
def registered_old_masker():
    Masker.register("old_masker")(OldMasker)
    yield
    del Registrable._registry[Masker]["old_masker"]


def construct(lazy: Lazy[Masker]) -> Masker:
    return construct_masker(lazy, ENCODER, num_relations(VOCABULARY))


def test_from_a_config(registered_old_masker) -> None:
    bilinear = construct(Lazy(Masker, params=Params({"type": "bilinear"})))
    assert isinstance(bilinear, BilinearMasker)
    assert [gate.relation_bias.numel() for gate in bilinear.gates] == [4, 4]
    assert isinstance(construct(Lazy(Masker, params=Params({}))), EdgewiseMasker)
    old = construct(Lazy(Masker, params=Params({"type": "old_masker", "strength": 2.0})))
    assert isinstance(old, OldMasker) and old.strength == 2.0


def test_from_python() -> None:
    for kind in (BilinearMasker, EdgewiseMasker, OldMasker):
        masker = construct(Lazy(kind))
        assert isinstance(masker, kind)
        assert [baseline.shape for baseline in masker.baselines] == [torch.Size([4])] * 2


def test_from_a_function() -> None:
    def old(node_dims, message_dims) -> Masker:
        return EdgewiseMasker(node_dims, message_dims)

    def new(node_dims, message_dims, num_relations) -> Masker:
        return BilinearMasker(node_dims, message_dims, num_relations)

    def everything(**sizes) -> Masker:
        return BilinearMasker(**sizes)

    assert isinstance(construct(Lazy(old)), EdgewiseMasker)
    assert isinstance(construct(Lazy(new)), BilinearMasker)
    assert isinstance(construct(Lazy(everything)), BilinearMasker)
