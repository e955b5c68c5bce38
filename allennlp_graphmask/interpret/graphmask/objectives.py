"""What a masker is trained for."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch
from allennlp.common import Registrable

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.hard_concrete import straight_through
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph

#: Halvings of the interval in which a threshold is searched for.
_BISECTION_STEPS = 30


class MaskedPass(NamedTuple):
    """A pass with gates."""

    #: Of each layer; `None` for one that is open. Shape: `(num_edges,)`.
    gates: Sequence[Optional[torch.Tensor]]
    masked: Dict[str, Any]
    #: Shape: `(batch_size,)`.
    divergence: torch.Tensor


class Objective(torch.nn.Module, Registrable):
    """What the masker of a `graphmask` model is trained for."""

    def forward(
        self,
        graphmask: Any,
        unmasked: UnmaskedPass,
        locations: Sequence[Optional[torch.Tensor]],
        decided: Optional[MaskedPass],
    ) -> Tuple[MaskedPass, torch.Tensor]:
        """
        Draw gates for these locations, mask the batch and compute the loss. The locations of messages that cannot have an effect on
        the focus are minus infinity, and those of layers that are not enabled are `None`. `decided` is given in evaluation: the pass
        with the decisions. Shape of each layer's locations: `(num_edges,)`.

        Return the pass, and the loss of each instance, shape `(batch_size,)`, or of all that are explained, shape `()`.
        """
        raise NotImplementedError


class ConstrainedGates(Objective):
    """
    Few open gates under a constraint on the divergence (Schlichtkrull, De Cao and Titov, 2021, equations 3 to 5), by the multiplier and
    the allowance of the `graphmask` model, whose parameters these are.
    """

    def __init__(self, penalty_scaling: float, *, straight_through: bool, follows_changes: bool) -> None:
        super().__init__()
        self._penalty_scaling = penalty_scaling
        self._straight_through = straight_through
        self._follows_changes = follows_changes

    def forward(
        self,
        graphmask: Any,
        unmasked: UnmaskedPass,
        locations: Sequence[Optional[torch.Tensor]],
        decided: Optional[MaskedPass],
    ) -> Tuple[MaskedPass, torch.Tensor]:
        distribution, is_explained = graphmask.gate_distribution, unmasked.focus.is_explained
        if decided is None:
            gates = [None if location is None else distribution.sample(location) for location in locations]
            if self._straight_through:
                gates = [None if gate is None else straight_through(gate) for gate in gates]
            decided = graphmask.mask(unmasked, gates, with_dropout=graphmask.dropout_in_masked_pass)
        # Where nothing is explained nothing can diverge, which must not make room for divergence elsewhere.
        divergence = decided.divergence[is_explained]
        measured = None
        if self._follows_changes:
            measured = graphmask.masked_model.changed(unmasked, decided.masked)[is_explained].to(divergence.dtype)
        if not len(divergence):
            divergence, measured = divergence.new_zeros(1), None if measured is None else measured.new_zeros(1)
        penalty = divergence.new_zeros(())
        for location in locations:
            # A batch without edges has nothing to drop.
            if location is not None and location.numel():
                penalty = penalty + distribution.probability_nonzero(location).mean()
        return decided, graphmask.lagrangian(self._penalty_scaling * penalty, divergence, measured)


@Objective.register("all_budgets")
class AllBudgets(Objective):
    """
    Trains one masker for every budget, as the sum of two losses with the `divergence` D of `graphmask`, from 0 to 1:

    - A price for each instance: for `lambda ~ log-uniform(prices)` gates are drawn at the locations `a + s log lambda`, with s learnt.
      The loss is `lambda^(-1/2) (sum P(z != 0) / E + lambda D)`, with E the mean number of messages of an instance.
    - A budget for each instance: of a share `~ log-uniform(shares)` of its messages, but at least half of one. Gates are drawn at the
      locations `a - tau`, with the tau for which they add up to the budget. The loss is D. The gradient goes through tau.

    At explaining time a message is kept if its location is above a threshold, which `max_changed` of the trainer callback chooses, or
    as one of the highest of a fraction.

    Registered as an `Objective` with name "all_budgets".

    # Parameters

    prices : `Tuple[float, float]`, optional (default = `(0.3, 30)`)
    shares : `Tuple[float, float]`, optional (default = `(0.03, 0.6)`)
    """

    def __init__(self, prices: Tuple[float, float] = (0.3, 30.0), shares: Tuple[float, float] = (0.03, 0.6)) -> None:
        super().__init__()
        for name, (low, high) in (("prices", prices), ("shares", shares)):
            check_at_least("all_budgets", low, **{f"the upper one of {name}": high})
            check_at_least("all_budgets", 1e-9, **{f"the lower one of {name}": low})
        self.prices = prices
        self.shares = shares
        self.slope = torch.nn.Parameter(torch.ones(()))

    def forward(
        self,
        graphmask: Any,
        unmasked: UnmaskedPass,
        locations: Sequence[Optional[torch.Tensor]],
        decided: Optional[MaskedPass],
    ) -> Tuple[MaskedPass, torch.Tensor]:
        graph = unmasked.graph
        generator, metric_set = None, "masked"
        if decided is not None:
            # Epochs are compared by the same draws, and of a batch only the decisions count.
            generator, metric_set = torch.Generator(graph.edge_type.device).manual_seed(0), "unreported"
        # Shape of what is known of messages: (num_layers, num_edges)
        stacked = torch.stack([location for location in locations if location is not None])
        open_layers: List[Optional[torch.Tensor]] = [None] * (len(locations) - len(stacked))
        reaches = stacked > float("-inf")
        stacked = stacked.masked_fill(~reaches, 0)
        owner = graph.edge_graph
        num_messages = sum_per_graph(reaches.sum(0).to(stacked.dtype), graph)

        log_price = _log_uniform(self.prices, stacked, graph.num_graphs, generator)
        shifted = stacked + self.slope * log_price[owner]
        distribution = graphmask.gate_distribution
        gates = distribution.sample(shifted, generator=generator) * reaches
        drawn = graphmask.mask(unmasked, [*open_layers, *gates], metric_set=metric_set)
        expected = sum_per_graph((distribution.probability_nonzero(shifted) * reaches).sum(0), graph)
        price = log_price.exp()
        priced = price.rsqrt() * (expected / num_messages.mean().clamp(min=1) + price * drawn.divergence)

        share = _log_uniform(self.shares, stacked, graph.num_graphs, generator).exp()
        budget = (share * num_messages).clamp(min=0.5)
        noise = distribution.noise(stacked, generator=generator)
        budgeted_gates = gates_within_budget(distribution, stacked, noise, reaches, budget, graph)
        budgeted = graphmask.mask(unmasked, [*open_layers, *budgeted_gates], metric_set="unreported")
        return drawn, priced + budgeted.divergence


def _log_uniform(
    bounds: Tuple[float, float], like: torch.Tensor, size: int, generator: Optional[torch.Generator]
) -> torch.Tensor:
    low, high = torch.tensor(bounds, dtype=torch.double).log().tolist()
    return low + (high - low) * torch.rand(size, generator=generator, dtype=like.dtype, device=like.device)


def gates_within_budget(
    distribution: Any,
    locations: torch.Tensor,
    noise: torch.Tensor,
    reaches: torch.Tensor,
    budget: torch.Tensor,
    graph: Graph,
) -> torch.Tensor:
    """
    Return gates at the locations less a number for each graph, with which they add up to its budget. Shape of the budget:
    `(num_graphs,)`, of the others `(num_layers, num_edges)`.
    """
    owner = graph.edge_graph

    def gates_and_sums(tau: torch.Tensor, places: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        gates = distribution.gate(places - tau[owner], noise) * reaches
        return gates, sum_per_graph(gates.sum(0), graph)

    with torch.no_grad():
        spread = locations.abs().max().item() + 20.0 if locations.numel() else 1.0
        low, high = torch.full_like(budget, -spread), torch.full_like(budget, spread)
        for _ in range(_BISECTION_STEPS):
            tau = (low + high) / 2
            is_above = gates_and_sums(tau, locations)[1] > budget
            low, high = torch.where(is_above, tau, low), torch.where(is_above, high, tau)
        tau = (low + high) / 2
    if not locations.requires_grad:
        return gates_and_sums(tau, locations)[0]
    # The sum stays what it is: d tau = d sum / (sum of dz / da).
    _, sums = gates_and_sums(tau, locations)
    slopes: Optional[torch.Tensor]
    (slopes,) = torch.autograd.grad(sums.sum(), locations, retain_graph=True)
    steepness = sum_per_graph(slopes.sum(0), graph).clamp(min=1e-3)
    return gates_and_sums(tau + (sums - sums.detach()) / steepness, locations)[0]
