"""What a masker is trained for, beside the constraint."""

import pytest
import torch

from allennlp_graphmask.focus import whole_prediction
from allennlp_graphmask.interpret.graphmask.objectives import AllBudgets, gates_within_budget
from allennlp_graphmask.interpret.hard_concrete import HardConcrete
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from tests.interpret.toy import in_training, toy_batch, toy_graphmask


@pytest.fixture
def model(vocab):
    return toy_graphmask("tagger", vocab, objective=AllBudgets())


def logistic(shape: torch.Size) -> torch.Tensor:
    uniform = torch.rand(shape, generator=torch.Generator().manual_seed(4), dtype=torch.double).clamp(1e-3, 1 - 1e-3)
    return uniform.log() - (1 - uniform).log()


class TestBudget:
    def setup(self, vocab):
        graph = toy_batch(vocab)["graph"]
        generator = torch.Generator().manual_seed(2)
        locations = torch.randn(2, graph.num_edges, generator=generator, dtype=torch.double) * 2
        reaches = torch.rand(2, graph.num_edges, generator=generator) > 0.2
        possible = sum_per_graph(reaches.double().sum(0), graph)
        budget = (0.3 * possible).clamp(min=0.5)
        return graph, locations, reaches, possible, budget

    def gates(self, vocab, locations):
        graph, _, reaches, _, budget = self.setup(vocab)
        return gates_within_budget(HardConcrete(), locations, logistic(locations.shape), reaches, budget, graph)

    def test_gates_add_up_to_it(self, vocab) -> None:
        graph, locations, reaches, possible, budget = self.setup(vocab)
        gates = self.gates(vocab, locations)
        sums = sum_per_graph(gates.sum(0), graph)
        some = possible > 0
        assert torch.allclose(sums[some], budget[some], atol=1e-5)
        assert not gates[~reaches].any() and not sums[~some].any()

    def test_the_gradient_goes_through_the_threshold(self, vocab) -> None:
        _, locations, _, _, _ = self.setup(vocab)
        weights = torch.randn(locations.shape, generator=torch.Generator().manual_seed(9), dtype=torch.double)
        locations.requires_grad_()
        value = (weights * self.gates(vocab, locations)).sum()
        (gradient,) = torch.autograd.grad(value, locations)
        step = 1e-5
        for place in [(0, 0), (0, 7), (1, 3), (1, 11)]:
            with torch.no_grad():
                values = []
                for change in (step, -step):
                    moved = locations.clone()
                    moved[place] += change
                    values.append(float((weights * self.gates(vocab, moved)).sum()))
            assert float(gradient[place]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-3)


class TestAllBudgets:
    def test_training_lowers_the_loss(self, model, vocab) -> None:
        batch = toy_batch(vocab)
        before = float(model(**batch)["loss"])
        in_training(model)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
        torch.manual_seed(0)
        for _ in range(60):
            optimizer.zero_grad()
            model(**batch)["loss"].backward()
            optimizer.step()
        model.eval()
        assert float(model(**batch)["loss"]) < before - 0.1
        assert all(bool(p.grad.isfinite().all()) for p in model.masker.parameters())
        assert bool(model.objective.slope.grad)

    def test_epochs_are_compared_by_equal_draws_and_the_loss_chooses(self, model, vocab) -> None:
        batch = toy_batch(vocab)
        model.in_training_run = True
        state = torch.get_rng_state()
        first, second = (float(model(**batch)["loss"]) for _ in range(2))
        assert first == second and torch.equal(state, torch.get_rng_state())
        metrics = model.get_metrics(reset=True)
        assert metrics["selection"] == pytest.approx(first, rel=1e-5) == metrics["objective"]
        # Decisions are those of the threshold.
        assert 0 < metrics["kept"] <= 1 and metrics["constraint_met"] == 1

    def test_layers_that_are_not_enabled_stay_open(self, vocab) -> None:
        model = in_training(toy_graphmask("tagger", vocab, objective=AllBudgets(), epochs_per_layer=1))
        batch = toy_batch(vocab)
        unmasked = model.masked_model.unmasked(batch)
        drawn, losses = model.objective(model, unmasked, model.locations(unmasked), None)
        assert drawn.gates[0] is None and drawn.gates[1].shape == (unmasked.graph.num_edges,)
        assert losses.shape == (12,) and bool(losses.isfinite().all())
        # No epoch before all layers are enabled is the best.
        assert bool(model(**batch)["loss"].isfinite())
        model.eval()
        model(**batch)
        assert model.get_metrics(reset=True)["selection"] > 1e6

    def test_explanations_state_no_constraint(self, model) -> None:
        assert not {"constraint", "allowance"} & model.describe().keys()

    @pytest.mark.parametrize("bounds", [(2.0, 1.0), (0.0, 1.0)])
    def test_bounds_that_are_none(self, bounds) -> None:
        for name in ("prices", "shares"):
            with pytest.raises(Exception, match=name):
                AllBudgets(**{name: bounds})


class TestTrainingFoci:
    """Batches of training are masked for one of several foci."""

    @pytest.fixture
    def model(self, vocab):
        model = toy_graphmask("tagger", vocab, objective=AllBudgets(), training_foci=["all", "first"])

        def get_foci(focus: str, batch: dict, output: dict, graph) -> list:
            whole = whole_prediction(output["mask"], graph)
            return [
                whole if focus == "all" else whole._replace(kind="first", descriptions=["the first"] * graph.num_graphs)
            ]

        model.target.get_foci = get_foci
        return in_training(model)

    def test_each_is_drawn(self, model, vocab, monkeypatch) -> None:
        drawn = []
        focused = model.masked_model.focused
        monkeypatch.setattr(
            model.masked_model, "focused", lambda found, focus: drawn.append(focus) or focused(found, focus)
        )
        batch = toy_batch(vocab)
        torch.manual_seed(0)
        for _ in range(40):
            model(**batch)
        assert 10 < drawn.count("first") < 30 and drawn.count("first") + drawn.count("all") == 40
        drawn.clear()
        model.eval()(**batch)
        assert set(drawn) == {"all"}

    def test_they_are_part_of_the_archive(self, model, vocab) -> None:
        other = toy_graphmask("tagger", vocab, objective=AllBudgets())
        other.load_state_dict(model.state_dict())
        assert other.training_foci == model.describe()["trained_foci"] == ["all", "first"]


def test_metrics_before_anything_was_counted(model) -> None:
    assert model.get_metrics(reset=True)["selection"] == 0


def test_of_a_batch_that_is_evaluated_the_decisions_alone_are_counted(vocab) -> None:
    batch = toy_batch(vocab)
    constrained, budgets = (
        toy_graphmask("tagger", vocab, batch, **settings) for settings in ({}, {"objective": AllBudgets()})
    )
    budgets.masker.load_state_dict(constrained.masker.state_dict())
    found = []
    for model in (constrained, budgets):
        model(**batch)
        found.append(model.get_metrics(reset=True))
    assert found[0]["masked_accuracy"] == found[1]["masked_accuracy"] != found[0]["original_accuracy"]
    # In training it is the pass with a price.
    in_training(budgets)(**batch)
    counted = [metric.total_count for metric in budgets.masked_model.metric_sets._copies["masked"]]
    assert counted == [int(batch["graph"].num_nodes)]


def test_no_generator_of_a_gpu_is_seeded(model, vocab, monkeypatch) -> None:
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    model(**toy_batch(vocab))
    assert not seeded
