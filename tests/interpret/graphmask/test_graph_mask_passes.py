"""What GraphMask computes: the two passes, the gates, the schedule, the controls."""

import copy

import pytest
import torch
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.divergences import changed_predictions
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.modules import Gate, intervening
from allennlp_graphmask.testing import assert_no_side_effects
from tests.interpret.toy import (
    frozen_copy,
    gcn_by_loops,
    in_training,
    layer_parameters,
    recorded_layers,
    same_state,
    spread_gates,
    toy_batch,
    toy_graphmask,
    toy_target,
)

KINDS = ["classifier", "tagger_in_one_pass", "tagger"]


@pytest.fixture(scope="module")
def batch(vocab):
    return toy_batch(vocab)


def train_steps(model: GraphMask, batch: dict, steps: int = 4, rate: float = 0.05) -> None:
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()


@torch.no_grad()
def open_all(model: GraphMask) -> None:
    """Gates saturated open are exactly one."""
    for gate in model.masker.gates:
        gate.output.bias += 100


@pytest.mark.parametrize("kind", KINDS)
class TestTheTarget:
    def test_its_outputs_are_those_that_it_gives_alone(self, kind, vocab, batch) -> None:
        # With dropout in it, which must not be active in the unmasked pass of training either.
        target = toy_target(kind, vocab, dropout=0.5)
        expected = target(**batch)["logits"]
        model = toy_graphmask(kind, vocab, batch, target={"dropout": 0.5}, dropout_in_masked_pass=True)
        assert torch.equal(model(**batch)["original"]["logits"], expected)
        assert torch.equal(in_training(model)(**batch)["original"]["logits"], expected)

    def test_it_never_changes_in_training(self, kind, vocab, batch) -> None:
        model = in_training(toy_graphmask(kind, vocab, batch, target={"normalise": True}, dropout_in_masked_pass=True))
        before, masker_before = frozen_copy(model.target), frozen_copy(model.masker)
        train_steps(model, batch)
        assert same_state(frozen_copy(model.target), before)
        assert not same_state(frozen_copy(model.masker), masker_before)
        assert all(p.grad is None for p in model.target.parameters())

    def test_only_masker_and_multiplier_are_trained(self, kind, vocab) -> None:
        trained = {name for name, p in toy_graphmask(kind, vocab).named_parameters() if p.requires_grad}
        assert {name.split(".")[0] for name in trained} == {"masker", "lagrangian"}
        assert "lagrangian.multiplier" in trained

    def test_the_users_model_is_left_alone(self, kind, vocab, batch) -> None:
        target = toy_target(kind, vocab, dropout=0.5).train()
        before = frozen_copy(target)
        train_steps(in_training(GraphMask(vocab, target)), batch, steps=2)
        assert same_state(frozen_copy(target), before)
        assert all(module.training for module in target.modules())
        assert all(p.requires_grad and p.grad is None for p in target.parameters())

    def test_it_is_in_evaluation_mode_from_the_start(self, kind, vocab, batch) -> None:
        model = GraphMask(vocab, toy_target(kind, vocab, dropout=0.5).train())
        assert not any(module.training for module in model.target.modules())
        model.train()
        assert model.training and not any(module.training for module in model.target.modules())

    def test_explaining_leaves_nothing_behind(self, kind, vocab, batch) -> None:
        model = toy_graphmask(kind, vocab, batch)
        with torch.no_grad():
            assert_no_side_effects(
                model.target, lambda: model(**batch), predict=lambda: model.target(**batch)["logits"]
            )

    def test_interrupted_training_leaves_nothing_behind(self, kind, vocab, batch) -> None:
        model = toy_graphmask(kind, vocab, batch, target={"dropout": 0.5}, dropout_in_masked_pass=True)
        in_training(model)

        def run() -> None:
            with torch.random.fork_rng():  # training draws gates and dropout
                model(**batch)

        assert_no_side_effects(model.target, run)


@pytest.mark.parametrize("kind", ["tagger_in_one_pass", "tagger"])
class TestHardGates:
    def test_they_equal_an_independent_forward_pass(self, kind, vocab, batch) -> None:
        model = toy_graphmask(kind, vocab, batch).double()
        batch = {**batch, "features": batch["features"].double()}
        with torch.no_grad():
            output = model(**batch)
            target, graph = model.target, batch["graph"]
            below = torch.tanh(target.projection(graph.flatten_nodes(batch["features"])))
            gates, states = [], below
            for layer in range(2):
                shown = recorded_layers(target, batch)[layer]
                assert torch.allclose(shown.node_states, states)
                gates.append((model.masker(shown) > model.gate_distribution.threshold).tolist())
                one_layer = copy.deepcopy(target.graph_encoder)
                one_layer.layers = one_layer.layers[layer : layer + 1]
                states = gcn_by_loops(one_layer, states, graph)
            masked = gcn_by_loops(target.graph_encoder, below, graph, gates, model.masker.baselines)
            expected = target.scorer(graph.pad_nodes(masked, batch["features"].size(1)))
        assert torch.allclose(output["masked"]["logits"], expected, rtol=0, atol=1e-10)
        assert [layer.tolist() for layer in output["attribution"].kept] == gates
        # Some and not all, so that the comparison says something.
        assert 0.3 < sum(map(sum, gates)) / (2 * graph.num_edges) < 0.9
        expected_changed = changed_predictions(output["original"]["logits"], expected, output["original"]["mask"])
        assert torch.equal(output["changed"], expected_changed) and expected_changed.any()

    def test_the_threshold_moves_them(self, kind, vocab, batch) -> None:
        model = toy_graphmask(kind, vocab, batch)
        shares = []
        for threshold in (-100.0, -1.0, 0.112, 2.0, 100.0):
            model.threshold.fill_(threshold)
            shares.append(model(**batch)["attribution"].kept_share())
        assert shares == sorted(shares, reverse=True) and shares[0] == 1 and shares[-1] == 0


def test_both_ways_of_the_tagger_are_equal(vocab, batch) -> None:
    outputs = [toy_graphmask(kind, vocab, batch)(**batch) for kind in ("tagger_in_one_pass", "tagger")]
    for key in ("loss", "divergence", "changed"):
        assert torch.equal(outputs[0][key], outputs[1][key])
    assert torch.equal(outputs[0]["masked"]["logits"], outputs[1]["masked"]["logits"])


def test_what_is_below_the_encoder_is_computed_once(vocab, batch, monkeypatch) -> None:
    model = toy_graphmask("tagger", vocab, batch)
    model.in_training_run = True  # else instances are passed again where decisions do not hold
    calls = []
    below = type(model.target).states_below
    monkeypatch.setattr(type(model.target), "states_below", lambda *a: calls.append(1) or below(*a))
    model(**batch)
    assert len(calls) == 1


class TestLayersNotEnabled:
    @staticmethod
    def with_schedule(vocab, batch, layers: int = 3) -> GraphMask:
        model = toy_graphmask("tagger", vocab, None, target={"num_layers": layers}, epochs_per_layer=2)
        return spread_gates(model, batch, quantile=0.7)

    def test_they_are_exactly_open(self, vocab, batch) -> None:
        model = self.with_schedule(vocab, batch)
        output = model(**batch)
        assert [bool(kept.all()) for kept in output["attribution"].kept] == [True, True, False]
        gate = Gate(output["attribution"].kept[2], model.masker.baselines[2])
        with intervening(model.target.graph_encoder, lambda m: gate if m.layer == 2 else None):
            expected = model.target(**batch)["logits"]
        assert torch.equal(output["masked"]["logits"], expected)

    def test_they_are_exactly_open_in_training_too(self, vocab, batch) -> None:
        # The authors' code drops 5 % of their messages at random.
        model = in_training(self.with_schedule(vocab, batch))
        open_all(model)
        output = model(**batch)
        assert torch.equal(output["masked"]["logits"], output["original"]["logits"])
        assert not output["changed"].any()

    def test_they_get_no_gradient_and_no_penalty(self, vocab, batch) -> None:
        model = in_training(self.with_schedule(vocab, batch))
        model(**batch)["loss"].backward()
        for layer in range(3):
            gradients = [p.grad is not None for p in layer_parameters(model.masker, layer)]
            assert all(gradients) if layer == 2 else not any(gradients)

    def test_the_schedule_takes_effect_when_training_goes_on(self, vocab, batch) -> None:
        model = in_training(self.with_schedule(vocab, batch))
        expected = {1: 1, 2: 2, 3: 2, 4: 3, 9: 3}  # layers enabled after so many epochs
        for epochs, layers in expected.items():
            before = int(model.enabled_layers)
            model.schedule_layers(epochs)
            assert int(model.enabled_layers) == before
            model.eval()
            model.train(False)
            assert int(model.enabled_layers) == before
            model.train()
            assert int(model.enabled_layers) == layers
            assert int(model.enabled_layers) == layers

    def test_without_a_schedule_all_are_enabled(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab)
        model.schedule_layers(1)
        assert int(model.train().enabled_layers) == model.num_layers

    @pytest.mark.parametrize("epochs_per_layer", [None, 1])
    def test_training_without_the_callback_is_refused(self, vocab, batch, epochs_per_layer) -> None:
        model = toy_graphmask("tagger", vocab, epochs_per_layer=epochs_per_layer)
        model(**batch)
        with pytest.raises(ConfigurationError, match='add {"type": "graphmask"} to "trainer": {"callbacks"'):
            model.train()(**batch)


class TestTrainingGates:
    def test_soft_gates_are_soft_and_straight_through_ones_hard(self, vocab, batch, monkeypatch) -> None:
        for kind, expected_hard in (("soft", False), ("straight_through", True)):
            model = in_training(toy_graphmask("tagger", vocab, batch, gates=kind))
            seen = []

            def masked_pass(inputs, gates, *args, seen=seen, own=model.masked_model.masked, **kwargs):
                seen.extend(gate.scale for gate in gates)
                return own(inputs, gates, *args, **kwargs)

            monkeypatch.setattr(model.masked_model, "masked", masked_pass)
            model(**batch)["loss"].backward()
            values = torch.cat(seen).detach()
            assert bool(((values == 0) | (values == 1)).all()) == expected_hard
            assert values.min() == 0 and 0 < float(values.mean()) < 1
            assert all(p.grad.abs().sum() > 0 for p in layer_parameters(model.masker, 0))

    def test_training_repeats_with_the_seed(self, vocab, batch) -> None:
        states = []
        for seed in (1, 1, 2):
            model = in_training(toy_graphmask("tagger", vocab, batch))
            torch.manual_seed(seed)
            train_steps(model, batch)
            states.append(frozen_copy(model))
        assert same_state(states[0], states[1]) and not same_state(states[0], states[2])

    def test_the_loss_is_penalty_and_constraint(self, vocab, batch) -> None:
        model = toy_graphmask("tagger", vocab, batch, penalty_scaling=0.3, allowance=0.2)
        with torch.no_grad():
            output = model(**batch)
            layers = recorded_layers(model.target, batch)
            penalty = sum(model.gate_distribution.probability_nonzero(model.masker(m)).mean() for m in layers)
        expected = 0.3 * penalty + model.lagrangian.value() * (output["divergence"].mean() - 0.2)
        assert float(output["loss"]) == pytest.approx(float(expected), abs=1e-6)

    def test_the_multiplier_can_follow_the_changed_predictions(self, vocab, batch) -> None:
        gradients = {}
        for follows in ("divergence", "changed"):
            model = in_training(toy_graphmask("tagger", vocab, batch, multiplier_follows=follows, allowance=0.1))
            torch.manual_seed(0)
            output = model(**batch)
            output["loss"].backward()
            value = output[follows].double().mean().item() - 0.1
            gradients[follows] = float(model.lagrangian.multiplier.grad)
            sigmoid = float(torch.sigmoid(model.lagrangian.multiplier.detach()))
            assert gradients[follows] == pytest.approx(-sigmoid * value, abs=1e-6)
        assert gradients["divergence"] != pytest.approx(gradients["changed"], abs=1e-3)


class TestDropoutInTheMaskedPass:
    def test_it_is_off_by_default(self, vocab, batch) -> None:
        model = in_training(toy_graphmask("tagger", vocab, batch, target={"dropout": 0.5}))
        open_all(model)
        output = model(**batch)
        assert torch.equal(output["masked"]["logits"], output["original"]["logits"])

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_shows_in_the_floor(self, kind, vocab, batch) -> None:
        floors = {}
        for dropout in (False, True):
            model = in_training(
                toy_graphmask(kind, vocab, batch, target={"dropout": 0.5}, dropout_in_masked_pass=dropout)
            )
            model(**batch)
            in_training_floor = model.get_metrics(reset=True).get("divergence_floor")
            with torch.no_grad():
                model.eval()(**batch)
            floors[dropout] = in_training_floor, model.get_metrics(reset=True).get("divergence_floor")
        # Where the masked pass of training has dropout, the floor is that of training.
        assert floors[False] == (None, 0.0)
        assert floors[True][0] > 0.05 and floors[True][1] is None

    def test_measuring_the_floor_does_not_change_training(self, vocab, batch) -> None:
        losses = []
        for measures_controls in (True, False):
            model = in_training(
                toy_graphmask("tagger", vocab, batch, target={"dropout": 0.5}, dropout_in_masked_pass=True)
            )
            model.measures_controls = measures_controls
            torch.manual_seed(5)
            losses.append([float(model(**batch)["loss"].detach()) for _ in range(3)])
        assert losses[0] == losses[1] and len(set(losses[0])) == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["training", "evaluation"])
def test_a_batch_without_edges(kind, mode, vocab, batch) -> None:
    model = toy_graphmask(kind, vocab, batch)
    model = in_training(model) if mode == "training" else model
    graph = Graph.disjoint_union([Graph.from_edges(2, [], []), Graph.from_edges(1, [], [])])
    output = model(features=torch.randn(2, 2, 3), graph=graph)
    assert output["divergence"].tolist() == [0, 0] and torch.isfinite(output["loss"])
    output["loss"].backward()
    metrics = model.get_metrics(reset=True)
    assert metrics["kept"] == 1 and metrics["changed"] == 0
    if mode == "evaluation":
        assert output["attribution"].kept_share() == 1


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_messages_of_the_bottom_layer_are_computed_once(kind, training, vocab, batch, monkeypatch):
    """Both passes have the same ones; those of higher layers depend on the gates below."""
    model = toy_graphmask(kind, vocab, batch)
    model.measures_controls = False
    in_training(model) if training else model.eval()
    counts = []
    for layer in model.masked_model.encoder.layers:
        compute = layer.edge_messages

        def counting(*arguments, compute=compute, layer=layer):
            counts.append(layer)
            return compute(*arguments)

        monkeypatch.setattr(layer, "edge_messages", counting)
    model(**batch)
    bottom, top = model.masked_model.encoder.layers
    assert counts.count(bottom) == 1 and counts.count(top) == 2
