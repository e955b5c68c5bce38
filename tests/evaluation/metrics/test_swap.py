"""The swap control: what an order does that is given the rival as the prediction."""

import pytest
import torch

from allennlp_graphmask.evaluation.metrics import EdgeSwap
from allennlp_graphmask.evaluation.metrics.swap import rival_wins, swap_rivals
from allennlp_graphmask.interpret.interpreters import GradientTimesMessage, IntegratedGradients, RandomInterpreter
from allennlp_graphmask.interpret.masked_model import MaskedModel
from tests.evaluation.metrics.conftest import explain
from tests.interpret.toy import TOYS, toy_batch, toy_target


@pytest.mark.parametrize("kind", sorted(TOYS))
class TestSwap:
    def masked_model(self, kind, vocab) -> MaskedModel:
        return MaskedModel(toy_target(kind, vocab))

    def test_the_first_two_classes_change_places(self, kind, vocab) -> None:
        masked_model = self.masked_model(kind, vocab)
        unmasked = masked_model.unmasked(toy_batch(vocab))
        before = masked_model.logits(unmasked.output)
        after = masked_model.logits(swap_rivals(masked_model, unmasked).output)
        mask = unmasked.focus.mask
        positions = torch.ones(before.shape[:-1], dtype=torch.bool) if mask is None else mask.bool()
        ranks = before.argsort(-1, descending=True), after.argsort(-1, descending=True)
        assert torch.equal(ranks[0][positions][:, [1, 0, 2]], ranks[1][positions])
        assert torch.equal(before.sort(-1).values[positions], after.sort(-1).values[positions])

    def test_an_order_that_reads_no_output_is_not_affected(self, kind, vocab) -> None:
        metric = EdgeSwap(fraction=0.3)
        metric(explain(self.masked_model(kind, vocab), toy_batch(vocab), RandomInterpreter()))
        found = metric.get_metric()
        assert found["swap_effect"] == 0 and found["rival_wins"] == found["swapped_rival_wins"]

    def test_signed_gradients_justify_what_they_are_given(self, kind, vocab) -> None:
        batch, masked_model = toy_batch(vocab), self.masked_model(kind, vocab)
        effects = {}
        for signed in (True, False):
            metric = EdgeSwap(fraction=0.3)
            interpreter = IntegratedGradients(signed=signed, completeness_tolerance=None)
            metric(explain(masked_model, batch, interpreter))
            effects[signed] = metric.get_metric()["swap_effect"]
        assert effects[True] > 0.05 and effects[True] >= effects[False]


def test_how_often_the_rival_wins_by_hand(vocab) -> None:
    masked_model = MaskedModel(toy_target("classifier", vocab))
    unmasked = masked_model.unmasked(toy_batch(vocab, count=2))
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    unmasked = masked_model.with_logits(unmasked, logits)
    # The rivals are classes 2 and 2; that another class is more probable than both is not their victory.
    masked = {"logits": torch.tensor([[1.0, 9.0, 2.0], [9.0, 3.0, 2.0]])}
    assert rival_wins(masked_model, unmasked, masked).tolist() == [1.0, 0.0]


def test_only_classes_in_the_focus_are_rivals(vocab) -> None:
    masked_model = MaskedModel(toy_target("classifier", vocab))
    unmasked = masked_model.unmasked(toy_batch(vocab, count=2))
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    mask = torch.tensor([[True, True, False], [False, True, False]])
    unmasked = masked_model.with_logits(unmasked, logits)._replace(focus=unmasked.focus._replace(mask=mask))
    assert masked_model.logits(swap_rivals(masked_model, unmasked).output).tolist() == [[1, 3, 2], [0, 5, 4]]


def test_orders_are_asked_for_at_equal_replacements(vocab) -> None:
    """The replacements of an interpreter are those that its scores and its attribution are of."""
    masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
    interpreter = GradientTimesMessage(signed=True)
    zeros = interpreter.interpret(masked_model, batch)
    dims = [messages.values.size(-1) for messages in masked_model.unmasked(batch).layers]
    interpreter.replacements = [torch.full((dim,), 0.5) for dim in dims]
    others = interpreter.interpret(masked_model, batch)
    assert not torch.allclose(zeros.scores[0], others.scores[0])
    assert all(torch.equal(*pair) for pair in zip(others.replacements, interpreter.replacements))


def test_the_random_control_of_the_swap_is_random_too(vocab) -> None:
    explained = explain(
        MaskedModel(toy_target("tagger", vocab)),
        toy_batch(vocab, count=24),
        IntegratedGradients(signed=True, completeness_tolerance=None),
    )
    own, controls = EdgeSwap(fraction=0.3), []
    own(explained)
    for seed in range(5):
        control = EdgeSwap(fraction=0.3)
        control(explained.random_control(seed))
        controls.append(control.get_metric())
    effects = torch.tensor([one["swap_effect"] for one in controls])
    assert own.get_metric()["swap_effect"] > 0.05 > float(effects.mean().abs())
    assert any(one["swapped_rival_wins"] != own.get_metric()["swapped_rival_wins"] for one in controls)
