"""
A reader and two models that have nothing to do with text: what `allennlp_graphmask.interpret` must be able to
explain without knowing their task. One classifies graphs, the other tags nodes.
"""

import copy
import random
from typing import Any, Dict, Iterable, List, Optional

import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.data.fields import LabelField, MetadataField, TensorField
from allennlp.models import Model
from allennlp.training.metrics import CategoricalAccuracy
from torch import nn

from allennlp_graphmask.data.fields import GraphField
from allennlp_graphmask.graph import Graph, inverse_relation, relation_names
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.masked_model import MessageRecorder
from allennlp_graphmask.interpret.maskers import Masker
from allennlp_graphmask.modules import GraphEncoder, SyntacticGcn, intervening
from tests.models.building import make_batch

NUM_FEATURES = 3
NUM_CLASSES = 3


@DatasetReader.register("toy_graphs")
class ToyReader(DatasetReader):
    """
    Reads random graphs from the "path" `SEED:COUNT`, without any edges if it is `SEED:0:COUNT`. A node's tag says whether an `a` edge, or else a `b` edge,
    enters it; a graph's label says whether it has more `a` or more `b` edges. Some graphs have no edges.
    """

    def _read(self, file_path: Any) -> Iterable[Instance]:
        seed, *no_edges, count = map(int, str(file_path).split("/")[-1].split(":"))
        generator = random.Random(seed)
        for number in range(count):
            num_nodes = generator.randint(2, 5)
            edges, labels = [], []
            for _ in range(0 if no_edges or number % 7 == 3 else generator.randint(1, 5)):
                edge, label = (
                    (generator.randrange(num_nodes), generator.randrange(num_nodes)),
                    generator.choice("aabbc"),
                )
                edges += [edge, edge[::-1]]
                labels += [label, inverse_relation(label)]
            yield self.text_to_instance(num_nodes, edges, labels, number, generator)

    def text_to_instance(self, num_nodes, edges, labels, number, generator) -> Instance:  # type: ignore[override]
        entering = [{label for edge, label in zip(edges, labels) if edge[1] == node} for node in range(num_nodes)]
        balance = labels.count("a") - labels.count("b")
        features = [[generator.gauss(0, 1) for _ in range(NUM_FEATURES)] for _ in range(num_nodes)]
        return Instance(
            {
                "features": TensorField(torch.tensor(features)),
                "graph": GraphField(num_nodes, edges, labels),
                "tags": TensorField(
                    torch.tensor([1 if "a" in names else 2 if "b" in names else 0 for names in entering]),
                    padding_value=-1,
                ),
                "label": LabelField(1 + (balance > 0) - (balance < 0), skip_indexing=True),
                "metadata": MetadataField({"number": number}),
            }
        )


class ToyModel(Model):
    """What both models share: features, a projection, the graph encoder, a linear scorer."""

    def __init__(
        self, vocab: Vocabulary, graph_encoder: GraphEncoder, dropout: float = 0.0, normalise: bool = False
    ) -> None:
        super().__init__(vocab)
        self.projection = nn.Linear(NUM_FEATURES, graph_encoder.get_input_dim())
        self.norm = nn.BatchNorm1d(graph_encoder.get_input_dim()) if normalise else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.graph_encoder = graph_encoder
        self.scorer = nn.Linear(graph_encoder.get_output_dim(), NUM_CLASSES)
        self._accuracy = CategoricalAccuracy()

    def states_below(self, features: torch.Tensor, graph: Graph) -> torch.Tensor:
        return self.dropout(self.norm(torch.tanh(self.projection(graph.flatten_nodes(features)))))

    def encoded(self, features, graph, node_states) -> torch.Tensor:
        states = self.states_below(features, graph) if node_states is None else node_states
        return self.dropout(self.graph_encoder(states, graph))

    def get_metrics(self, reset: bool = False) -> Dict[str, float]:
        return {"accuracy": self._accuracy.get_metric(reset)}


@Model.register("toy_classifier")
class ToyClassifier(ToyModel):
    """One distribution for each graph, no mask, no `encode_nodes`."""

    def forward(self, features, graph, tags=None, label=None, metadata=None) -> Dict[str, Any]:  # type: ignore[override]
        nodes = self.encoded(features, graph, None)
        owner = torch.repeat_interleave(torch.arange(graph.num_graphs), graph.nodes_per_graph)
        pooled = nodes.new_zeros(graph.num_graphs, nodes.size(-1)).index_add(0, owner, nodes)
        output = {"logits": self.scorer(pooled)}
        if label is not None:
            output["loss"] = nn.functional.cross_entropy(output["logits"], label)
            self._accuracy(output["logits"], label)
        return output


@Model.register("toy_tagger_in_one_pass")
class ToyTaggerInOnePass(ToyModel):
    """One distribution for each node, with a mask; no `encode_nodes`."""

    def forward(  # type: ignore[override]
        self, features, graph, tags=None, label=None, metadata=None, node_states=None
    ) -> Dict[str, Any]:
        logits = self.scorer(graph.pad_nodes(self.encoded(features, graph, node_states), features.size(1)))
        output = {"logits": logits, "mask": graph.node_mask(features.size(1))}
        if metadata is not None:
            output["metadata"] = metadata
        if tags is not None:
            output["loss"] = nn.functional.cross_entropy(logits.flatten(0, 1), tags.flatten(), ignore_index=-1)
            self._accuracy(logits, tags.clamp(min=0), output["mask"])
        return output

    def make_output_human_readable(self, output_dict: Dict[str, Any]) -> Dict[str, Any]:
        best = output_dict["logits"].argmax(-1).tolist()
        lengths = output_dict["mask"].sum(-1).tolist()
        output_dict["prediction"] = [tags[:length] for tags, length in zip(best, lengths)]
        return output_dict


@Model.register("toy_tagger")
class ToyTagger(ToyTaggerInOnePass):
    """The same, able to share what is below its graph encoder."""

    def encode_nodes(self, features: torch.Tensor, graph: Graph, **_: Any) -> torch.Tensor:
        return self.states_below(features, graph)


TOYS = {"classifier": ToyClassifier, "tagger_in_one_pass": ToyTaggerInOnePass, "tagger": ToyTagger}


def toy_instances(seed: int = 0, count: int = 24) -> List[Instance]:
    return list(ToyReader().read(f"{seed}:{count}"))


def toy_vocabulary() -> Vocabulary:
    return Vocabulary.from_instances(toy_instances())


def toy_batch(vocab: Vocabulary, seed: int = 1, count: int = 12) -> Dict[str, Any]:
    return make_batch(toy_instances(seed, count), vocab)


def toy_target(
    kind: str,
    vocab: Vocabulary,
    *,
    encoder: str = "syntactic_gcn",
    num_layers: int = 2,
    hidden_dim: int = 6,
    encoder_settings: Optional[Dict[str, Any]] = None,
    **kwargs: Any,
) -> ToyModel:
    """A model with random weights, large enough for its predictions to differ from graph to graph."""
    torch.manual_seed(11)
    settings = {
        "input_dim": 5,
        "hidden_dim": hidden_dim,
        "num_layers": num_layers,
        **(encoder_settings or {}),
    }
    graph_encoder = GraphEncoder.from_params(Params({"type": encoder, **settings}), vocab=vocab)
    model = TOYS[kind](vocab, graph_encoder, **kwargs)
    with torch.no_grad():
        if isinstance(graph_encoder, SyntacticGcn):
            for layer in graph_encoder.layers:
                # At first all relations are the same to a SyntacticGcn.
                layer.relation_bias.normal_()
        model.scorer.weight.normal_()
    return model.eval()


def recorded_layers(model: ToyModel, batch: Dict[str, Any]) -> List[Any]:
    recorder = MessageRecorder()
    with torch.no_grad(), intervening(model.graph_encoder, recorder):
        model(**batch)
    model.get_metrics(reset=True)
    return recorder.layers


def spread_gates(model: GraphMask, batch: Dict[str, Any], quantile: float = 0.4) -> GraphMask:
    """Gives the masker random weights with which about this share of the batch's gates of each layer is closed."""
    generator = torch.Generator().manual_seed(5)
    layers = recorded_layers(model.target, batch)
    with torch.no_grad():
        for gate, messages in zip(model.masker.gates, layers):
            gate.output.weight.normal_(generator=generator).mul_(3)
            gate.output.bias -= gate(messages).quantile(quantile) - float(model.threshold)
    return model


def toy_graphmask(
    kind: str,
    vocab: Vocabulary,
    batch: Optional[Dict[str, Any]] = None,
    *,
    target: Optional[Dict] = None,
    **kwargs: Any,
) -> GraphMask:
    """A GraphMask in evaluation mode; given a batch, with about 40 % of its gates closed."""
    model = toy_target(kind, vocab, **(target or {}))
    torch.manual_seed(12)
    graph_mask = GraphMask(vocab, model, **kwargs).eval()
    return graph_mask if batch is None else spread_gates(graph_mask, batch)


def layer_parameters(masker: Masker, layer: int) -> List[nn.Parameter]:
    """The parameters of a masker of this package that only one layer uses, its baseline among them."""
    return [*masker.gates[layer].parameters(), masker.baselines[layer]]


def in_training(model: GraphMask) -> GraphMask:
    """As the trainer and its callback set it up."""
    model.in_training_run = True
    return model.train()


def gcn_by_loops(encoder: SyntacticGcn, states: torch.Tensor, graph: Graph, gates=None, baselines=None) -> torch.Tensor:
    """
    `SyntacticGcn`, one edge at a time: each message m becomes `z m + (1 - z) b`. `gates` has for each layer a
    list of numbers or `None`.
    """
    for number, layer in enumerate(encoder.layers):
        size = layer.output_dim
        inverse = [name.endswith("^-1") for name in relation_names(toy_vocabulary())]
        sums = [layer.self_messages(states)[node] for node in range(graph.num_nodes)]
        for edge in range(graph.num_edges):
            source, target = int(graph.edge_index[0, edge]), int(graph.edge_index[1, edge])
            relation = int(graph.edge_type[edge])
            direction = 1 if inverse[relation] else 0
            weight = layer.projection.weight[direction * size : (direction + 1) * size]
            content = weight @ states[source] + layer.relation_bias[relation]
            gate = layer.gate_projection.weight[direction] @ states[source] + layer.relation_gate_bias[relation, 0]
            message = torch.sigmoid(gate) * content
            if gates is not None and gates[number] is not None:
                z = float(gates[number][edge])
                message = z * message + (1 - z) * baselines[number]
            sums[target] = sums[target] + message
        states = torch.relu(torch.stack(sums))
    return states


def frozen_copy(module: nn.Module) -> Dict[str, Any]:
    """The module's state dict, by value."""
    return copy.deepcopy(module.state_dict())


def same_state(first: Dict[str, Any], second: Dict[str, Any]) -> bool:
    """Whether two state dicts are bitwise equal."""
    return first.keys() == second.keys() and all(
        torch.equal(value, second[key]) if isinstance(value, torch.Tensor) else value == second[key]
        for key, value in first.items()
    )
