"""Convolutions of PyTorch Geometric as graph encoders."""

import sys
from typing import Any, Dict

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.graph import Graph, num_relations
from allennlp_graphmask.modules import Gate, GraphEncoder, Messages, intervening
from allennlp_graphmask.testing import assert_gates_of_one_change_nothing, assert_is_graph_encoder, example_states
from tests.compat.conftest import run_python

pyg = pytest.importorskip("torch_geometric.nn", reason="needs the extra [pyg]")

VOCABULARY = Vocabulary(counter={"edge_labels": {"a": 5, "b": 3}})
NUM_RELATIONS = num_relations(VOCABULARY)
NO_LOOPS = {"add_self_loops": False}

CONVOLUTIONS: Dict[str, Dict[str, Any]] = {
    "ARMAConv": {"num_stacks": 2, "num_layers": 2},
    "FastRGCNConv": {"num_bases": 2},
    "FiLMConv": {},
    "GATConv": {"heads": 2, "edge_dim": 3, **NO_LOOPS},
    "GATv2Conv": {"heads": 2, "edge_dim": 3, "concat": False, **NO_LOOPS},
    "GCNConv": NO_LOOPS,
    "GENConv": {"aggr": "softmax"},
    "GINConv": {},
    "GINEConv": {"edge_dim": 3},
    "GraphConv": {"aggr": "mean"},
    "LEConv": {},
    "RGATConv": {"heads": 2},
    "RGCNConv": {},
    "RGCNConv, blocks": {"num_blocks": 2},
    "ResGatedGraphConv": {"edge_dim": 3},
    "SAGEConv": {},
    "SAGEConv, maximum": {"aggr": "max"},
    "TAGConv": {"K": 2, "normalize": False},
    "TransformerConv": {"heads": 2, "edge_dim": 3},
}
every_convolution = pytest.mark.parametrize("name", CONVOLUTIONS)


def build(name: str, parameters: Any = None, **options: Any) -> Any:
    torch.manual_seed(0)
    params = {"type": "pyg", "convolution": name.split(",")[0], "input_dim": 4, "hidden_dim": 6, **options}
    params["parameters"] = CONVOLUTIONS[name] if parameters is None else parameters
    return GraphEncoder.from_params(Params(params), vocab=VOCABULARY).eval()


@every_convolution
def test_it_is_a_graph_encoder(name: str) -> None:
    # Of messages that are compared only the largest counts, and a smooth activation passes on all that differs.
    encoder = build(name, activation="tanh")
    attends = "AT" in name or name in ("GENConv", "TransformerConv", "SAGEConv, maximum")
    assert_is_graph_encoder(encoder, NUM_RELATIONS, isolates_infinite_messages=not attends)


@every_convolution
def test_it_computes_what_the_convolutions_compute(name: str) -> None:
    encoder = build(name)
    graph = Graph.from_edges(4, [(0, 1), (1, 2), (0, 1), (3, 1)], [2, 3, 0, 1])
    states = expected = example_states(encoder, graph)
    for convolution in encoder.convolutions:
        of_edges = {}
        if encoder.relation_vectors is not None:
            of_edges["edge_attr"] = encoder.relation_vectors.vectors[graph.edge_type]
        if "RG" in name or name == "FiLMConv":
            of_edges["edge_type"] = graph.edge_type
        expected = torch.relu(convolution(expected, graph.edge_index, **of_edges))
    assert torch.equal(encoder(states, graph), expected)


@pytest.mark.parametrize("name", ["GCNConv", "GATConv", "GATv2Conv"])
def test_self_loops_that_a_convolution_adds_are_not_edges(name: str) -> None:
    encoder = build(name, {})
    assert_gates_of_one_change_nothing(encoder, NUM_RELATIONS)
    graph = Graph.from_edges(3, [(0, 1), (2, 2), (1, 0)], [2, 2, 3])
    states, seen = example_states(encoder, graph), []

    def drop_all(messages: Messages) -> Gate:
        seen.append(messages.values)
        return Gate(torch.zeros(3))

    with intervening(encoder, drop_all):
        dropped = encoder(states, graph)
    # An edge from a node to itself has given way to the convolution's own.
    assert [layer.any(-1).tolist() for layer in seen] == [[True, False, True]] * 2
    # A node that nothing else reaches keeps its own message, which is not gated.
    torch.testing.assert_close(dropped[2], encoder(states, graph)[2])
    assert dropped[2].any()
    # Also where each node has an edge to itself.
    seen.clear()
    with intervening(encoder, drop_all):
        encoder(states[:2], Graph.from_edges(2, [(0, 0), (0, 1), (1, 1)], [2, 2, 2]))
    assert [layer.any(-1).tolist() for layer in seen] == [[False, True, False]] * 2


def test_a_convolution_that_goes_over_the_edges_again_has_more_layers() -> None:
    encoder = build("TAGConv", {"K": 3})
    assert encoder.num_layers == 6 and encoder.get_message_dims() == [4] * 3 + [6] * 3


def test_new_relations_are_refused() -> None:
    extended = Vocabulary(counter={"edge_labels": {"a": 5, "b": 3, "c": 2}})
    build("GCNConv").extend_vocab(extended)
    build("RGCNConv").extend_vocab(VOCABULARY)
    with pytest.raises(ConfigurationError, match="4.*5"):
        build("RGCNConv").extend_vocab(extended)


def test_without_pytorch_geometric(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    with pytest.raises(ConfigurationError, match="torch-geometric"):
        build("GCNConv")


def test_the_plugin_does_not_import_pytorch_geometric(tmp_path) -> None:
    code = (
        "import sys; from allennlp.common.util import import_module_and_submodules as load; load('allennlp_graphmask'); "
        "from allennlp_graphmask.modules import GraphEncoder; GraphEncoder.by_name('pyg'); print('torch_geometric' in sys.modules)"
    )
    assert run_python("-c", code, folder=tmp_path).strip() == "False"
