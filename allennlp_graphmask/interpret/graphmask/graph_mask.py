import json
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from allennlp.common.util import is_distributed
from allennlp.data import Vocabulary
from allennlp.models import Model

from allennlp_graphmask.checks import check_at_least, check_choice
from allennlp_graphmask.explanation.schema import TASK_METRICS
from allennlp_graphmask.interpret.divergences import Divergence, SaturatingKl
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask.controls import Controls
from allennlp_graphmask.interpret.graphmask.lagrangian import Lagrangian
from allennlp_graphmask.interpret.graphmask.message_scores import MessageScores, score_gates
from allennlp_graphmask.interpret.graphmask.metrics import GraphMaskMetrics
from allennlp_graphmask.interpret.graphmask.model_with_thresholds import ModelWithThresholds
from allennlp_graphmask.interpret.graphmask.objectives import ConstrainedGates, MaskedPass, Objective
from allennlp_graphmask.interpret.graphmask.selection import ObjectiveCriterion, SelectionCriterion
from allennlp_graphmask.interpret.hard_concrete import HardConcrete
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.maskers import EdgewiseMasker, Masker, construct_masker
from allennlp_graphmask.modules.intervention import Gate
from allennlp_graphmask.modules.relation_transform import extend_relations

#: What explanations carry of the summary of training.
_SUMMARY = (
    *("kept", "changed", "divergence", "constraint_met", "threshold_choice", "dropped_changed"),
    *(f"{name}_{metric}" for metric in TASK_METRICS for name in ("original", "dropped")),
)


@Model.register("graphmask")
class GraphMask(ModelWithThresholds):
    """
    GraphMask ([Schlichtkrull, De Cao and Titov, 2021](https://arxiv.org/abs/2010.00577)): learns, for a trained model, which edges
    of which layers of its graph encoder can be dropped without changing its predictions.

    A masker predicts a gate for every edge in every layer from the states and messages of an unmasked pass. In a second pass each
    message m is replaced by `z m + (1 - z) b`, where b is a learnt vector of the layer. Training minimises the expected number of
    open gates under the constraint that the predictions stay close to those of the unmasked pass (equations 3 to 5). It is a
    `Model`, so that `allennlp train` trains it; its trainer needs the callback `graphmask`.

    The target can be any model that contains a `GraphEncoder` and whose output has the logits of the distribution to preserve. A
    target with a method `encode_nodes` that takes its result as `node_states` (see `gcn_srl`) computes what is below its graph
    encoder once instead of for each pass.

    Registered as a `Model` with name "graphmask".

    # Parameters

    vocab : `Vocabulary`
        That of the target: `"vocabulary": {"type": "from_files", "directory": <the target's archive>}`.
    target : `Dict[str, Any]` or `Model`
        The trained model to explain, in a config `{"type": "from_archive", "archive_file": ...}`. A `Model` is copied.
    masker : `Lazy[Masker]`, optional (default = `edgewise`)
    divergence : `Divergence`, optional (default = `saturating_kl`)
    gate_distribution : `HardConcrete`, optional
    gates : `str`, optional (default = `"soft"`)
        The gates in training: `"soft"` ones in [0, 1], or `"straight_through"` (rounded, with the gradient of the soft ones).
        Evaluation always uses hard gates.
    penalty_scaling : `float`, optional (default = `1.0`)
        The weight of the expected share of open gates, summed over layers.
    allowance : `float`, optional (default = `0.05`)
        The largest mean divergence accepted.
    two_sided : `bool`, optional (default = `True`)
        Whether the multiplier falls while the constraint is slack.
    initial_multiplier : `float`, optional (default = `0.55`)
        The multiplier's parameter, before the softplus.
    multiplier_bounds : `Tuple[float, float]`, optional (default = `(-2, 30)`)
    multiplier_follows : `str`, optional (default = `"divergence"`)
        `"divergence"`, or `"changed"`: the multiplier follows the measured share of instances with a changed prediction.
    epochs_per_layer : `int`, optional (default = `None`)
        Layers are enabled one after another, from the top, one more after each of these periods. A layer that is not enabled keeps
        all messages. By default all are enabled from the start.
    dropout_in_masked_pass : `bool`, optional (default = `False`)
        Whether the target's dropout is active in the masked pass of training, as in the paper. The divergence that it alone
        causes can exceed the allowance; it is reported as `divergence_floor`.
    objective : `Objective`, optional
        What the masker is trained for instead of the constraint: the parameters of penalty, allowance, multiplier, constraint, `gates`
        and layers then have no effect, and the epoch with the lowest loss on the validation data is the best.
    constraint : `str`, optional (default = `"changed"`)
        The constraint on the choice of the best epoch: `"changed"` (share of instances with any changed prediction),
        `"divergence"`, or `"score"` (relative loss of `score_metric`).
    constraint_bound : `float`, optional (default = `None`)
        The largest value for which an epoch counts as feasible; 1.1 times the allowance if not given.
    score_metric : `str`, optional (default = `None`)
        The target's metric for the constraint `"score"`.
    focus : `str`, optional (default = the target's `default_focus`)
        The part of the predictions that is to be preserved; see `Focus`.
    training_foci : `Sequence[str]`, optional (default = the focus)
        In training, each batch is masked for one of these, drawn at random, so that the masker learns to explain all of them.
        Validation, and with it the best epoch, are for `focus`.
    distribution, mask, encoder, edge_label_namespace : `str`, optional
        See `MaskedModel`.
    num_random_controls : `int`, optional (default = `1`)
        In evaluation, how often each batch is also masked at random with as many open gates in each layer.
    random_control_seed : `int`, optional (default = `0`)
    reported_edge_labels : `int`, optional (default = `15`)
        For how many of the most frequent edge labels the kept share is reported, for each direction.
    """

    default_predictor = "graphmask"
    renamed_parameters = {"multiplier_start": "initial_multiplier", "random_control_draws": "num_random_controls"}

    enabled_layers: torch.Tensor
    enabled_layers_next: torch.Tensor

    def __init__(
        self,
        vocab: Vocabulary,
        target: Union[Dict[str, Any], Model],
        *,
        masker: Lazy[Masker] = Lazy(EdgewiseMasker),
        divergence: Optional[Divergence] = None,
        gate_distribution: Optional[HardConcrete] = None,
        gates: str = "soft",
        penalty_scaling: float = 1.0,
        allowance: float = 0.05,
        two_sided: bool = True,
        initial_multiplier: float = 0.55,
        multiplier_bounds: Tuple[float, float] = (-2.0, 30.0),
        multiplier_follows: str = "divergence",
        epochs_per_layer: Optional[int] = None,
        dropout_in_masked_pass: bool = False,
        objective: Optional[Objective] = None,
        constraint: str = "changed",
        constraint_bound: Optional[float] = None,
        score_metric: Optional[str] = None,
        focus: Optional[str] = None,
        training_foci: Optional[Sequence[str]] = None,
        distribution: str = "logits",
        mask: str = "mask",
        encoder: Optional[str] = None,
        edge_label_namespace: str = "edge_labels",
        num_random_controls: int = 1,
        random_control_seed: int = 0,
        reported_edge_labels: int = 15,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, target, **kwargs)
        check_choice("graphmask", ("soft", "straight_through"), gates=gates)
        check_choice("graphmask", ("divergence", "changed"), multiplier_follows=multiplier_follows)
        check_at_least("graphmask", 1, epochs_per_layer=1 if epochs_per_layer is None else epochs_per_layer)
        self.masked_model = MaskedModel(
            self.target,
            encoder=encoder,
            distribution=distribution,
            mask=mask,
            edge_label_namespace=edge_label_namespace,
            focus=focus,
        )
        self.focus = self.masked_model.focus
        #: Those that the masker was trained for.
        self.training_foci = list(training_foci or [self.focus])
        graph_encoder = self.masked_model.encoder
        self.num_layers = graph_encoder.num_layers
        relation_names = self.masked_model.relation_names
        self.masker = construct_masker(masker, graph_encoder, len(relation_names))
        self.lagrangian = Lagrangian(
            allowance,
            start=initial_multiplier,
            bounds=(multiplier_bounds[0], multiplier_bounds[1]),
            two_sided=two_sided,
        )
        self.divergence = divergence or SaturatingKl()
        self.gate_distribution = gate_distribution or HardConcrete()
        self.epochs_per_layer = epochs_per_layer
        self.dropout_in_masked_pass = dropout_in_masked_pass
        self.objective = objective or ConstrainedGates(
            penalty_scaling,
            straight_through=gates == "straight_through",
            follows_changes=multiplier_follows == "changed",
        )
        bound = 1.1 * allowance if constraint_bound is None else constraint_bound
        criterion = SelectionCriterion(constraint, bound, score_metric)
        self.selection: Union[SelectionCriterion, ObjectiveCriterion] = ObjectiveCriterion() if objective else criterion

        first = 1 if epochs_per_layer else self.num_layers
        self.register_buffer("enabled_layers", torch.tensor(first))
        # The trainer validates, then calls its callbacks, then saves. The callback sets this one, and it takes effect when
        # the next epoch of training starts: else the saved model would have a layer more than the validated one.
        self.register_buffer("enabled_layers_next", torch.tensor(first))
        self.threshold.fill_(self.gate_distribution.threshold)
        #: Whether the trainer callback, or a training loop of one's own, takes care of training.
        self.in_training_run = False
        #: Whether evaluation also measures the floor and the random control, which explaining does not need.
        self.measures_controls = True

        self.num_random_controls = num_random_controls
        self._controls = Controls(random_control_seed)
        self._metrics = GraphMaskMetrics(self.num_layers, relation_names, reported_edge_labels)
        self._start_counting()

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        super().extend_vocab(extended_vocab)
        names = self.masked_model.relation_names
        extend_relations(self.masker, names)
        self._metrics.extend_relations(names)

    def get_extra_state(self) -> str:
        return json.dumps({**json.loads(super().get_extra_state()), "training_foci": self.training_foci})

    def set_extra_state(self, state: str) -> None:
        super().set_extra_state(state)
        self.masked_model.focus = self.focus
        self.training_foci = json.loads(state).get("training_foci", [self.focus])

    # --- The schedule and the modes

    def train(self, mode: bool = True) -> "GraphMask":
        super().train(mode)
        if mode:
            self.enabled_layers.copy_(self.enabled_layers_next)
        return self

    def schedule_layers(self, epochs_completed: int) -> None:
        """Set how many layers are enabled when training continues after this number of epochs."""
        if self.epochs_per_layer:
            self.enabled_layers_next.fill_(min(self.num_layers, 1 + epochs_completed // self.epochs_per_layer))

    def describe(self, focus_kind: Optional[str] = None) -> Dict[str, Any]:
        """Describe this interpreter for explanations of a kind of focus (default: that of training)."""
        threshold = self.threshold if focus_kind is None else self.threshold_for(focus_kind)
        constrained: Dict[str, Any] = {}
        if isinstance(self.selection, SelectionCriterion):
            constraint = {"kind": self.selection.kind, "bound": self.selection.bound}
            constrained = {"allowance": self.lagrangian.allowance, "constraint": constraint}
        if focus_kind in self.calibrations:
            constrained["calibration"] = self.calibrations[focus_kind]
        return {
            "name": "graphmask",
            "masker": type(self.masker).__name__,
            "divergence": self.divergence.name,
            **constrained,
            "threshold": round(float(threshold), 6),
            "trained_foci": self.training_foci,
            "enabled_layers": int(self.enabled_layers),
            # Measured on the validation data.
            "training_summary": {key: self.training_summary[key] for key in _SUMMARY if key in self.training_summary},
        }

    # --- The passes

    def forward(self, **batch: Any) -> Dict[str, Any]:  # type: ignore[override]
        """
        Run the target on its inputs, without and with gates.

        Return a dictionary with `loss`; `divergence` and `changed`, shape `(batch_size,)`; the target's `original` and
        `masked` outputs; and in evaluation mode the `attribution` of the batch.
        """
        if self.training and not self.in_training_run:
            raise ConfigurationError(
                "Training needs the callback that enables the layers, watches the gates and checks by what the best epoch is chosen: "
                'add {"type": "graphmask"} to "trainer": {"callbacks": [...]}. (In a training loop of your own, set in_training_run '
                "and call schedule_layers. To explain with a trained model, call its eval() first.)"
            )
        focus = self.training_foci[0] if self.training else None
        if self.training and len(self.training_foci) > 1:
            focus = self.training_foci[int(torch.randint(len(self.training_foci), ()))]
        unmasked = self.masked_model.unmasked(batch, "original", focus)
        graph, is_explained = unmasked.graph, unmasked.focus.is_explained
        locations = self.locations(unmasked)
        decided = None
        if not self.training:
            decided = self.mask(unmasked, self._decide(locations, self.threshold_for(unmasked.focus.kind)))
        drawn, losses = self.objective(self, unmasked, locations, decided)
        gates, masked, divergence = decided or drawn
        changed = self.masked_model.changed(unmasked, masked)

        self._metrics.count_instances(is_explained, divergence=divergence, changed=changed)
        output = {
            "loss": self._mean_loss(losses, is_explained),
            "divergence": divergence,
            "changed": changed,
            "original": unmasked.output,
            "masked": masked,
        }
        attribution = None
        if not self.training:
            found = self.score_messages(unmasked, locations=locations)
            attribution = output["attribution"] = EdgeAttribution(
                graph,
                found.scores,
                found.kept,
                self.masked_model.relation_names,
                replacements=list(self.masker.baselines),
                rounding=found.rounding,
            )
        messages = gates if attribution is None else attribution.kept
        self._metrics.count_gates(graph.edge_type, messages, is_explained[graph.edge_graph])
        if self.measures_controls:
            self._controls.count(self, unmasked, gates, attribution, self._metrics)
        return output

    def _first_enabled_layer(self) -> int:
        return self.num_layers - int(self.enabled_layers)

    def locations(self, unmasked: UnmaskedPass) -> List[Optional[torch.Tensor]]:
        """
        Return each layer's locations of the gates, shape `(num_edges,)`; `None` for layers that are not enabled. Those of messages
        that cannot have an effect on the focus are minus infinity, which shuts their gates.
        """
        first = self._first_enabled_layer()
        found = self.masker.locate(self.masked_model, unmasked, first)
        reachable = unmasked.reachable()[first:]
        return [None] * first + [one.masked_fill(~reaches, float("-inf")) for one, reaches in zip(found, reachable)]

    def _decide(self, locations: List[Optional[torch.Tensor]], threshold: torch.Tensor) -> List[Optional[torch.Tensor]]:
        is_open = self.gate_distribution.is_open
        return [None if location is None else is_open(location, threshold) for location in locations]

    def mask(
        self,
        unmasked: UnmaskedPass,
        gates: Sequence[Optional[torch.Tensor]],
        *,
        metric_set: str = "masked",
        with_dropout: bool = False,
    ) -> MaskedPass:
        """
        Make the masked pass of a batch with these gates. Shape of each layer's: `(num_edges,)`; `None` leaves all open. The target's
        metrics count it in this set of `MaskedModel`.
        """
        masked = self.masked_model.masked(unmasked, self.with_baselines(gates), metric_set, with_dropout=with_dropout)
        return MaskedPass(gates, masked, self.masked_model.divergence(self.divergence, unmasked, masked))

    def with_baselines(self, gates: Sequence[Optional[torch.Tensor]]) -> List[Optional[Gate]]:
        """Let the baselines replace the messages that these gates drop. Shape of each: `(num_edges,)`."""
        return [None if gate is None else Gate(gate, baseline) for gate, baseline in zip(gates, self.masker.baselines)]

    def _mean_loss(self, losses: torch.Tensor, is_explained: torch.Tensor) -> torch.Tensor:
        if losses.dim():
            # Instances in which there is nothing to explain do not count.
            self._metrics.count_instances(is_explained, objective=losses)
            losses = losses[is_explained].sum() / is_explained.sum().clamp(min=1)
        if self.training and is_distributed():
            # Distributed training waits for a gradient of every parameter, also those of layers not enabled yet, and of all for a
            # batch without edges.
            losses = losses + 0 * sum(parameter.sum() for parameter in self.parameters() if parameter.requires_grad)
        return losses

    def score_messages(
        self,
        unmasked: UnmaskedPass,
        threshold: Optional[float] = None,
        locations: Optional[Sequence[Optional[torch.Tensor]]] = None,
    ) -> MessageScores:
        """
        Score the messages of a batch, and decide which to keep, by the threshold for the focus or another one; `locations` if they
        are known already. Layers that are not enabled keep all messages that can have an effect on the focus.
        """
        used = self.threshold_for(unmasked.focus.kind) if threshold is None else threshold
        found = self.locations(unmasked) if locations is None else locations
        return score_gates(self.gate_distribution, found, unmasked.reachable(), used)

    # --- Output and metrics

    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        """
        Split the attribution into one for each instance, and add the target's own `prediction` for both passes as
        `original_prediction` and `masked_prediction`.
        """
        output_dict.pop("loss", None)  # a number for the whole batch
        original = self.target.make_output_human_readable(output_dict.pop("original"))
        masked = self.target.make_output_human_readable(output_dict.pop("masked"))
        if "attribution" in output_dict:
            self.masked_model.check_finite(self, masked, output_dict["attribution"].scores)
            output_dict["attribution"] = output_dict["attribution"].split()
        for name, output in (("original", original), ("masked", masked)):
            if "prediction" in output:
                output_dict[f"{name}_prediction"] = output["prediction"]
        if "metadata" in original:
            output_dict["metadata"] = original["metadata"]
        return output_dict

    def _start_counting(self) -> None:
        self._metrics.reset()
        self._controls.restart()

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        """
        Return `kept` (the share of messages, over all layers), `kept_layer_K`, `_kept_type/LABEL`, `_num_edges`, `divergence`,
        `divergence_floor`, `changed`, `random_changed`, `dropped_changed`, `multiplier`, `constraint_met`, `selection`, outside
        training `verified_kept` and `verification_passes`, and the target's own metrics as `original_*`, `masked_*`, `random_*` and
        `dropped_*` (with all messages dropped). After each batch only the first few.
        """
        metrics = self._metrics.get(across_workers=reset, detailed=reset)
        metrics["multiplier"] = float(self.lagrangian.value())
        if not reset:
            return metrics
        metrics["enabled_layers"] = float(self.enabled_layers)
        metrics["_num_edges"] = self._metrics.num_edges()
        for name in ("original", "masked", "random", "dropped"):
            if name in ("random", "dropped") and f"{name}_changed" not in metrics:
                continue
            own = self.masked_model.metric_sets.get_metrics(name, reset=True)
            metrics.update({f"{name}_{key}": value for key, value in own.items() if not key.startswith("_")})
        self.masked_model.metric_sets.get_metrics("unreported", reset=True)
        metrics.update(self.selection.evaluate(metrics, comparable=int(self.enabled_layers) == self.num_layers))
        if self.in_training_run and not self.training:
            self.training_summary = {
                key: value for key, value in metrics.items() if not key.startswith("_") and key != "selection"
            }
        self._start_counting()
        return metrics
