"""Cutting scores at the threshold with the best F1, against hand-computed and exhaustive answers."""

import pytest
import torch

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from benchmarks.edge_thresholds import best_cut, cut_by, scores_of
from benchmarks.edge_truth import against_truth


def attribution_of(*layers, edges_of_graphs=(3, 2)):
    """Stars with these numbers of edges, and scores for each layer."""
    stars = [
        Graph.from_edges(count + 1, [(leaf + 1, 0) for leaf in range(count)], [2] * count)
        for count in edges_of_graphs
    ]
    graph = Graph.disjoint_union(stars)
    scores = [torch.tensor(layer, dtype=torch.double) for layer in layers]
    kept = [torch.ones(graph.num_edges, dtype=torch.bool) for _ in layers]
    return EdgeAttribution(graph, scores, kept, ["unknown", "unknown^-1", "edge"])


def kept_of(attribution):
    return [value for layer in attribution.kept for value in layer.tolist()]


def test_scores_of_one_scale_are_cut_as_they_are():
    attribution = attribution_of([0.9, 0.5, 0.1, 0.4, 0.6])
    cut = best_cut(attribution, [[True, True, False, False, True]])
    assert not cut.relative and cut.threshold == pytest.approx(0.45) and cut.f1 == 100
    assert kept_of(cut_by(cut, attribution)) == [True, True, False, False, True]


def test_scores_of_different_scales_are_cut_relative_to_the_largest_of_their_graph():
    """The second graph's scores are a thousandth of the first's, so that no threshold for both separates them."""
    attribution = attribution_of([8.0, 6.0, 2.0, 0.001, 0.008])
    truth = [[True, True, False, False, True]]
    cut = best_cut(attribution, truth)
    # 6 / 8 is kept, 2 / 8 is not.
    assert cut.relative and cut.threshold == pytest.approx(0.5) and cut.f1 == 100
    assert kept_of(cut_by(cut, attribution)) == [True, True, False, False, True]


def test_the_largest_is_that_of_all_layers_and_undefined_truth_is_left_out():
    attribution = attribution_of([4.0, -2.0, 1.0, 0.0, 0.0], [1.0, 8.0, 1.0, 0.0, 0.0])
    relative = scores_of(attribution, True)
    assert relative[0].tolist() == [0.5, -0.25, 0.125, 0.0, 0.0]
    assert relative[1].tolist() == [0.125, 1.0, 0.125, 0.0, 0.0]
    # The highest score is that of an edge of which the truth is not defined: it costs no precision.
    cut = best_cut(attribution, [[True, False, False, False, False], [False, None, False, False, False]])
    assert (cut.relative, cut.threshold, cut.f1) == (False, 2.5, 100)


def test_equal_scores_are_never_parted():
    attribution = attribution_of([1.0] * 5)
    cut = best_cut(attribution, [[True, True, False, False, False]])
    # All or nothing: precision 40 %, recall 100 %.
    assert cut.f1 == pytest.approx(200 * 2 / 7)
    assert all(kept_of(cut_by(cut, attribution)))


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_best_of_all_thresholds(seed):
    generator = torch.Generator().manual_seed(seed)
    # Few values, so that some are equal.
    scores = torch.randint(-3, 6, (2, 9), generator=generator).double() / 4
    attribution = attribution_of(*scores.tolist(), edges_of_graphs=(4, 5))
    values = torch.randint(0, 3, (2, 9), generator=generator).tolist()
    truth = [[{0: True, 1: False, 2: None}[value] for value in layer] for layer in values]
    cut = best_cut(attribution, truth)
    reachable = []
    for relative in (False, True):
        layers = scores_of(attribution, relative)
        numbers = sorted({value for layer in layers for value in layer.tolist()})
        for threshold in [numbers[0] - 1, *numbers]:
            kept = [value > threshold for layer in layers for value in layer.tolist()]
            reachable.append(against_truth(kept, sum(truth, []))["f1"])
    assert cut.f1 == pytest.approx(max(reachable), abs=1e-3)
    assert against_truth(kept_of(cut_by(cut, attribution)), sum(truth, []))["f1"] == pytest.approx(
        cut.f1, abs=1e-3
    )


def test_what_does_not_fit_is_refused():
    attribution = attribution_of([0.9, 0.5, 0.1, 0.4, 0.6])
    with pytest.raises(ValueError, match=r"layers of \[4\] edges, the attribution has \[5\]"):
        best_cut(attribution, [[True] * 4])
    with pytest.raises(ValueError, match="no edge matters"):
        best_cut(attribution, [[False, None, False, False, False]])


def test_figures_against_the_truth_by_hand():
    """Of four kept edges three matter, of five that matter three are kept; one is not counted."""
    kept = [True, True, True, True, False, False, False, True]
    truth = [True, True, True, False, True, True, False, None]
    assert against_truth(kept, truth) == {
        "precision": 75.0,
        "recall": 60.0,
        "f1": 66.667,
        "kept": 57.143,
        "true": 71.429,
        "excluded": 1,
    }
