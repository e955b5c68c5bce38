"""GraphMask as a Model: what it reports, its controls, what it saves, what it refuses."""

import io
import json
import random

import numpy
import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.interpret.graphmask import GraphMask
from tests.interpret.toy import (
    ToyClassifier,
    in_training,
    same_state,
    spread_gates,
    toy_batch,
    toy_graphmask,
    toy_instances,
    toy_target,
)
from tests.models.building import make_batch


@pytest.fixture(scope="module")
def batches(vocab):
    return [toy_batch(vocab, seed, count) for seed, count in ((1, 12), (2, 5), (3, 8))]


@torch.no_grad()
def evaluated(model: GraphMask, batches: list) -> tuple:
    """The outputs of all batches and the metrics of the epoch."""
    model.eval()
    outputs = [model(**batch) for batch in batches]
    return outputs, model.get_metrics(reset=True)


@pytest.mark.parametrize("kind", ["classifier", "tagger_in_one_pass", "tagger"])
class TestMetrics:
    def test_kept_shares_are_those_of_the_attributions(self, kind, vocab, batches) -> None:
        outputs, metrics = evaluated(toy_graphmask(kind, vocab, batches[0]), batches)
        edges = [edge for output in outputs for edge in output["attribution"].edges()]
        decisions = [kept for edge in edges for kept in edge.kept]
        assert metrics["kept"] == pytest.approx(sum(decisions) / len(decisions))
        for layer in range(2):
            assert metrics[f"kept_layer_{layer}"] == pytest.approx(sum(edge.kept[layer] for edge in edges) / len(edges))
        for name in {edge.relation for edge in edges}:
            of_type = [kept for edge in edges for kept in edge.kept if edge.relation == name]
            assert metrics[f"_kept_type/{name}"] == pytest.approx(sum(of_type) / len(of_type))

    def test_scores_before_masking_are_those_of_the_target_alone(self, kind, vocab, batches) -> None:
        target = toy_target(kind, vocab)
        with torch.no_grad():
            for batch in batches:
                target(**batch)
        alone = target.get_metrics(reset=True)["accuracy"]
        model = toy_graphmask(kind, vocab, batches[0])
        outputs, metrics = evaluated(model, batches)
        assert metrics["original_accuracy"] == pytest.approx(alone)
        assert metrics["masked_accuracy"] != metrics["original_accuracy"]
        # Nothing has been counted into the target's own metrics.
        assert model.target.get_metrics()["accuracy"] == 0

    def test_means_are_over_instances(self, kind, vocab, batches) -> None:
        outputs, metrics = evaluated(toy_graphmask(kind, vocab, batches[0]), batches)
        for name in ("divergence", "changed"):
            values = torch.cat([output[name].double() for output in outputs])
            assert values.shape == (25,)
            assert metrics[name] == pytest.approx(float(values.mean()), abs=1e-6)
        assert metrics["multiplier"] == pytest.approx(1.00549, abs=1e-4)

    def test_a_second_epoch_starts_from_nothing(self, kind, vocab, batches) -> None:
        model = toy_graphmask(kind, vocab, batches[0])
        first, second = (evaluated(model, batches)[1] for _ in range(2))
        assert first == second

    def test_after_each_batch_the_first_few(self, kind, vocab, batches) -> None:
        model = toy_graphmask(kind, vocab, batches[0])
        evaluated(model, batches)
        with torch.no_grad():
            model(**batches[0])
        brief = model.get_metrics(reset=False)
        assert set(brief) == {"kept", "divergence", "changed", "multiplier"}
        assert brief["changed"] == pytest.approx(model.get_metrics(reset=True)["changed"])


def test_what_the_model_does_without_any_message_is_measured(vocab, batches) -> None:
    model = toy_graphmask("tagger", vocab, batches[0])
    model.in_training_run = True
    _, metrics = evaluated(model, batches)
    summary = model.describe()["training_summary"]
    assert {
        name: metrics[name] for name in ("dropped_changed", "original_accuracy", "dropped_accuracy")
    }.items() <= summary.items()
    # With a masker that drops all of them, it is what the masked pass gives.
    model.set_threshold(model.focus, 1e6)
    _, metrics = evaluated(model, batches)
    assert metrics["kept"] == 0 < metrics["dropped_changed"] == metrics["changed"]
    assert metrics["dropped_accuracy"] == metrics["masked_accuracy"] == summary["dropped_accuracy"]


class TestTheRandomControl:
    def test_it_keeps_as_many_in_each_layer(self, vocab, batches, monkeypatch) -> None:
        model = toy_graphmask("tagger", vocab, batches[0], num_random_controls=3)
        seen: dict = {}
        own = model.masked_model.masked

        def masked_pass(inputs, gates, metric_set="unreported", **kwargs):
            seen.setdefault(metric_set, []).append([gate.scale.clone() for gate in gates])
            return own(inputs, gates, metric_set, **kwargs)

        monkeypatch.setattr(model.masked_model, "masked", masked_pass)
        _, metrics = evaluated(model, batches[:1])
        assert len(seen["random"]) == 3 and "random_changed" in metrics and "random_accuracy" in metrics
        for draw in seen["random"]:
            for layer in range(2):
                assert int(draw[layer].sum()) == int(seen["masked"][0][layer].sum())
                assert not torch.equal(draw[layer], seen["masked"][0][layer])
        assert not torch.equal(seen["random"][0][0], seen["random"][1][0])

    def test_it_leaves_the_global_random_state_alone_and_repeats(self, vocab, batches) -> None:
        results = []
        for seed in (0, 0, 1):
            model = toy_graphmask("tagger", vocab, batches[0], random_control_seed=seed)
            states = torch.get_rng_state(), random.getstate(), numpy.random.get_state()[1].tolist()
            _, metrics = evaluated(model, batches)
            assert torch.equal(torch.get_rng_state(), states[0])
            assert (random.getstate(), numpy.random.get_state()[1].tolist()) == states[1:]
            results.append({key: value for key, value in metrics.items() if key.startswith("random")})
            torch.manual_seed(99)
        assert results[0] == results[1] != results[2]

    def test_it_can_be_turned_off(self, vocab, batches) -> None:
        model = toy_graphmask("tagger", vocab, batches[0])
        model.measures_controls = False
        assert not any(word in key for key in evaluated(model, batches)[1] for word in ("random", "floor", "dropped"))
        without_draws = toy_graphmask("tagger", vocab, batches[0], num_random_controls=0)
        assert not any("random" in key for key in evaluated(without_draws, batches)[1])

    def test_it_is_not_run_in_training(self, vocab, batches) -> None:
        model = in_training(toy_graphmask("tagger", vocab, batches[0]))
        model(**batches[0])
        assert not any("random" in key for key in model.get_metrics(reset=True))


class TestTheSelection:
    @pytest.mark.parametrize("bound, met", [(1.0, 1.0), (0.0, 0.0)])
    def test_it_is_reported(self, vocab, batches, bound, met) -> None:
        _, metrics = evaluated(toy_graphmask("tagger", vocab, batches[0], constraint_bound=bound), batches)
        assert metrics["constraint_met"] == met
        assert (metrics["selection"] == metrics["kept"]) == bool(met)

    def test_the_bound_is_a_little_above_the_allowance(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab, allowance=0.2)
        assert model.selection.kind == "changed" and model.selection.bound == pytest.approx(0.22)

    def test_epochs_with_layers_not_enabled_are_never_the_best(self, vocab, batches) -> None:
        late = evaluated(toy_graphmask("tagger", vocab, batches[0], constraint_bound=0.0), batches)[1]
        model = toy_graphmask("tagger", vocab, None, epochs_per_layer=1, constraint_bound=1.0)
        early = evaluated(model, batches)[1]
        assert (early["constraint_met"], late["constraint_met"]) == (1, 0)
        assert early["selection"] > late["selection"]

    def test_the_score_can_be_the_constraint(self, vocab, batches) -> None:
        settings = {"constraint": "score", "score_metric": "accuracy", "constraint_bound": 0.3}
        _, metrics = evaluated(toy_graphmask("tagger", vocab, batches[0], **settings), batches)
        loss = 1 - metrics["masked_accuracy"] / metrics["original_accuracy"]
        assert metrics["constraint_met"] == float(loss <= 0.3)

    def test_the_summary_is_that_of_the_last_validation_of_a_training_run(self, vocab, batches) -> None:
        model = toy_graphmask("tagger", vocab, batches[0])
        evaluated(model, batches)
        assert model.training_summary == {}
        model.in_training_run = True
        _, metrics = evaluated(model, batches)
        assert model.training_summary["kept"] == metrics["kept"]
        assert "selection" not in model.training_summary
        in_training(model)(**batches[0])
        model.get_metrics(reset=True)
        assert model.training_summary["kept"] == metrics["kept"]
        description = json.loads(json.dumps(model.describe()))
        assert description["training_summary"].items() <= model.training_summary.items()
        assert {"kept", "changed", "constraint_met"} <= set(description["training_summary"])


class TestSaving:
    def test_the_state_dict_is_safe_to_read_and_complete(self, vocab, batches) -> None:
        model = toy_graphmask("tagger", vocab, batches[0], epochs_per_layer=1)
        model.in_training_run = True
        model.threshold.fill_(0.7)
        model.schedule_layers(5)
        model.train()
        evaluated(model, batches)
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        state = torch.load(file, weights_only=True)

        other = toy_graphmask("tagger", vocab, None, epochs_per_layer=1)
        assert int(other.enabled_layers) == 1
        other.load_state_dict(state)
        assert same_state(other.state_dict(), model.state_dict())
        assert int(other.enabled_layers) == 2 and float(other.threshold) == 0.7
        assert other.training_summary == model.training_summary != {}
        with torch.no_grad():
            first, second = (m.eval()(**batches[0]) for m in (model, other))
        assert torch.equal(first["masked"]["logits"], second["masked"]["logits"])

    def test_the_target_is_saved_once(self, vocab) -> None:
        model = toy_graphmask("tagger", vocab)
        names = [name for name in model.state_dict() if "graph_encoder" in name]
        assert names and all(name.startswith("target.") for name in names)


class TestPredictions:
    def test_each_instance_gets_its_own(self, vocab, batches) -> None:
        model = toy_graphmask("tagger", vocab, batches[0])
        instances = toy_instances(1, 12)
        together = model.forward_on_instances(instances)
        whole = model(**batches[0])
        lengths = batches[0]["graph"].nodes_per_graph.tolist()
        for number, (instance, result) in enumerate(zip(instances, together, strict=True)):
            assert result["metadata"] == {"number": number}
            for name in ("original", "masked"):
                best = whole[name]["logits"][number].argmax(-1).tolist()
                assert result[f"{name}_prediction"] == best[: lengths[number]]
            assert [edge[:2] for edge in result["attribution"].edges()] == instance["graph"].edges
            assert bool(result["changed"]) == (result["original_prediction"] != result["masked_prediction"])
            alone = model.forward_on_instance(instance)
            assert alone["attribution"].edges() == [
                edge._replace(scores=pytest.approx(edge.scores, abs=1e-5)) for edge in result["attribution"].edges()
            ]
        assert any(result["changed"] for result in together)


class EncodesTwice(ToyClassifier):
    def forward(self, **batch):
        super().forward(**batch)
        return super().forward(**batch)


class TestErrors:
    def test_a_distribution_that_is_not_in_the_output(self, vocab, batches) -> None:
        model = toy_graphmask("classifier", vocab, distribution="role_logits")
        with pytest.raises(ConfigurationError, match=r"no 'role_logits', only \['logits', 'loss'\]. Name the"):
            model(**batches[0])

    def test_an_encoder_that_runs_twice(self, vocab, batches) -> None:
        model = toy_graphmask("classifier", vocab)
        model.target.__class__ = EncodesTwice
        with pytest.raises(RuntimeError, match="showed layer 0 where layer 2 was expected"):
            model(**batches[0])

    def test_an_encoder_that_does_not_run(self, vocab, batches, monkeypatch) -> None:
        model = toy_graphmask("classifier", vocab)
        monkeypatch.setattr(model.target, "encoded", lambda features, graph, states: torch.zeros(graph.num_nodes, 6))
        with pytest.raises(RuntimeError, match="showed 0 of its 2 layers"):
            model(**batches[0])


def test_labels_are_not_needed(vocab) -> None:
    instances = toy_instances(1, 3)
    for instance in instances:
        del instance.fields["tags"], instance.fields["label"]
    model = spread_gates(toy_graphmask("tagger", vocab), toy_batch(vocab))
    output, metrics = evaluated(model, [make_batch(instances, vocab)])
    assert output[0]["attribution"].num_layers == 2 and metrics["original_accuracy"] == 0


def test_the_vocabulary_may_lack_the_edge_labels() -> None:
    # All edges are then of unseen relations.
    vocab = Vocabulary()
    batch = toy_batch(vocab)
    _, metrics = evaluated(toy_graphmask("tagger", vocab, batch), [batch])
    assert {key for key in metrics if "/" in key} == {"_kept_type/@@UNSEEN@@", "_kept_type/@@UNSEEN@@^-1"}
