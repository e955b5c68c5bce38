"""Choosing the gate threshold on calibration data, with a guarantee for data that are like them."""

import math
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

import torch
from allennlp.common.checks import ConfigurationError
from scipy.stats import beta, binom

from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.interpret.graphmask.graph_mask import GraphMask
from allennlp_graphmask.interpret.graphmask.threshold import focused_passes, passes_at_thresholds

#: The thresholds that are tested, in this order: from all messages to none. They are the same for all data, which must have no part
#: in them.
CANDIDATES = torch.cat([torch.tensor([-1e6]), torch.arange(-128, 129) / 4, torch.tensor([1e6])]).double()
#: What can be bounded, and the words for it.
RISKS = {"changed": "share of changed predictions", "divergence": "mean divergence"}


class Outcomes(NamedTuple):
    """What each of `CANDIDATES` does to instances. Shape of each: `(num_instances, num_candidates)`, unless it is given."""

    changed: torch.Tensor
    divergence: torch.Tensor
    kept: torch.Tensor
    #: The number of messages, kept or not. Shape: `(num_instances,)`.
    messages: torch.Tensor
    #: The number of nodes. Shape: `(num_instances,)`.
    nodes: torch.Tensor
    #: Of each instance; empty if the model has none in its inputs.
    metadata: List[Any]

    def risk(self, name: str) -> torch.Tensor:
        """Return what is to be bounded, by its name in `RISKS`."""
        return self.changed.double() if name == "changed" else self.divergence

    def select(self, instances: torch.Tensor) -> "Outcomes":
        """Return the outcomes of some instances, by number."""
        return Outcomes(
            self.changed[instances],
            self.divergence[instances],
            self.kept[instances],
            self.messages[instances],
            self.nodes[instances],
            [self.metadata[number] for number in instances.tolist() if self.metadata],
        )


class Calibration(NamedTuple):
    """A threshold, and the guarantee for it; `measured` and `kept` are the mean risk and the share of messages, on these data."""

    risk: str
    bound: float
    confidence: float
    num_instances: int
    threshold: float
    measured: float
    kept: float


@torch.no_grad()
def measure_outcomes(model: GraphMask, batches: Iterable[Any], focus: Optional[str] = None) -> Outcomes:
    """
    Mask batches, on the model's device, at all `CANDIDATES`, for a focus (that of training if not given). Instances in which there is
    nothing to explain do not count. Raise a `ConfigurationError` if there are no others.
    """
    parts: List[Outcomes] = []
    for batch in batches:
        for unmasked in focused_passes(model, batch, focus or model.focus):
            counts, graph = unmasked.focus.is_explained, unmasked.graph
            columns: List[List[torch.Tensor]] = [[], [], []]
            for num_kept, masked in passes_at_thresholds(model, unmasked, CANDIDATES.tolist()):
                changes = model.masked_model.changed(unmasked, masked)
                distance = model.masked_model.divergence(model.divergence, unmasked, masked)
                for column, values in zip(columns, (changes, distance, num_kept)):
                    column.append(values[counts].cpu())
            metadata = unmasked.batch.get("metadata") or []
            changed, divergence, kept = (torch.stack(column, dim=1) for column in columns)
            parts.append(
                Outcomes(
                    changed,
                    divergence,
                    kept,
                    messages=(model.num_layers * graph.edges_per_graph())[counts].cpu(),
                    nodes=graph.nodes_per_graph[counts].cpu(),
                    metadata=[metadata[number] for number in counts.nonzero().squeeze(-1).tolist() if metadata],
                )
            )
    if not sum(len(part.messages) for part in parts):
        raise ConfigurationError(f"There is nothing to calibrate on: no instance has a part '{focus or model.focus}'.")
    return Outcomes(
        torch.cat([part.changed for part in parts]),
        torch.cat([part.divergence for part in parts]),
        torch.cat([part.kept for part in parts]),
        torch.cat([part.messages for part in parts]),
        torch.cat([part.nodes for part in parts]),
        [one for part in parts for one in part.metadata],
    )


def calibrate(
    outcomes: Outcomes, *, risk: str = "changed", bound: float = 0.05, confidence: float = 0.9
) -> Calibration:
    """
    Choose the threshold that keeps the fewest messages of those for which, with this confidence over the draw of the calibration
    data, the risk is at most the bound on instances that are drawn as these were, independently of each other: Learn then Test
    ([Angelopoulos et al., 2021](https://arxiv.org/abs/2110.01052)) by fixed-sequence testing. The candidates are tested in order,
    until the first for which the hypothesis that its risk exceeds the bound is not rejected. Its p-value is that of the binomial
    test for changed predictions, and that of Hoeffding and Bentkus (their proposition 1) for divergences.

    # Parameters

    outcomes : `Outcomes`
        Of data that neither trained nor chose anything of the masker.
    risk : `str`, optional (default = `"changed"`)
        `"changed"`: the share of instances with a changed prediction, or `"divergence"`: the mean, of one from 0 to 1.
    bound, confidence : `float`, optional (default = `0.05`, `0.9`)
        Above 0, below 1.

    # Raises

    `ConfigurationError` if bound or confidence are not between 0 and 1, there are too few instances for them, the divergence is not
    in [0, 1], or the bound is not met even with all messages.
    """
    check_choice("calibrate", tuple(RISKS), risk=risk)
    for name, value in (("bound", bound), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ConfigurationError(f"calibrate: {name} is {value:g}, expected a number above 0 and below 1.")
    losses = outcomes.risk(risk)
    num_instances = len(losses)
    if risk == "divergence" and not bool(((losses >= -1e-6) & (losses <= 1)).all()):
        raise ConfigurationError(
            f"Divergences are from {float(losses.min()):.3g} to {float(losses.max()):.3g}; a bound on their mean needs one from 0 to 1, "
            'such as "saturating_kl".'
        )
    needed = smallest_sample(bound, confidence)
    if num_instances < needed:
        raise ConfigurationError(
            f"{num_instances} instances are too few: a {RISKS[risk]} of at most {100 * bound:g} % cannot be guaranteed with "
            f"{100 * confidence:g} % confidence on fewer than {needed}, even if no prediction moves."
        )
    means = losses.clamp(min=0).mean(0).tolist()
    last = -1
    for number, mean in enumerate(means):
        if p_value(mean, num_instances, bound, is_binary=risk == "changed") > 1 - confidence:
            break
        last = number
    if last < 0:
        raise ConfigurationError(
            f"No threshold can be guaranteed to keep the {RISKS[risk]} at {bound:g} or below: it is {means[0]:.3g} with all messages kept. "
            "Give a larger bound, or more calibration data."
        )
    return Calibration(
        risk,
        bound,
        confidence,
        num_instances,
        threshold=float(CANDIDATES[last]),
        measured=means[last],
        kept=float(outcomes.kept[:, last].sum() / outcomes.messages.sum().clamp(min=1)),
    )


def p_value(mean: float, num_instances: int, bound: float, *, is_binary: bool) -> float:
    """Return the p-value of a mean loss under the hypothesis that its expectation is above the bound."""
    if is_binary:
        return float(binom.cdf(round(mean * num_instances), num_instances, bound))
    low = min(mean, bound)
    relative_entropy = sum(p * math.log(p / q) for p, q in ((low, bound), (1 - low, 1 - bound)) if p > 0)
    hoeffding = math.exp(-num_instances * relative_entropy)
    return min(hoeffding, math.e * float(binom.cdf(math.ceil(mean * num_instances), num_instances, bound)))


def smallest_sample(bound: float, confidence: float) -> int:
    """Return the number of instances of which none may change for the bound to hold with this confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - bound))


class GroupRisk(NamedTuple):
    """The changed predictions of a group of instances: their share, and the upper end of its one-sided confidence interval."""

    group: str
    num_instances: int
    changed: float
    upper: float


def risk_by_group(outcomes: Outcomes, threshold: float, groups: List[str], confidence: float) -> List[GroupRisk]:
    """
    Return the share of changed predictions at one of `CANDIDATES` for each group, the worst first, with its bound of Clopper and
    Pearson. `groups` names that of each instance.
    """
    column = outcomes.changed[:, CANDIDATES.tolist().index(threshold)]
    members: Dict[str, List[bool]] = {}
    for group, changed in zip(groups, column.tolist()):
        members.setdefault(group, []).append(changed)
    risks = []
    for group, values in members.items():
        size, count = len(values), sum(values)
        upper = 1.0 if count == size else float(beta.ppf(confidence, count + 1, size - count))
        risks.append(GroupRisk(group, size, count / size, upper))
    return sorted(risks, key=lambda one: -one.changed)


def length_groups(outcomes: Outcomes) -> List[str]:
    """Name the quarter of the data by number of nodes that each instance is in: such as `"12 to 19 nodes"`."""
    nodes = outcomes.nodes
    edges = nodes.double().quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.double))
    quarters = torch.bucketize(nodes.double(), edges)
    names = {
        quarter: f"{int(nodes[quarters == quarter].min())} to {int(nodes[quarters == quarter].max())} nodes"
        for quarter in quarters.unique().tolist()
    }
    return [names[quarter] for quarter in quarters.tolist()]
