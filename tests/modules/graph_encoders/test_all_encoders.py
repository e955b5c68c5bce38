"""What holds for every graph encoder beyond `assert_is_graph_encoder`: construction, vocabularies, training, and waiting for a GPU."""

import copy
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import UNSEEN_INVERSE_RELATION, UNSEEN_RELATION, Graph, num_relations, relation_index
from allennlp_graphmask.modules import Gate, GraphEncoder, Messages, intervening
from allennlp_graphmask.modules.relation_transform import RelationModule
from allennlp_graphmask.testing import assert_is_graph_encoder, example_graphs, example_states

VOCABULARY = Vocabulary(counter={"edge_labels": {"a": 5, "a^-1": 4, "b": 3}})
NUM_RELATIONS = num_relations(VOCABULARY)

ENCODERS: Dict[str, Dict[str, Any]] = {
    "entity_gcn": {},
    "entity_gcn, weights for each layer": {"share_weights": False, "aggregation": "dense"},
    "entity_gcn, edge by edge": {"aggregation": "edge_list"},
    "graph_attention": {},
    "graph_attention, averaged heads": {"num_heads": 2, "average_last_layer": True},
    "rgcn": {"aggregation": "dense"},
    "rgcn, edge by edge": {"aggregation": "edge_list"},
    "rgcn, bases": {"num_bases": 2},
    "rgcn, blocks": {"num_blocks": 2},
    "syntactic_gcn": {},
}
every_encoder = pytest.mark.parametrize("name", ENCODERS)


def build(name: str, vocabulary: Vocabulary = VOCABULARY, noise: float = 0.0, **options: Any) -> Any:
    torch.manual_seed(0)
    params = {"type": name.split(",")[0], "input_dim": 4, "hidden_dim": 6, "num_layers": 2}
    encoder = GraphEncoder.from_params(Params({**params, **ENCODERS[name], **options}), vocab=vocabulary)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
        for _, rows in relation_rows(encoder):
            rows[:2] = 0  # as training leaves the reserved relations
    return encoder.double().eval()


def relation_rows(encoder: torch.nn.Module) -> Iterator[Tuple[str, torch.Tensor]]:
    for module in encoder.modules():
        if isinstance(module, RelationModule):
            for name in module.relation_parameters:
                if getattr(module, name) is not None:
                    yield name, getattr(module, name)


def random_graph() -> Graph:
    """Every known relation, and several edges of each into every node."""
    edges = [(source, target) for source in range(5) for target in range(5)] * 2
    return Graph.from_edges(5, edges, [2 + number % (NUM_RELATIONS - 2) for number in range(len(edges))])


@every_encoder
def test_dimensions(name: str) -> None:
    encoder = build(name, num_layers=3)
    assert (encoder.get_input_dim(), encoder.get_output_dim(), encoder.num_layers) == (4, 6, 3)
    # An entity_gcn projects its input before the first layer.
    assert encoder.get_node_dims() == [6 if name.startswith("entity_gcn") else 4, 6, 6]
    assert encoder.get_message_dims() == [6, 6, 6]


@every_encoder
def test_relations_come_from_the_namespace(name: str) -> None:
    encoder = build(name, Vocabulary(counter={"link_labels": {"MATCH": 1}}), edge_label_namespace="link_labels")
    assert {rows.size(0) for _, rows in relation_rows(encoder)} == {3}


@every_encoder
@pytest.mark.parametrize("per_relation", [False, True])
def test_gradients(name: str, per_relation: bool) -> None:
    encoder = build(name, noise=0.3)
    if hasattr(encoder, "activation"):
        encoder.activation = torch.nn.Tanh()  # finite differences do not like kinks
    graph = Graph.disjoint_union(
        [
            Graph.from_edges(3, [(0, 1), (1, 0), (0, 1), (2, 2)], [2, 3, 2, 0]),
            Graph.from_edges(2, [(0, 1)], [4]),
        ]
    )
    states = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    scale = torch.rand(2, 5, dtype=torch.float64, requires_grad=True)
    shape = (2, NUM_RELATIONS, 6) if per_relation else (2, 6)
    replacement = torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    def run_gated(states, scale, replacement, *parameters):
        def answer(messages: Messages) -> Gate:
            return Gate(scale[messages.layer], replacement[messages.layer], per_relation)

        with intervening(encoder, answer):
            return encoder(states, graph)

    # In random directions: there are hundreds of parameters.
    inputs = (states, scale, replacement, *encoder.parameters())
    assert torch.autograd.gradcheck(run_gated, inputs, fast_mode=True)


@every_encoder
def test_training_reaches_every_relation_but_the_unseen(name: str) -> None:
    encoder = build(name)
    encoder(torch.randn(5, 4, dtype=torch.float64), random_graph()).pow(2).sum().backward()
    for parameter_name, rows in relation_rows(encoder):
        touched = rows.grad.flatten(1).any(-1).tolist()
        assert touched == [False, False] + [True] * (NUM_RELATIONS - 2), parameter_name


@every_encoder
def test_relations_of_an_extended_vocabulary(name: str) -> None:
    """Fine-tuning a trained model on data with other labels, as `Model.from_archive` with a vocabulary does it."""
    vocabulary = copy.deepcopy(VOCABULARY)
    encoder = build(name, vocabulary, noise=1.0)
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = example_states(encoder, graph)
    expected = encoder(states, graph)
    frozen = [parameter_name for parameter_name, _ in encoder.named_parameters()][::2]
    for parameter_name, parameter in encoder.named_parameters():
        parameter.requires_grad_(parameter_name not in frozen)
    num_parameters = len(list(encoder.parameters()))
    vocabulary.extend_from_vocab(Vocabulary(counter={"edge_labels": {"new": 2, "new^-1": 1}}))
    for _ in range(2):  # twice is once
        encoder.extend_vocab(vocabulary, extension_pretrained_file=None, model_path="graph_encoder")
        assert torch.equal(encoder(states, graph), expected)
    assert len(list(encoder.parameters())) == num_parameters
    for parameter_name, parameter in encoder.named_parameters():
        assert parameter.requires_grad == (parameter_name not in frozen)

    def output(edge_type: int) -> torch.Tensor:
        return encoder(states[:2], Graph.from_edges(2, [(0, 1), (1, 1)], [edge_type, 2]))

    # Before fine-tuning, a new relation is treated like an unseen one of its direction.
    for label, unseen in (("new", UNSEEN_RELATION), ("new^-1", UNSEEN_INVERSE_RELATION)):
        new = relation_index(vocabulary, label)
        assert new >= NUM_RELATIONS and torch.equal(output(new), output(unseen))
    assert_is_graph_encoder(encoder, NUM_RELATIONS + 2, factorised=True, dtypes=[torch.float64])


@every_encoder
def test_a_state_dict_fits_an_encoder_of_the_same_vocabulary(name: str, tmp_path) -> None:
    encoder = build(name, noise=1.0)
    VOCABULARY.save_to_files(str(tmp_path / "vocabulary"))
    loaded = build(name, Vocabulary.from_files(str(tmp_path / "vocabulary")))
    loaded.load_state_dict(encoder.state_dict())
    graph = Graph.disjoint_union(example_graphs(NUM_RELATIONS))
    states = example_states(encoder, graph)
    assert torch.equal(loaded(states, graph), encoder(states, graph))


@every_encoder
def test_dropout_is_for_training_only(name: str) -> None:
    encoder = build(name, dropout=0.5)
    states = torch.randn(5, 4, dtype=torch.float64)
    assert torch.equal(encoder(states, random_graph()), encoder(states, random_graph()))
    encoder.train()
    assert not torch.equal(encoder(states, random_graph()), encoder(states, random_graph()))


@every_encoder
def test_a_copy_is_independent(name: str) -> None:
    encoder = build(name)
    copied = copy.deepcopy(encoder)
    states = torch.randn(5, 4, dtype=torch.float64)
    expected = encoder(states, random_graph())
    with intervening(encoder, lambda messages: Gate(torch.zeros(messages.graph.num_edges))):
        assert torch.equal(copied(states, random_graph()), expected)
        assert not torch.equal(encoder(states, random_graph()), expected)


class Waits(torch.overrides.TorchFunctionMode):
    """Counts the calls for which Python would wait for a GPU: those that need a number, or a size that depends on numbers."""

    names = {
        "__bool__", "__float__", "__index__", "__int__", "allclose", "bincount", "cpu", "equal", "item", "masked_select",
        "nonzero", "numpy", "to_list", "tolist", "unique", "unique_consecutive",
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self.found: List[str] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        selects = function is torch.Tensor.__getitem__ and getattr(args[1], "dtype", None) == torch.bool
        if function.__name__ in self.names or selects:
            self.found.append(function.__name__)
        return function(*args, **(kwargs or {}))


def count_waits(name: str, num_layers: int, scale: Optional[torch.Tensor]) -> int:
    encoder, graph = build(name, num_layers=num_layers), random_graph()
    gate = None if scale is None else Gate(scale, torch.randn(1, 6, dtype=torch.float64), per_graph=True)
    with intervening(encoder, lambda messages: gate), Waits() as waits:
        encoder(torch.randn(5, 4, dtype=torch.float64), graph)
    return len(waits.found)


@every_encoder
@pytest.mark.parametrize("scale", [None, torch.rand(50, dtype=torch.float64), torch.rand(50) > 0.5])
def test_no_layer_waits_for_the_gpu(name: str, scale: Optional[torch.Tensor]) -> None:
    """A pass may wait to learn what relations its batch has, but not once more for each layer."""
    assert count_waits(name, 2, scale) == count_waits(name, 5, scale) < 10


def test_waits_are_counted() -> None:
    with Waits() as waits:
        bool(torch.ones(1).isfinite().all())
        torch.ones(3).tolist()
        torch.bincount(torch.tensor([1]))
        torch.ones(2)[torch.tensor([True, False])]
    assert waits.found == ["__bool__", "tolist", "bincount", "__getitem__"]


@every_encoder
@pytest.mark.parametrize("aggregated", [torch.float32, torch.bfloat16])
def test_mixed_precision(name, aggregated) -> None:
    encoder = build(name).float()
    graph = next(iter(example_graphs(NUM_RELATIONS)))
    states = example_states(encoder, graph)
    gates = [Gate(torch.full((graph.num_edges,), 0.5, dtype=aggregated)) for _ in range(2)]
    plain = encoder(states, graph)
    with torch.autocast("cpu", torch.bfloat16), intervening(encoder, lambda messages: gates[messages.layer]):
        gated = encoder(states, graph)
    with torch.autocast("cpu", torch.bfloat16):
        close = encoder(states, graph)
    assert bool(gated.isfinite().all()) and torch.allclose(close.float(), plain, rtol=0.1, atol=0.1)
