"""Faithfulness and sanity checks, against passes made by hand on the toy models."""

import math

import numpy
import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.training.metrics import Metric
from scipy.stats import spearmanr

from allennlp_graphmask.evaluation.metrics import (
    AttributionEvaluation,
    EdgeChanged,
    EdgeFidelity,
    EdgeKept,
    EdgeMetric,
    EdgeNodeInvariance,
    EdgeOrderInvariance,
    EdgeRandomisation,
    EdgeSufficiency,
    EdgeUnfaithfulness,
    randomised,
    relabel_nodes,
    shuffled_attribution,
    similarity,
)
from allennlp_graphmask.evaluation.metrics.sufficiency import ranks_with_random_ties
from allennlp_graphmask.interpret.divergences import Kl
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import (
    AllEdgesInterpreter,
    AmortisedGraphMask,
    Interpreter,
    LayerScores,
    LeaveOneEdgeOut,
    RandomInterpreter,
    top_fraction_mask,
)
from allennlp_graphmask.interpret.masked_model import LayerGates, MaskedModel
from allennlp_graphmask.modules.intervention import Gate, intervening
from allennlp_graphmask.testing.no_side_effects import assert_no_side_effects
from tests.interpret.toy import (
    TOYS,
    frozen_copy,
    same_state,
    toy_batch,
    toy_graphmask,
    toy_target,
    toy_vocabulary,
)

KINDS = sorted(TOYS)


@pytest.fixture(scope="module")
def vocab():
    return toy_vocabulary()


@pytest.fixture(scope="module", params=KINDS)
def evaluation(request, vocab):
    """What a masker with learnt replacements says of a batch."""
    batch = toy_batch(vocab)
    model = toy_graphmask(request.param, vocab, batch)
    interpreter = AmortisedGraphMask(graphmask=model)
    attribution = interpreter.interpret(model.masked_model, batch)
    return AttributionEvaluation(model.masked_model, batch, attribution, interpreter=interpreter)


def by_hand(evaluation, kept=None):
    """
    For each instance the probabilities of its positions' classes, shape `(num_positions, num_classes)`, with the
    kept messages, or all.
    """
    target, batch = evaluation.masked_model.target, evaluation.unmasked.batch
    gates = [None] * evaluation.num_layers
    if kept is not None:
        gates = [Gate(layer, vector) for layer, vector in zip(kept, evaluation.attribution.replacements)]
    with torch.no_grad(), intervening(evaluation.masked_model.encoder, LayerGates(gates)):
        output = target(**batch)
    probabilities = output["logits"].double().softmax(-1)
    if probabilities.dim() == 2:
        return [row.unsqueeze(0) for row in probabilities]
    return [row[mask] for row, mask in zip(probabilities, output["mask"])]


def prediction_of(whole):
    return whole.argmax(-1, keepdim=True)


def joint(whole, masked):
    """Probability that all of an instance's predictions are made."""
    return float(masked.gather(-1, prediction_of(whole)).prod())


def mean(whole, masked):
    return float(masked.gather(-1, prediction_of(whole)).mean())


@pytest.mark.parametrize("positions", ["joint", "mean"])
def test_fidelity_by_hand(evaluation, positions):
    metric = EdgeFidelity(positions)
    metric(evaluation)
    actual = metric.per_instance()
    whole = by_hand(evaluation)
    probability = joint if positions == "joint" else mean
    kept = evaluation.attribution.kept
    parts = {"plus": by_hand(evaluation, [~layer for layer in kept]), "minus": by_hand(evaluation, kept)}
    labels = {}
    for name, masked in parts.items():
        for instance, (before, after) in enumerate(zip(whole, masked)):
            expected = probability(before, before) - probability(before, after)
            assert actual[f"fidelity_{name}_probability"][instance] == pytest.approx(expected, abs=1e-5)
        differs = [(before.argmax(-1) != after.argmax(-1)).double() for before, after in zip(whole, masked)]
        changes = [float(one.max() if positions == "joint" else one.mean()) for one in differs]
        assert actual[f"fidelity_{name}_label"] == pytest.approx(changes)
        labels[name] = sum(changes) / len(changes)
    totals = metric.get_metric()
    assert totals["fidelity_plus_label"] == pytest.approx(labels["plus"]) and 0 < labels["plus"] < 1
    plus, minus = labels["plus"], 1 - labels["minus"]
    assert totals["characterisation"] == pytest.approx(2 * plus * minus / (plus + minus))


def test_fidelity_of_everything_and_of_nothing(vocab):
    masked_model, batch = MaskedModel(toy_target("classifier", vocab)), toy_batch(vocab)
    everything = EdgeFidelity()
    everything(
        AttributionEvaluation(masked_model, batch, AllEdgesInterpreter().interpret(masked_model, batch))
    )
    nothing = EdgeFidelity()
    nothing(
        AttributionEvaluation(
            masked_model, batch, AllEdgesInterpreter(top_fraction=0).interpret(masked_model, batch)
        )
    )
    for kind in ("probability", "label"):
        assert everything.get_metric()[f"fidelity_minus_{kind}"] == 0
        assert nothing.get_metric()[f"fidelity_plus_{kind}"] == 0
        assert everything.per_instance()[f"fidelity_plus_{kind}"] == pytest.approx(
            nothing.per_instance()[f"fidelity_minus_{kind}"]
        )
    assert nothing.get_metric()["characterisation"] == 0


def test_unknown_positions():
    with pytest.raises(ConfigurationError, match="'median', expected one of 'joint', 'mean'"):
        EdgeFidelity("median")


def test_comprehensiveness_and_sufficiency_by_hand(evaluation):
    shares = (0.1, 0.5)
    metric = EdgeSufficiency(shares)
    metric(evaluation)
    actual = metric.per_instance()
    whole = by_hand(evaluation)
    expected = {}
    for share in shares:
        best = top_fraction_mask(evaluation.attribution.scores, share, evaluation.graph)
        for name, kept in (("comprehensiveness", [~layer for layer in best]), ("sufficiency", best)):
            expected[f"{name}_at_{share}"] = [
                joint(before, before) - joint(before, after)
                for before, after in zip(whole, by_hand(evaluation, kept))
            ]
    for name in ("comprehensiveness", "sufficiency"):
        for share in shares:
            assert actual[f"{name}_at_{share}"] == pytest.approx(expected[f"{name}_at_{share}"], abs=1e-5)
            assert metric.quantity(f"{name}_at_{share}") == metric.quantities[name]
        means = numpy.mean([expected[f"{name}_at_{share}"] for share in shares], axis=0)
        assert actual[name] == pytest.approx(means, abs=1e-5)


def test_equal_scores_are_ranked_at_random():
    generator = torch.Generator().manual_seed(1)
    scores = [torch.tensor([1.0, 5.0, 1.0]), torch.tensor([1.0, 0.0, 1.0])]
    drawn = torch.stack(
        [torch.stack(list(ranks_with_random_ties(scores, generator))) for _ in range(2000)]
    )  # Shape: (draws, num_layers, num_edges)
    assert drawn[:, 0, 1].unique().tolist() == [5] and drawn[:, 1, 1].unique().tolist() == [0]
    assert torch.equal(drawn.flatten(1).sort(-1).values.mean(0), torch.arange(6.0).double())
    # All places among equals are taken equally often.
    for layer, edge in ((0, 0), (0, 2), (1, 0), (1, 2)):
        counts = torch.bincount(drawn[:, layer, edge].long(), minlength=5)[1:5]
        assert counts.sum() == 2000 and counts.min() > 400


def test_the_order_of_edges_gives_nothing_away(vocab):
    """Equal scores are no better than random ones, also where the edges that matter stand first."""
    masked_model, batch = MaskedModel(toy_target("classifier", vocab)), toy_batch(vocab)
    attribution = AllEdgesInterpreter().interpret(masked_model, batch)
    metric = EdgeSufficiency([0.5])
    evaluation = AttributionEvaluation(masked_model, batch, attribution)
    values = []
    for _ in range(2):
        metric(evaluation)
        values.append(metric.get_metric(reset=True)["sufficiency"])
    # The same seed after a reset.
    assert values[0] == values[1]
    other = EdgeSufficiency([0.5], seed=1)
    other(evaluation)
    assert other.get_metric()["sufficiency"] != values[0]


@pytest.mark.parametrize("shares", [[], [1.5]])
def test_shares_that_make_no_sense(shares):
    with pytest.raises(ConfigurationError, match="edge_sufficiency.shares"):
        EdgeSufficiency(shares)


def test_unfaithfulness_by_hand(evaluation):
    plain, saturating, changed = EdgeUnfaithfulness(), EdgeUnfaithfulness(saturating=True), EdgeChanged()
    for metric in (plain, saturating, changed):
        metric(evaluation)
    pairs = list(zip(by_hand(evaluation), by_hand(evaluation, evaluation.attribution.kept)))
    expected = [float((before * (before / after).log()).sum()) for before, after in pairs]
    assert plain.per_instance()["unfaithfulness"] == pytest.approx(expected, abs=1e-5)
    assert saturating.per_instance()["saturating_unfaithfulness"] == pytest.approx(
        [1 - math.exp(-value) for value in expected], abs=1e-5
    )
    assert changed.per_instance()["changed"] == [
        float((before.argmax(-1) != after.argmax(-1)).any()) for before, after in pairs
    ]


def test_direction_of_the_divergence():
    """From the prediction on the whole graph to the other: 0.3681, and 0.5108 the other way round."""
    whole, masked = torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[0.5, 0.5]]).log()
    assert float(Kl()(whole, masked)) == pytest.approx(0.3681, abs=5e-5)

    class Outputs:
        def divergence(self, divergence, original, other):
            return divergence(original["logits"], other["logits"])

    class Judged:
        masked_model = Outputs()
        num_instances = 1
        kept_output = {"logits": masked}

        class unmasked:
            output = {"logits": whole}

    metric = EdgeUnfaithfulness()
    metric(Judged())
    assert metric.get_metric()["unfaithfulness"] == pytest.approx(0.3681, abs=5e-5)


def test_random_controls_of_replacements_for_each_graph(evaluation):
    graph, attribution = evaluation.graph, evaluation.attribution
    rows = [
        torch.randn(graph.num_graphs, replacement.size(-1), dtype=replacement.dtype)
        for replacement in attribution.replacements
    ]
    closed = [torch.zeros_like(kept) for kept in attribution.kept]
    scores = [torch.rand(graph.num_edges) for _ in closed]
    outputs = []
    for replacements, per_graph in ((rows, True), ([layer[graph.edge_graph] for layer in rows], False)):
        one = EdgeAttribution(
            graph,
            scores,
            closed,
            attribution.relation_names,
            replacements=replacements,
            replacements_per_graph=per_graph,
        )
        control = AttributionEvaluation(evaluation.masked_model, evaluation.unmasked, one).random_control(
            torch.Generator()
        )
        outputs.append(control.kept_output["logits"])
    # Everything is replaced: shuffling changes nothing, and a row for each graph is as good as one for each edge.
    torch.testing.assert_close(*outputs)
    assert not torch.allclose(outputs[0], evaluation.unmasked.output["logits"])


def test_random_controls(evaluation):
    control = evaluation.random_control(torch.Generator().manual_seed(2))
    again = evaluation.random_control(torch.Generator().manual_seed(2))
    graph = evaluation.graph
    for layer in range(evaluation.num_layers):
        first, second = evaluation.attribution, control.attribution
        assert torch.equal(second.kept[layer], again.attribution.kept[layer])
        assert not torch.equal(first.kept[layer], second.kept[layer])
        for instance in range(graph.num_graphs):
            own = graph.edge_graph == instance
            # Scores go with decisions.
            pairs = [
                sorted(zip(one.scores[layer][own].tolist(), one.kept[layer][own].tolist()))
                for one in (first, second)
            ]
            assert pairs[0] == pairs[1]
        assert torch.equal(first.replacements[layer], second.replacements[layer])
    metrics = [EdgeKept(), EdgeKept()]
    for metric, one in zip(metrics, (evaluation, control)):
        metric(one)
    assert metrics[0].per_instance() == metrics[1].per_instance()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["edge_order_invariance", "edge_node_invariance"])
def test_graphs_have_no_order(name, kind, vocab):
    masked_model, batch = MaskedModel(toy_target(kind, vocab)), toy_batch(vocab)
    settings = {"node_fields": ["features", "tags"]} if name == "edge_node_invariance" else {}
    values = {}
    for interpreter in (LeaveOneEdgeOut(threshold=0.02), RandomInterpreter()):
        metric = Metric.from_params(Params({"type": name, **settings}))
        attribution = interpreter.interpret(masked_model, batch)
        metric(AttributionEvaluation(masked_model, batch, attribution, interpreter=interpreter))
        values[type(interpreter)] = list(metric.get_metric().values())
    same, difference = values[LeaveOneEdgeOut]
    assert same == 1 and difference < 1e-5
    if name == "edge_order_invariance":
        # Its scores belong to places.
        same, difference = values[RandomInterpreter]
        assert same < 0.8 and difference > 0.1


class FirstEdges(Interpreter):
    """Depends on the numbers of nodes, as no interpreter should."""

    def score(self, masked_model, unmasked, generator) -> LayerScores:
        return LayerScores([unmasked.layers[0].graph.sources.float()] * len(unmasked.layers))


def test_a_dependence_on_numbers_is_found(vocab):
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
    interpreter = FirstEdges(threshold=10)
    evaluation = AttributionEvaluation(
        masked_model, batch, interpreter.interpret(masked_model, batch), interpreter=interpreter
    )
    nodes, edges = EdgeNodeInvariance(["features", "tags"]), EdgeOrderInvariance()
    nodes(evaluation)
    edges(evaluation)
    assert nodes.get_metric()["node_score_difference"] > 0.5
    assert edges.get_metric() == {"edge_order_same_decisions": 1, "edge_order_score_difference": 0}


def test_relabelled_nodes_are_the_same_graph(vocab):
    batch = toy_batch(vocab)
    graph = batch["graph"]
    first = graph.first_node_of_graph().repeat_interleave(graph.nodes_per_graph)
    last = first + graph.nodes_per_graph.repeat_interleave(graph.nodes_per_graph) - 1
    reverse = first + last - torch.arange(graph.num_nodes)
    other = relabel_nodes(batch, graph, reverse, ["features"])
    target = toy_target("tagger", vocab)
    with torch.no_grad():
        before = graph.flatten_nodes(target(**batch)["logits"])
        after = graph.flatten_nodes(target(**{**other, "tags": None})["logits"])
    assert torch.allclose(before, after[reverse], atol=1e-6)
    assert not torch.equal(batch["features"], other["features"])
    with pytest.raises(ConfigurationError, match="'label', which is no input of shape"):
        relabel_nodes(batch, graph, reverse, ["label"])


def test_a_batch_without_the_graph(vocab):
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
    interpreter = AllEdgesInterpreter()
    evaluation = AttributionEvaluation(
        masked_model, batch, interpreter.interpret(masked_model, batch), interpreter=interpreter
    )
    evaluation.unmasked.batch.pop("graph")
    with pytest.raises(ConfigurationError, match="is the graph that its encoder reads"):
        EdgeOrderInvariance()(evaluation)


def test_randomised_models(vocab):
    model = toy_target("tagger", vocab)
    before = frozen_copy(model)
    batch = toy_batch(vocab)
    with torch.no_grad():
        expected = model(**batch)["logits"]
        with randomised(model, seed=3):
            assert not torch.allclose(model(**batch)["logits"], expected)
            for name, value in model.state_dict().items():
                assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
        assert same_state(model.state_dict(), before)
        with randomised(model, parameters=r"^scorer\."):
            changed = {
                name for name, value in model.state_dict().items() if not torch.equal(value, before[name])
            }
    assert changed == {"scorer.weight", "scorer.bias"}
    with pytest.raises(ConfigurationError, match="No parameter of ToyTagger matches 'nothing'"):
        with randomised(model, parameters="nothing"):
            pass


def test_explanations_of_a_randomised_model(vocab):
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
    values = {}
    for interpreter in (LeaveOneEdgeOut(top_fraction=0.3), RandomInterpreter(top_fraction=0.3)):
        evaluation = AttributionEvaluation(
            masked_model, batch, interpreter.interpret(masked_model, batch), interpreter=interpreter
        )
        metric = EdgeRandomisation()
        metric(evaluation)
        values[type(interpreter)] = metric.get_metric()
    # What does not look at the model stays what it was.
    assert values[RandomInterpreter] == {
        "randomised_rank_correlation": pytest.approx(1),
        "randomised_jaccard": 1,
    }
    assert values[LeaveOneEdgeOut]["randomised_rank_correlation"] < 0.9
    assert values[LeaveOneEdgeOut]["randomised_jaccard"] < 0.9


def test_similarity_by_scipy(vocab):
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
    first, second = (RandomInterpreter(seed=seed).interpret(masked_model, batch) for seed in (1, 2))
    constant = EdgeAttribution(
        first.graph, [torch.ones_like(layer) for layer in first.scores], first.kept, first.relation_names
    )
    correlation, overlap = similarity(first, second)
    for number, (one, other) in enumerate(zip(first.split(), second.split())):
        scores = [torch.cat(part.scores).numpy() for part in (one, other)]
        if len(scores[0]) > 1:
            assert float(correlation.numerators[number]) == pytest.approx(spearmanr(*scores).statistic)
            assert bool(correlation.denominators[number])
        kept = [torch.cat(part.kept) for part in (one, other)]
        if kept[0].numel():
            union = int((kept[0] | kept[1]).sum())
            assert float(overlap.numerators[number]) == (
                float((kept[0] & kept[1]).sum()) / union if union else 1
            )
    assert not similarity(first, constant)[0].denominators.any()


def test_metrics_that_ask_again_need_the_interpreter(vocab):
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
    evaluation = AttributionEvaluation(
        masked_model, batch, AllEdgesInterpreter().interpret(masked_model, batch)
    )
    for metric in (EdgeOrderInvariance(), EdgeRandomisation()):
        assert metric.needs_interpreter
        with pytest.raises(ConfigurationError, match="give AttributionEvaluation its `interpreter`"):
            metric(evaluation)


ALL = {
    "edge_changed": {},
    "edge_fidelity": {},
    "edge_kept": {},
    "edge_node_invariance": {"node_fields": ["features", "tags"]},
    "edge_order_invariance": {},
    "edge_randomisation": {},
    "edge_sufficiency": {},
    "edge_unfaithfulness": {},
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_every_metric_declares_and_leaves_alone(name, evaluation):
    metric = Metric.from_params(Params({"type": name, **ALL[name]}))
    assert isinstance(metric, EdgeMetric)
    # Without what an earlier metric may have computed.
    fresh = AttributionEvaluation(
        evaluation.masked_model,
        evaluation.unmasked.batch,
        evaluation.attribution,
        interpreter=evaluation._interpreter,
    )

    def predict():
        with torch.no_grad():
            return evaluation.masked_model.target(**evaluation.unmasked.batch)

    assert_no_side_effects(evaluation.masked_model.target, lambda: metric(fresh), predict=predict)
    values, intervals = metric.get_metric(), metric.intervals(draws=50)
    assert set(values) == set(intervals) == set(metric.per_instance())
    for label, value in values.items():
        quantity = metric.quantity(label)
        assert quantity.direction in ("higher", "lower", "zero") and quantity.meaning.endswith(".")
        assert quantity.lowest <= quantity.best <= quantity.highest
        if value is not None:
            assert quantity.lowest - 1e-6 <= value <= quantity.highest + 1e-6
            lower, upper = intervals[label]
            assert lower <= upper and lower - 1e-9 <= max(metric.resampled(draws=50)[label])
    batches = Metric.from_params(Params({"type": name, **ALL[name]}))
    batches(fresh)
    batches(fresh)
    assert batches.get_metric() == pytest.approx(values)


def test_shuffling_keeps_replacements_with_their_edges(vocab):
    batch = toy_batch(vocab, count=3)
    graph = batch["graph"]
    vectors = torch.arange(float(graph.num_edges)).unsqueeze(-1)
    attribution = EdgeAttribution(
        graph, [vectors[:, 0]], [vectors[:, 0] > 3], ["a"] * 9, replacements=[vectors]
    )
    assert torch.equal(
        shuffled_attribution(attribution, torch.Generator()).replacements[0], attribution.replacements[0]
    )
