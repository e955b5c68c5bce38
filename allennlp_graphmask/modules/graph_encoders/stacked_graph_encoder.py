from typing import Any, List

from allennlp.data import Vocabulary
from torch import nn

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.graph import relation_names
from allennlp_graphmask.modules.graph_encoders.graph_encoder import GraphEncoder
from allennlp_graphmask.modules.relation_transform import extend_relations


class StackedGraphEncoder(GraphEncoder):
    """
    The base class of encoders in which all layers give messages and states of size `hidden_dim`, and the first one reads
    vectors of size `input_dim`. Their parameters for relations are in `RelationModule`s.

    # Parameters

    vocab : `Vocabulary`
        Given by AllenNLP. Holds the relations.
    input_dim, num_layers : `int`
    hidden_dim : `int`
        The size of messages and of the states that every layer gives.
    dropout : `float`, in registered encoders optional (default = `0.0`)
        Probability of dropping an element of the states that a layer reads.
    edge_label_namespace : `str`, in registered encoders optional (default = `"edge_labels"`)

    # Raises

    `ConfigurationError` if there is no layer.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        hidden_dim: int,
        *,
        num_layers: int,
        dropout: float,
        edge_label_namespace: str,
    ) -> None:
        super().__init__()
        check_at_least(type(self).__name__, 1, num_layers=num_layers)
        self.num_layers = num_layers
        self.dropout = nn.Dropout(dropout)
        self._input_dim = input_dim
        self._hidden_dim = hidden_dim
        self._edge_label_namespace = edge_label_namespace
        self._relation_names = relation_names(vocab, edge_label_namespace)

    def get_input_dim(self) -> int:
        return self._input_dim

    def get_output_dim(self) -> int:
        return self._hidden_dim

    def get_node_dims(self) -> List[int]:
        return [self._input_dim] + [self._hidden_dim] * (self.num_layers - 1)

    def get_message_dims(self) -> List[int]:
        return [self._hidden_dim] * self.num_layers

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """
        Make room for the relations of a vocabulary that has grown. AllenNLP calls this when a trained model is fine-tuned on
        other data (`Model.extend_embedder_vocab`).
        """
        self._relation_names = relation_names(extended_vocab, self._edge_label_namespace)
        extend_relations(self, self._relation_names)
