import copy
from functools import cached_property
from typing import Any, Callable, List, Optional

import torch
from allennlp.common import Registrable
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import Graph, num_relations, relation_name
from allennlp_graphmask.modules.intervention import Gate, Messages, apply_gate, consult_interventions


class GraphEncoder(torch.nn.Module, Registrable):
    """
    A `GraphEncoder` is a `Module` that takes one vector for each node of a batch of graphs and returns one vector for
    each node, as a `Seq2SeqEncoder` does for sequences.

    It is a stack of message-passing layers. Every layer computes messages, *shows them to the interventions that are
    active* (`allennlp_graphmask.modules.intervention`), aggregates what these leave of them and updates the node states.
    That one obligation is what makes an encoder explainable; `intervened_messages` does it for layers that compute
    their messages edge by edge, and `intervene` for those that never write them out.

    An encoder keeps nothing between calls, and its output must not depend on the order of the edges, on the numbering of
    the nodes, or on the other graphs of the batch. `allennlp_graphmask.testing.assert_is_graph_encoder` checks this.
    """

    @cached_property
    def num_layers(self) -> int:
        """Return the number of layers. A subclass may set it before `get_message_dims` knows it."""
        return len(self.get_message_dims())

    def get_input_dim(self) -> int:
        """Return the size of the vectors that `forward` takes."""
        raise NotImplementedError

    def get_output_dim(self) -> int:
        """Return the size of the vectors that `forward` returns."""
        raise NotImplementedError

    def get_node_dims(self) -> List[int]:
        """
        Return for each layer the size of the node states that its messages are computed from (`Messages.node_states`). Known
        before any forward pass, because maskers are built from it.
        """
        raise NotImplementedError

    def get_message_dims(self) -> List[int]:
        """Return for each layer the size of its messages (`Messages.values`)."""
        raise NotImplementedError

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        """
        Compute the new state of each node, shape `(num_nodes, output_dim)`, from its state, shape
        `(num_nodes, input_dim)`.
        """
        raise NotImplementedError

    def check_contract(self, *, for_masking_only: bool = False) -> None:
        """
        Check that what is asked of an encoder before its first pass is there and fits together. Task models call this when they are
        built, so that nothing is trained that could not be explained; `for_masking_only` is for encoders that a model of another
        kind runs, of which only the layers are known.

        # Raises

        `ConfigurationError` that names the class and the methods that are missing, or the sizes that do not fit.
        """
        name = type(self).__name__
        sizes = () if for_masking_only else ("get_input_dim", "get_output_dim")
        layer_sizes = ("get_node_dims", "get_message_dims")
        needed = [*sizes, *layer_sizes, *(() if for_masking_only else ("forward",))]
        if missing := [one for one in needed if getattr(type(self), one) is getattr(GraphEncoder, one)]:
            raise ConfigurationError(
                f"The graph encoder {name} has no {', '.join(f'{one}()' for one in missing)} of its own, which every GraphEncoder "
                "needs (docs/extending.md)."
            )
        for method, is_list in [*((one, False) for one in sizes), *((one, True) for one in layer_sizes)]:
            given = getattr(self, method)()
            dims = list(given) if isinstance(given, (list, tuple)) else [given]
            if (
                is_list != isinstance(given, (list, tuple))
                or not dims
                or not all(type(dim) is int and dim > 0 for dim in dims)
            ):
                expected = "a list with a positive integer for each layer" if is_list else "a positive integer"
                raise ConfigurationError(
                    f"{method}() of the graph encoder {name} gives {given!r}, expected {expected}."
                )
        num_dims = {method: len(getattr(self, method)()) for method in layer_sizes}
        if set(num_dims.values()) != {self.num_layers}:
            raise ConfigurationError(
                f"The graph encoder {name} has num_layers = {self.num_layers}, and sizes for "
                f"{' and '.join(f'{number} layers by {method}()' for method, number in num_dims.items())}: these must be equal."
            )

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """
        Make room for the relations of a vocabulary that has grown. AllenNLP calls this whenever a model is loaded, and before it is
        fine-tuned on other data (`Model.extend_embedder_vocab`). Encoders with parameters for each relation override it; this one
        only checks, with one edge of the last relation of the namespace `edge_labels`, that there is room.

        # Raises

        `ConfigurationError` if the encoder has no parameters for that relation.
        """
        last = num_relations(extended_vocab) - 1
        # On the CPU, where an index that is out of range is an ordinary error; and no state of a layer may change.
        encoder = copy.deepcopy(self).cpu().eval()
        like = next((one for one in encoder.parameters() if one.is_floating_point()), torch.zeros(0))
        try:
            with torch.no_grad():
                encoder(like.new_zeros(1, self.get_input_dim()), Graph.from_edges(1, [[0, 0]], [last]))
        except IndexError as error:
            name = type(self).__name__
            raise ConfigurationError(
                f"The graph encoder {name} has no parameters for the relation {relation_name(extended_vocab, last)!r}, the last of "
                f"the {last + 1} in the vocabulary ({error}). To read data with other relations than those of its training, {name} "
                "needs a method extend_vocab(extended_vocab, **kwargs) that makes room for them (docs/extending.md)."
            ) from error

    def intervene(self, messages: Messages) -> Optional[Gate]:
        """
        Show the messages of a layer to the active interventions. A layer that aggregates without writing its messages out calls
        this, and has to aggregate what the gate leaves of them.
        """
        return consult_interventions(self, messages)

    def intervened_messages(
        self,
        layer: int,
        node_states: torch.Tensor,
        graph: Graph,
        compute_values: Callable[[], torch.Tensor],
        compute_weights: Optional[Callable[[], torch.Tensor]] = None,
    ) -> torch.Tensor:
        """
        Return what interventions leave of the messages of a layer, for layers that compute them edge by edge. The
        parameters are those of `Messages`. Shape: `(num_edges, message_dim)`.
        """
        messages = Messages(layer, node_states, graph, compute_values, compute_weights)
        gate = self.intervene(messages)
        return apply_gate(messages.values, gate, graph)
