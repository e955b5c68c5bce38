import copy
from typing import List

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Batch, Instance, Token, Vocabulary
from allennlp.data.fields import TextField
from allennlp.data.token_indexers import PretrainedTransformerMismatchedIndexer
from allennlp.modules.token_embedders import PretrainedTransformerMismatchedEmbedder, TokenEmbedder

from allennlp_graphmask.modules import CachedTransformerMismatchedEmbedder
from tests.compat.test_commands import write_tiny_bert

TEXTS = ["the dog sees a cat", "a dog", "", "the cat hears the dog the cat hears the dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("transformer") / "bert"
    write_tiny_bert(folder)
    return str(folder)


def collate(folder: str, texts: List[str], max_length=None) -> dict:
    indexer = PretrainedTransformerMismatchedIndexer(folder, max_length=max_length)
    fields = [TextField([Token(word) for word in text.split()], {"tokens": indexer}) for text in texts]
    batch = Batch([Instance({"text": field}) for field in fields])
    batch.index_instances(Vocabulary())
    return batch.as_tensor_dict()["text"]["tokens"]


@pytest.mark.parametrize("max_length", [None, 6])
def test_states_are_those_of_the_transformer(folder, max_length) -> None:
    cached = CachedTransformerMismatchedEmbedder(folder, max_length=max_length)
    plain = PretrainedTransformerMismatchedEmbedder(folder, max_length=max_length).eval()
    for _ in range(2):
        found = cached(**collate(folder, TEXTS, max_length))
        for text, states in zip(TEXTS, found, strict=True):
            num_words = len(text.split())
            assert not states[num_words:].any()
            if text:
                torch.testing.assert_close(states[:num_words], plain(**collate(folder, [text], max_length)).squeeze(0))


def test_each_text_is_computed_once_and_alone(folder, monkeypatch) -> None:
    embedder = CachedTransformerMismatchedEmbedder(folder)
    embedder.train()
    sizes = []
    forward = PretrainedTransformerMismatchedEmbedder.forward
    monkeypatch.setattr(
        PretrainedTransformerMismatchedEmbedder,
        "forward",
        lambda self, token_ids, *rest: sizes.append(tuple(token_ids.shape)) or forward(self, token_ids, *rest),
    )
    together = embedder(**collate(folder, TEXTS))
    assert len(sizes) == 3 and {rows for rows, _ in sizes} == {1}
    again = copy.deepcopy(embedder)(**collate(folder, [TEXTS[1], TEXTS[0]]))
    assert len(sizes) == 3
    assert torch.equal(again[0, :2], together[1, :2]) and torch.equal(again[1, :5], together[0, :5])
    fresh = CachedTransformerMismatchedEmbedder(folder, cache_megabytes=0)
    for _ in range(2):
        assert torch.equal(fresh(**collate(folder, [TEXTS[1]])), again[:1, :2])
    assert len(sizes) == 5


def test_it_is_frozen(folder) -> None:
    embedder = TokenEmbedder.by_name("cached_transformer_mismatched")(folder)
    embedder.train()
    assert not any(module.training for module in embedder.modules())
    assert not any(parameter.requires_grad for parameter in embedder.parameters())
    assert not embedder(**collate(folder, TEXTS)).requires_grad


def test_a_mixture_of_layers_that_could_not_be_trained_is_refused(folder) -> None:
    with pytest.raises(ConfigurationError, match="last_layer_only.*pretrained_transformer_mismatched"):
        CachedTransformerMismatchedEmbedder(folder, last_layer_only=False)
