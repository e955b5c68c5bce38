import json
import math
import random
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.callbacks.confidence_checks import ConfidenceChecksCallback
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from allennlp_graphmask.modules.finite import describe_non_finite
from allennlp_graphmask.training.distributed_training import DistributedTraining


@TrainerCallback.register("reliable_training")
class ReliableTraining(DistributedTraining):
    """
    Makes a training that is continued with `--recover` equal to one that was never interrupted, and stops a training whose loss or
    gradient is not finite before the model changes.

    AllenNLP restores parameters, optimizer and schedules. This callback adds PyTorch's random state, the metrics of the last epoch,
    early stopping, the moving average of parameters (which AllenNLP continues on copies of them), and an order of the training data
    that does not depend on whether validation draws random numbers. In distributed training it does what `DistributedTraining` does.

    Registered as a `TrainerCallback` with name "reliable_training". The callback `graphmask` does the same and more.

    # Raises

    `ConfigurationError` in training, naming the epoch, the batch and the first tensor with a number that is not finite.
    """

    def __init__(self, serialization_dir: str) -> None:
        super().__init__(serialization_dir)
        self._metrics: Dict[str, Any] = {}
        self._parameters: List[Tuple[str, torch.nn.Parameter]] = []
        self._undo: List[Callable[[], None]] = []

    def on_start(self, trainer: GradientDescentTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary, **kwargs)
        parameters = dict(trainer._pytorch_model.named_parameters())
        average = trainer._moving_average
        if average is not None:
            average._parameters = [(name, parameters[name]) for name, _ in average._parameters]
            for tensors in (average._shadows, average._backups):
                tensors.update({name: tensor.to(parameters[name].device) for name, tensor in tensors.items()})
        if trainer._metric_tracker.should_stop_early() and trainer._start_after_batches_in_epoch_completed == 0:
            # It was interrupted when it had just run out of patience.
            trainer._num_epochs = trainer._start_after_epochs_completed
        self._parameters = [(name, parameter) for name, parameter in parameters.items() if parameter.requires_grad]
        self._undo = [trainer._pytorch_model.register_forward_hook(self._check_loss).remove]
        rescale_gradients, validation_loss = trainer.rescale_gradients, trainer._validation_loss

        def check_and_rescale_gradients() -> Optional[float]:
            self._check_gradients()  # Before clipping, which makes all gradients NaN if one is.
            return rescale_gradients()

        def validation_loss_with_random_numbers_of_its_own(epoch: int) -> Tuple[float, Optional[float], int]:
            # AllenNLP draws the order of the training data again for the epochs that it skips, but does not validate then.
            state = random.getstate()
            try:
                return validation_loss(epoch)
            finally:
                random.setstate(state)

        trainer.rescale_gradients = check_and_rescale_gradients  # type: ignore[method-assign]
        trainer._validation_loss = validation_loss_with_random_numbers_of_its_own  # type: ignore[method-assign]
        self._undo.append(lambda: vars(trainer).pop("rescale_gradients"))
        self._undo.append(lambda: vars(trainer).pop("_validation_loss"))

    def _check_loss(self, module: torch.nn.Module, inputs: Any, output: Dict[str, Any]) -> None:
        if module.training and "loss" in output and not output["loss"].isfinite():
            outputs = [(name, value) for name, value in output.items() if isinstance(value, torch.Tensor)]
            self._stop([*module.named_parameters(), *outputs])

    def _check_gradients(self) -> None:
        assert self.trainer is not None
        if self.trainer._scaler is not None:
            return  # It skips such steps itself.
        gradients = [parameter.grad for _, parameter in self._parameters if parameter.grad is not None]
        values = [gradient.coalesce().values() if gradient.is_sparse else gradient for gradient in gradients]
        if values and not math.isfinite(torch.stack(torch._foreach_norm(values)).sum().item()):
            self._stop(
                (f"the gradient of {name}", parameter.grad.to_dense())
                for name, parameter in self._parameters
                if parameter.grad is not None
            )

    def _stop(self, tensors: Any) -> None:
        trainer = self.trainer
        assert trainer is not None
        wrong = describe_non_finite(tensors)
        if wrong is not None:  # A norm can overflow though all numbers are finite.
            raise ConfigurationError(
                f"Training stopped in epoch {trainer._epochs_completed} at batch {trainer._batches_in_epoch_completed + 1}: {wrong}, "
                "expected a finite number. The model was not changed by this batch, and the checkpoints before it are kept. Train with "
                'a lower learning rate, or with "grad_norm" in the trainer.'
            )

    def on_epoch(
        self,
        trainer: GradientDescentTrainer,
        metrics: Dict[str, Any],
        epoch: int,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        super().on_epoch(trainer, metrics, epoch, is_primary, **kwargs)
        self._metrics = dict(metrics)
        for callback in trainer._callbacks:
            if isinstance(callback, ConfidenceChecksCallback) and is_primary:
                # It removes its hooks after the first batch of all. Continued after that, it would remember every call of every module.
                callback._verification.destroy_hooks()
                callback._verification._module_sequence.clear()

    def on_end(
        self,
        trainer: GradientDescentTrainer,
        metrics: Optional[Dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        for undo in self._undo:
            undo()
        if metrics is not None and "epoch" not in metrics:  # All epochs had been completed before the interruption.
            metrics.update(self._metrics)

    def state_dict(self) -> Dict[str, Any]:
        state: Dict[str, Any] = {"random_state": torch.get_rng_state(), "metrics": json.dumps(self._metrics)}
        if torch.cuda.is_available():
            state["cuda_random_state"] = torch.cuda.get_rng_state_all()
        return state

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self._metrics = json.loads(state_dict.get("metrics", "{}"))
        torch.set_rng_state(state_dict["random_state"].cpu())
        if "cuda_random_state" in state_dict and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([state.cpu() for state in state_dict["cuda_random_state"]])
