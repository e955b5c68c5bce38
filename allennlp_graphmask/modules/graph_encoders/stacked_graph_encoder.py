from typing import List

from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder


class StackedGraphEncoder(GraphEncoder):
    """
    A `GraphEncoder` whose layers all give messages and states of size `hidden_dim`; the first reads vectors of size `input_dim`.
    Constructors set `num_layers`, `_input_dim` and `_hidden_dim`.
    """

    _input_dim: int
    _hidden_dim: int

    def get_input_dim(self) -> int:
        return self._input_dim

    def get_output_dim(self) -> int:
        return self._hidden_dim

    def get_node_dims(self) -> List[int]:
        return [self._input_dim] + [self._hidden_dim] * (self.num_layers - 1)

    def get_message_dims(self) -> List[int]:
        return [self._hidden_dim] * self.num_layers
