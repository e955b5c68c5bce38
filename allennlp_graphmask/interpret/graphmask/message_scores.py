"""Scores and decisions that follow from the locations of gates."""

from typing import List, NamedTuple, Optional, Sequence, Union

import torch

from allennlp_graphmask.interpret.hard_concrete import HardConcrete


class MessageScores(NamedTuple):
    """What GraphMask finds for the messages of a batch, layer by layer from the bottom. Shape of each: `(num_edges,)`."""

    #: From 0 to 1, above one half for kept messages.
    scores: List[torch.Tensor]
    #: `torch.bool`.
    kept: List[torch.Tensor]
    #: By how much scores may be off by rounding.
    rounding: List[torch.Tensor]


def score_gates(
    distribution: HardConcrete,
    locations: Sequence[Optional[torch.Tensor]],
    reachable: Sequence[torch.Tensor],
    threshold: Union[float, torch.Tensor],
) -> MessageScores:
    """
    Score messages by the locations of their gates relative to a threshold. A layer without locations keeps all messages that are
    reachable, those that can have an effect on the focus. Shape of each layer's: `(num_edges,)`.
    """
    # As if the gates that such a layer lacks were open as far as possible.
    found = [
        torch.where(reaches, float("inf"), float("-inf")) if location is None else location
        for location, reaches in zip(locations, reachable)
    ]
    scores = [distribution.score(location, threshold) for location in found]
    rounding = [distribution.score_rounding(location, threshold) for location in found]
    return MessageScores(scores, [layer > 0.5 for layer in scores], rounding)
