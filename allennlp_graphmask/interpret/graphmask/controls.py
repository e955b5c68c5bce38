"""Passes that GraphMask's masked pass is compared with."""

from typing import Any, Optional, Sequence

import torch

from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.graphmask.metrics import GraphMaskMetrics
from allennlp_graphmask.interpret.masked_model import UnmaskedPass
from allennlp_graphmask.interpret.verification import verify

#: The number of batches at the start of an epoch on which the divergence with all gates open is measured.
_FLOOR_BATCHES = 5


class Controls:
    """
    The divergence with all gates open, on the first batches of an epoch; in evaluation the random control (as many open gates in each
    layer, at random places) and what the model does without any message; and outside training what verification adds. Random numbers
    are its own and leave the global random state alone.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.restart()

    def restart(self) -> None:
        """Start an epoch."""
        self._floor_batches_left = _FLOOR_BATCHES
        self._generator = torch.Generator().manual_seed(self._seed)

    @torch.no_grad()
    def count(
        self,
        graphmask: Any,
        unmasked: UnmaskedPass,
        gates: Sequence[Optional[torch.Tensor]],
        attribution: Optional[EdgeAttribution],
        metrics: GraphMaskMetrics,
    ) -> None:
        """
        Make the passes that a batch of a `GraphMask` model needs. Shape of the gates of each layer: `(num_edges,)`. The attribution
        is that of evaluation.
        """
        model, is_explained = graphmask.masked_model, unmasked.focus.is_explained
        # Where the masked pass of training has dropout, the floor is that of training.
        if self._floor_batches_left and graphmask.training == graphmask.dropout_in_masked_pass:
            self._floor_batches_left -= 1
            device = unmasked.graph.edge_type.device
            ones = torch.ones(unmasked.graph.num_edges, device=device)
            everything = graphmask.with_baselines([ones] * graphmask.num_layers)
            with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
                floor = model.masked(unmasked, everything, with_dropout=graphmask.training)
            metrics.count_instances(is_explained, floor=model.divergence(graphmask.divergence, unmasked, floor))
        reachable = unmasked.reachable()
        for _ in range(0 if graphmask.training else graphmask.num_random_controls):
            shuffled = [
                gate if gate is None else _shuffle(gate, reaches, self._generator)
                for gate, reaches in zip(gates, reachable)
            ]
            control = model.masked(unmasked, graphmask.with_baselines(shuffled), "random")
            metrics.count_instances(is_explained, random_changed=model.changed(unmasked, control))
        if not graphmask.training:
            zeros = torch.zeros(unmasked.graph.num_edges, device=unmasked.graph.edge_type.device)
            dropped = model.masked(unmasked, graphmask.with_baselines([zeros] * graphmask.num_layers), "dropped")
            metrics.count_instances(is_explained, dropped_changed=model.changed(unmasked, dropped))
        if attribution is not None and not graphmask.in_training_run:
            metrics.count_verified(verify(model, unmasked, attribution, None, graphmask.divergence), is_explained)


def _shuffle(gate: torch.Tensor, reachable: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Exchange the gates of messages that can have an effect on the focus at random. Shape of all: `(num_edges,)`."""
    places = reachable.nonzero().squeeze(-1)
    order = torch.randperm(len(places), generator=generator).to(places.device)
    shuffled = gate.clone()
    shuffled[places] = gate[places[order]]
    return shuffled
