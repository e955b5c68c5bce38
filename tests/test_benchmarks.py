"""The evaluation that benchmarks share."""

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
