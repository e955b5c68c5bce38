"""What benchmarks share."""

import torch

from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask
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


def test_markdown_table():
    assert markdown_table(["a", "b"], [[1, "x"], [2, "y"]]) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |"


def test_mean_and_range():
    assert mean_and_range([0.5, 0.25, 0.75]) == "50.0 [25.0, 75.0]"
    assert mean_and_range([1, 2], number="{:.3f}", factor=1) == "1.500 [1.000, 2.000]"
