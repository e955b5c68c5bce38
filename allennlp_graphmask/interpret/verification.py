"""Decisions that are kept only if the model confirms them."""

from typing import NamedTuple, Optional

import torch

from allennlp_graphmask.interpret.divergences import Divergence
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution, Verification
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph import sum_per_graph
from allennlp_graphmask.interpret.ranking import highest_messages, put_first

#: The first step adds this share of the kept messages, and each further step this many times as many as the one before.
FIRST_STEP, GROWTH = 0.25, 1.5


@torch.no_grad()
def verify(
    masked_model: MaskedModel,
    unmasked: UnmaskedPass,
    attribution: EdgeAttribution,
    max_divergence: Optional[float],
    divergence: Divergence,
) -> EdgeAttribution:
    """
    Keep more messages where the model does not confirm a decision: nothing but the kept messages gives another prediction, in the
    focus, or a divergence above `max_divergence`. Messages are added in the order of their scores, of equal scores in that of layer,
    source, target and type, in steps that grow (exponential search), until the model confirms the decision. All that can have an effect
    on the focus are kept where no smaller step is confirmed. Messages are never dropped where a decision is confirmed: to look for the
    smallest set that is confirmed justifies a prediction, and explains it no more (docs/interpreters.md).

    Further passes are made for the instances that are not confirmed, and for no others.
    """
    kept = torch.stack(attribution.kept)  # Shape: (num_layers, num_edges)
    is_confirmed, changed = _confirm(masked_model, unmasked, attribution, kept, max_divergence, divergence)
    num_passes = torch.zeros_like(attribution.graph.nodes_per_graph)
    instances = (~is_confirmed).nonzero().squeeze(-1)
    if len(instances):
        part = masked_model.select(unmasked, instances)
        if part is None:
            part, instances = unmasked, torch.arange(len(is_confirmed), device=instances.device)
        edges = attribution.graph.edges_of(instances)
        found, num_passes[instances] = _add_messages(
            masked_model, part, attribution.select(instances), is_confirmed[instances], max_divergence, divergence
        )
        kept = kept.clone()
        kept[:, edges] = found
    verification = Verification(attribution.kept, num_passes, changed, max_divergence)
    return attribution.with_decisions(list(kept), verification=verification)


def _confirm(
    masked_model: MaskedModel,
    unmasked: UnmaskedPass,
    attribution: EdgeAttribution,
    kept: torch.Tensor,
    max_divergence: Optional[float],
    divergence: Divergence,
) -> "_Confirmed":
    masked = masked_model.masked(unmasked, attribution.gates(list(kept)))
    changed = masked_model.changed(unmasked, masked)
    if max_divergence is None:
        return _Confirmed(~changed, changed)
    measured = masked_model.divergence(divergence, unmasked, masked, precise=True)
    off = divergence.rounding(measured, masked_model.logit_rounding(unmasked).to(measured.dtype))
    return _Confirmed(~changed & (measured <= max_divergence + off), changed)


class _Confirmed(NamedTuple):
    """Whether the model confirms the decision for each instance, and whether a prediction changed. Shapes: `(batch_size,)`."""

    is_confirmed: torch.Tensor
    changed: torch.Tensor


def _add_messages(
    masked_model: MaskedModel,
    unmasked: UnmaskedPass,
    attribution: EdgeAttribution,
    is_confirmed: torch.Tensor,
    max_divergence: Optional[float],
    divergence: Divergence,
) -> "_Added":
    graph = attribution.graph
    kept, reachable = torch.stack(attribution.kept), torch.stack(unmasked.reachable())
    # Those that are kept come first in the order, and those that have no effect last.
    ranked, off = put_first(attribution.scores, attribution.rounding, kept, reachable), attribution.rounding
    num_kept, largest = (sum_per_graph(messages.long().sum(0), graph) for messages in (kept, reachable))
    num_passes = torch.zeros_like(num_kept)
    wanted = num_kept.clone()
    step = torch.ceil(FIRST_STEP * num_kept).long().clamp(min=1)
    is_open = ~is_confirmed
    while bool(is_open.any()):
        wanted = torch.where(is_open, torch.minimum(wanted + step, largest), wanted)
        step = torch.ceil(GROWTH * step).long()
        kept = torch.stack(highest_messages(ranked, wanted, graph, off))
        # All that has an effect gives the prediction, whatever the rounding.
        tried = is_open & (wanted < largest)
        is_open = tried
        if bool(tried.any()):
            num_passes += tried
            confirmed = _confirm(masked_model, unmasked, attribution, kept, max_divergence, divergence).is_confirmed
            is_open = tried & ~confirmed
    return _Added(kept, num_passes)


class _Added(NamedTuple):
    """The kept messages, shape `(num_layers, num_edges)`, and the number of passes of each instance, shape `(batch_size,)`."""

    kept: torch.Tensor
    num_passes: torch.Tensor
