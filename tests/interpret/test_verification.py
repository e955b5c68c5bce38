"""Decisions that are verified, for every task, against brute force."""

import math
from typing import Any, Dict, List, NamedTuple

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Instance, Vocabulary

from allennlp_graphmask.evaluation.metrics import AttributionEvaluation, EdgeChanged, EdgeKept, EdgeVerification
from allennlp_graphmask.focus import foci_by_kind
from allennlp_graphmask.interpret import masked_model
from allennlp_graphmask.interpret.divergences import Kl, SaturatingKl
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.interpreters import (
    AmortisedGraphMask,
    GradientTimesMessage,
    Interpreter,
    RandomInterpreter,
)
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.ranking import message_order
from allennlp_graphmask.interpret.verification import FIRST_STEP, GROWTH
from tests.interpret.interpreters.cases import target_of
from tests.interpret.interpreters.tied import TASKS, tied_task
from tests.interpret.toy import spread_gates, toy_graphmask, toy_instances, toy_vocabulary
from tests.models.building import make_batch


class Explained(NamedTuple):
    masked_model: MaskedModel
    instances: List[Instance]
    vocabulary: Vocabulary


TOYS = ["classifier", "tagger", "rgcn, dense", "entity_gcn, edge by edge"]


def build_toy(name: str) -> Explained:
    """A model whose predictions depend on its messages, and graphs, some without edges."""
    vocabulary = toy_vocabulary()
    return Explained(MaskedModel(target_of(name, vocabulary)), toy_instances(1, 12), vocabulary)


@pytest.fixture(scope="module", params=TOYS)
def toy(request) -> Explained:
    return build_toy(request.param)


@pytest.fixture(scope="module", params=[*TOYS, *TASKS])
def task(request, tmp_path_factory) -> Any:
    if request.param in TOYS:
        return build_toy(request.param)
    return tied_task(request.param, tmp_path_factory.mktemp("task"))


def interpreters() -> List[Interpreter]:
    return [
        RandomInterpreter(top_fraction=0.1),
        RandomInterpreter(top_fraction=0.0),
        GradientTimesMessage(top_fraction=0.1),
    ]


def verified_twin(interpreter: Interpreter, **settings: Any) -> Interpreter:
    return type(interpreter)(top_fraction=interpreter.top_fraction, seed=interpreter.seed, verify=True, **settings)


def order_by_hand(attribution: EdgeAttribution, reachable: List[torch.Tensor]) -> List[Any]:
    """The messages that may be added to one graph's decision: by score; of equal ones by layer, source, target and type."""
    place = {
        message: rank for rank, message in enumerate(message_order(attribution.graph, attribution.num_layers).tolist())
    }
    num_edges = attribution.graph.num_edges
    free = [
        (layer, edge)
        for layer in range(attribution.num_layers)
        for edge in range(num_edges)
        if reachable[layer][edge] and not attribution.kept[layer][edge]
    ]
    return sorted(
        free, key=lambda one: (-float(attribution.scores[one[0]][one[1]]), place[one[0] * num_edges + one[1]])
    )


def verify_by_hand(
    model: MaskedModel, unmasked: UnmaskedPass, attribution: EdgeAttribution, max_divergence: float
) -> Dict[str, Any]:
    """Of a batch of one graph: try the sets of the growing steps one after another."""
    free = order_by_hand(attribution, unmasked.reachable())

    def confirmed(kept: List[torch.Tensor]) -> bool:
        masked = model.masked(unmasked, attribution.gates(kept))
        divergence = model.divergence(SaturatingKl(), unmasked, masked, precise=True)
        return not bool(model.changed(unmasked, masked)) and float(divergence) <= max_divergence + 1e-6

    kept, added, passes = [layer.clone() for layer in attribution.kept], 0, 0
    step = max(1, math.ceil(FIRST_STEP * sum(int(layer.sum()) for layer in kept)))
    while not confirmed(kept):
        for layer, edge in free[added : added + step]:
            kept[layer][edge] = True
        added, step = min(added + step, len(free)), math.ceil(GROWTH * step)
        if added == len(free):
            break
        passes += 1
    return {"kept": [layer.tolist() for layer in kept], "passes": passes}


@pytest.mark.parametrize("max_divergence", [None, 0.05])
def test_it_tries_the_sets_of_growing_steps(toy, max_divergence) -> None:
    model = toy.masked_model
    num_added = 0
    for interpreter in interpreters():
        for instance in toy.instances:
            unmasked = model.unmasked(make_batch([instance], toy.vocabulary))
            before = interpreter.attribute(model, unmasked)
            found = verified_twin(interpreter, max_divergence=max_divergence).attribute(model, unmasked)
            with torch.no_grad():
                expected = verify_by_hand(
                    model, unmasked, before, math.inf if max_divergence is None else max_divergence
                )
            assert [layer.tolist() for layer in found.kept] == expected["kept"]
            assert found.verification.num_passes.tolist() == [expected["passes"]]
            assert all(torch.equal(*pair) for pair in zip(found.kept_before, before.kept))
            num_added += sum(int((kept & ~was).sum()) for kept, was in zip(found.kept, before.kept))
    assert num_added


def test_no_prediction_changes_and_no_message_is_dropped(task) -> None:
    """Of a whole batch, whose instances are verified together; confirmed decisions stay as they are."""
    model = task.masked_model
    batch = make_batch(task.instances, task.vocabulary)
    for name in foci_by_kind(model.target).values():
        for unmasked in model.focused(model.unmasked(batch), name):
            for interpreter in interpreters():
                before = interpreter.attribute(model, unmasked)
                found = verified_twin(interpreter, max_divergence=0.01).attribute(model, unmasked)
                with torch.no_grad():
                    masked = model.masked(unmasked, found.gates())
                    assert not model.changed(unmasked, masked).any()
                    assert (model.divergence(SaturatingKl(), unmasked, masked) <= 0.01 + 1e-5).all()
                    untouched = ~model.changed(unmasked, model.masked(unmasked, before.gates()))
                assert torch.equal(~untouched, found.verification.changed_before)
                for kept, was in zip(found.kept, before.kept):
                    assert not (was & ~kept).any()


def test_it_depends_on_no_other_instance(task) -> None:
    model, interpreter = task.masked_model, RandomInterpreter(top_fraction=0.1, verify=True, max_divergence=0.01)
    together = interpreter.interpret(model, make_batch(task.instances, task.vocabulary)).split()
    for instance, found in zip(task.instances, together, strict=True):
        (alone,) = interpreter.interpret(model, make_batch([instance], task.vocabulary)).split()
        assert all(torch.equal(*pair) for pair in zip(alone.kept, found.kept))
        assert torch.equal(alone.verification.num_passes, found.verification.num_passes)


def test_where_instances_cannot_be_told_apart_the_whole_batch_is_passed_again(toy, monkeypatch) -> None:
    model = toy.masked_model
    unmasked = model.unmasked(make_batch(toy.instances, toy.vocabulary))
    interpreter = RandomInterpreter(top_fraction=0.0, verify=True)
    expected = interpreter.attribute(model, unmasked)

    def refuse(*_: Any) -> None:
        raise TypeError

    monkeypatch.setattr(masked_model, "select_instances", refuse)
    found = interpreter.attribute(model, unmasked)
    assert all(torch.equal(*pair) for pair in zip(found.kept, expected.kept))
    assert torch.equal(found.verification.num_passes, expected.verification.num_passes)


def test_a_bound_without_verification_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"0\.1.*verify"):
        RandomInterpreter(max_divergence=0.1)
    with pytest.raises(ConfigurationError, match="-1"):
        RandomInterpreter(verify=True, max_divergence=-1)


def test_the_divergence_is_the_interpreters(toy) -> None:
    class WithKl(RandomInterpreter):
        reported_divergence = Kl()

    model = toy.masked_model
    found = WithKl(top_fraction=0.0, verify=True, max_divergence=0.2).interpret(
        model, make_batch(toy.instances, toy.vocabulary)
    )
    unmasked = model.unmasked(make_batch(toy.instances, toy.vocabulary))
    with torch.no_grad():
        divergence = model.divergence(Kl(), unmasked, model.masked(unmasked, found.gates()))
    assert (divergence <= 0.2 + 1e-5).all()


def test_both_figures_are_reported_apart(toy) -> None:
    """By the metric of attributions, and by GraphMask's own in an evaluation."""
    model = toy.masked_model
    batch = make_batch(toy.instances, toy.vocabulary)
    before, found = (
        RandomInterpreter(top_fraction=0.1, verify=verify).interpret(model, batch) for verify in (False, True)
    )
    metrics = EdgeVerification(), EdgeKept(), EdgeChanged()
    values: Dict[str, Any] = {}
    for metric in metrics:
        metric(AttributionEvaluation(model, batch, found))
        values.update(metric.get_metric())
    assert values["kept_before_verification"] == pytest.approx(before.kept_share())
    assert values["kept"] == pytest.approx(found.kept_share()) and values["changed"] == 0
    unmasked = model.unmasked(batch)
    with torch.no_grad():
        changed = model.changed(unmasked, model.masked(unmasked, before.gates())).double().mean()
    assert values["changed_before_verification"] == pytest.approx(float(changed)) and changed > 0
    assert values["verification_passes"] == pytest.approx(float(found.verification.num_passes.double().mean()))
    unverified = EdgeVerification()
    unverified(AttributionEvaluation(model, batch, before))
    assert unverified.get_metric() == {}

    graphmask = spread_gates(toy_graphmask("tagger", toy.vocabulary, batch), batch, quantile=0.8)
    graphmask.get_metrics(reset=True)
    graphmask(**batch)
    reported = graphmask.get_metrics(reset=True)
    explained = AmortisedGraphMask(graphmask=graphmask, verify=True).interpret(graphmask.masked_model, batch)
    assert reported["verified_kept"] == pytest.approx(explained.kept_share()) and reported["kept"] < 0.5
    passes = explained.verification.num_passes.double().mean()
    assert reported["verification_passes"] == pytest.approx(float(passes))
    graphmask.in_training_run = True
    graphmask(**batch)
    assert "verified_kept" not in graphmask.get_metrics(reset=True)


def test_what_lies_below_the_graph_encoder_is_computed_once(task, monkeypatch) -> None:
    model = task.masked_model
    unmasked = model.unmasked(make_batch(task.instances, task.vocabulary))
    instances = torch.tensor([0, len(task.instances) - 1])
    selected, expected = (
        model.select(unmasked, instances),
        model.record(make_batch([task.instances[0], task.instances[-1]], task.vocabulary)),
    )
    torch.testing.assert_close(selected.layers[0].node_states, expected.layers[0].node_states)
    torch.testing.assert_close(selected.layers[-1].values, expected.layers[-1].values)
    monkeypatch.setattr(model.target, "encode_nodes", None, raising=False)
    assert torch.equal(model.select(unmasked, instances).layers[0].values, selected.layers[0].values)
