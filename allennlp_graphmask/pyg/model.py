import inspect
from typing import Any, Dict, List, NamedTuple, Optional

import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary
from allennlp.models import Model

from allennlp_graphmask.focus import WHOLE_PREDICTION, Focus, unknown_focus
from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, UNSEEN_RELATION, Graph
from allennlp_graphmask.interpret.model_state import evaluating
from allennlp_graphmask.modules.graph_encoders import GraphEncoder
from allennlp_graphmask.pyg.hooks import hooked, named_convolutions
from allennlp_graphmask.pyg.observers import Matches, Recorder, ShownMessages
from allennlp_graphmask.pyg.propagation import PropagationLayer

#: The relation of the self-loops that convolutions add, where they are explained.
SELF_LOOP = "self-loop"


class OutputKind(NamedTuple):
    """What a model returns, in the terms of PyG's `ModelConfig`."""

    #: `"binary_classification"` or `"multiclass_classification"`.
    mode: str
    #: `"node"`, `"edge"` or `"graph"`.
    task_level: str
    #: `"raw"`, `"probs"` or `"log_probs"`.
    return_type: str

    def logits(self, output: Any) -> torch.Tensor:
        """Return the logits in a model's output. Shape: `(num_rows, num_classes)`."""
        if not isinstance(output, torch.Tensor) or not output.is_floating_point():
            raise ConfigurationError(f"The model returns a {type(output).__name__}, expected a tensor of class scores.")
        if self.mode == "binary_classification":
            output = output.reshape(-1)
            if self.return_type == "raw":
                return torch.stack([torch.zeros_like(output), output], dim=-1)
            return torch.stack([(-output).log1p(), output.log()], dim=-1)
        if output.dim() != 2:
            raise ConfigurationError(
                f"The model returns shape {tuple(output.shape)}, expected (num_rows, num_classes) for multiclass_classification."
            )
        return output.log() if self.return_type == "probs" else output


class ModelInput:
    """
    What a model is called with, as a batch of graphs. Not a tuple, so that `select_instances` leaves it alone.

    # Parameters

    x, edge_index : `torch.Tensor`
    arguments : `Dict[str, Any]`
        Further arguments of the model, by name.
    rows : `torch.Tensor`
        For each graph the rows of the model's output that are its predictions. Shape: `(num_graphs, num_rows)`.
    nodes : `torch.Tensor`
        The nodes from whose states those that are explained are computed. Shape: `(num_nodes,)`, `torch.bool`.
    explained : `torch.Tensor`
        Which graphs are explained. Shape: `(num_graphs,)`, `torch.bool`.
    num_relations : `int`
        Edge types from this number on are those of relations that are not known.
    batch : `torch.Tensor`, optional
        The graph of each node. Shape: `(num_nodes,)`.
    has_self_loops : `bool`, optional (default = `False`)
        Whether the self-loops that convolutions add are edges, too: one for each node, behind the others.
    """

    def __init__(
        self,
        x: torch.Tensor,
        edge_index: torch.Tensor,
        arguments: Dict[str, Any],
        rows: torch.Tensor,
        nodes: torch.Tensor,
        explained: torch.Tensor,
        num_relations: int,
        batch: Optional[torch.Tensor] = None,
        has_self_loops: bool = False,
    ) -> None:
        self.x, self.edge_index, self.arguments = x, edge_index, arguments
        self.rows, self.nodes, self.explained, self.num_relations = rows, nodes, explained, num_relations
        #: What passes over this input share; see `ShownMessages`.
        self.matches: Matches = {}
        edge_type = arguments.get("edge_type")
        types = edge_index.new_zeros(edge_index.size(1)) if edge_type is None else edge_type.long()
        types = (types + NUM_RESERVED_RELATIONS).masked_fill(types >= num_relations, UNSEEN_RELATION)
        if batch is None:
            batch = edge_index.new_zeros(len(x))
        self.has_self_loops = has_self_loops
        if has_self_loops:
            nodes_of_loops = torch.arange(len(x), device=edge_index.device)
            edge_index = torch.cat([edge_index, nodes_of_loops.expand(2, -1)], dim=1)
            types = torch.cat([types, torch.full_like(nodes_of_loops, num_relations + NUM_RESERVED_RELATIONS)])
        self.graph = Graph(
            edge_index=edge_index,
            edge_type=types,
            edge_graph=batch[edge_index[0]],
            nodes_per_graph=torch.bincount(batch, minlength=len(rows)),
            num_nodes=len(x),
        )

    @classmethod
    def build(
        cls,
        x: Any,
        edge_index: Any,
        arguments: Dict[str, Any],
        index: Optional[torch.Tensor],
        task_level: str,
        num_relations: int,
        has_self_loops: bool = False,
    ) -> "ModelInput":
        """
        Build it for a call of PyG's `Explainer`, whose `index` are the rows of the output that are explained (`None` for all). On the
        level of graphs each graph is an instance, on those of nodes and edges the explained ones together are.

        # Raises

        `ConfigurationError` for heterogeneous graphs, edges that are not an `edge_index`, an index that is out of range, and graphs
        whose nodes are not numbered one graph after another.
        """
        for name, value in (("x", x), ("edge_index", edge_index)):
            if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
                what = (
                    "the graph is heterogeneous, which"
                    if isinstance(value, dict)
                    else "a sparse matrix of edges, which"
                )
                raise ConfigurationError(
                    f"{name} is a {type(value).__name__}, expected a dense tensor: {what} cannot be explained yet."
                )
        edge_index = edge_index.as_subclass(torch.Tensor)
        batch = arguments.get("batch") if task_level == "graph" else None
        if batch is not None and bool((batch[1:] < batch[:-1]).any()):
            raise ConfigurationError(
                "The nodes in batch are not in the order of their graphs, as PyG's Batch has them."
            )
        num_graphs = 1 if batch is None or not len(batch) else int(batch[-1]) + 1
        explained = torch.ones(num_graphs, dtype=torch.bool, device=x.device)
        nodes = torch.ones(len(x), dtype=torch.bool, device=x.device)
        rows = torch.arange(num_graphs, device=x.device).unsqueeze(-1)
        if task_level == "graph":
            if index is not None:
                explained = _mark(index, num_graphs, x.device)
                nodes = nodes if batch is None else explained[batch]
            return cls(x, edge_index, arguments, rows, nodes, explained, num_relations, batch, has_self_loops)
        ends = arguments.get("edge_label_index")
        num_rows = len(x) if task_level == "node" else None if ends is None else ends.size(1)
        if index is None and num_rows is None:
            raise ConfigurationError(
                "Edges are classified: give the model's argument edge_label_index (of this name), or an index of the output's rows."
            )
        chosen = torch.arange(num_rows or 0, device=x.device) if index is None else index.reshape(-1).to(x.device)
        if num_rows is not None and index is not None:
            chosen = torch.arange(num_rows, device=x.device)[_check(chosen, num_rows)]
        if task_level == "node":
            nodes = _mark(chosen, len(x), x.device)
        elif ends is not None:
            nodes = _mark(ends[:, chosen].reshape(-1), len(x), x.device)
        return cls(
            x,
            edge_index,
            arguments,
            chosen.unsqueeze(0),
            nodes,
            explained,
            num_relations,
            has_self_loops=has_self_loops,
        )


def _check(index: torch.Tensor, size: int) -> torch.Tensor:
    if len(index) and not -size <= int(index.min()) <= int(index.max()) < size:
        raise ConfigurationError(f"index is {index.tolist()}, but the model's output has {size} rows.")
    return index


def _mark(index: torch.Tensor, size: int, device: torch.device) -> torch.Tensor:
    marked = torch.zeros(size, dtype=torch.bool, device=device)
    marked[_check(index.reshape(-1).to(device), size)] = True
    return marked


class RecordedLayers(GraphEncoder):
    """The layers of a PyG model as those of a graph encoder; the model itself computes them."""

    def __init__(self, layers: List[PropagationLayer]) -> None:
        super().__init__()
        self.layers = layers
        self.num_layers = len(layers)

    def get_node_dims(self) -> List[int]:
        return [layer.node_dim for layer in self.layers]

    def get_message_dims(self) -> List[int]:
        return [layer.message_dim for layer in self.layers]


class PygModel(Model):
    """
    A model of PyTorch Geometric as one that can be explained: its convolutions, in the order of their calls, are the layers of a graph
    encoder. They are found by one pass.

    # Parameters

    model : `torch.nn.Module`
        Left as it is.
    example : `ModelInput`
        With at least one edge.
    output_kind : `OutputKind`
    num_relations : `int`

    # Raises

    `ConfigurationError` if the model has no convolutions, or some that cannot be explained.
    """

    def __init__(
        self, model: torch.nn.Module, example: ModelInput, output_kind: OutputKind, num_relations: int = 1
    ) -> None:
        vocabulary = Vocabulary()
        for relation in range(num_relations):
            vocabulary.add_token_to_namespace(str(relation), "edge_labels")
        if example.has_self_loops:
            vocabulary.add_token_to_namespace(SELF_LOOP, "edge_labels")
        super().__init__(vocabulary)
        self.model = model
        self._output_kind = output_kind
        names = {id(module): name for name, module in named_convolutions(model)}
        recorder = Recorder(example.graph, names, example.has_self_loops)
        with torch.no_grad(), evaluating(self), hooked(model, recorder):
            model(example.x, example.edge_index, **example.arguments)
        if not recorder.layers:
            raise ConfigurationError(
                f"The model {type(model).__name__} sends no messages that can be explained: it calls no convolution of PyTorch Geometric "
                "(a MessagePassing), or all of them have explain = False."
            )
        self._plan = recorder.plan
        self.layers = RecordedLayers(recorder.layers)

    def forward(self, call: ModelInput) -> Dict[str, Any]:
        """Return the `logits` of the rows that are explained. Shape: `(num_graphs, num_rows, num_classes)`."""
        shown = ShownMessages(self.layers, call.graph, self._plan, call.matches, call.has_self_loops)
        with hooked(self.model, shown):
            output = self.model(call.x, call.edge_index, **call.arguments)
        return {"logits": self._output_kind.logits(output)[call.rows]}

    def get_foci(self, focus: str, batch: Dict[str, Any], output: Dict[str, Any], graph: Graph) -> List[Focus]:
        """Return the focus on the rows that are explained; see `Focus`."""
        if focus != WHOLE_PREDICTION:
            raise unknown_focus(self, focus, f"{WHOLE_PREDICTION!r}")
        call: ModelInput = batch["call"]
        descriptions = ["the prediction" if explained else None for explained in call.explained.tolist()]
        return [Focus(WHOLE_PREDICTION, descriptions, None, call.nodes)]


def model_arguments(model: torch.nn.Module, data: Any) -> Dict[str, Any]:
    """Return what a PyG `Data` has of the arguments of a model's `forward`, beside the first two."""
    names = list(inspect.signature(model.forward).parameters)[2:]
    return {name: data[name] for name in names if name in data and data[name] is not None}
