"""What benchmarks share."""

from benchmarks.tables import markdown_table, mean_and_range
from benchmarks.training import evaluate
from tests.interpret.toy import spread_gates, toy_batch, toy_graphmask, toy_vocabulary


def test_only_the_given_batches_are_counted() -> None:
    vocab = toy_vocabulary()
    batch, other = toy_batch(vocab, seed=1), toy_batch(vocab, seed=2)
    model = spread_gates(toy_graphmask("tagger", vocab), batch)
    expected = evaluate(model, [batch], random_draws=0)
    model(**other)
    assert evaluate(model, [batch], random_draws=0) == expected
    assert evaluate(model, [other], random_draws=0) != expected


def test_markdown_table():
    assert markdown_table(["a", "b"], [[1, "x"], [2, "y"]]) == "| a | b |\n| --- | --- |\n| 1 | x |\n| 2 | y |"


def test_mean_and_range():
    assert mean_and_range([0.5, 0.25, 0.75]) == "50.0 [25.0, 75.0]"
    assert mean_and_range([1, 2], number="{:.3f}", factor=1) == "1.500 [1.000, 2.000]"
