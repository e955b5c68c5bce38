import json
import logging
import os
from typing import Any, Dict, List, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.training.callbacks import TrainerCallback
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from allennlp_graphmask.checks import check_fraction
from allennlp_graphmask.explanation.files import atomic_write, write_atomically
from allennlp_graphmask.focus import foci_by_kind
from allennlp_graphmask.interpret.graphmask.graph_mask import GraphMask
from allennlp_graphmask.interpret.graphmask.selection import SelectionCriterion
from allennlp_graphmask.interpret.graphmask.threshold import NothingToExplain, choose_threshold
from allennlp_graphmask.training import ReliableTraining

logger = logging.getLogger(__name__)

#: A layer that keeps a smaller share of its messages has collapsed, one that keeps more than 1 minus it is stuck open.
_EXTREME_SHARE = 1e-3


@TrainerCallback.register("graphmask")
class GraphMaskCallback(ReliableTraining):
    """
    Trains a `graphmask` model together with the trainer: does what the callback `reliable_training` does (`--recover` continues as
    if nothing had happened), enables the layers one after another, warns of the ways in which training fails (all messages
    dropped, a layer that never drops any, or data without edges), logs at the end if no epoch met the constraint, and chooses
    the gate threshold.

    Registered as a `TrainerCallback` with name "graphmask".

    # Parameters

    serialization_dir : `str`
        Given by AllenNLP.
    max_changed : `float`, optional (default = `None`)
        After training, the gate threshold is moved to where the fewest messages are kept with at most this share of instances
        with a changed prediction on the validation data, and stored in the archive; for each kind of focus of the target one of its
        own. All thresholds that were compared are written to `threshold_curve.json`.
    """

    renamed_parameters = {"threshold_for_changed": "max_changed"}

    def __init__(self, serialization_dir: str, max_changed: Optional[float] = None) -> None:
        super().__init__(serialization_dir)
        if max_changed is not None:
            check_fraction("graphmask callback", max_changed=max_changed)
        self._max_changed = max_changed
        self._epochs_open: List[int] = []

    def on_start(self, trainer: GradientDescentTrainer, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary, **kwargs)
        model = _graphmask_model(trainer)
        model.in_training_run = True
        if len(self._epochs_open) != model.num_layers:  # else they come from a checkpoint
            self._epochs_open = [0] * model.num_layers
        if self._max_changed is not None:
            if trainer._validation_data_loader is None:
                raise ConfigurationError("max_changed needs validation data: set validation_data_path.")
        tracked = {name for _, name in trainer._metric_tracker.tracked_metrics}
        if trainer._validation_data_loader is not None and tracked != {"selection"}:
            raise ConfigurationError(
                f"trainer.validation_metric is {', '.join(sorted(tracked))}, by which an epoch with few layers enabled, or one that "
                'violates the constraint, can be the best. Set "validation_metric": "-selection"; what the constraint bounds is '
                "chosen in the model's config."
            )
        if not model.epochs_per_layer:
            return
        needed = (model.num_layers - 1) * model.epochs_per_layer + 1
        if trainer._num_epochs < needed:
            raise ConfigurationError(
                f"trainer.num_epochs is {trainer._num_epochs}, but enabling {model.num_layers} layers one after another with "
                f"epochs_per_layer = {model.epochs_per_layer} takes at least {needed} epochs."
            )
        if trainer._metric_tracker._patience is not None and model.num_layers > 1:
            raise ConfigurationError(
                "trainer.patience cannot be used with epochs_per_layer: epochs before all layers are enabled are never the best, "
                "and patience would end the training among them. Leave patience out."
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
        model = _graphmask_model(trainer)
        if is_primary:
            for message in self._diagnose(model, metrics):
                logger.warning(message)
        model.schedule_layers(epoch + 1)

    def _diagnose(self, model: GraphMask, metrics: Dict[str, Any]) -> List[str]:
        prefix = "validation_" if "validation_kept" in metrics else "training_"
        messages = []
        # What another objective does is judged by its loss: at the gates' own threshold its masker may keep all or nothing.
        is_constrained = isinstance(model.selection, SelectionCriterion)
        floor = metrics.get("validation_divergence_floor", metrics.get("training_divergence_floor", 0.0))
        if model.dropout_in_masked_pass:
            floor = metrics.get("training_divergence_floor", floor)
        if floor > model.lagrangian.allowance and is_constrained:
            messages.append(
                f"With all gates open the divergence is {floor:.3g} already, above the allowance {model.lagrangian.allowance:.3g}: "
                "the constraint cannot be met. Turn dropout_in_masked_pass off, take a divergence that is zero for equal "
                "predictions, or raise the allowance."
            )
        without_edges = [name for name in ("training", "validation") if metrics.get(f"{name}__num_edges") == 0]
        for name in without_edges:
            messages.append(f"The {name} data have no edges, so there is no message that a gate could keep or drop.")
        if prefix[:-1] in without_edges or not is_constrained:
            return messages
        enabled = range(model.num_layers - int(model.enabled_layers), model.num_layers)
        kept = {layer: metrics.get(f"{prefix}kept_layer_{layer}", 1.0) for layer in range(model.num_layers)}
        if all(kept[layer] < _EXTREME_SHARE for layer in enabled):
            bound = " and the multiplier is at its bound" if model.lagrangian.at_upper_bound() else ""
            messages.append(
                f"Collapsed: the enabled layers keep {max(kept[layer] for layer in enabled):.2%} of their messages{bound}. If "
                "predictions change, the penalty won before the multiplier could grow: raise initial_multiplier (to 5, for example), "
                "give the multiplier a higher learning rate, or lower penalty_scaling."
            )
        for layer in range(model.num_layers):
            open_now = layer in enabled and kept[layer] > 1 - _EXTREME_SHARE
            self._epochs_open[layer] = self._epochs_open[layer] + 1 if open_now else 0
            if self._epochs_open[layer] >= 2:
                messages.append(
                    f"Stuck open: layer {layer} has kept all of its messages for {self._epochs_open[layer]} epochs. If it should "
                    "not need them all: enable layers one after another (epochs_per_layer), lower initial_multiplier, or raise the "
                    "learning rate."
                )
        return messages

    def on_end(
        self,
        trainer: GradientDescentTrainer,
        metrics: Optional[Dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        super().on_end(trainer, metrics, epoch, is_primary, **kwargs)
        model = _graphmask_model(trainer)
        model.in_training_run = False
        # Without metrics, training ended by an exception.
        if metrics is None:
            return
        if self._max_changed is not None:
            self._choose_threshold(trainer, model, self._max_changed, is_primary)
        summary = model.training_summary
        if is_primary and not summary.get("constraint_met", 1.0):
            logger.warning(
                "No epoch met the constraint (%s at most %.3g). The archive holds the one that violates it least: %s of the "
                "messages kept, %s of the instances changed. Its explanations carry this in their training_summary.",
                model.selection.kind,
                model.selection.bound,
                f"{summary['kept']:.1%}",
                f"{summary['changed']:.1%}",
            )

    def _choose_threshold(
        self, trainer: GradientDescentTrainer, model: GraphMask, max_changed: float, is_primary: bool
    ) -> None:
        # The trainer has loaded the best epoch's weights by now.
        model.eval()
        loader = trainer._validation_data_loader
        assert loader is not None
        curves: Dict[str, Dict[str, Any]] = {}
        for focus in dict.fromkeys([model.focus, *foci_by_kind(model.target).values()]):
            try:
                points = choose_threshold(model, loader, max_changed, focus=focus)
            except NothingToExplain as error:
                logger.warning("%s The gates keep their threshold.", error.message)
                continue
            chosen = points[0]
            logger.info(
                "Gate threshold for the focus '%s' moved from %.3f to %.3f: %.1f %% of the messages kept, %.1f %% of the instances "
                "changed.",
                focus,
                float(model.threshold),
                chosen.threshold,
                100 * chosen.kept,
                100 * chosen.changed,
            )
            curves[focus] = {"chosen": chosen._asdict(), "points": [point._asdict() for point in points]}
        choices = {focus: curve["chosen"] for focus, curve in curves.items()}
        for focus, choice in choices.items():
            model.set_threshold(focus, choice["threshold"])
        if model.focus in choices:
            model.training_summary["threshold_choice"] = {"max_changed": max_changed, **choices[model.focus]}
            if model.selection.kind == "changed":
                model.training_summary["constraint_met"] = float(
                    choices[model.focus]["changed"] <= model.selection.bound
                )
        model.training_summary["threshold_choices"] = choices
        model.training_summary["threshold_curves"] = {focus: curve["points"] for focus, curve in curves.items()}
        if not is_primary:
            return
        assert self.serialization_dir is not None
        write_atomically(
            os.path.join(self.serialization_dir, "threshold_curve.json"), json.dumps(curves, indent=2).encode()
        )
        best = trainer.get_best_weights_path()
        if best is not None:
            # best.th is a hard link to a checkpoint: the new file takes its place and leaves the checkpoint alone.
            with atomic_write(best) as file:
                torch.save(model.state_dict(), file)

    def state_dict(self) -> Dict[str, Any]:
        return {**super().state_dict(), "epochs_open": list(self._epochs_open)}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._epochs_open = list(state_dict["epochs_open"])


def _graphmask_model(trainer: GradientDescentTrainer) -> GraphMask:
    model = trainer.model
    if not isinstance(model, GraphMask):
        raise ConfigurationError(
            f'The trainer callback "graphmask" is for a model of type "graphmask", got a {type(model).__name__}.'
        )
    return model
