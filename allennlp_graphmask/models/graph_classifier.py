from typing import Any, Dict, List, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import TextFieldTensors, Vocabulary
from allennlp.models import Model
from allennlp.modules import FeedForward, Seq2VecEncoder, TextFieldEmbedder
from allennlp.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from allennlp.nn import util
from allennlp.training.metrics import CategoricalAccuracy, FBetaMeasure
from torch import nn

from allennlp_graphmask.checked_parameters import ModelWithCheckedParameters
from allennlp_graphmask.checks import check_choice
from allennlp_graphmask.data.fields.open_label_field import NO_LABEL
from allennlp_graphmask.graph import Graph
from allennlp_graphmask.models.shared import (
    build_label_predictions,
    check_dim,
    compute_known_label_loss,
    count_labels,
)
from allennlp_graphmask.modules.finite import check_finite
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.vocabulary_rows import add_outputs
from allennlp_graphmask.rounding import RELATIVE_ROUNDING, shared_maximum


@Model.register("graph_classifier")
class GraphClassifier(ModelWithCheckedParameters):
    """
    Classifies graphs of texts, or their nodes. Each node's text is embedded and encoded to one vector, the graph encoder passes
    messages between nodes, and a linear layer scores the labels, for each node or for the graph's pooled nodes. The vector of a
    node without tokens is zero before `node_encoder`, and so is that of a graph without nodes after pooling.

    Registered as a `Model` with name "graph_classifier".

    # Parameters

    text_field_embedder : `TextFieldEmbedder`
        Embeds the tokens of the nodes.
    text_encoder : `Seq2VecEncoder`, optional (default = the mean of the tokens)
        From a node's tokens to one vector.
    node_encoder : `FeedForward`, optional (default = `None`)
        From that vector to the graph encoder's input.
    graph_encoder : `GraphEncoder`, optional (default = `None`)
        Without it the model is a baseline that uses no edges.
    classify : `str`, optional (default = `"graph"`)
        `"graph"` or `"nodes"`, as in the reader.
    pooling : `str`, optional (default = `"max"`)
        How the nodes of a graph become one vector if graphs are classified: `"max"`, `"mean"` or `"sum"`.
    dropout : `float`, optional (default = `0.0`)
        On the nodes' vectors and on the input of the linear layer.
    label_namespace : `str`, optional (default = `"labels"`)
    """

    default_predictor = "graph_classifier"

    def __init__(
        self,
        vocab: Vocabulary,
        text_field_embedder: TextFieldEmbedder,
        *,
        text_encoder: Optional[Seq2VecEncoder] = None,
        node_encoder: Optional[FeedForward] = None,
        graph_encoder: Optional[GraphEncoder] = None,
        classify: str = "graph",
        pooling: str = "max",
        dropout: float = 0.0,
        label_namespace: str = "labels",
        **kwargs: Any,
    ) -> None:
        super().__init__(vocab, **kwargs)
        check_choice("graph_classifier", ("graph", "nodes"), classify=classify)
        check_choice("graph_classifier", ("max", "mean", "sum"), pooling=pooling)
        num_labels = count_labels(vocab, label_namespace)
        embedding_dim = text_field_embedder.get_output_dim()
        self.text_field_embedder = text_field_embedder
        self.text_encoder = text_encoder or BagOfEmbeddingsEncoder(embedding_dim, averaged=True)
        self.node_encoder = node_encoder
        self.graph_encoder = graph_encoder
        self.dropout = nn.Dropout(dropout)
        self.classify = classify
        self._pooling = pooling
        self._label_namespace = label_namespace

        check_dim("text_encoder", self.text_encoder.get_input_dim(), embedding_dim, "embeddings")
        node_dim = self.text_encoder.get_output_dim()
        if node_encoder is not None:
            check_dim("node_encoder", node_encoder.get_input_dim(), node_dim, "encoded texts")
            node_dim = node_encoder.get_output_dim()
        if graph_encoder is not None:
            graph_encoder.check_contract()
            check_dim("graph_encoder", graph_encoder.get_input_dim(), node_dim, "nodes")
            node_dim = graph_encoder.get_output_dim()
        self.classifier = nn.Linear(node_dim, num_labels)
        self._accuracy = CategoricalAccuracy()
        self._f1 = FBetaMeasure(average="macro")

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """Make room for labels that were added to the vocabulary. AllenNLP calls this (`Model.extend_embedder_vocab`)."""
        add_outputs(self.classifier, extended_vocab.get_vocab_size(self._label_namespace))

    def encode_nodes(self, nodes: TextFieldTensors, graph: Graph, **_: Any) -> torch.Tensor:
        """
        Compute the input of the graph encoder, shape `(num_nodes, node_dim)`. Passes with different interventions can
        share it, as `node_states` of `forward`.
        """
        embedded = self.text_field_embedder(nodes, num_wrapping_dims=1)
        tokens = graph.flatten_nodes(embedded)  # Shape: (num_nodes, num_tokens, embedding_dim)
        # Shape: (num_nodes, num_tokens)
        mask = graph.flatten_nodes(util.get_text_field_mask(nodes, num_wrapping_dims=1))
        # Most encoders cannot read a text without tokens.
        places = mask.any(-1).nonzero().squeeze(-1)  # Shape: (num_nodes_with_text,)
        states = tokens.new_zeros(graph.num_nodes, self.text_encoder.get_output_dim())
        if places.numel():
            encoded = self.text_encoder(tokens.index_select(0, places), mask.index_select(0, places))
            states = states.index_copy(0, places, encoded)
        states = self.dropout(states)
        return states if self.node_encoder is None else self.node_encoder(states)

    def forward(
        self,
        nodes: TextFieldTensors,
        graph: Graph,
        label: Optional[torch.Tensor] = None,
        node_labels: Optional[torch.Tensor] = None,
        metadata: Optional[List[Dict[str, Any]]] = None,
        node_states: Optional[torch.Tensor] = None,
    ) -> Dict[str, Any]:
        """
        # Parameters

        nodes : `TextFieldTensors`
            From a `ListField`, a text for each node.
        label : `torch.Tensor`, optional
            The label of each graph, -1 for labels unseen in training, -2 for none. Shape: `(batch_size,)`.
        node_labels : `torch.Tensor`, optional
            The same for each node. Shape: `(batch_size, max_nodes)`.
        node_states : `torch.Tensor`, optional
            The result of `encode_nodes`. Shape: `(num_nodes, node_dim)`.

        # Returns

        A dictionary with `logits`, shape `(batch_size, num_labels)`, or `(batch_size, max_nodes, num_labels)` if nodes are
        classified; `mask`, the graphs or nodes that exist, shape `(batch_size,)` or `(batch_size, max_nodes)`; `metadata` if
        given; and with labels the `loss`: cross-entropy, the mean over all graphs or nodes with a known label.
        """
        if node_states is None:
            node_states = self.encode_nodes(nodes, graph)
        states = node_states if self.graph_encoder is None else self.graph_encoder(node_states, graph)
        if self.classify == "graph":
            pooled = pool_nodes(states, graph, self._pooling)  # Shape: (batch_size, node_dim)
            logits = self.classifier(self.dropout(pooled))
            mask = torch.ones_like(graph.nodes_per_graph, dtype=torch.bool)
            targets, other_labels = label, node_labels
        else:
            max_nodes = util.get_text_field_mask(nodes, num_wrapping_dims=1).size(1)
            logits = graph.pad_nodes(self.classifier(self.dropout(states)), max_nodes)
            mask = graph.node_mask(max_nodes)
            targets, other_labels = node_labels, label
        if other_labels is not None:
            raise ConfigurationError(
                f'The model\'s "classify" is {self.classify!r}, but the instances have labels of the other kind. Set "classify" of '
                "the reader to the same value."
            )
        output: Dict[str, Any] = {"logits": logits, "mask": mask}
        if metadata is not None:
            output["metadata"] = metadata
        if targets is not None:
            output["loss"] = self._loss(logits, targets, mask)
        return output

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        is_known = mask & (targets >= 0)
        # For accuracy, a label that training did not see counts as missed; F1 has no class for it. F1 gets probabilities because
        # it takes a row of numbers that sum to zero for a missing prediction.
        self._accuracy(logits, targets, mask & (targets != NO_LABEL))  # type: ignore[arg-type]
        self._f1(logits.softmax(-1), targets.clamp(min=0), is_known)  # type: ignore[arg-type]
        return compute_known_label_loss(logits, targets, is_known)

    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        """
        Add `prediction` for each instance: `label`, its `probability` and the `probabilities` of all labels; or if nodes are
        classified, `nodes`, a list with these three and, if there are metadata, the `text` of each node.
        """
        check_finite(self, logits=output_dict["logits"])
        names = self.vocab.get_index_to_token_vocabulary(self._label_namespace)
        if self.classify == "graph":
            output_dict["prediction"] = build_label_predictions(output_dict["logits"], names)
            return output_dict
        num_nodes = output_dict["mask"].sum(-1).tolist()
        predictions = [
            build_label_predictions(logits[:length], names)
            for logits, length in zip(output_dict["logits"].cpu(), num_nodes)
        ]
        for nodes, metadata in zip(predictions, output_dict.get("metadata", ())):
            nodes[:] = [{"text": node["text"], **prediction} for node, prediction in zip(metadata["nodes"], nodes)]
        output_dict["prediction"] = [{"nodes": nodes} for nodes in predictions]
        return output_dict

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        """
        Return `accuracy`, over all graphs or nodes that have a label, and `f1`, the mean F1 of the labels. Both are 0 before any
        label was seen.
        """
        has_counted = self._accuracy.total_count > 0
        f1 = self._f1.get_metric()["fscore"] if has_counted else 0.0
        accuracy = self._accuracy.get_metric(reset)
        if reset:
            self._f1.reset()
        return {"accuracy": accuracy, "f1": f1}


def pool_nodes(states: torch.Tensor, graph: Graph, pooling: str) -> torch.Tensor:
    """
    Combine the nodes of each graph, shape `(num_nodes, node_dim)`, to one vector, zero for a graph without nodes.
    Shape: `(num_graphs, node_dim)`.
    """
    # Shape: (num_nodes,)
    graph_of_node = graph.repeat_for_nodes(torch.arange(graph.num_graphs, device=states.device))
    if pooling == "max":
        # An element that is small for its node may be the difference of large numbers, and is off by as much as they are.
        rounding = RELATIVE_ROUNDING * states.detach().abs().amax(-1, keepdim=True)
        return shared_maximum(states, graph_of_node, graph.num_graphs, rounding=rounding, empty=0.0)
    pooled = states.new_zeros(graph.num_graphs, states.size(-1)).index_add(0, graph_of_node, states)
    if pooling == "mean":
        pooled = pooled / graph.nodes_per_graph.clamp(min=1).unsqueeze(-1)
    return pooled
