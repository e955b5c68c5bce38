import random

from allennlp.nn import Activation

from allennlp_graphmask.evaluation.ground_truth.ground_truth import GroundTruth, NodeClassifier, TruthEdge, TruthGraph
from allennlp_graphmask.modules.graph_encoders import GraphAttention

#: How many different values there are.
NUM_VALUES = 3
#: The energy of edges `next`; that of others is 0, so that their weights beside them vanish.
STEEPNESS = 100.0


class TwoHopChain(GroundTruth):
    """
    The prediction is a value that reaches node 0 over two edges `next`, from a source over a node between them, by two layers
    of `graph_attention` that attend to edges `next`. Each edge matters in one layer only, and both get all attention in both.

    A node's state has the numbers (mark, one for each value). Node 0 starts with the mark, the node between with zeros, all
    others with a one for their value. Messages carry the values of their source; a node's own term is its state in the lower
    layer and its mark in the upper one. Class v has twice the number of value v in node 0 for a logit and one more class,
    "none", the constant 1; in proportion.

    **Proof.** Into node 0 and into the node between there is one edge `next` each; beside it the other edges have weights below
    exp(-100), and carry nothing. So only two messages have values: in the lower layer that from the source to the node
    between (the node between has no value to send yet), in the upper layer that from the node between to node 0, and also the
    one from the source again. The last one changes no state that is read. Where the first is zero, the node between has
    nothing to send, where the second is zero, nothing reaches node 0: "none" is predicted. The one accepted set: the edge into
    the node between in the lower layer, the edge into node 0 in the upper layer.
    """

    name = "two_hop_chain"
    labels = ("next", "other")

    def build_model(self) -> NodeClassifier:
        encoder = GraphAttention(
            self.vocab,
            1 + NUM_VALUES,
            1 + NUM_VALUES,
            num_layers=2,
            relation_messages=False,
            activation=Activation.by_name("linear")(),
        )
        return NodeClassifier(self.vocab, encoder, NUM_VALUES + 1)

    def set_weights(self, model: NodeClassifier) -> None:
        lower, upper = model.graph_encoder.layers  # type: ignore[misc]
        lower.self_transform.weight.fill_diagonal_(1)
        upper.self_transform.weight[0, 0] = 1
        for layer in (lower, upper):
            layer.projection.weight.fill_diagonal_(1)
            layer.projection.weight[0, 0] = 0  # not the mark
            layer.relation_attention[self.relation("next")] = STEEPNESS
        model.readout.weight[:NUM_VALUES, 1:].fill_diagonal_(2 * self.sharpness)
        model.readout.bias[NUM_VALUES] = self.sharpness

    def draw(self, generator: random.Random) -> TruthGraph:
        values = [generator.randrange(NUM_VALUES) for _ in range(generator.randint(3, 5))]
        holders = range(2, 2 + len(values))
        edges = [TruthEdge(2, 1, "next", "first"), TruthEdge(1, 0, "next", "second")]
        # Many or none: a learnt replacement, once for each dropped edge, then cannot stand for any value (docs/ground_truth.md).
        for target in (0, 1):
            edges += [TruthEdge(generator.choice(holders), target, "other") for _ in range(generator.randint(0, 3))]
        features = [[1.0] + [0.0] * NUM_VALUES, [0.0] * (1 + NUM_VALUES)]
        features += [[0.0] + [float(value == own) for value in range(NUM_VALUES)] for own in values]
        return TruthGraph(features, edges, values[0], [[(0, "first"), (1, "second")]])
