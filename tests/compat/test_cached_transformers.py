"""Transformers that AllenNLP keeps."""

from pathlib import Path

import allennlp.common.cached_transformers
import torch
from transformers import AutoModel

from allennlp_graphmask_compat.mechanism import APPLIED
from tests.compat.test_commands import write_tiny_bert
from tests.compat.test_patches import run_patched


def test_transformers_are_kept_for_all_their_settings(tmp_path: Path) -> None:
    folder = str(tmp_path / "bert")
    write_tiny_bert(tmp_path / "bert")
    module = run_patched("transformers_by_settings", Path(allennlp.common.cached_transformers.__file__).read_text())
    assert module.state == APPLIED
    random = module.get(folder, False, load_weights=False)
    whole, one_layer = module.get(folder, False), module.get(folder, False, num_hidden_layers=1)
    assert len(whole.encoder.layer) == 2 and len(one_layer.encoder.layer) == 1
    pretrained = transformers_of(folder)
    assert same_weights(whole, pretrained) and not same_weights(random, pretrained)
    assert module.get(folder, make_copy=False, load_weights=True) is whole
    assert module.get(folder, False, num_hidden_layers=1) is one_layer
    copied = module.get(folder, True)
    assert copied is not whole and same_weights(copied, whole)
    module._clear_caches()
    assert module.get(folder, False) is not whole


def transformers_of(folder: str) -> torch.nn.Module:
    return AutoModel.from_pretrained(folder)


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)
