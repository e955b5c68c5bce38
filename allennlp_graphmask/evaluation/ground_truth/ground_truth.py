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
    """
    # Parameters

    source, target : `int`
    label : `str`
    role : `str`, optional (default = `None`)
        A name by which a `TruthGraph` can refer to the edge.
    """

    source: int
    target: int
    label: str
    role: Optional[str] = None


class TruthGraph(NamedTuple):
    """
    A graph of which it is known what matters.

    # Parameters

    features : `List[List[float]]`
        For each node. Node 0 is the one that the prediction is read from.
    edges : `List[TruthEdge]`
    answer : `int`
        The class that the model predicts.
    accepted : `List[List[Tuple[int, str]]]`
        The smallest sets of messages that preserve the prediction when all others are zero: pairs of a layer and the role of
        an edge.
    """

    features: List[List[float]]
    edges: List[TruthEdge]
    answer: int
    accepted: List[List[Tuple[int, str]]]


class NodeClassifier(Model):
    """
    Reads a prediction from node 0 of each graph by a linear map.

    # Parameters

    vocab : `Vocabulary`
    graph_encoder : `GraphEncoder`
    num_classes : `int`
    """

    def __init__(self, vocab: Vocabulary, graph_encoder: GraphEncoder, num_classes: int) -> None:
        super().__init__(vocab)
        self.graph_encoder = graph_encoder
        self.readout = nn.Linear(graph_encoder.get_output_dim(), num_classes)

    def encode_nodes(self, features: torch.Tensor, graph: Graph, **_: Any) -> torch.Tensor:
        """The features as they are. Shape: `(num_nodes, num_features)`."""
        return graph.flatten_nodes(features)

    def forward(  # type: ignore[override]
        self,
        features: torch.Tensor,
        graph: Graph,
        label: Optional[torch.Tensor] = None,
        metadata: Optional[List[Dict[str, Any]]] = None,
        node_states: Optional[torch.Tensor] = None,
    ) -> Dict[str, Any]:
        """
        # Parameters

        features : `torch.Tensor`
            Shape: `(batch_size, max_nodes, num_features)`.
        graph : `Graph`
        label : `torch.Tensor`, optional
            The right class. Shape: `(batch_size,)`.
        metadata : `List[Dict[str, Any]]`, optional
        node_states : `torch.Tensor`, optional
            The result of `encode_nodes`. Shape: `(num_nodes, num_features)`.

        # Returns

        A dictionary with `logits`, shape `(batch_size, num_classes)`, and with labels the `loss`.
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
    A small model whose weights are set by hand, graphs for it, and a proof of which messages its predictions depend on. What
    an interpreter says of it can be right or wrong.

    The proof is for dropped messages that become zeros. Any of the accepted sets is right, and no other: a larger one contains
    messages that are not needed.

    # Parameters

    sharpness : `float`, optional (default = `10.0`)
        By how much the logit of the predicted class exceeds any other, at least.
    """

    #: By which suites and benchmarks call it.
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
        """The model without its weights."""
        raise NotImplementedError

    def set_weights(self, model: NodeClassifier) -> None:
        """Sets the weights that are not zero."""
        raise NotImplementedError

    def draw(self, generator: random.Random) -> TruthGraph:
        """A graph."""
        raise NotImplementedError

    def relation(self, label: str) -> int:
        """The edge type of a label."""
        return relation_index(self.vocab, label)

    def instances(self, count: int, *, seed: int = 0) -> List[Instance]:
        """
        As many graphs; the same seed gives the same ones. The metadata of each have its `accepted` sets,
        `FrozenSet[MessageSet]`.
        """
        generator = random.Random(f"{self.name} {seed}")
        return [self._instance(self.draw(generator), generator) for _ in range(count)]

    def _instance(self, drawn: TruthGraph, generator: random.Random) -> Instance:
        edges = list(drawn.edges)
        # The place of an edge must not tell what it is.
        generator.shuffle(edges)
        number_of_role = {edge.role: number for number, edge in enumerate(edges) if edge.role is not None}
        accepted = frozenset(
            frozenset((layer, number_of_role[role]) for layer, role in one) for one in drawn.accepted
        )
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
        """As many graphs, collated: the inputs of the model."""
        batch = Batch(self.instances(count, seed=seed))
        batch.index_instances(self.vocab)
        return batch.as_tensor_dict()

    def masked_model(self) -> MaskedModel:
        """The model as interpreters look at it."""
        return MaskedModel(self.model)


def is_accepted(attribution: EdgeAttribution, batch: Dict[str, Any]) -> List[bool]:
    """
    Whether what an interpreter keeps of each graph is one of the accepted sets.

    # Parameters

    attribution : `EdgeAttribution`
        Of the whole batch.
    batch : `Dict[str, Any]`
        That of `GroundTruth.batch`.
    """
    return [
        kept in metadata["accepted"]
        for kept, metadata in zip(map(kept_messages, attribution.split()), batch["metadata"])
    ]


def ranks_accepted_first(attribution: EdgeAttribution, batch: Dict[str, Any]) -> List[bool]:
    """
    Whether the highest scores of each graph are those of an accepted set, as many as it has messages: what is left of an
    interpreter when it is told how much to keep. A message outside with the same score as one inside makes it `False`; nothing
    needs to be ranked for the empty set.

    # Parameters

    attribution : `EdgeAttribution`
        Of the whole batch.
    batch : `Dict[str, Any]`
        That of `GroundTruth.batch`.
    """
    found = []
    for part, metadata in zip(attribution.split(), batch["metadata"]):
        scores = {
            (layer, edge): score
            for layer, values in enumerate(part.scores)
            for edge, score in enumerate(values.tolist())
        }
        found.append(any(_leads(scores, one) for one in metadata["accepted"]))
    return found


def _leads(scores: Dict[Tuple[int, int], float], messages: MessageSet) -> bool:
    inside = [score for message, score in scores.items() if message in messages]
    outside = [score for message, score in scores.items() if message not in messages]
    return not inside or not outside or min(inside) > max(outside)


def kept_messages(attribution: EdgeAttribution) -> MessageSet:
    """What an attribution of a single graph keeps."""
    return frozenset(
        (layer, edge)
        for layer, kept in enumerate(attribution.kept)
        for edge in kept.nonzero().squeeze(-1).tolist()
    )
