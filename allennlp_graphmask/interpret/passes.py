from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.models import Model

from allennlp_graphmask.graph import relation_names
from allennlp_graphmask.interpret.divergences import Divergence, changed_predictions
from allennlp_graphmask.interpret.explained_model import (
    MetricSets,
    find_graph_encoder,
    stochastic_layers_active,
)
from allennlp_graphmask.interpret.interventions import LayerGates, MessageRecorder
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Gate, Messages, intervening


class UnmaskedPass(NamedTuple):
    """
    # Parameters

    batch : `Dict[str, Any]`
        The target's inputs.
    output : `Dict[str, Any]`
        The target's output.
    layers : `List[Messages]`
        The messages of each layer of its graph encoder.
    inputs : `Dict[str, Any]`
        The inputs for further passes: those of the batch and, where the target can take it, what lies below the graph encoder.
    """

    batch: Dict[str, Any]
    output: Dict[str, Any]
    layers: List[Messages]
    inputs: Dict[str, Any]


class TargetPasses:
    """
    Passes through the model to explain, with and without gates, each counting into metrics of its own.

    # Parameters

    target : `Model`
    encoder : `str`, optional (default = `None`)
        The name of its graph encoder, if it has several.
    distribution : `str`, optional (default = `"logits"`)
        The key of the logits in its output.
    mask : `str`, optional (default = `"mask"`)
        The key of their mask in its output.
    edge_label_namespace : `str`, optional (default = `"edge_labels"`)
        Where its vocabulary keeps the relations.
    """

    #: The sets of metrics that passes can count into.
    METRIC_SETS = ("original", "masked", "random", "unreported")

    def __init__(
        self,
        target: Model,
        *,
        encoder: Optional[str] = None,
        distribution: str = "logits",
        mask: str = "mask",
        edge_label_namespace: str = "edge_labels",
    ) -> None:
        self.target = target
        #: The name of each edge type.
        self.relation_names = relation_names(target.vocab, edge_label_namespace)
        self.encoder: GraphEncoder = find_graph_encoder(target, encoder)[1]
        self.metric_sets = MetricSets(target, list(self.METRIC_SETS))
        self._distribution = distribution
        self._mask = mask

    def unmasked(self, batch: Dict[str, Any], metric_set: str) -> UnmaskedPass:
        """
        # Raises

        `RuntimeError` if the encoder does not show the messages of all its layers once.
        """
        encode_nodes = getattr(self.target, "encode_nodes", None)
        recorder = MessageRecorder()
        with torch.no_grad():
            inputs = {**batch, "node_states": encode_nodes(**batch)} if encode_nodes else batch
            with intervening(self.encoder, recorder), self.metric_sets.using(metric_set):
                output = self.target(**inputs)
        if len(recorder.layers) != self.encoder.num_layers:
            raise RuntimeError(
                f"The graph encoder showed {len(recorder.layers)} of its {self.encoder.num_layers} layers. A GraphEncoder must show "
                "the messages of every layer (assert_is_graph_encoder in allennlp_graphmask.testing checks it), and the model must "
                "use it in every forward pass."
            )
        return UnmaskedPass(batch, output, recorder.layers, inputs)

    def masked(
        self,
        unmasked: UnmaskedPass,
        gates: Sequence[Optional[Gate]],
        metric_set: str,
        *,
        with_dropout: bool = False,
    ) -> Dict[str, Any]:
        """
        The target's output for the same inputs when the messages of each layer are gated; `None` leaves a layer open. What
        the unmasked pass has computed is not computed again where it cannot have changed.
        """
        if with_dropout:
            # Nothing is what it was, from the embeddings on.
            with intervening(self.encoder, LayerGates(gates)), self.metric_sets.using(metric_set):
                with stochastic_layers_active(self.target):
                    return self.target(**unmasked.batch)
        gating = LayerGates(gates, unmasked.layers)
        with intervening(self.encoder, gating), self.metric_sets.using(metric_set):
            return self.target(**unmasked.inputs)

    def divergence(
        self, divergence: Divergence, original: Dict[str, Any], masked: Dict[str, Any]
    ) -> torch.Tensor:
        """
        From the output of an unmasked pass to that of a masked one. Shape: `(batch_size,)`.

        # Raises

        `ConfigurationError` if the target's output lacks the logits.
        """
        if self._distribution not in masked:
            raise ConfigurationError(
                f"The output of the model to explain has no '{self._distribution}', only {sorted(masked)}. Name the logits of the "
                'distribution to preserve by "distribution".'
            )
        return divergence(original[self._distribution], masked[self._distribution], original.get(self._mask))

    def changed(self, original: Dict[str, Any], masked: Dict[str, Any]) -> torch.Tensor:
        """Whether any prediction of each instance differs. Shape: `(batch_size,)`, `torch.bool`."""
        return changed_predictions(
            original[self._distribution], masked[self._distribution], original.get(self._mask)
        )
