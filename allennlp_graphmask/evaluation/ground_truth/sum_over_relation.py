import random

from allennlp.nn import Activation

from allennlp_graphmask.evaluation.ground_truth.ground_truth import GroundTruth, NodeClassifier, TruthEdge, TruthGraph
from allennlp_graphmask.modules.graph_encoders import Rgcn

#: The values that nodes hold.
VALUES = (1, 2, 3)
#: The largest number of edges that are added up.
MOST_SUMMANDS = 3


class SumOverRelation(GroundTruth):
    """
    The prediction is the sum of the values of the nodes that have an edge `a` into node 0, by two layers of `rgcn`, the upper one
    without effect.

    Node 0 starts with `(1, 0)`, every other one with `(0, value)`, a value of 1, 2 or 3. The states have the numbers (mark,
    sum, rest). The lower layer adds the values over edges `a` to the sum and those over edges `b` to the rest, and puts a
    node's own value there; the upper one adds the neighbours' rest to the rest and does nothing else. The logit of class c is
    proportional to `2 c sum - c ** 2`, so that the class nearest to the sum of node 0 is predicted.

    **Proof.** Only the sum of node 0 is read. In the upper layer no message has anything but a rest, and in the lower layer
    only the messages of edges `a` into node 0 change its sum: nothing else matters. Each of these adds 1 at least, so that
    without any of them the sum is a smaller whole number, which is another class. The one accepted set: all edges `a` into
    node 0, in the lower layer.
    """

    name = "sum_over_relation"
    labels = ("a", "b")

    def build_model(self) -> NodeClassifier:
        encoder = Rgcn(self.vocab, 2, 3, num_layers=2, normalise=False, activation=Activation.by_name("linear")())
        return NodeClassifier(self.vocab, encoder, 1 + MOST_SUMMANDS * max(VALUES))

    def set_weights(self, model: NodeClassifier) -> None:
        lower, upper = model.graph_encoder.layers  # type: ignore[misc]
        a, b = self.relation("a"), self.relation("b")
        lower.relation_transform.weight[a, 0, 1, 1] = 1
        lower.relation_transform.weight[b, 0, 2, 1] = 1
        lower.self_transform.weight[0, 0] = lower.self_transform.weight[2, 1] = 1
        upper.relation_transform.weight[[a, b], 0, 2, 2] = 1
        upper.self_transform.weight.fill_diagonal_(1)
        for number in range(model.readout.out_features):
            model.readout.weight[number, 1] = self.sharpness * 2 * number
            model.readout.bias[number] = -self.sharpness * number**2

    def draw(self, generator: random.Random) -> TruthGraph:
        num_summands = generator.randint(1, MOST_SUMMANDS)
        others = [generator.choice(VALUES) for _ in range(num_summands + 3)]
        nodes = range(1, len(others) + 1)
        edges = [TruthEdge(node, 0, "a", f"a{node}") for node in nodes[:num_summands]]
        edges += [TruthEdge(generator.choice(nodes), 0, "b") for _ in range(generator.randint(2, 3))]
        # Of the relation that counts, but to nodes that do not.
        for _ in range(generator.randint(1, 2)):
            source, target = generator.sample(nodes, 2)
            edges.append(TruthEdge(source, target, "a"))
        return TruthGraph(
            [[1.0, 0.0], *([0.0, float(value)] for value in others)],
            edges,
            sum(others[:num_summands]),
            [[(0, f"a{node}") for node in nodes[:num_summands]]],
        )
