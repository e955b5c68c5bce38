import random
from typing import Any, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

import torch
from allennlp.data import Batch, Instance, Vocabulary
from allennlp.data.fields import LabelField, MetadataField, TensorField
from allennlp.models import Model
from torch import nn

from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.graph import Graph, relation_index
from allennlp_graphmask.interpret.edge_attribution import EdgeAttribution
from allennlp_graphmask.interpret.masked_model import MaskedModel
from allennlp_graphmask.modules.graph_encoders import GraphEncoder

#: Messages, as pairs of a layer and an edge; edges are numbered within their graph.
MessageSet = FrozenSet[Tuple[int, int]]


class TruthEdge(NamedTuple):
    """An edge; `role` is a name by which a `TruthGraph` can refer to it."""

    source: int
    target: int
    label: str
    role: Optional[str] = None


class TruthGraph(NamedTuple):
    """A graph for which it is known what matters."""

    #: Of each node. Node 0 is the one that the prediction is read from.
    features: List[List[float]]
    edges: List[TruthEdge]
    #: The class that the model predicts.
    answer: int
    #: The smallest sets of messages that preserve the prediction when all others are zero: pairs of a layer and the role of an edge.
    accepted: List[List[Tuple[int, str]]]


class NodeClassifier(Model):
    """Reads a prediction from node 0 of each graph by a linear map."""

    def __init__(self, vocab: Vocabulary, graph_encoder: GraphEncoder, num_classes: int) -> None:
        super().__init__(vocab)
        self.graph_encoder = graph_encoder
        self.readout = nn.Linear(graph_encoder.get_output_dim(), num_classes)

    def encode_nodes(self, features: torch.Tensor, graph: Graph, **_: Any) -> torch.Tensor:
        """Return the features as they are. Shape: `(num_nodes, num_features)`."""
        return graph.flatten_nodes(features)

    def forward(
        self,
        features: torch.Tensor,
        graph: Graph,
        label: Optional[torch.Tensor] = None,
        metadata: Optional[List[Dict[str, Any]]] = None,
        node_states: Optional[torch.Tensor] = None,
    ) -> Dict[str, Any]:
        """
        Return `logits`, shape `(batch_size, num_classes)`, and with labels, shape `(batch_size,)`, the `loss`. Shape of
        the features: `(batch_size, max_nodes, num_features)`, of the result of `encode_nodes`:
        `(num_nodes, num_features)`.
        """
        if node_states is None:
            node_states = self.encode_nodes(features, graph)
        states = self.graph_encoder(node_states, graph).index_select(0, graph.first_node_of_graph())
        output = {"logits": self.readout(states)}
        if label is not None:
            output["loss"] = nn.functional.cross_entropy(output["logits"], label)
        return output


class GroundTruth:
    """
    A small model with weights set by hand, graphs for it, and a proof of which messages its predictions depend on. An explanation
    of it is right or wrong.

    The proof is for dropped messages that become zeros. Any of the accepted sets is right, and no other: a larger one contains
    messages that are not needed.

    # Parameters

    sharpness : `float`, optional (default = `10.0`)
        The least difference between the logit of the predicted class and any other.
    """

    name: str
    #: The labels of edges.
    labels: Sequence[str]

    def __init__(self, *, sharpness: float = 10.0) -> None:
        self.sharpness = sharpness
        self.vocab = Vocabulary(counter={"edge_labels": {label: 1 for label in self.labels}})
        model = self.build_model()
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        with torch.no_grad():
            self.set_weights(model)
        #: The model to explain, in evaluation mode.
        self.model = model.eval()

    def build_model(self) -> NodeClassifier:
        """Build the model without its weights."""
        raise NotImplementedError

    def set_weights(self, model: NodeClassifier) -> None:
        """Set the weights that are not zero."""
        raise NotImplementedError

    def draw(self, generator: random.Random) -> TruthGraph:
        """Draw a graph."""
        raise NotImplementedError

    def relation(self, label: str) -> int:
        """Return the edge type of a label."""
        return relation_index(self.vocab, label)

    def instances(self, count: int, *, seed: int = 0) -> List[Instance]:
        """
        Draw `count` graphs; the same seed gives the same ones. Their metadata have the `accepted` sets, `FrozenSet[MessageSet]`.
        """
        generator = random.Random(f"{self.name} {seed}")
        return [self._instance(self.draw(generator), generator) for _ in range(count)]

    def _instance(self, drawn: TruthGraph, generator: random.Random) -> Instance:
        edges = list(drawn.edges)
        # The place of an edge must give nothing away.
        generator.shuffle(edges)
        number_of_role = {edge.role: number for number, edge in enumerate(edges) if edge.role is not None}
        accepted = frozenset(frozenset((layer, number_of_role[role]) for layer, role in one) for one in drawn.accepted)
        return Instance(
            {
                "features": TensorField(torch.tensor(drawn.features)),
                "graph": GraphField(
                    len(drawn.features),
                    [(edge.source, edge.target) for edge in edges],
                    [edge.label for edge in edges],
                ),
                "label": LabelField(drawn.answer, skip_indexing=True),
                "metadata": MetadataField({"accepted": accepted}),
            }
        )

    def batch(self, count: int, *, seed: int = 0) -> Dict[str, Any]:
        """Draw `count` graphs and collate them: the inputs of the model."""
        batch = Batch(self.instances(count, seed=seed))
        batch.index_instances(self.vocab)
        return batch.as_tensor_dict()

    def masked_model(self) -> MaskedModel:
        """Return the model as interpreters look at it."""
        return MaskedModel(self.model)


def is_accepted(attribution: EdgeAttribution, batch: Dict[str, Any]) -> List[bool]:
    """Return whether the kept messages of each graph of a batch, made by `GroundTruth.batch`, are one of its accepted sets."""
    graphs = zip(attribution.split(), batch["metadata"])
    return [kept_messages(part) in metadata["accepted"] for part, metadata in graphs]


def ranks_accepted_first(attribution: EdgeAttribution, batch: Dict[str, Any]) -> List[bool]:
    """
    Return whether in each graph of a batch, made by `GroundTruth.batch`, an accepted set has higher scores than all other messages:
    the quality of an interpreter that is given the number of messages to keep. Equal scores inside and outside make it `False`; the
    empty set is always first.
    """
    found = []
    for part, metadata in zip(attribution.split(), batch["metadata"]):
        scores = torch.stack(part.scores)  # Shape: (num_layers, num_edges)

        def is_first(messages: MessageSet, scores: torch.Tensor = scores) -> bool:
            inside = torch.zeros_like(scores, dtype=torch.bool)
            for message in messages:
                inside[message] = True
            if not messages or bool(inside.all()):
                return True
            return bool(scores[inside].min() > scores[~inside].max())

        found.append(any(map(is_first, metadata["accepted"])))
    return found


def kept_messages(attribution: EdgeAttribution) -> MessageSet:
    """Return the messages that an attribution of a single graph keeps."""
    return frozenset(map(tuple, torch.stack(attribution.kept).nonzero().tolist()))
