from allennlp_graphmask.interpret.interpreters.interpreter import Interpreter, LayerScores
from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.interpret.per_graph_random import PerGraphRandom


@Interpreter.register("random")
class RandomInterpreter(Interpreter):
    """
    A control: scores drawn uniformly from [0, 1). An interpreter that is not better than this one at the same fraction of kept
    messages explains nothing.

    Registered as an `Interpreter` with name "random".
    """

    default_threshold = 0.5

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        return LayerScores([random.uniform(messages.node_states) for messages in unmasked.layers])


@Interpreter.register("all_edges")
class AllEdgesInterpreter(Interpreter):
    """
    A control: everything is kept.

    Registered as an `Interpreter` with name "all_edges".
    """

    def score(self, masked_model: MaskedModel, unmasked: UnmaskedPass, random: PerGraphRandom) -> LayerScores:
        return LayerScores([messages.node_states.new_ones(unmasked.graph.num_edges) for messages in unmasked.layers])
