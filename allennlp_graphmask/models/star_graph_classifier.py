from typing import Any, Dict, List, Optional

import torch
from allennlp.data import Vocabulary
from allennlp.models import Model
from allennlp.training.metrics import CategoricalAccuracy
from torch import nn

from allennlp_graphmask.checked_parameters import ModelWithCheckedParameters
from allennlp_graphmask.data.fields.open_label_field import NO_LABEL
from allennlp_graphmask.focus import WHOLE_PREDICTION, Focus, unknown_focus, whole_prediction
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.models.shared import (
    build_label_predictions,
    compute_known_label_loss,
    count_labels,
)
from allennlp_graphmask.modules.finite import check_finite
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.vocabulary_rows import add_outputs


@Model.register("star_graph_classifier")
class StarGraphClassifier(ModelWithCheckedParameters):
    """
    Classifies star graphs: the graph encoder passes messages between nodes, and a linear layer scores the labels from the state
    of the centre. With one layer of `rgcn` it is the model of the synthetic task of [Schlichtkrull, De Cao and Titov
    (2021)](https://arxiv.org/abs/2010.00577). To compare the numbers of edges of two colours the encoder must be able to count:
    `rgcn` needs `"normalise": false`.

    Registered as a `Model` with name "star_graph_classifier".

    # Parameters

    graph_encoder : `GraphEncoder`
        Its input are the nodes' features, two for each colour of the reader.
    label_namespace : `str`, optional (default = `"labels"`)
    """

    def __init__(
        self,
        vocab: Vocabulary,
        graph_encoder: GraphEncoder,
        *,
        label_namespace: str = "labels",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        graph_encoder.check_contract()
        self.graph_encoder = graph_encoder
        self.classifier = nn.Linear(graph_encoder.get_output_dim(), count_labels(vocab, label_namespace))
        self._label_namespace = label_namespace
        self._accuracy = CategoricalAccuracy()

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """Make room for labels that were added to the vocabulary. AllenNLP calls this (`Model.extend_embedder_vocab`)."""
        add_outputs(self.classifier, extended_vocab.get_vocab_size(self._label_namespace))

    def encode_nodes(self, node_features: torch.Tensor, graph: Graph, **_: Any) -> torch.Tensor:
        """
        Compute the input of the graph encoder, shape `(num_nodes, num_features)`. Passes with different interventions
        can share it, as `node_states` of `forward`.
        """
        return graph.flatten_nodes(node_features)

    def forward(
        self,
        node_features: torch.Tensor,
        graph: Graph,
        label: Optional[torch.Tensor] = None,
        metadata: Optional[List[Dict[str, Any]]] = None,
        node_states: Optional[torch.Tensor] = None,
    ) -> Dict[str, Any]:
        """
        # Parameters

        node_features : `torch.Tensor`
            Shape: `(batch_size, max_nodes, num_features)`.
        graph : `Graph`
            The first node of each graph is its centre.
        label : `torch.Tensor`, optional
            -1 for labels unseen in training, -2 for none. Shape: `(batch_size,)`.
        node_states : `torch.Tensor`, optional
            The result of `encode_nodes`. Shape: `(num_nodes, num_features)`.

        # Returns

        A dictionary with `logits`, shape `(batch_size, num_labels)`; `metadata` if given; and with labels the `loss`:
        cross-entropy, the mean over all graphs that have a known label.
        """
        if node_states is None:
            node_states = self.encode_nodes(node_features, graph)
        states = self.graph_encoder(node_states, graph)
        # Shape: (batch_size, node_dim)
        centres = states.index_select(0, graph.first_node_of_graph())
        logits = self.classifier(centres)
        output: Dict[str, Any] = {"logits": logits}
        if metadata is not None:
            output["metadata"] = metadata
        if label is not None:
            # A label that training did not see counts as missed.
            self._accuracy(logits, label, label != NO_LABEL)  # type: ignore[arg-type]
            output["loss"] = compute_known_label_loss(logits, label, label >= 0)
        return output

    def get_foci(self, focus: str, batch: Dict[str, Any], output: Dict[str, Any], graph: Graph) -> List[Focus]:
        """Return the whole prediction, the only focus; it is computed from the centre of each graph. See `Focus`."""
        if focus != WHOLE_PREDICTION:
            raise unknown_focus(self, focus, repr(WHOLE_PREDICTION))
        nodes = torch.zeros(graph.num_nodes, dtype=torch.bool, device=graph.edge_type.device)
        nodes[graph.first_node_of_graph()] = True
        return [whole_prediction(None, graph, nodes)]

    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        """Add `prediction` for each instance: `label`, its `probability` and the `probabilities` of all labels."""
        check_finite(self, logits=output_dict["logits"])
        names = self.vocab.get_index_to_token_vocabulary(self._label_namespace)
        output_dict["prediction"] = build_label_predictions(output_dict["logits"], names)
        return output_dict

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        """Return `accuracy`, over all graphs that have a label; 0 before any was seen."""
        return {"accuracy": self._accuracy.get_metric(reset)}
