"""Scores and decisions against a known truth: by counting and by scikit-learn; and how the truth is read."""

import numpy
import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import given
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from allennlp_graphmask.data.opaque_metadata import OpaqueMetadata
from allennlp_graphmask.evaluation.metrics import EdgeTruth, MetricKey, has_truth, read_truth
from tests.evaluation.metrics.graphs import batches, build_attribution, build_graph, flatten, without_model


@given(batches(3))
def test_by_scikit_learn(drawn):
    graph, (scores, decisions, truth) = drawn
    kept = [[value > 1 for value in layer] for layer in decisions]
    truth = [[min(value, 2) - 1 for value in layer] for layer in truth]
    metric = EdgeTruth()
    metric(without_model(build_attribution(graph, scores, kept), truth))
    actual = metric.totals()

    def select(layer, instance=None):
        """Truth, decisions and scores of the messages whose truth is known."""
        columns = [flatten(values, graph, instance, layer) for values in (truth, kept, scores)]
        return [row for row in zip(*columns) if row[0] >= 0]

    for layer in [None, *range(len(truth))]:
        known = select(layer)
        gold, predicted = [row[0] for row in known], [int(row[1]) for row in known]
        expected = dict.fromkeys(("precision", "recall", "f1"))
        if known:
            values = precision_recall_fscore_support(
                gold, predicted, average="binary", pos_label=1, zero_division=numpy.nan
            )
            expected = {name: None if numpy.isnan(value) else value for name, value in zip(expected, values)}
        rankings = [select(layer, instance) for instance in range(graph.num_graphs)]
        rankings = [rows for rows in rankings if len({row[0] for row in rows}) == 2]
        for name, function in (("auroc", roc_auc_score), ("average_precision", average_precision_score)):
            values = [function([row[0] for row in rows], [row[2] for row in rows]) for rows in rankings]
            expected[name] = numpy.mean(values) if values else None
        for name, value in expected.items():
            assert actual[MetricKey(name, layer=layer)] == (None if value is None else pytest.approx(value))


def test_values_per_instance_and_reset():
    graph = build_graph([0, 0, 1, 1], 2)
    metric = EdgeTruth()
    metric(without_model(build_attribution(graph, [[2, 1, 1, 2]], [[1, 1, 0, 0]]), [[1, 0, -1, 1]]))
    assert metric.per_instance()[MetricKey("precision")] == [0.5, None]
    assert metric.per_instance()[MetricKey("recall")] == [1.0, 0.0]
    assert metric.get_metric(reset=True)["precision_layer_0"] == 0.5
    assert metric.num_instances == 0 and metric.get_metric() == {}


def test_recall_of_groups():
    """Of the edges that matter in group x one of two is kept, in group y both; the last has no group."""
    entries = [{"edge_group": name} for name in ("x", "y", None)] + [{}]
    batch = {"metadata": [{"edge_metadata": entries}, {"edge_metadata": entries[:2]}, {}]}
    graph = build_graph([0, 1, 0, 1, 0, 0, 2], 3)  # x, x, y, y, none
    attribution = build_attribution(graph, [[0] * 7], [[1, 0, 1, 1, 0, 1, 1]])
    metric = EdgeTruth()
    metric(without_model(attribution, [[1, 1, 1, 1, 1, 0, 1]], batch))
    actual = metric.get_metric()
    assert actual["recall_group_x"] == 1 / 2 and actual["recall_group_y"] == 1 and actual["recall"] == 4 / 6
    batch["metadata"][1]["edge_metadata"] = [{"edge_group": 7}, {}]
    with pytest.raises(ConfigurationError, match="edge 0 of instance 1 .* is 7"):
        metric(without_model(attribution, [[1] * 7], batch))


def test_the_truth_must_be_given():
    with pytest.raises(ConfigurationError, match="edge_truth"):
        EdgeTruth()(without_model(build_attribution(build_graph([0], 1), [[1]], [[1]])))


def read(metadata, owner, num_layers, num_graphs=1):
    found = read_truth({"metadata": metadata}, build_graph(owner, num_graphs), num_layers)
    return None if found is None else [layer.tolist() for layer in found]


def test_edges_may_stand_in_any_order():
    metadata = [{"edge_truth": [[True, None], [False, True]]}, {}, {"edge_truth": [[False], [True]]}]
    assert read(metadata, [2, 0, 1, 0], 2, 3) == [[0, 1, -1, -1], [1, 0, -1, 1]]


@pytest.mark.parametrize("kind", [dict, OpaqueMetadata])
@pytest.mark.parametrize(
    "entries, num_edges, expected",
    [
        ([{"matters": True}, {"note": 1}], 2, [[1, 0], [1, 0]]),
        ([{"matters": True}, {}], 4, [[1, 0, 1, 0], [1, 0, 1, 0]]),  # the second half are inverses
        ([{"matters": False}, {"matters": None}], 2, [[0, -1], [0, -1]]),
        ([{"matters": [True, None]}, {"matters": [False, True]}, {}], 3, [[1, 0, 0], [-1, 1, 0]]),
    ],
)
def test_marked_edges(kind, entries, num_edges, expected):
    metadata = kind({"edge_metadata": entries})
    assert has_truth(metadata) and read([metadata], [0] * num_edges, 2) == expected


@pytest.mark.parametrize("metadata", [None, {}, {"edge_metadata": [{}, {}]}, {"edge_metadata": []}])
def test_nothing_is_known(metadata):
    assert not has_truth(metadata)
    assert read([metadata], [0, 0], 1) is None and read(None, [0, 0], 1) is None


@pytest.mark.parametrize(
    "metadata, place",
    [
        ({"edge_truth": []}, r"'edge_truth' of instance 1 .*'dan'.* is \[\].* 2 layers"),
        ({"edge_truth": "no"}, "'edge_truth' of instance 1 .* is 'no'"),
        ({"edge_truth": 5}, "'edge_truth' of instance 1 .* is 5"),
        ({"edge_truth": [[True], [True]]}, "'edge_truth' of instance 1 .* 2 edges"),
        ({"edge_truth": [[True, True], [True, "maybe"]]}, "'edge_truth' of edge 1 of instance 1 .* is 'maybe'"),
        ({"edge_truth": [[True, 0], [True, True]]}, "'edge_truth' of edge 1 of instance 1 .* is 0"),
        ({"edge_metadata": [{}, {"matters": "false"}]}, "'matters' of edge 1 of instance 1 .*'dan'.* is 'false'"),
        ({"edge_metadata": [{"matters": 1}, {}]}, "'matters' of edge 0 of instance 1 .* is 1,"),
        ({"edge_metadata": [{}, {"matters": [True]}]}, r"'matters' of edge 1 of instance 1 .* is \[True\]"),
        ({"edge_metadata": [{}, {"matters": [True, "x"]}]}, "'matters' of edge 1 of instance 1 .* is 'x'"),
        ({"edge_metadata": [{"matters": True}] * 3}, "instance 1 .* has 3 entries .* 2 edges"),
    ],
)
def test_a_truth_that_does_not_fit(metadata, place):
    with pytest.raises(ConfigurationError, match=place):
        read([{"edge_truth": [[True], [None]]}, {"id": "dan", **metadata}], [0, 1, 1], 2, 2)
