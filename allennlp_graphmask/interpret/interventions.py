"""The interventions that interpreters are made of: one records, one applies gates."""

from typing import List, Optional, Sequence

from allennlp_graphmask.modules.intervention import Gate, Messages


class MessageRecorder:
    """
    Keeps the (lazy) messages of every layer of one forward pass, from the bottom, in `layers`. It never answers, so that it
    can be nested with an intervention that does.

    # Raises

    `RuntimeError` if the encoder shows its layers out of order, which it does when it runs twice in one forward pass.
    """

    def __init__(self) -> None:
        self.layers: List[Messages] = []

    def __call__(self, messages: Messages) -> Optional[Gate]:
        if messages.layer != len(self.layers):
            raise RuntimeError(
                f"The graph encoder showed layer {messages.layer} where layer {len(self.layers)} was expected. An encoder that "
                "runs several times in one forward pass cannot be explained: which of its runs should the scores be for?"
            )
        self.layers.append(messages)
        return None


class LayerGates:
    """
    Gates the messages of each layer.

    # Parameters

    gates : `Sequence[Optional[Gate]]`
        One for each layer, from the bottom; `None` leaves a layer alone.
    recorded : `Sequence[Messages]`, optional (default = `()`)
        The messages of all layers of an earlier pass over the same input, in evaluation mode as this one. Layers below
        which nothing is gated, the bottom one always, do not compute theirs again.
    """

    def __init__(self, gates: Sequence[Optional[Gate]], recorded: Sequence[Messages] = ()) -> None:
        self.gates = list(gates)
        self.recorded = list(recorded)

    def __call__(self, messages: Messages) -> Optional[Gate]:
        if self.recorded:
            messages.reuse(self.recorded[messages.layer])
        return self.gates[messages.layer]
