"""Truth, kept shares and agreement, against counting by hand and other libraries."""

import itertools
import math

import numpy
import pytest
import torch
from allennlp.common.checks import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from allennlp_graphmask.evaluation.metrics import (
    EdgeAgreement,
    EdgeKept,
    EdgeTruth,
    consensus_mask,
    truth_of_batch,
)
from allennlp_graphmask.graph import Graph
from tests.evaluation.metrics.graphs import attribution_of, batches, called, graph_of, judged_without_model


def flat(layers, graph, instance=None, layer=None):
    """The values of an instance's messages."""
    owner = graph.edge_graph.tolist()
    return [
        value
        for number, values in enumerate(layers)
        for value, edge_owner in zip(values, owner)
        if instance in (None, edge_owner) and layer in (None, number)
    ]


@given(batches(3))
def test_truth_by_counting(drawn):
    graph, (scores, decisions, truth) = drawn
    kept = [[value > 1 for value in layer] for layer in decisions]
    truth = [[min(value, 2) - 1 for value in layer] for layer in truth]
    metric = called(EdgeTruth(), judged_without_model(attribution_of(graph, scores, kept), truth))
    actual = metric.get_metric()
    for suffix, layer in [("", None)] + [(f"_layer_{number}", number) for number in range(len(truth))]:
        known = [
            pair
            for pair in zip(flat(truth, graph, layer=layer), flat(kept, graph, layer=layer))
            if pair[0] >= 0
        ]
        gold, predicted = [pair[0] for pair in known], [int(pair[1]) for pair in known]
        if known:
            expected = precision_recall_fscore_support(
                gold, predicted, average="binary", pos_label=1, zero_division=numpy.nan
            )[:3]
        else:
            expected = [math.nan] * 3
        hits, num_kept, matter = sum(a * b for a, b in zip(gold, predicted)), sum(predicted), sum(gold)
        for name, value, defined in (
            ("precision", expected[0], num_kept),
            ("recall", expected[1], matter),
            ("f1", 2 * hits / (num_kept + matter) if num_kept + matter else None, num_kept + matter),
        ):
            if defined:
                assert actual[name + suffix] == pytest.approx(value)
            else:
                assert actual[name + suffix] is None
        for name, function in (("auroc", roc_auc_score), ("average_precision", average_precision_score)):
            values = []
            for instance in range(graph.num_graphs):
                pairs = [
                    (gold, score)
                    for gold, score in zip(
                        flat(truth, graph, instance, layer), flat(scores, graph, instance, layer)
                    )
                    if gold >= 0
                ]
                if len({gold for gold, _ in pairs}) == 2:
                    values.append(function(*map(list, zip(*pairs))))
            if values:
                assert actual[name + suffix] == pytest.approx(sum(values) / len(values))
            else:
                assert actual[name + suffix] is None
            assert metric.quantity(name + suffix).best == 1


def test_truth_by_hand():
    graph = graph_of([0, 0, 0, 0, 1, 1], 2)
    attribution = attribution_of(graph, [[4, 3, 2, 1, 1, 2]], [[1, 1, 0, 0, 0, 0]])
    metric = called(EdgeTruth(), judged_without_model(attribution, [[1, 0, 1, 0, -1, 1]]))
    actual = metric.get_metric()
    assert actual["precision"] == 1 / 2 and actual["recall"] == 1 / 3 and actual["f1"] == pytest.approx(2 / 5)
    # Of the four pairs of a message that matters and one that does not, three are in order.
    assert actual["auroc"] == 3 / 4
    assert actual["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert metric.per_instance()["precision"] == [0.5, None]
    assert metric.per_instance()["recall"] == [0.5, 0.0]
    assert metric.get_metric(reset=True) == actual
    assert metric.num_instances == 0 and metric.get_metric() == {}


def test_truth_needs_truth():
    with pytest.raises(ConfigurationError, match="'edge_truth', a list of layers"):
        EdgeTruth()(judged_without_model(attribution_of(graph_of([0], 1), [[1]], [[1]])))


class TestTruthOfBatch:
    def test_edges_may_stand_in_any_order(self):
        metadata = [{"edge_truth": [[True, None], [False, True]]}, {}, {"edge_truth": [[False], [True]]}]
        graph = graph_of([2, 0, 1, 0], 3)
        first, second = truth_of_batch({"metadata": metadata}, graph, 2) or []
        assert first.tolist() == [0, 1, -1, -1]
        assert second.tolist() == [1, 0, -1, 1]

    def test_marked_edges(self):
        entries = [{"matters": True}, {"note": 1}]
        for edges, expected in ([0, 0], [1, 0]), ([0, 0, 0, 0], [1, 0, 1, 0]):
            [layer] = truth_of_batch({"metadata": [{"edge_metadata": entries}]}, graph_of(edges, 1), 1) or []
            assert layer.tolist() == expected

    def test_edges_marked_layer_by_layer(self):
        entries = [{"matters": [True, None]}, {"matters": [False, True]}, {"matters": True}, {}]
        layers = truth_of_batch({"metadata": [{"edge_metadata": entries}]}, graph_of([0] * 4, 1), 2) or []
        assert [layer.tolist() for layer in layers] == [[1, 0, 1, 0], [-1, 1, 1, 0]]

    @pytest.mark.parametrize("matters", [[True], [True, "maybe"], []])
    def test_marks_that_do_not_fit_the_layers(self, matters):
        with pytest.raises(ConfigurationError, match="'matters' of edge 1 is .*a list of the 2 layers"):
            truth_of_batch(
                {"metadata": [{"edge_metadata": [{}, {"matters": matters}]}]}, graph_of([0, 0], 1), 2
            )

    @pytest.mark.parametrize("metadata", [None, [{}], [{"edge_metadata": [{}, {}]}], [None]])
    def test_nothing_is_known(self, metadata):
        assert truth_of_batch({"metadata": metadata}, graph_of([0, 0], 1), 1) is None

    @pytest.mark.parametrize(
        "truth, message",
        [
            ([], "0 layers, the explained encoder 1"),
            ("no", "no layers"),
            ([[True]], "each of the graph's 2 edges"),
            ([[True, "maybe"]], "has the value 'maybe'"),
        ],
    )
    def test_what_does_not_fit(self, truth, message):
        with pytest.raises(ConfigurationError, match=message):
            truth_of_batch({"metadata": [{"edge_truth": truth}]}, graph_of([0, 0], 1), 1)


@given(batches())
def test_kept_shares_by_counting(drawn):
    graph, [decisions] = drawn
    kept = [[value > 1 for value in layer] for layer in decisions]
    metric = called(EdgeKept(), judged_without_model(attribution_of(graph, decisions, kept)))
    everything = flat(kept, graph)
    expected = sum(everything) / len(everything) if everything else None
    assert metric.get_metric()["kept"] == (None if expected is None else pytest.approx(expected))
    for instance, value in enumerate(metric.per_instance()["kept_layer_0"]):
        own = flat(kept, graph, instance, 0)
        assert value == (sum(own) / len(own) if own else None)


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


@given(batches(3), st.data())
def test_agreement_by_definition(drawn, data):
    graph, values = drawn
    kept = [[[value > 1 for value in layer] for layer in one] for one in values]
    attributions = [attribution_of(graph, one, one_kept) for one, one_kept in zip(values, kept)]
    metric = EdgeAgreement()
    metric(attributions)
    actual = metric.get_metric()
    types = graph.edge_type.tolist()
    parts = {"": lambda layer, edge: True}
    parts["_layer_0"] = lambda layer, edge: layer == 0
    for number, name in enumerate("abc"):
        parts[f"_relation_{name}"] = lambda layer, edge, number=number: types[edge] == number
    for suffix, belongs in parts.items():
        messages = [
            (layer, edge)
            for layer in range(len(kept[0]))
            for edge in range(graph.num_edges)
            if belongs(layer, edge)
        ]
        if not messages:
            assert actual.get(f"kappa{suffix}") is None and actual.get(f"jaccard{suffix}") is None
            continue
        keeping = [sum(one[layer][edge] for one in kept) for layer, edge in messages]
        if sum(keeping) in (0, 3 * len(messages)):
            assert actual[f"kappa{suffix}"] is None
        else:
            assert actual[f"kappa{suffix}"] == pytest.approx(
                kappa_by_definition([[number, 3 - number] for number in keeping])
            )
        overlaps = []
        for instance in range(graph.num_graphs):
            own = [(layer, edge) for layer, edge in messages if int(graph.edge_graph[edge]) == instance]
            if own:
                sets = [{message for message in own if one[message[0]][message[1]]} for one in kept]
                overlaps.append(
                    numpy.mean(
                        [
                            len(first & second) / len(first | second) if first | second else 1.0
                            for first, second in itertools.combinations(sets, 2)
                        ]
                    )
                )
        assert actual[f"jaccard{suffix}"] == pytest.approx(numpy.mean(overlaps))
    for layer, consensus in enumerate(consensus_mask(attributions)):
        assert consensus.tolist() == [
            sum(one[layer][edge] for one in kept) >= 2 for edge in range(graph.num_edges)
        ]


def test_half_is_no_majority():
    graph = graph_of([0, 0], 1)
    pair = [attribution_of(graph, [[0, 0]], [layer]) for layer in ([1, 1], [0, 1])]
    assert consensus_mask(pair)[0].tolist() == [False, True]


def test_relations_that_come_late():
    """A relation that only the second batch has is undefined for the instances of the first."""
    metric = EdgeAgreement()
    for edge_type in (0, 1):
        graph = graph_of([0], 1, [edge_type])
        metric([attribution_of(graph, [[1]], [[kept]]) for kept in (1, 0)])
    assert metric.per_instance()["jaccard_relation_b"] == [None, 0.0]
    assert metric.per_instance()["jaccard_relation_a"] == [0.0, None]
    assert metric.get_metric()["jaccard"] == 0.0


def test_attributions_of_different_batches():
    one = attribution_of(graph_of([0], 1), [[1]], [[1]])
    other = attribution_of(graph_of([0, 0], 1), [[1, 1]], [[1, 1]])
    with pytest.raises(ValueError, match="Attribution 1 is of other graphs"):
        EdgeAgreement()([one, other])
    with pytest.raises(ValueError, match="expected at least 2"):
        EdgeAgreement()([one])


def test_an_attribution_of_another_batch():
    attribution = attribution_of(graph_of([0], 1), [[1]], [[1]])
    with pytest.raises(ValueError, match="belongs to another batch"):
        judged_without_model(attribution, [[1, 1]])


def test_graphs_without_edges():
    graph = Graph.from_edges(1, [], [])
    evaluation = judged_without_model(attribution_of(graph, [[]], [[]]), [[]])
    for metric in (EdgeKept(), EdgeTruth()):
        metric(evaluation)
        assert set(metric.get_metric().values()) == {None}
        assert set(metric.intervals().values()) == {None}
    assert torch.equal(
        evaluation.random_control(torch.Generator()).attribution.kept[0], torch.zeros(0).bool()
    )
