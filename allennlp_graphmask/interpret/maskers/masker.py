from typing import List, Sequence

import torch
from allennlp.common import Lazy, Registrable
from allennlp.common.from_params import create_extras

from allennlp_graphmask.interpret.masked_model import MaskedModel, UnmaskedPass
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.intervention import Messages


class Masker(torch.nn.Module, Registrable):
    """
    A `Masker` predicts, for the edges of each layer, the location of their gates' hard concrete distributions
    (Schlichtkrull, De Cao and Titov, 2021, equation 8), and holds the learnt vector b_k that replaces dropped messages
    of layer k (equation 4).

    The `graphmask` model gives a masker's constructor `node_dims` and `message_dims`, the sizes per layer that the
    graph encoder states, beside what the config gives. If it has an argument `num_relations`, it is given the number of
    edge types, the reserved ones included; its parameters for relations belong in `RelationModule`s, which grow with the
    vocabulary.
    """

    default_implementation = "edgewise"

    def __init__(self, node_dims: Sequence[int], message_dims: Sequence[int]) -> None:
        super().__init__()
        if len(node_dims) != len(message_dims):
            raise ValueError(f"Got node dims for {len(node_dims)} layers and message dims for {len(message_dims)}.")
        self.num_layers = len(node_dims)
        self.baselines = torch.nn.ParameterList(
            torch.nn.Parameter(torch.empty(dim).uniform_(-(dim**-0.5), dim**-0.5)) for dim in message_dims
        )

    def forward(self, messages: Messages) -> torch.Tensor:
        """
        Return the location of each edge's gate, shape `(num_edges,)`, in one layer (`messages.layer`) of an unmasked
        pass in evaluation mode.
        """
        raise NotImplementedError

    def locate(self, masked_model: MaskedModel, unmasked: UnmaskedPass, first_layer: int = 0) -> List[torch.Tensor]:
        """
        Return the locations of the gates of each layer from the first one on, as `forward`; maskers that read more than messages
        override this. Shape of each: `(num_edges,)`.
        """
        return [self(messages) for messages in unmasked.layers[first_layer:]]


def construct_masker(masker: Lazy[Masker], encoder: GraphEncoder, num_relations: int) -> Masker:
    """
    Build a masker for a graph encoder, with those of `node_dims`, `message_dims` and `num_relations` that its constructor takes.
    """
    offered = {
        "node_dims": encoder.get_node_dims(),
        "message_dims": encoder.get_message_dims(),
        "num_relations": num_relations,
    }
    # Of a class, AllenNLP passes on what its constructor takes; of a function, everything.
    return masker.construct(**create_extras(masker.constructor, offered))  # type: ignore[arg-type]
