"""Choosing the threshold with the best F1, against hand-computed and exhaustive answers."""

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from sklearn.metrics import f1_score

from allennlp_graphmask.evaluation.comparison import TunedThreshold
from allennlp_graphmask.evaluation.comparison.tuned_threshold import apply_cut, best_cut, scale
from allennlp_graphmask.evaluation.ground_truth import GROUND_TRUTHS
from allennlp_graphmask.interpret.interpreters import LeaveOneEdgeOut
from tests.evaluation.metrics.graphs import build_attribution, build_graph


def build(*layers, owner=(0, 0, 0, 1, 1)):
    """Graphs with scores for each layer; everything is kept."""
    return build_attribution(build_graph(owner, max(owner) + 1), layers, [[True] * len(owner)] * len(layers))


def tensors(*layers):
    return [torch.tensor(layer) for layer in layers]


def list_kept(attribution):
    return [int(value) for layer in attribution.kept for value in layer]


def test_scores_of_one_scale_are_cut_as_they_are():
    attribution = build([0.9, 0.5, 0.1, 0.4, 0.6])
    cut = best_cut([attribution], [tensors([1, 1, 0, 0, 1])])
    assert not cut.relative and cut.threshold == pytest.approx(0.45) and cut.f1 == 1
    assert list_kept(apply_cut(cut, attribution)) == [1, 1, 0, 0, 1]


def test_scores_of_different_scales_are_cut_relative_to_the_largest_of_their_graph():
    """The second graph's scores are a thousandth of the first's, so that no threshold for both separates them."""
    attribution = build([8.0, 6.0, 2.0, 0.001, 0.008])
    cut = best_cut([attribution], [tensors([1, 1, 0, 0, 1])])
    # 6 / 8 is kept, 2 / 8 is not.
    assert cut.relative and cut.threshold == pytest.approx(0.5) and cut.f1 == 1
    assert list_kept(apply_cut(cut, attribution)) == [1, 1, 0, 0, 1]


def test_the_largest_is_that_of_all_layers_and_undefined_truth_is_left_out():
    attribution = build([4.0, -2.0, 1.0, 0.0, 0.0], [1.0, 8.0, 1.0, 0.0, 0.0])
    relative = scale(attribution, attribution.scores, True)
    assert relative[0].tolist() == [0.5, -0.25, 0.125, 0.0, 0.0]
    assert relative[1].tolist() == [0.125, 1.0, 0.125, 0.0, 0.0]
    # The highest score is that of an edge of which the truth is not defined: it costs no precision.
    cut = best_cut([attribution], [tensors([1, 0, 0, 0, 0], [0, -1, 0, 0, 0])])
    assert (cut.relative, cut.threshold, cut.f1) == (False, 2.5, 1)


def test_equal_scores_are_never_separated():
    attribution = build([1.0] * 5)
    cut = best_cut([attribution], [tensors([1, 1, 0, 0, 0])])
    # All or nothing: precision 40 %, recall 100 %.
    assert cut.f1 == pytest.approx(2 * 2 / 7)
    assert all(list_kept(apply_cut(cut, attribution)))


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_best_of_all_thresholds(seed):
    generator = torch.Generator().manual_seed(seed)
    batches, truths = [], []
    for _ in range(2):
        # Few values, so that some are equal.
        scores = torch.randint(-3, 6, (2, 5), generator=generator).double() / 4
        batches.append(build(*scores.tolist()))
        truths.append(list(torch.randint(-1, 2, (2, 5), generator=generator)))
    truth = torch.cat([layer for layers in truths for layer in layers])
    known = truth >= 0

    def f1(kept):
        return f1_score(truth[known], torch.as_tensor(kept)[known], zero_division=0)

    cut = best_cut(batches, truths)
    reachable = []
    for relative in (False, True):
        scores = torch.cat([layer for one in batches for layer in scale(one, one.scores, relative)])
        reachable += [f1(scores > threshold) for threshold in [scores.min() - 1, *scores]]
    assert cut.f1 == pytest.approx(max(reachable))
    assert f1([kept for one in batches for kept in list_kept(apply_cut(cut, one))]) == pytest.approx(cut.f1)


def test_data_that_do_not_fit():
    with pytest.raises(ConfigurationError, match="no message matters"):
        best_cut([build([0.9] * 5)], [tensors([0, -1, 0, 0, 0])])
    truth = GROUND_TRUTHS["maximum"]()
    interpreter, batch = TunedThreshold(LeaveOneEdgeOut()), truth.batch(5)
    with pytest.raises(ConfigurationError, match="--development-data"):
        interpreter.interpret(truth.masked_model(), batch)
    with pytest.raises(ConfigurationError, match="do not state"):
        interpreter.fit(truth.masked_model(), [batch])


def test_large_scores_that_all_matter_are_all_kept():
    attribution = build([5e5, 4e5, 3e5, 2e6, 9e5])
    cut = best_cut([attribution], [tensors([1, 1, 1, 1, 1])])
    assert not cut.relative and cut.f1 == 1 and all(list_kept(apply_cut(cut, attribution)))
