import random

from allennlp_graphmask.evaluation.ground_truth.ground_truth import GroundTruth, NodeClassifier, TruthEdge, TruthGraph
from allennlp_graphmask.modules.graph_encoders import Rgcn

#: How many different values there are.
NUM_VALUES = 3


class RedundantPair(GroundTruth):
    """
    The prediction is a value that two neighbours of node 0 both hold, one by an edge `a` and one by an edge `b`, by one layer
    of `rgcn`. Either of the two is enough, so that leaving out any single message changes nothing. Where the two have no value,
    "none" is predicted.

    Node 0 starts with `(1, 0, 0, 0)`, others with a one for their value in one of the last three places, or zeros. For each
    value a state has `ReLU(count)` and `ReLU(count - 1)`, of the edges `a` and `b` that bring it; one more number is for edges
    `c` and also `b`, so that the messages of the pair differ, and is not read. Class v has twice the difference of its two
    numbers for a logit, which is 1 if the value has come at all, and "none" the constant 1; in proportion.

    **Proof.** No edge but the pair changes what is read. Both bring the same value, and with one of them, as with both, the
    difference is 1: the logits are the same numbers. With neither it is 0, and "none" is predicted. The accepted sets: the
    edge `a` into node 0; the edge `b` into node 0. Where "none" is predicted anyway: the empty set.
    """

    name = "redundant_pair"
    labels = ("a", "b", "c")

    def build_model(self) -> NodeClassifier:
        encoder = Rgcn(self.vocab, 1 + NUM_VALUES, 2 * NUM_VALUES + 1, num_layers=1, normalise=False)
        return NodeClassifier(self.vocab, encoder, NUM_VALUES + 1)

    def set_weights(self, model: NodeClassifier) -> None:
        (layer,) = model.graph_encoder.layers  # type: ignore[misc]
        weight = layer.relation_transform.weight
        for label in ("a", "b"):
            for value in range(NUM_VALUES):
                weight[self.relation(label), 0, [value, NUM_VALUES + value], 1 + value] = 1
        for label in ("b", "c"):
            weight[self.relation(label), 0, 2 * NUM_VALUES, 1:] = 1
        layer.self_transform.bias[NUM_VALUES : 2 * NUM_VALUES] = -1
        model.readout.weight[:NUM_VALUES, :NUM_VALUES].fill_diagonal_(2 * self.sharpness)
        model.readout.weight[:NUM_VALUES, NUM_VALUES : 2 * NUM_VALUES].fill_diagonal_(-2 * self.sharpness)
        model.readout.bias[NUM_VALUES] = self.sharpness

    def draw(self, generator: random.Random) -> TruthGraph:
        # "none" is as frequent as each value: otherwise a learnt replacement could stand for the most frequent one.
        answer = generator.randrange(NUM_VALUES + 1)
        others = [generator.randrange(NUM_VALUES) for _ in range(generator.randint(0, 4))]
        features = [[1.0] + [0.0] * NUM_VALUES]
        features += [[0.0] + [float(value == own) for value in range(NUM_VALUES)] for own in (answer, answer, *others)]
        edges = [TruthEdge(1, 0, "a", "a"), TruthEdge(2, 0, "b", "b")]
        edges += [TruthEdge(3 + number, 0, "c") for number in range(len(others))]
        accepted = [[(0, "a")], [(0, "b")]] if answer < NUM_VALUES else [[]]
        return TruthGraph(features, edges, answer, accepted)
