import random

import torch

from allennlp_graphmask.evaluation.ground_truth.ground_truth import GroundTruth, NodeClassifier, TruthEdge, TruthGraph
from allennlp_graphmask.modules.graph_encoders import Rgcn

#: The classes.
SAME, DIFFERENT, UNDECIDED = range(3)


class ExclusiveOr(GroundTruth):
    """
    The prediction is whether two neighbours of node 0, one by an edge `x` and one by an edge `y`, hold different signs, by one
    layer of `rgcn`. Neither of the two is of use without the other.

    Node 0 starts with `(1, 0)`, every other one with `(0, sign)`, a sign of +1 or -1. The first four numbers of a state are
    `ReLU(x + y - 1)`, `ReLU(-x - y - 1)`, `ReLU(x - y - 1)` and `ReLU(y - x - 1)`, of the signs that come by edges `x` and
    `y`; the fifth is for edges `c`, and is not read. The class "same" has the sum of the first two for a logit, "different"
    that of the third and fourth, "undecided" the constant 1/2; all in proportion.

    **Proof.** No edge but the two into node 0 changes what is read. With both, one of the four numbers is 1 and the others are
    0: the first or second for equal signs, else the third or fourth. Where the message of one of the two edges is zero, each
    number is the ReLU of -2, -1 or 0, and "undecided" is predicted. The one accepted set: the edges `x` and `y` into node 0.
    """

    name = "exclusive_or"
    labels = ("x", "y", "c")

    def build_model(self) -> NodeClassifier:
        return NodeClassifier(self.vocab, Rgcn(self.vocab, 2, 5, num_layers=1, normalise=False), 3)

    def set_weights(self, model: NodeClassifier) -> None:
        (layer,) = model.graph_encoder.layers  # type: ignore[misc]
        weight = layer.relation_transform.weight
        weight[self.relation("x"), 0, :, 1] = torch.tensor([1.0, -1, 1, -1, 0])
        weight[self.relation("y"), 0, :, 1] = torch.tensor([1.0, -1, -1, 1, 0])
        weight[self.relation("c"), 0, 4, 1] = 1
        layer.self_transform.bias[:4] = -1
        # Half a unit separates a decision from none.
        model.readout.weight[SAME, [0, 1]] = 2 * self.sharpness
        model.readout.weight[DIFFERENT, [2, 3]] = 2 * self.sharpness
        model.readout.bias[UNDECIDED] = self.sharpness

    def draw(self, generator: random.Random) -> TruthGraph:
        signs = [generator.choice((-1, 1)) for _ in range(generator.randint(4, 6))]
        nodes = range(1, len(signs) + 1)
        edges = [TruthEdge(1, 0, "x", "x"), TruthEdge(2, 0, "y", "y")]
        edges += [TruthEdge(generator.choice(nodes), 0, "c") for _ in range(generator.randint(0, 4))]
        # Of the relations that count, but to nodes that do not.
        for _ in range(generator.randint(1, 2)):
            source, target = generator.sample(nodes, 2)
            edges.append(TruthEdge(source, target, generator.choice("xy")))
        return TruthGraph(
            [[1.0, 0.0], *([0.0, float(sign)] for sign in signs)],
            edges,
            SAME if signs[0] == signs[1] else DIFFERENT,
            [[(0, "x"), (0, "y")]],
        )
