"""Models of PyTorch Geometric and graphs for the tests."""

from typing import Any

import torch
from torch_geometric import nn as pyg
from torch_geometric.data import Batch, Data
from torch_geometric.explain import Explainer, ExplainerAlgorithm

from allennlp_graphmask.pyg import GraphMask

NUM_FEATURES, HIDDEN, NUM_CLASSES, NUM_RELATIONS = 3, 6, 2, 3


class Network(torch.nn.Module):
    """Convolutions, then classes of nodes or of graphs (`level`)."""

    def __init__(self, *convolutions: Any, level: str = "node", classes: int = NUM_CLASSES) -> None:
        super().__init__()
        self.convolutions = torch.nn.ModuleList(convolutions)
        self.dropout = torch.nn.Dropout(0.5)
        self.level = level
        self.classifier = torch.nn.LazyLinear(classes)

    def forward(self, x: Any, edge_index: Any, batch: Any = None, **of_edges: Any) -> Any:
        for convolution in self.convolutions:
            x = self.dropout(convolution(x, edge_index, **of_edges).tanh())
        if self.level == "graph":
            x = pyg.global_mean_pool(x, batch)
        return self.classifier(x)


class RelationalNetwork(Network):
    """A network whose convolutions take relations. PyG finds arguments by their names."""

    def forward(self, x: Any, edge_index: Any, edge_type: Any) -> Any:  # type: ignore[override]
        return super().forward(x, edge_index, edge_type=edge_type)


class EdgeFeatureNetwork(Network):
    """A network whose convolutions take features of edges."""

    def forward(self, x: Any, edge_index: Any, edge_attr: Any) -> Any:  # type: ignore[override]
        return super().forward(x, edge_index, edge_attr=edge_attr)


def build(name: str, level: str = "node", num_layers: int = 2, **parameters: Any) -> Any:
    """Build a network of a convolution of this name, with the parameters of its weights drawn."""
    torch.manual_seed(0)
    kind = getattr(pyg, name)
    convolutions = []
    for layer in range(num_layers):
        dim = HIDDEN if layer else NUM_FEATURES
        if name in ("GINConv", "GINEConv"):
            convolutions.append(kind(torch.nn.Linear(dim, HIDDEN), **parameters))
        else:
            convolutions.append(kind(dim, HIDDEN, **parameters))
    relational = "num_relations" in parameters
    network = RelationalNetwork if relational else EdgeFeatureNetwork if "edge_dim" in parameters else Network
    return initialised(network(*convolutions, level=level))


def initialised(model: Any) -> Any:
    """Give the lazy layers of a model their sizes."""
    data = graph()
    names = {"edge_type": data.edge_type} if isinstance(model, RelationalNetwork) else {}
    if isinstance(model, EdgeFeatureNetwork):
        names = {"edge_attr": data.edge_attr}
    with torch.no_grad():
        model.eval()(data.x, data.edge_index, **names)
    return model


def graph(seed: int = 0, num_nodes: int = 8, num_edges: int = 20) -> Data:
    """Draw a graph with all that a model may take; without self-loops, with two edges between the same nodes."""
    generator = torch.Generator().manual_seed(seed)
    sources = torch.randint(num_nodes, (num_edges,), generator=generator)
    targets = (sources + torch.randint(1, num_nodes, (num_edges,), generator=generator)) % num_nodes
    sources[1], targets[1] = sources[0], targets[0]
    return Data(
        x=torch.randn(num_nodes, NUM_FEATURES, generator=generator),
        edge_index=torch.stack([sources, targets]),
        edge_type=torch.randint(NUM_RELATIONS, (num_edges,), generator=generator),
        edge_attr=torch.randn(num_edges, 3, generator=generator),
        y=torch.randint(NUM_CLASSES, (num_nodes,), generator=generator),
    )


def batches(num: int = 2, size: int = 3) -> Any:
    return [Batch.from_data_list([graph(size * one + i, 5 + i, 9) for i in range(size)]) for one in range(num)]


def explainer(model: Any, algorithm: ExplainerAlgorithm, level: str = "node", **options: Any) -> Explainer:
    config = {"mode": "multiclass_classification", "task_level": level, "return_type": "raw"}
    config.update(options.pop("model_config", {}))
    settings = {"explanation_type": "model", "edge_mask_type": "object", **options}
    return Explainer(model, algorithm, model_config=config, **settings)


def inputs(model: Any, data: Data) -> Any:
    """What a model is called with beside `x` and `edge_index`."""
    if isinstance(model, RelationalNetwork):
        return {"edge_type": data.edge_type}
    return {"edge_attr": data.edge_attr} if isinstance(model, EdgeFeatureNetwork) else {}


def quick_graphmask(**settings: Any) -> GraphMask:
    return GraphMask(**{"num_steps": 4, "batch_size": 4, **settings})


def predict(model: Any, data: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(data.x, data.edge_index, **inputs(model, data))
