"""Kept shares and agreement, against counting by hand and the definition."""

import itertools

import numpy
import pytest
import torch
from hypothesis import given

from allennlp_graphmask.evaluation.metrics import EdgeAgreement, EdgeKept, EdgeTruth, MetricKey, consensus_mask
from allennlp_graphmask.graph import Graph
from tests.evaluation.metrics.graphs import batches, build_attribution, build_graph, flatten, without_model


@given(batches())
def test_kept_shares_by_counting(drawn):
    graph, [decisions] = drawn
    kept = [[value > 1 for value in layer] for layer in decisions]
    metric = EdgeKept()
    metric(without_model(build_attribution(graph, decisions, kept)))

    def share(values):
        return pytest.approx(sum(values) / len(values)) if values else None

    assert metric.get_metric()["kept"] == share(flatten(kept, graph))
    for instance, value in enumerate(metric.per_instance()[MetricKey("kept", layer=0)]):
        assert value == share(flatten(kept, graph, instance, 0))


def kappa_by_definition(table):
    """Fleiss (1971), equations 1 to 7, on the number of raters in each category for each subject."""
    table = numpy.asarray(table, dtype=float)
    raters = table[0].sum()
    p = table.sum(0) / table.sum()
    agreement = ((table**2).sum(1) - raters) / (raters * (raters - 1))
    chance = (p**2).sum()
    return (agreement.mean() - chance) / (1 - chance)


def test_kappa_of_the_first_two_categories_by_hand():
    assert kappa_by_definition([[2, 0], [0, 2]]) == 1
    assert kappa_by_definition([[1, 1], [1, 1]]) == -1


@given(batches(3))
def test_agreement_by_definition(drawn):
    graph, values = drawn
    kept = [[[value > 1 for value in layer] for layer in one] for one in values]
    attributions = [build_attribution(graph, one, one_kept) for one, one_kept in zip(values, kept)]
    metric = EdgeAgreement()
    metric(attributions)
    actual = metric.totals()
    types = graph.edge_type.tolist()
    parts = [MetricKey("", layer=None), MetricKey("", layer=0), *(MetricKey("", relation=name) for name in "abc")]
    for part in parts:
        kappa, jaccard = part._replace(quantity="kappa"), part._replace(quantity="jaccard")
        messages = [
            (layer, edge)
            for layer in range(len(kept[0]))
            for edge in range(graph.num_edges)
            if part.layer in (None, layer) and part.relation in (None, "abc"[types[edge]])
        ]
        if not messages:
            assert actual.get(kappa) is None and actual.get(jaccard) is None
            continue
        keeping = [sum(one[layer][edge] for one in kept) for layer, edge in messages]
        if sum(keeping) in (0, 3 * len(messages)):
            assert actual[kappa] is None
        else:
            table = [[number, 3 - number] for number in keeping]
            assert actual[kappa] == pytest.approx(kappa_by_definition(table))
        overlaps = []
        for instance in range(graph.num_graphs):
            own = [(layer, edge) for layer, edge in messages if int(graph.edge_graph[edge]) == instance]
            sets = [{(layer, edge) for layer, edge in own if one[layer][edge]} for one in kept]
            pairs = [
                len(first & second) / len(first | second) if first | second else 1.0
                for first, second in itertools.combinations(sets, 2)
            ]
            overlaps += [numpy.mean(pairs)] if own else []
        assert actual[jaccard] == pytest.approx(numpy.mean(overlaps))
    for layer, consensus in enumerate(consensus_mask(attributions)):
        expected = [sum(one[layer][edge] for one in kept) >= 2 for edge in range(graph.num_edges)]
        assert consensus.tolist() == expected


def test_half_is_not_a_majority():
    graph = build_graph([0, 0], 1)
    pair = [build_attribution(graph, [[0, 0]], [layer]) for layer in ([1, 1], [0, 1])]
    assert consensus_mask(pair)[0].tolist() == [False, True]


def test_relations_that_come_late():
    """A relation that only the second batch has is undefined for the instances of the first."""
    metric = EdgeAgreement()
    for edge_type in (0, 1):
        graph = build_graph([0], 1, [edge_type])
        metric([build_attribution(graph, [[1]], [[kept]]) for kept in (1, 0)])
    assert metric.per_instance()[MetricKey("jaccard", relation="b")] == [None, 0.0]
    assert metric.per_instance()[MetricKey("jaccard", relation="a")] == [0.0, None]
    assert metric.get_metric()["jaccard"] == 0.0


def test_what_does_not_fit():
    one = build_attribution(build_graph([0], 1), [[1]], [[1]])
    other = build_attribution(build_graph([0, 0], 1), [[1, 1]], [[1, 1]])
    with pytest.raises(ValueError, match="Attribution 1 .* attribution 0"):
        EdgeAgreement()([one, other])
    with pytest.raises(ValueError, match="at least 2"):
        EdgeAgreement()([one])
    with pytest.raises(ValueError, match=r"truth .*\(2,\).* 1 of \(1,\)"):
        without_model(one, [[1, 1]])


def test_graphs_without_edges():
    explained = without_model(build_attribution(Graph.from_edges(1, [], []), [[]], [[]]), [[]])
    for metric in (EdgeKept(), EdgeTruth()):
        metric(explained)
        assert set(metric.get_metric().values()) == {None}
        assert set(metric.intervals().values()) == {None}
    assert torch.equal(explained.random_control(0).attribution.kept[0], torch.zeros(0).bool())
