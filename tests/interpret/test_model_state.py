"""The modes of a model while it is explained, and the one thread at a time that may explain it."""

import contextlib
import copy
import threading
from typing import Any, Callable, Optional

import pytest
import torch
from torch import nn

from allennlp_graphmask.evaluation.metrics.sanity import randomized
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, LeaveOneEdgeOut
from allennlp_graphmask.interpret.masked_model import MaskedModel, MessageRecorder, MetricSets
from allennlp_graphmask.interpret.model_state import evaluating, one_thread_at_a_time, stochastic_layers_active
from allennlp_graphmask.modules.intervention import _active_interventions, intervening
from allennlp_graphmask.testing.interruption import Interruption
from tests.interpret.toy import toy_batch, toy_graphmask, toy_target


class TestModesOfAPass:
    @staticmethod
    def model() -> nn.Module:
        model = nn.Sequential(
            nn.Linear(4, 4),
            nn.BatchNorm1d(4),
            nn.Dropout(0.5),
            nn.Sequential(nn.Dropout(0.5), nn.LayerNorm(4)),
        ).eval()
        model[3].train()  # as a user may have left it
        model[3][0].eval()
        model[0].bias.requires_grad_(False)
        return model

    def test_dropout_works_and_normalisation_keeps_its_statistics(self) -> None:
        model = self.model()
        statistics = model[1].running_mean.clone(), model[1].num_batches_tracked.clone()
        inputs = torch.randn(8, 4)
        with stochastic_layers_active(model):
            assert model[2].training and model[3][0].training and not model[1].training
            assert not torch.equal(model(inputs), model(inputs))
        assert torch.equal(model[1].running_mean, statistics[0])
        assert torch.equal(model[1].num_batches_tracked, statistics[1])

    def test_nothing_is_trained_in_evaluation(self) -> None:
        model = self.model()
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not any(parameter.requires_grad for parameter in model.parameters())

    @pytest.mark.parametrize("context", [stochastic_layers_active, evaluating])
    @pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
    def test_everything_comes_back_also_after_an_error(self, context, error) -> None:
        model = self.model()
        modes = [module.training for module in model.modules()]
        gradients = [parameter.requires_grad for parameter in model.parameters()]
        with pytest.raises(error) if error else contextlib.nullcontext(), context(model):
            if error:
                raise error
        assert [module.training for module in model.modules()] == modes
        assert [parameter.requires_grad for parameter in model.parameters()] == gradients


def error_elsewhere(run: Callable[[], Any]) -> Optional[RuntimeError]:
    """What a run raises in another thread."""
    errors = []

    def catch() -> None:
        try:
            run()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=catch)
    thread.start()
    thread.join()
    return errors[0] if errors else None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["line", "call"])
def test_every_context_restores_whatever_is_interrupted(kind, vocab) -> None:
    """In a clean-up, too: these were once undone only if it ran to its end."""
    target = toy_target("tagger", vocab).train()
    sets = MetricSets(target, ["masked"])
    reader = MessageRecorder()
    before = target._accuracy, target.scorer.bias.requires_grad, target.graph_encoder.training

    def run() -> None:
        with stochastic_layers_active(target):
            pass
        with evaluating(target), evaluating(target), torch.no_grad():
            with intervening(target.graph_encoder, reader), intervening(target.graph_encoder, reader):
                with sets.using("masked"):
                    pass

    with Interruption() as counter:
        run()
    assert counter.seen[kind] > 50
    for number in range(1, counter.seen[kind] + 1):
        with contextlib.suppress(KeyboardInterrupt), Interruption(KeyboardInterrupt(), kind, number) as interruption:
            run()
        after = target._accuracy, target.scorer.bias.requires_grad, target.graph_encoder.training
        assert after == before and torch.is_grad_enabled() and not _active_interventions.get(), interruption.place
        if kind == "line":
            assert error_elsewhere(evaluating(target).__enter__) is None, interruption.place


class TestThreads:
    @pytest.mark.parametrize("busy", ["explaining", "randomized"])
    def test_a_second_one_is_refused_by_every_entry_instead_of_getting_wrong_numbers(self, busy, vocab) -> None:
        batch = toy_batch(vocab)
        graphmask = toy_graphmask("tagger", vocab, batch)
        masked_model = MaskedModel(graphmask.target)
        unmasked = masked_model.unmasked(batch)
        entries = {
            "unmasked": lambda: masked_model.unmasked(batch),
            "masked": lambda: masked_model.masked(unmasked, [None, None]),
            "interpret": lambda: LeaveOneEdgeOut().interpret(MaskedModel(graphmask.target), batch),
            "graphmask": lambda: graphmask(**batch),
            "amortised": lambda: AmortisedGraphMask(graphmask=graphmask).interpret(masked_model, batch),
        }
        with masked_model.explaining() if busy == "explaining" else randomized(graphmask.target):
            for name, run in entries.items():
                assert "ToyTagger" in str(error_elsewhere(run)), name
                run()  # this thread may
        assert all(error_elsewhere(run) is None for run in entries.values())

    def test_a_masker_that_explains_two_models(self, vocab) -> None:
        """A copy of the model has the same weights, and may be explained in a thread of its own: not by the same masker."""
        batch = toy_batch(vocab)
        graphmask = toy_graphmask("tagger", vocab, batch)
        copied = MaskedModel(copy.deepcopy(graphmask.target))
        interpreter = AmortisedGraphMask(graphmask=graphmask)
        with evaluating(graphmask):
            assert "GraphMask" in str(error_elsewhere(lambda: interpreter.interpret(copied, batch)))

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_an_error_in_the_first_one_frees_the_model_even_while_its_traceback_is_kept(self, error, vocab) -> None:
        masked_model, batch = MaskedModel(toy_target("tagger", vocab)), toy_batch(vocab)
        with pytest.raises(error) as kept:
            with masked_model.explaining():
                with pytest.raises(error), one_thread_at_a_time(masked_model.target):
                    raise error
                assert error_elsewhere(lambda: masked_model.unmasked(batch)) is not None  # still the first one's
                raise error
        assert error_elsewhere(lambda: masked_model.unmasked(batch)) is None
        assert kept.value.__traceback__ is not None

    def test_predictions_without_explanations_are_not_disturbed(self, vocab) -> None:
        target, batch = toy_target("tagger", vocab), toy_batch(vocab)
        expected, outputs = target(**batch)["logits"], []
        masked_model = MaskedModel(target)
        with masked_model.explaining():
            assert error_elsewhere(lambda: outputs.append(target(**batch)["logits"])) is None
        assert torch.equal(outputs[0], expected)

    def test_another_model_is_not_concerned(self, vocab) -> None:
        models = [MaskedModel(toy_target("tagger", vocab)) for _ in range(2)]
        with models[0].explaining(), models[1].explaining():
            assert error_elsewhere(copy.deepcopy(models[0]).explaining().__enter__) is None
