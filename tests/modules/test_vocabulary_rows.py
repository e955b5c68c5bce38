import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from allennlp_graphmask.modules.vocabulary_rows import add_outputs


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 1000), st.booleans())
def test_added_labels_get_the_mean_score_and_the_others_keep_theirs(known, added, seed, is_trained) -> None:
    torch.manual_seed(seed)
    linear = nn.Linear(3, known).double().requires_grad_(is_trained)
    states = torch.randn(4, 3, dtype=torch.float64)
    before = linear(states)
    add_outputs(linear, known + added)
    scores = linear(states)
    assert scores.shape == (4, known + added) and linear.out_features == known + added
    assert torch.equal(scores[:, :known], before)
    assert torch.allclose(scores[:, known:], before.mean(-1, keepdim=True).expand(-1, added))
    assert all(parameter.requires_grad == is_trained for parameter in linear.parameters())
