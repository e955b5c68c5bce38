"""What benchmarks share."""

from collections import defaultdict
from typing import Any, List

import numpy
import pytest
import torch
from allennlp.data import Vocabulary

from allennlp_graphmask.interpret.graphmask.calibration import CANDIDATES, Outcomes
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
from allennlp_graphmask.interpret.ranking import top_fraction_mask
from allennlp_graphmask.metrics import SemanticRoleF1
from allennlp_graphmask.modules import Gate
from benchmarks import ablation, calibration, explain_speed, paired, rankings
from benchmarks.tables import markdown_table, mean_and_range
from benchmarks.training import evaluate
from benchmarks.verified import count_kept, measure_focus, shuffle
from tests.interpret.toy import spread_gates, toy_batch, toy_graphmask, toy_vocabulary


def test_only_the_given_batches_are_counted() -> None:
    vocab = toy_vocabulary()
    batch, other = toy_batch(vocab, seed=1), toy_batch(vocab, seed=2)
    model = spread_gates(toy_graphmask("tagger", vocab), batch)
    expected = evaluate(model, [batch], random_draws=0)
    model(**other)
    assert evaluate(model, [batch], random_draws=0) == expected
    assert evaluate(model, [other], random_draws=0) != expected


def test_verified_explanations_are_counted_beside_a_random_order() -> None:
    vocab = toy_vocabulary()
    batch = toy_batch(vocab, seed=1)
    model = spread_gates(toy_graphmask("tagger", vocab), batch).eval()
    figures = measure_focus(model, [batch, toy_batch(vocab, seed=2)], "all")
    assert figures["masker"]["single_kept"] == figures["random"]["single_kept"]
    assert figures["random"]["single_changed"] > 0 == figures["random"]["verified_changed"]
    unmasked = model.masked_model.unmasked(batch)
    found = AmortisedGraphMask(graphmask=model, verify=True).attribute(model.masked_model, unmasked)
    shuffled = shuffle(unmasked, found, torch.Generator().manual_seed(0))
    assert found.verification is not None
    assert torch.equal(count_kept(shuffled), count_kept(found, found.verification.kept_before))
    assert any(not torch.equal(one, other) for one, other in zip(shuffled.kept, found.verification.kept_before))


def test_an_order_of_messages_at_thresholds_and_at_equal_shares() -> None:
    vocab = toy_vocabulary()
    batches = [toy_batch(vocab, seed=seed) for seed in (1, 2)]
    model = spread_gates(toy_graphmask("tagger", vocab), batches[0]).eval()
    passes = [[model.masked_model.unmasked(batch)] for batch in batches]
    with torch.no_grad():
        orders = rankings.build_orders(model, ["graphmask", "random"])
        found = {name: rankings.measure_order(model, order, passes) for name, order in orders.items()}
    # The threshold for each bound is among those of the first half, and its effect is that on the second.
    attribution = orders["graphmask"].attribute(model.masked_model, passes[1][0])
    for bound, at in found["graphmask"]["thresholds"].items():
        assert [at["kept"], at["kept_mean"], at["changed"]] in found["graphmask"]["curve"]
        assert found["random"]["thresholds"][bound]["kept"] > 0
    kept_all = found["graphmask"]["curve"][-1]
    assert kept_all[0] == 1 and kept_all[2] == 0
    chosen = top_fraction_mask(attribution.scores, 0.2, attribution.graph, attribution.rounding)
    masked = model.masked_model.masked(passes[1][0], attribution.gates(chosen))
    expected = model.masked_model.changed(passes[1][0], masked).tolist()
    assert found["graphmask"]["changed"]["0.2"][-len(expected) :] == expected


def test_the_smallest_point_within_a_bound() -> None:
    points = numpy.array([[0.1, 0, 0.3], [0.2, 0, 0.05], [0.3, 0, 0.06], [1.0, 0, 0.0]])
    assert [rankings.smallest(points, bound) for bound in (0.0, 0.05, 0.1, 0.5)] == [3, 1, 1, 0]


def test_paired_intervals() -> None:
    first = [[True, False, True, False]] * 2
    assert rankings.paired_interval(first, first) == (0, 0)
    low, high = rankings.paired_interval([[True] * 50 + [False] * 50], [[False] * 100])
    assert low == pytest.approx(0.4, abs=0.03) and high == pytest.approx(0.6, abs=0.03)
    # The same instances twice are no more data than once; others are.
    widths = [
        numpy.subtract(*rankings.paired_interval(*pair)[::-1])
        for pair in (
            ([[True, False] * 50] * 2, [[False] * 100] * 2),
            ([[True, False] * 50, [True, False] * 51], [[False] * 100, [False] * 102]),
        )
    ]
    assert widths[1] < 0.85 * widths[0]


def test_counts_of_roles_give_the_f1_of_the_metric() -> None:
    generator = torch.Generator().manual_seed(3)
    vocabulary = Vocabulary(non_padded_namespaces=["role_labels"], tokens_to_add={"role_labels": ["_", "A0", "A1"]})
    logits, mask = torch.randn(40, 7, 3, generator=generator), torch.rand(40, 7, generator=generator) < 0.8
    roles = torch.randint(-1, 3, (40, 7), generator=generator)
    metric = SemanticRoleF1(vocabulary)
    metric(logits.argmax(-1), roles, mask)
    counts = paired.count(0, {"logits": logits, "mask": mask}, {"roles": roles}).numpy()
    assert paired.score(counts.sum(0)) == pytest.approx(100 * metric.get_metric()["f1"])
    arguments = counts[counts[:, 2] > 0].sum(0)
    assert paired.score(arguments) == pytest.approx(100 * metric.get_metric()["f1_with_arguments"])


def test_paired_difference_of_two_groups() -> None:
    right = numpy.random.default_rng(1).random((3, 400)) < [[0.5], [0.6], [0.7]]
    counts = numpy.stack([right, numpy.ones_like(right), numpy.ones_like(right)], axis=-1).astype(int)
    found = paired.compare(counts[1:], counts[:1], draws=2000)
    accuracy = 100 * right.mean(1)
    assert found["means"] == pytest.approx([accuracy[1:].mean(), accuracy[0]], abs=0.01)
    # Of differences between paired means of independent answers.
    error = 100 * (right[1:].mean(0) - right[0]).std() / 20
    low, high = (end - found["difference"] for end in found["interval"])
    assert (-low, high) == (pytest.approx(1.96 * error, rel=0.1), pytest.approx(1.96 * error, rel=0.1))
    assert paired.compare(counts, counts, draws=50)["interval"] == [0, 0]


def test_calibrations_of_a_pool() -> None:
    changed = torch.arange(200).view(-1, 1) < torch.linspace(0, 100, len(CANDIDATES))
    kept = torch.arange(len(CANDIDATES), 0, -1).expand(200, -1)
    messages, nodes = torch.full((200,), len(CANDIDATES)), torch.arange(200)
    outcomes = Outcomes(changed, changed.double(), kept, messages, nodes, [])
    row = calibration.describe(outcomes, "all", "changed", 0.1, 200, 100, 0.9)
    above, risk, kept_share, oracle = (float(cell.split()[0]) for cell in row[3:7])
    assert above <= 10 + 9 and 3 < risk < 10 and kept_share > oracle == pytest.approx(79.9, abs=0.5)


def test_markdown_table():
    assert markdown_table(["a", "b"], [[1, "x"], [2, "y"]]) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |"


def test_mean_and_range():
    assert mean_and_range([0.5, 0.25, 0.75]) == "50.0 [25.0, 75.0]"
    assert mean_and_range([1, 2], number="{:.3f}", factor=1) == "1.500 [1.000, 2.000]"


@pytest.mark.parametrize("zeros", [False, True])
def test_ablation_against_dropping_edges_one_by_one(zeros) -> None:
    vocab = toy_vocabulary()
    model = toy_graphmask("tagger", vocab, toy_batch(vocab, seed=1))
    masked_model = model.masked_model
    with torch.no_grad():
        unmasked = masked_model.unmasked(toy_batch(vocab, seed=1))
        graph = unmasked.graph

        def changed_without(layers, edges) -> torch.Tensor:
            dropped = torch.zeros(model.num_layers, graph.num_edges, dtype=torch.bool)
            for layer in layers:
                dropped[layer, edges] = True
            gates = [
                Gate((~one).float(), torch.zeros_like(vector) if zeros else vector)
                for one, vector in zip(dropped, model.masker.baselines)
            ]
            return masked_model.changed(unmasked, masked_model.masked(unmasked, gates))

        necessary = torch.zeros_like(graph.nodes_per_graph)
        for layer in range(model.num_layers):
            for edge, owner in enumerate(graph.edge_graph.tolist()):
                necessary[owner] += changed_without([layer], [edge])[owner]
        assert torch.equal(ablation.count_necessary(model, unmasked, zeros), necessary) and necessary.any()

        counts: dict = defaultdict(lambda: numpy.zeros(4 + model.num_layers, dtype=int))
        attribution = AmortisedGraphMask(graphmask=model).attribute(masked_model, unmasked)
        ablation.add_relations(model, unmasked, attribution, zeros, counts)
        names = masked_model.relation_names
        labels = [names[number].removesuffix("^-1") for number in graph.edge_type.tolist()]
        assert set(counts) == set(labels)
        layers = list(range(model.num_layers))
        for label, (num_with, num_changed, num_messages, num_kept, *alone) in counts.items():
            edges = [edge for edge, own in enumerate(labels) if own == label]
            owners = sorted({int(graph.edge_graph[edge]) for edge in edges})
            assert num_with == len(owners) and num_messages == len(edges) * len(layers)
            assert num_changed == int(changed_without(layers, edges)[owners].sum())
            assert alone == [int(changed_without([layer], edges)[owners].sum()) for layer in layers]
            assert num_kept == sum(int(layer[edges].sum()) for layer in attribution.kept)


def test_steps_whose_speed_is_measured() -> None:
    """Predicting and explaining change nothing; training does. Each sees every batch."""
    vocab = toy_vocabulary()
    batches = [toy_batch(vocab, seed=seed) for seed in (1, 2)]
    model = spread_gates(toy_graphmask("tagger", vocab), batches[0]).eval()
    steps = explain_speed.make_steps(model)
    seen: List[Any] = []
    watched = {name: lambda batch, name=name: seen.append((name, batch)) or steps[name](batch) for name in steps}
    state = {name: value.clone() for name, value in model.state_dict().items() if isinstance(value, torch.Tensor)}

    def is_as_before() -> bool:
        return all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())

    train = watched.pop("train")
    seconds = explain_speed.measure(watched, batches, torch.device("cpu"))
    assert list(seconds) == ["predict", "explain"] and min(seconds.values()) > 0 and is_as_before()
    assert [(name, id(batch)) for name, batch in seen] == [(name, id(one)) for one in batches for name in seconds]
    model.train()
    model.in_training_run = True
    explain_speed.measure({"train": train}, batches, torch.device("cpu"))
    assert not is_as_before()
