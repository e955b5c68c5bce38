from typing import Any, List, NamedTuple, Optional, Tuple

import torch

from allennlp_graphmask.checks import check_above, check_at_least, check_choice
from allennlp_graphmask.interpret.divergences import Divergence, SaturatingKl
from allennlp_graphmask.interpret.graphmask.lagrangian import Lagrangian
from allennlp_graphmask.interpret.hard_concrete import HardConcrete, logistic, straight_through
from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import mean_per_graph, sum_per_graph
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom
from allennlp_graphmask.modules.intervention import Gate


class _Found(NamedTuple):
    """The best result so far of each instance."""

    #: Shape of each: (num_edges,)
    locations: List[torch.Tensor]
    #: Shape of each: (num_graphs, message_dim); empty if nothing is learnt
    baselines: List[torch.Tensor]
    #: Shape of both: (num_graphs,)
    violation: torch.Tensor
    num_kept: torch.Tensor


@Interpreter.register("graphmask_per_instance")
class PerInstanceGraphMask(Interpreter):
    """
    GraphMask without a masker ("non-amortised" in [Schlichtkrull, De Cao and Titov, 2021](https://arxiv.org/abs/2010.00577),
    section 4): for each instance, the location of the hard concrete distribution of each message's gate is a parameter, and so is the
    vector b of each layer that replaces dropped messages. They are optimised by Adam, all layers together, for the objective of
    equation 5,

    `max over lambda, min over locations and b:  penalty_scaling * sum over layers of mean P(z != 0) + lambda (divergence - allowance)`

    with sampled gates z and messages `z m + (1 - z) b`. Every instance has a multiplier of its own: the allowance bounds the
    divergence of each, not their mean as in amortised training.

    Every `eval_every` steps, hard gates are evaluated. The result is, for each instance, the evaluation with the fewest messages among
    those that keep to the allowance or, if there is none, the one with the smallest divergence. The first one is the whole graph:
    with a divergence that is zero there, as all are but `prediction_nll`, the allowance always holds.

    As it sees the prediction that it explains, and has more parameters than reproducing it takes, it can find messages that happen to
    give the same output (hindsight bias, section 2 of the paper): `graphmask` cannot. Its vectors above all: one that is fitted to
    the instance may carry the whole prediction, and no message is kept. `learn_baselines` = `False` rules this out.

    `num_steps` forward and backward passes for a batch, and a forward pass for each evaluation.

    Registered as an `Interpreter` with name "graphmask_per_instance". A score is the probability that a gate is open; a message is
    kept if that is above one half; the instance's vector of the layer replaces dropped messages.

    # Parameters

    divergence : `Divergence`, optional (default = `saturating_kl`)
    gate_distribution, gates, penalty_scaling, two_sided, initial_multiplier, multiplier_bounds
        See `GraphMask`. The paper's gates are `"straight_through"`.
    num_steps : `int`, optional (default = `300`)
    learning_rate : `float`, optional (default = `0.1`)
        Of the locations.
    learn_baselines : `bool`, optional (default = `True`)
        Whether dropped messages are replaced by learnt vectors, as in the paper, and not by zeros.
    baseline_learning_rate : `float`, optional (default = `0.05`)
        Of the vectors.
    multiplier_learning_rate : `float`, optional (default = `0.05`)
    allowance : `float`, optional (default = `0.05`)
        The largest divergence accepted for an instance.
    initial_location : `float`, optional (default = `3.0`)
        Where all gates start, open.
    eval_every : `int`, optional (default = `10`)

    # Raises

    `ConfigurationError` for a number that is out of range or an unknown kind of gates.
    """

    renamed_parameters = {"steps_per_trial": "eval_every", "multiplier_start": "initial_multiplier"}

    def __init__(
        self,
        *,
        divergence: Optional[Divergence] = None,
        gate_distribution: Optional[HardConcrete] = None,
        gates: str = "soft",
        num_steps: int = 300,
        learning_rate: float = 0.1,
        learn_baselines: bool = True,
        baseline_learning_rate: float = 0.05,
        multiplier_learning_rate: float = 0.05,
        penalty_scaling: float = 1.0,
        allowance: float = 0.05,
        two_sided: bool = True,
        initial_multiplier: float = 0.55,
        multiplier_bounds: Tuple[float, float] = (-2.0, 30.0),
        initial_location: float = 3.0,
        eval_every: int = 10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_at_least(
            "graphmask_per_instance",
            0,
            num_steps=num_steps,
            baseline_learning_rate=baseline_learning_rate,
            multiplier_learning_rate=multiplier_learning_rate,
            penalty_scaling=penalty_scaling,
        )
        check_at_least("graphmask_per_instance", 1, eval_every=eval_every)
        check_above("graphmask_per_instance", 0, learning_rate=learning_rate)
        check_choice("graphmask_per_instance", ("soft", "straight_through"), gates=gates)
        self.divergence = divergence or SaturatingKl()
        self.gate_distribution = gate_distribution or HardConcrete()
        self.num_steps = num_steps
        self.learning_rate = learning_rate
        self.learn_baselines = learn_baselines
        self.baseline_learning_rate = baseline_learning_rate
        self.multiplier_learning_rate = multiplier_learning_rate
        self.penalty_scaling = penalty_scaling
        self.initial_location = initial_location
        self.eval_every = eval_every
        self._straight_through = gates == "straight_through"
        self._lagrangian_settings = {
            "allowance": allowance,
            "start": initial_multiplier,
            "bounds": (multiplier_bounds[0], multiplier_bounds[1]),
            "two_sided": two_sided,
        }
        self.allowance = allowance
        self._lagrangian(1)  # checks the settings now and not at the first batch

    def _lagrangian(self, num_instances: int) -> Lagrangian:
        return Lagrangian(**self._lagrangian_settings, num_instances=num_instances)  # type: ignore[arg-type]

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        graph = unmasked.graph
        states = [messages.node_states for messages in unmasked.layers]
        locations = [layer.new_full((graph.num_edges,), self.initial_location, requires_grad=True) for layer in states]
        baselines: List[torch.Tensor] = []
        if self.learn_baselines:
            for layer, dim in zip(states, masked_model.encoder.get_message_dims()):
                # Shape: (num_graphs, message_dim), from U(-1/sqrt(dim), 1/sqrt(dim))
                start = (2 * random.uniform_for_graphs(layer, dim) - 1) * dim**-0.5
                baselines.append(start.requires_grad_())
        lagrangian = self._lagrangian(graph.num_graphs).to(states[0])
        parameters = [*locations, *baselines, lagrangian.multiplier]
        optimizer = torch.optim.Adam(
            [
                {"params": locations, "lr": self.learning_rate},
                {"params": baselines, "lr": self.baseline_learning_rate},
                {"params": [lagrangian.multiplier], "lr": self.multiplier_learning_rate},
            ]
        )
        found = self._evaluate(masked_model, unmasked, locations, baselines, None)
        with torch.enable_grad():  # predictors run without gradients
            for step in range(1, self.num_steps + 1):
                optimizer.zero_grad()
                scales = [self._sample(location, random) for location in locations]
                masked = masked_model.masked(unmasked, _gates(scales, baselines))
                divergence = masked_model.divergence(self.divergence, unmasked, masked)
                penalties = [
                    mean_per_graph(self.gate_distribution.probability_nonzero(location), graph)
                    for location in locations
                ]
                objective = self.penalty_scaling * torch.stack(penalties).sum(0)  # Shape: (num_graphs,)
                # A sum, not a mean: an instance must not depend on the number of others.
                lagrangian(objective, divergence).sum().backward(inputs=parameters)
                optimizer.step()
                if step % self.eval_every == 0 or step == self.num_steps:
                    found = self._evaluate(masked_model, unmasked, locations, baselines, found)
        return LayerScores(
            [self.gate_distribution.score(location) for location in found.locations],
            kept=self._hard(found.locations),
            replacements=list(found.baselines) if self.learn_baselines else None,
            replacements_per_graph=self.learn_baselines,
            rounding=[self.gate_distribution.score_rounding(location) for location in found.locations],
        )

    def _sample(self, location: torch.Tensor, random: PerGraphRandom) -> torch.Tensor:
        gate = self.gate_distribution.gate(location, logistic(random.uniform(location)))
        return straight_through(gate) if self._straight_through else gate

    def _hard(self, locations: List[torch.Tensor]) -> List[torch.Tensor]:
        return [self.gate_distribution.is_open(location) for location in locations]

    def _evaluate(
        self,
        masked_model: MaskedModel,
        unmasked: UnmaskedPass,
        locations: List[torch.Tensor],
        baselines: List[torch.Tensor],
        found: Optional[_Found],
    ) -> _Found:
        """Return, for each instance, the better of the best result so far and the current one."""
        graph = unmasked.graph
        with torch.no_grad():
            kept = self._hard(locations)
            masked = masked_model.masked(unmasked, _gates(kept, baselines))
            divergence = masked_model.divergence(self.divergence, unmasked, masked)
            now = _Found(
                [location.detach().clone() for location in locations],
                [baseline.detach().clone() for baseline in baselines],
                (divergence - self.allowance).clamp(min=0),
                sum_per_graph(torch.stack(kept).sum(0), graph),
            )
            if found is None:
                return now
            # First the smaller violation, then fewer messages. Of equals the later, which has been optimised for longer.
            better = now.violation < found.violation
            better |= (now.violation == found.violation) & (now.num_kept <= found.num_kept)
            of_edge = better.index_select(0, graph.edge_graph)
            return _Found(
                [torch.where(of_edge, *pair) for pair in zip(now.locations, found.locations)],
                [torch.where(better.unsqueeze(-1), *pair) for pair in zip(now.baselines, found.baselines)],
                torch.where(better, now.violation, found.violation),
                torch.where(better, now.num_kept, found.num_kept),
            )


def _gates(scales: List[torch.Tensor], baselines: List[torch.Tensor]) -> List[Gate]:
    if not baselines:
        return [Gate(scale) for scale in scales]
    return [Gate(scale, baseline, per_graph=True) for scale, baseline in zip(scales, baselines)]
