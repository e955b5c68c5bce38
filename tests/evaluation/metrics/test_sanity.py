"""Sanity checks: another order, other numbers of nodes, another model; and random controls."""

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric
from scipy.stats import spearmanr

from allennlp_graphmask.evaluation.metrics import (
    AttributionEvaluation,
    EdgeKept,
    EdgeMetric,
    EdgeNodeInvariance,
    EdgeOrderInvariance,
    EdgeRandomization,
    randomized,
    relabel_nodes,
    similarity,
)
from allennlp_graphmask.evaluation.metrics.sanity import reorder_edges
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import (
    AllEdgesInterpreter,
    Interpreter,
    LayerScores,
    LeaveOneEdgeOut,
    RandomInterpreter,
)
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.testing.no_side_effects import assert_no_side_effects
from tests.evaluation.metrics.conftest import explain
from tests.interpret.toy import TOYS, frozen_copy, same_state, toy_batch, toy_target

METRICS = {
    "edge_changed": {},
    "edge_fidelity": {},
    "edge_kept": {},
    "edge_node_invariance": {"node_fields": ["features", "tags"]},
    "edge_order_invariance": {},
    "edge_randomization": {},
    "edge_sufficiency": {},
    "edge_swap": {},
    "edge_unfaithfulness": {},
}


def build(name) -> EdgeMetric:
    return Metric.from_params(Params({"type": name, **METRICS[name]}))


@pytest.fixture(scope="module")
def tagger(vocab):
    return MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)


@pytest.mark.parametrize("kind", sorted(TOYS))
@pytest.mark.parametrize("name", ["edge_order_invariance", "edge_node_invariance"])
def test_graphs_have_no_order(name, kind, vocab):
    metric = build(name)
    target = MaskedModel(toy_target(kind, vocab))
    metric(explain(target, toy_batch(vocab), LeaveOneEdgeOut(threshold=0.02)))
    same, difference = metric.get_metric().values()
    assert same == 1 and difference < 1e-5


class ByPlace(Interpreter):
    """Depends on the numbers of nodes and the places of edges, as no interpreter should."""

    def score(self, masked_model, unmasked, generator) -> LayerScores:
        graph = unmasked.layers[0].graph
        scores = graph.sources.float() if self.seed else torch.arange(graph.num_edges).float()
        return LayerScores([scores] * len(unmasked.layers))


@pytest.mark.parametrize("of_nodes", [0, 1])
def test_a_dependence_on_numbers_is_found(of_nodes, tagger):
    explained = explain(*tagger, ByPlace(threshold=10, seed=of_nodes))
    nodes, edges = EdgeNodeInvariance(["features", "tags"]), EdgeOrderInvariance()
    nodes(explained)
    edges(explained)
    found = [nodes.get_metric()["node_score_difference"], edges.get_metric()["edge_order_score_difference"]]
    assert found[1 - of_nodes] > 0.5 and found[of_nodes] == 0


def test_relabelled_nodes_are_the_same_graph(tagger):
    masked_model, batch = tagger
    graph = batch["graph"]
    first = graph.first_node_of_graph().repeat_interleave(graph.nodes_per_graph)
    last = first + graph.nodes_per_graph.repeat_interleave(graph.nodes_per_graph) - 1
    reverse = first + last - torch.arange(graph.num_nodes)
    other = relabel_nodes(batch, graph, reverse, ["features"])
    with torch.no_grad():
        before = graph.flatten_nodes(masked_model.target(**batch)["logits"])
        after = graph.flatten_nodes(masked_model.target(**{**other, "tags": None})["logits"])
    assert torch.allclose(before, after[reverse], atol=1e-6)
    assert not torch.equal(batch["features"], other["features"])
    with pytest.raises(ConfigurationError, match="node_fields .*'label'"):
        relabel_nodes(batch, graph, reverse, ["label"])


def test_a_batch_without_the_graph(tagger):
    masked_model, batch = tagger
    explained = explain(masked_model, dict(batch), AllEdgesInterpreter())
    del explained.unmasked.batch["graph"]
    with pytest.raises(ConfigurationError, match=r"inputs \['features'"):
        EdgeOrderInvariance()(explained)


def test_randomized_models(vocab):
    model = toy_target("tagger", vocab)
    before = frozen_copy(model)
    batch = toy_batch(vocab)
    with torch.no_grad():
        expected = model(**batch)["logits"]
        with randomized(model, seed=3):
            assert not torch.allclose(model(**batch)["logits"], expected)
            for name, value in model.state_dict().items():
                assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
        assert same_state(model.state_dict(), before)
        with randomized(model, parameters=r"^scorer\."):
            changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"scorer.weight", "scorer.bias"}
    with pytest.raises(ConfigurationError, match="ToyTagger .*'nothing'"):
        with randomized(model, parameters="nothing"):
            pass


def test_explanations_of_a_randomized_model(tagger):
    values = {}
    for interpreter in (LeaveOneEdgeOut(top_fraction=0.3), RandomInterpreter(top_fraction=0.3)):
        metric = EdgeRandomization()
        metric(explain(*tagger, interpreter))
        values[type(interpreter)] = list(metric.get_metric().values())
    # An interpreter that does not look at the model gives the same.
    assert values[RandomInterpreter] == [pytest.approx(1), 1]
    assert max(values[LeaveOneEdgeOut]) < 0.9


def test_similarity_by_scipy(tagger):
    first, second = (RandomInterpreter(seed=seed).interpret(*tagger) for seed in (1, 3))
    ones = [torch.ones_like(layer) for layer in first.scores]
    constant = EdgeAttribution(first.graph, ones, first.kept, first.relation_names)
    correlation, overlap = similarity(first, second)
    for number, (one, other) in enumerate(zip(first.split(), second.split())):
        scores = [torch.cat(part.scores).numpy() for part in (one, other)]
        assert bool(correlation.denominators[number]) == (len(scores[0]) > 1)
        if len(scores[0]) > 1:
            assert float(correlation.numerators[number]) == pytest.approx(spearmanr(*scores).statistic)
        kept = [torch.cat(part.kept) for part in (one, other)]
        if kept[0].numel():
            both, either = int((kept[0] & kept[1]).sum()), int((kept[0] | kept[1]).sum())
            assert float(overlap.numerators[number]) == (both / either if either else 1)
    assert not similarity(first, constant)[0].denominators.any()


@pytest.mark.parametrize("metric", [EdgeOrderInvariance(), EdgeRandomization()])
def test_metrics_that_call_the_interpreter_need_it(metric, tagger):
    attribution = AllEdgesInterpreter().interpret(*tagger)
    with pytest.raises(ConfigurationError, match="`interpreter`"):
        metric(AttributionEvaluation(*tagger, attribution))


@pytest.mark.parametrize("name", sorted(METRICS))
def test_what_every_metric_declares_and_leaves_alone(name, explained):
    metric = build(name)
    # Without what an earlier metric may have computed.
    inputs = explained.masked_model, explained.unmasked.batch, explained.attribution
    fresh = AttributionEvaluation(*inputs, interpreter=explained.interpreter)

    def predict():
        with torch.no_grad():
            return explained.masked_model.target(**explained.unmasked.batch)

    assert_no_side_effects(explained.masked_model.target, lambda: metric(fresh), predict=predict)
    totals, intervals = metric.totals(), metric.intervals(draws=50)
    assert set(totals) == set(intervals) == set(metric.per_instance())
    for key, value in totals.items():
        quantity = metric.quantities[key.quantity]
        assert quantity.direction in ("higher", "lower", "zero") and quantity.meaning.endswith(".")
        assert quantity.lowest <= quantity.best <= quantity.highest
        if value is not None:
            assert quantity.lowest - 1e-6 <= value <= quantity.highest + 1e-6
            lower, upper = intervals[key]
            assert lower <= upper and lower - 1e-9 <= max(metric.resampled(draws=50)[key])
    twice = build(name)
    twice(fresh)
    twice(fresh)
    assert twice.totals() == pytest.approx(totals)


def test_random_controls(explained):
    control, again = explained.random_control(2), explained.random_control(2)
    graph = explained.graph
    first, second = explained.attribution, control.attribution
    for layer in range(explained.num_layers):
        assert torch.equal(second.kept[layer], again.attribution.kept[layer])
        assert not torch.equal(first.kept[layer], second.kept[layer])
        assert torch.equal(first.replacements[layer], second.replacements[layer])
        for instance in range(graph.num_graphs):
            own = graph.edge_graph == instance
            # Scores go with decisions.
            pairs = [
                sorted(zip(one.scores[layer][own].tolist(), one.kept[layer][own].tolist())) for one in (first, second)
            ]
            assert pairs[0] == pairs[1]
    metrics = [EdgeKept(), EdgeKept()]
    for metric, one in zip(metrics, (explained, control)):
        metric(one)
    assert metrics[0].per_instance() == metrics[1].per_instance()


def test_random_controls_of_replacements_for_each_graph(explained):
    graph, attribution = explained.graph, explained.attribution
    rows = [torch.randn(graph.num_graphs, len(replacement)) for replacement in attribution.replacements]
    dropped = [torch.zeros_like(kept) for kept in attribution.kept]
    scores = [torch.rand(graph.num_edges) for _ in dropped]
    outputs = []
    for replacements, per_graph in ((rows, True), ([layer[graph.edge_graph] for layer in rows], False)):
        settings = {"replacements": replacements, "replacements_per_graph": per_graph}
        one = EdgeAttribution(graph, scores, dropped, attribution.relation_names, **settings)
        control = AttributionEvaluation(explained.masked_model, explained.unmasked, one).random_control(0)
        outputs.append(control.kept_output["logits"])
    # Everything is replaced: shuffling changes nothing, and a row for each graph is the same as one for each edge.
    torch.testing.assert_close(*outputs)
    assert not torch.allclose(outputs[0], explained.unmasked.output["logits"])


def test_random_controls_do_not_depend_on_how_edges_are_listed(explained):
    graph = explained.graph
    # Parallel edges of one type stay in order: they may exchange what they draw.
    order = torch.argsort(graph.edge_type, descending=True, stable=True)
    order = order[torch.argsort(graph.edge_graph[order], stable=True)]
    reordered = reorder_edges(explained.unmasked.batch, graph, order)
    other = explain(explained.masked_model, reordered, explained.interpreter)
    for one, two in zip(explained.random_control(3).attribution.kept, other.random_control(3).attribution.kept):
        assert torch.equal(one[order], two)


def test_an_explanation_of_another_focus_cannot_be_repeated(explained):
    other = explained.unmasked._replace(focus=explained.unmasked.focus._replace(kind="part"))
    again = AttributionEvaluation(
        explained.masked_model, other, explained.attribution, interpreter=explained.interpreter
    )
    for metric in (EdgeOrderInvariance(), EdgeRandomization()):
        with pytest.raises(ConfigurationError, match="'part'.*'all'"):
            metric(again)
