import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.focus import whole_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.graphmask import GraphMask, choose_threshold, threshold_curve
from allennlp_graphmask.interpret.graphmask.threshold import (
    ThresholdPoint,
    focused_passes,
    gate_locations,
    mask_at_thresholds,
)
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from tests.interpret.toy import toy_batch, toy_graphmask

STEPS = 12


@pytest.fixture(scope="module")
def batches(vocab):
    return [toy_batch(vocab, seed, 6) for seed in (1, 2)]


@pytest.fixture(scope="module")
def model(vocab, batches) -> GraphMask:
    return toy_graphmask("tagger", vocab, batches[0])


def unmasked(model: GraphMask, batch: dict) -> UnmaskedPass:
    return model.masked_model.unmasked(batch)


def brute_force(model: GraphMask, batches: list) -> list:
    """The points of all thresholds that differ in what they keep, from all gates open to all gates closed."""
    locations = torch.cat([gate_locations(model, unmasked(model, batch)) for batch in batches]).unique().tolist()
    return threshold_curve(model, batches, [locations[0] - 1, *locations])


class TestMaskedAtThresholds:
    def test_at_the_models_own_it_is_the_forward_pass(self, model, batches) -> None:
        own = float(model.threshold)
        for batch in batches:
            kept, changed = mask_at_thresholds(model, unmasked(model, batch), [own, own - 100])
            output = model(**batch)
            assert int(kept[0].sum()) == sum(int(layer.sum()) for layer in output["attribution"].kept)
            assert torch.equal(changed[0], output["changed"])
            assert kept[1].tolist() == (2 * batch["graph"].edges_per_graph()).tolist()
            assert not changed[1].any()

    def test_layers_not_enabled_stay_open(self, vocab, batches) -> None:
        model = toy_graphmask("tagger", vocab, epochs_per_layer=1)
        kept, _ = mask_at_thresholds(model, unmasked(model, batches[0]), [100.0])
        assert int(kept[0].sum()) == batches[0]["graph"].num_edges

    def test_it_counts_into_no_metric(self, model, batches) -> None:
        model.get_metrics(reset=True)
        mask_at_thresholds(model, unmasked(model, batches[0]), [0.0])
        metrics = model.get_metrics(reset=True)
        assert metrics["changed"] == 0 and metrics["original_accuracy"] == metrics["masked_accuracy"] == 0


class TestCurve:
    def test_a_higher_threshold_keeps_less(self, model, batches) -> None:
        points = brute_force(model, batches)
        shares = [point.kept for point in points]
        assert shares == sorted(shares, reverse=True) and len(set(shares)) == len(shares)
        assert (shares[0], shares[-1], points[0].changed) == (1, 0, 0)

    def test_it_is_over_all_batches(self, model, batches) -> None:
        (point,) = threshold_curve(model, batches, [float(model.threshold)])
        outputs = [model(**batch) for batch in batches]
        assert point.changed == pytest.approx(float(torch.cat([o["changed"] for o in outputs]).float().mean()))
        decisions = torch.cat([layer for o in outputs for layer in o["attribution"].kept])
        assert point.kept == pytest.approx(float(decisions.float().mean()))


@pytest.mark.parametrize("max_changed", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["tagger", "classifier"])
class TestChoice:
    def test_it_satisfies_the_bound_and_comes_close_to_the_best(self, kind, max_changed, vocab, batches) -> None:
        model = toy_graphmask(kind, vocab, batches[0])
        before = float(model.threshold)
        chosen = check_choice(model, batches, max_changed)
        assert float(model.threshold) == before  # it only says which
        assert chosen.kept == 0 or max_changed < 1

    def test_all_points_are_given(self, kind, max_changed, vocab, batches) -> None:
        points = choose_threshold(toy_graphmask(kind, vocab, batches[0]), batches, max_changed, steps=STEPS)
        thresholds = [point.threshold for point in points[1:]]
        assert thresholds == sorted(thresholds) and len(points) > STEPS
        assert all(point.kept >= points[0].kept for point in points if point.changed <= max_changed)


def check_choice(model: GraphMask, batches: list, max_changed: float) -> ThresholdPoint:
    """Compare the choice with all thresholds."""
    chosen = choose_threshold(model, batches, max_changed, steps=STEPS)[0]
    assert chosen == threshold_curve(model, batches, [chosen.threshold])[0]
    assert chosen.changed <= max_changed
    points = brute_force(model, batches)
    num_messages = sum(2 * batch["graph"].num_edges for batch in batches)
    # The last threshold before the bound is broken for the first time: a grid cannot be sure to find what may lie beyond it. The
    # first round has cells of 0.98 / (steps - 1) of the gates, the others cut one into steps + 1 parts, and quantiles are rounded.
    safe = points[0].kept
    for point in points:
        if point.changed > max_changed:
            break
        safe = point.kept
    cell = (points[0].kept - points[-1].kept) * 0.98 / (STEPS - 1)
    assert chosen.kept <= safe + cell / (STEPS + 1) ** 3 + 2 / num_messages
    # And nothing that satisfies the bound is given that could not exist.
    assert chosen.kept >= min(point.kept for point in points if point.changed <= max_changed)
    return chosen


@pytest.mark.parametrize("max_changed", [0.1, 0.25])
def test_messages_that_cannot_reach_the_focus_do_not_coarsen_the_search(max_changed, vocab) -> None:
    def get_foci(focus: str, batch: dict, output: dict, graph: Graph) -> list:
        nodes = torch.zeros(graph.num_nodes, dtype=torch.bool)
        nodes[graph.first_node_of_graph()] = True
        return [whole_prediction(graph.pad_nodes(nodes, output["mask"].size(1)), graph, nodes)]

    batches = [toy_batch(vocab, seed, 40) for seed in (1, 2)]
    model = toy_graphmask("tagger", vocab, batches[0])
    model.target.get_foci = get_foci
    check_choice(model, batches, max_changed)


def test_a_part_that_few_instances_have_is_measured_on_these(vocab, monkeypatch) -> None:
    def get_foci(focus: str, batch: dict, output: dict, graph: Graph) -> list:
        whole = whole_prediction(output["mask"], graph)
        descriptions = [None if number % 5 else "the fifth" for number in range(graph.num_graphs)]
        return [whole, whole._replace(descriptions=descriptions)]

    batches = [toy_batch(vocab, seed, 12) for seed in (1, 2)]
    model = toy_graphmask("tagger", vocab, batches[0])
    model.target.get_foci = get_foci
    sizes = [one.graph.num_graphs for batch in batches for one in focused_passes(model, batch, "any")]
    assert sizes == [12, 3, 12, 3]
    thresholds = gate_locations(model, focused_passes(model, batches[0], "any")[0])[::7].tolist()
    found = threshold_curve(model, batches, thresholds)
    monkeypatch.setattr(model.masked_model, "select", lambda unmasked, instances: None)
    assert found == threshold_curve(model, batches, thresholds) and len({point.changed for point in found}) > 2


class TestErrors:
    @pytest.mark.parametrize("max_changed", [-0.1, 1.1])
    def test_a_bound_that_is_not_a_share(self, model, batches, max_changed) -> None:
        with pytest.raises(ConfigurationError, match="max_changed is"):
            choose_threshold(model, batches, max_changed)

    def test_no_edges(self, model) -> None:
        batch = {"features": torch.zeros(1, 2, 3), "graph": Graph.from_edges(2, [], [])}
        with pytest.raises(ConfigurationError, match="the data have no edges"):
            choose_threshold(model, [batch], 0.1)

    def test_no_data(self, model) -> None:
        with pytest.raises(ConfigurationError, match="data"):
            threshold_curve(model, [], [0.0])
        with pytest.raises(ConfigurationError, match="data|edges"):
            choose_threshold(model, [], 0.1)


@pytest.mark.parametrize("threshold", [-16.0, 16.0, -1e6, 1e6])
def test_the_threshold_has_no_part_in_what_a_budget_keeps(threshold, vocab) -> None:
    batch = toy_batch(vocab)
    model = toy_graphmask("tagger", vocab, batch)
    interpreter = AmortisedGraphMask(graphmask=model, top_fraction=0.25)
    expected = interpreter.interpret(model.masked_model, batch).kept
    model.set_threshold(model.focus, threshold)
    found = interpreter.interpret(model.masked_model, batch).kept
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


class TestThresholdOfAFocus:
    @pytest.fixture
    def roles(self, vocab) -> GraphMask:
        """A model with the focus `all` and parts of a kind `role`, which the name `each` covers."""

        def get_foci(focus: str, batch: dict, output: dict, graph: Graph) -> list:
            whole = whole_prediction(output["mask"], graph)
            return [whole if focus == "all" else whole._replace(kind="role")]

        model = toy_graphmask("tagger", vocab, toy_batch(vocab))
        model.target.get_foci = get_foci
        model.target.foci = {"all": "all", "role": "each"}
        return model

    def test_a_part_of_a_kind_has_none_of_its_own(self, roles) -> None:
        with pytest.raises(ConfigurationError, match="'A1'.*all.*each"):
            roles.set_threshold("A1", 3.0)
        roles.set_threshold("each", 3.0, {"risk": "changed"})
        assert float(roles.threshold_for("role")) == 3.0 and roles.describe("role")["calibration"]["risk"] == "changed"
        assert float(roles.threshold_for("all")) != 3.0 and "calibration" not in roles.describe("all")

    def test_a_masker_trained_for_a_part_can_be_given_one_without_a_guarantee(self, roles) -> None:
        roles.focus = roles.masked_model.focus = "A1"
        roles.set_threshold("A1", 2.0)
        assert float(roles.threshold) == float(roles.threshold_for("role")) == 2.0
        with pytest.raises(ConfigurationError, match="'A1'"):
            roles.set_threshold("A1", 2.0, {"risk": "changed"})

    def test_what_is_counted_is_what_is_explained(self, roles, vocab) -> None:
        roles.focus = roles.masked_model.focus = "A1"
        roles.set_threshold("each", 1e6)
        output = roles(**toy_batch(vocab))
        assert output["attribution"].kept_share() == roles.get_metrics()["kept"] == 0


def test_layers_not_enabled_keep_what_can_have_an_effect(vocab) -> None:
    def get_foci(focus: str, batch: dict, output: dict, graph: Graph) -> list:
        nodes = torch.zeros(graph.num_nodes, dtype=torch.bool)
        nodes[graph.first_node_of_graph()] = True
        return [whole_prediction(graph.pad_nodes(nodes, output["mask"].size(1)), graph, nodes)]

    batch = toy_batch(vocab)
    model = toy_graphmask("tagger", vocab, batch, epochs_per_layer=1)
    model.target.get_foci = get_foci
    found = model(**batch)["attribution"]
    reachable = unmasked(model, batch).reachable()
    assert torch.equal(found.kept[0], reachable[0]) and not reachable[0].all()
    assert model.get_metrics()["kept"] == pytest.approx(found.kept_share())
    explained = AmortisedGraphMask(graphmask=model).interpret(model.masked_model, batch)
    assert all(torch.equal(one, other) for one, other in zip(explained.kept, found.kept, strict=True))
