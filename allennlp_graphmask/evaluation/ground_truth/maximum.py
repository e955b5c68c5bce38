import random

from allennlp.nn import Activation

from allennlp_graphmask.evaluation.ground_truth.ground_truth import GroundTruth, NodeClassifier, TruthEdge, TruthGraph
from allennlp_graphmask.modules.graph_encoders import GraphAttention

#: The largest value that a node holds; the smallest is 1.
LARGEST = 5
#: The logit of an edge's attention for each unit of value: the weights of all but the largest vanish.
STEEPNESS = 100.0


class Maximum(GroundTruth):
    """
    The prediction is the largest value among the nodes that have an edge `a` into node 0, by one layer of `graph_attention`
    that attends to nothing else.

    Node 0 starts with `(1, 0)`, every other one with `(0, value)`, the values of edges `a` all different whole numbers from 1
    to 5. States have the numbers (mark, value). The energy of an edge `a` is 100 times its value, that of an edge `b` is
    negative. The logit of class c is proportional to `2 c value - c ** 2`, so that the class nearest to the value of node 0 is
    predicted.

    **Proof.** Two energies of edges into node 0 differ by 100 or more where the larger is the largest, so that all weights but
    one are below exp(-100), and the messages of these edges together below 1e-40. The message of the edge with the largest
    value is that value, up to such a difference. With it alone the class is what it was; with any set of others the value of node 0 is
    below 1e-40, and class 0 is predicted, which is no edge's value. The one accepted set: the edge `a` into node 0 with the
    largest value.
    """

    name = "maximum"
    labels = ("a", "b")

    def build_model(self) -> NodeClassifier:
        encoder = GraphAttention(
            self.vocab, 2, 2, num_layers=1, relation_messages=False, activation=Activation.by_name("linear")()
        )
        return NodeClassifier(self.vocab, encoder, 1 + LARGEST)

    def set_weights(self, model: NodeClassifier) -> None:
        (layer,) = model.graph_encoder.layers  # type: ignore[misc]
        layer.projection.weight[1, 1] = 1
        layer.source_attention[0, 1] = STEEPNESS
        layer.relation_attention[self.relation("b")] = -STEEPNESS * 2 * LARGEST
        layer.self_transform.weight[0, 0] = 1
        for number in range(model.readout.out_features):
            model.readout.weight[number, 1] = self.sharpness * 2 * number
            model.readout.bias[number] = -self.sharpness * number**2

    def draw(self, generator: random.Random) -> TruthGraph:
        values = generator.sample(range(1, LARGEST + 1), generator.randint(2, 4))
        largest = values.index(max(values))
        edges = [
            TruthEdge(1 + number, 0, "a", "largest" if number == largest else None) for number in range(len(values))
        ]
        ignored = [generator.randint(1, LARGEST) for _ in range(generator.randint(1, 4))]
        edges += [TruthEdge(1 + len(values) + number, 0, "b") for number in range(len(ignored))]
        return TruthGraph(
            [[1.0, 0.0], *([0.0, float(value)] for value in values + ignored)],
            edges,
            max(values),
            [[(0, "largest")]],
        )
