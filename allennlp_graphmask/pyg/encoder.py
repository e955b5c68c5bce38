import inspect
from typing import Any, Dict, List, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.nn import Activation
from torch import nn

from allennlp_graphmask.checks import check_at_least
from allennlp_graphmask.graph import Graph, num_relations, relation_names
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.modules.relation_transform import RelationModule, extend_relations
from allennlp_graphmask.pyg.hooks import add_hooks, left_as_they_were, observing
from allennlp_graphmask.pyg.observers import Recorder, ShownMessages
from allennlp_graphmask.pyg.propagation import PropagationLayer


class RelationVectors(RelationModule):
    """A learnt vector for each relation, zero at first and for those that training never saw."""

    relation_parameters = ("vectors",)

    def __init__(self, num_relations: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(num_relations, dim))


@GraphEncoder.register("pyg")
class PygEncoder(GraphEncoder):
    """
    Layers of any convolution of PyTorch Geometric, each followed by dropout of its input and an activation:
    `h' = activation(convolution(dropout(h), edges))`. What the convolution calls `message` is the message, after attention and
    normalisation and before aggregation; a dropped one leaves those as they are.

    A convolution that takes `edge_type` is given the relations, and their number. One with `edge_dim` among its parameters is given a
    learnt vector for each relation as `edge_attr`. Others see no relations. Self-loops that a convolution adds (`add_self_loops`) are not
    edges, cannot be dropped, and take the place of the graph's own self-loops.

    Registered as a `GraphEncoder` with name "pyg". Needs the extra `[pyg]`.

    # Parameters

    vocab, input_dim, hidden_dim, dropout, edge_label_namespace
        See `StackedGraphEncoder`. Where heads are concatenated each gives `hidden_dim / heads` numbers.
    convolution : `str`
        The name of a class in `torch_geometric.nn`, `"GATv2Conv"` for example.
    parameters : `Dict[str, Any]`, optional
        Of its constructor, without the numbers of channels and relations. One that needs a network `nn` (`GINConv`) gets two linear
        layers with a ReLU between them.
    num_layers : `int`, optional (default = `2`)
        The number of convolutions. One that sends over the same edges several times (`TAGConv`) has as many layers to explain.
    activation : `Activation`, optional (default = `relu`)

    # Raises

    `ConfigurationError` if PyTorch Geometric is not installed, there is not such a convolution, it cannot be built from the parameters, or
    it cannot be explained.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        convolution: str,
        input_dim: int,
        hidden_dim: int,
        *,
        parameters: Optional[Dict[str, Any]] = None,
        num_layers: int = 2,
        activation: Optional[Activation] = None,
        dropout: float = 0.0,
        edge_label_namespace: str = "edge_labels",
    ) -> None:
        super().__init__()
        check_at_least("pyg", 1, num_layers=num_layers)
        self._input_dim = input_dim
        self._hidden_dim = hidden_dim
        self._edge_label_namespace = edge_label_namespace
        self._num_relations = num_relations(vocab, edge_label_namespace)
        parameters = dict(parameters or {})
        dims = [input_dim] + [hidden_dim] * (num_layers - 1)
        self.convolutions = nn.ModuleList(self._build(convolution, dim, parameters) for dim in dims)
        self._takes = set(inspect.signature(self.convolutions[0].forward).parameters)
        edge_dim = parameters.get("edge_dim")
        self.relation_vectors = None if edge_dim is None else RelationVectors(self._num_relations, edge_dim)
        self.activation = activation or nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        recorder = self._record(convolution)
        self._plan = recorder.plan
        self._layers: List[PropagationLayer] = recorder.layers
        self.num_layers = len(self._layers)

    def _build(self, name: str, input_dim: int, parameters: Dict[str, Any]) -> nn.Module:
        try:
            from torch_geometric import nn as pyg
        except ImportError as error:
            raise ConfigurationError(
                f"The graph encoder pyg needs PyTorch Geometric: pip install torch-geometric ({error})."
            ) from error
        kind = getattr(pyg, name, None)
        if not (isinstance(kind, type) and issubclass(kind, pyg.MessagePassing)):
            raise ConfigurationError(
                f"convolution is {name!r}, expected the name of a convolution in torch_geometric.nn, such as 'GATv2Conv'."
            )
        if parameters.get("cached"):
            raise ConfigurationError(
                f"The parameters of {name} have cached = true, which is for a single graph that is always the same: leave it out."
            )
        hidden_dim, names = self._hidden_dim, inspect.signature(kind).parameters
        heads = parameters.get("heads", 1) if parameters.get("concat", True) else 1
        if hidden_dim % heads:
            raise ConfigurationError(
                f"The heads of a layer share its hidden_dim: {hidden_dim} is not a multiple of heads = {heads}. Change one of them."
            )
        given: Dict[str, Any] = {
            "in_channels": input_dim,
            "out_channels": hidden_dim // heads,
            "num_relations": self._num_relations,
        }
        if "nn" in names and names["nn"].default is inspect.Parameter.empty:
            given["nn"] = nn.Sequential(nn.Linear(input_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, hidden_dim))
        try:
            built: nn.Module = kind(**{key: value for key, value in given.items() if key in names}, **parameters)
        except (TypeError, ValueError, AssertionError) as error:
            raise ConfigurationError(
                f"{name} cannot be built from the parameters {parameters} ({type(error).__name__}: {error})."
            ) from error
        add_hooks(built)
        return built

    def _record(self, name: str) -> Recorder:
        relations = list(range(self._num_relations))
        graph = Graph.from_edges(3, [[0, 1], [1, 2], *([2, 0] for _ in relations)], [0, 0, *relations])
        recorder = Recorder(graph, {})
        training, states = self.training, torch.zeros(graph.num_nodes, self._input_dim)
        try:
            with torch.no_grad(), observing(recorder):
                output = self.eval()._convolve(states, graph)
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise ConfigurationError(
                f"{name} cannot be used as a layer of a graph encoder, which gives it node states and edges ({type(error).__name__}: "
                f"{error})."
            ) from error
        self.train(training)
        if output.shape != (graph.num_nodes, self._hidden_dim):
            raise ConfigurationError(
                f"{name} gives states of shape {tuple(output.shape)} for {graph.num_nodes} nodes and hidden_dim {self._hidden_dim}: it "
                "cannot be used as a layer of a graph encoder."
            )
        return recorder

    def get_input_dim(self) -> int:
        return self._input_dim

    def get_output_dim(self) -> int:
        return self._hidden_dim

    def get_node_dims(self) -> List[int]:
        return [layer.node_dim for layer in self._layers]

    def get_message_dims(self) -> List[int]:
        return [layer.message_dim for layer in self._layers]

    def extend_vocab(self, extended_vocab: Vocabulary, **_: Any) -> None:
        """Make room for relations that were added to the vocabulary; refuse them if the convolutions have parameters for each."""
        names = relation_names(extended_vocab, self._edge_label_namespace)
        if len(names) > self._num_relations and "edge_type" in self._takes:
            raise ConfigurationError(
                f"The convolutions of the graph encoder pyg were made for {self._num_relations} relations and cannot be extended to the "
                f"{len(names)} of the vocabulary: read data with the relations of its training."
            )
        extend_relations(self, names)

    def forward(self, node_states: torch.Tensor, graph: Graph) -> torch.Tensor:
        with observing(ShownMessages(self, graph, self._plan)):
            return self._convolve(node_states, graph)

    def _convolve(self, states: torch.Tensor, graph: Graph) -> torch.Tensor:
        of_edges: Dict[str, torch.Tensor] = {}
        if "edge_type" in self._takes:
            of_edges["edge_type"] = graph.edge_type
        if self.relation_vectors is not None:
            of_edges["edge_attr"] = self.relation_vectors.vectors.index_select(0, graph.edge_type)
        with left_as_they_were(self.convolutions):
            for convolution in self.convolutions:
                states = self.activation(convolution(self.dropout(states), graph.edge_index, **of_edges))
        return states
