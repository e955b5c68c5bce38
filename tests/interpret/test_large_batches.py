"""Graphs without edges, small ones and ones of 100,000 edges in a batch."""

from typing import Any, Dict, List

import pytest
import torch

from allennlp_graphmask.graph import Graph, relation_names
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.interpret.interpreters import AmortisedGraphMask, GradientTimesMessage, Interpreter
from tests.interpret.interpreters.cases import TARGETS
from tests.interpret.toy import NUM_FEATURES, toy_target

NUM_NODES = [3, 6, 800]


def build_graphs(num_types: int) -> List[Graph]:
    generator = torch.Generator().manual_seed(3)
    graphs = []
    for nodes, edges in zip(NUM_NODES, (0, 8, 100_000)):
        ends = torch.randint(nodes, (edges, 2), generator=generator).tolist()
        graphs.append(
            Graph.from_edges(nodes, ends, torch.randint(2, num_types, (edges,), generator=generator).tolist())
        )
    return graphs


def build_batch(graphs: List[Graph], features: List[torch.Tensor]) -> Dict[str, Any]:
    return {
        "features": torch.nn.utils.rnn.pad_sequence(features, batch_first=True),
        "graph": Graph.disjoint_union(graphs),
    }


@pytest.mark.parametrize("kind", TARGETS)
def test_a_small_graph_is_explained_as_alone(kind: str, vocab) -> None:
    name, settings = TARGETS[kind]
    graphmask = GraphMask(vocab, toy_target(name, vocab, **settings)).eval()
    model = graphmask.masked_model
    graphs = build_graphs(len(relation_names(vocab)))
    generator = torch.Generator().manual_seed(5)
    features = [torch.randn(nodes, NUM_FEATURES, generator=generator) for nodes in NUM_NODES]
    interpreters: List[Interpreter] = [AmortisedGraphMask(graphmask=graphmask, verify=True), GradientTimesMessage()]
    for interpreter in interpreters:
        together = interpreter.interpret(model, build_batch(graphs, features)).split()
        assert [one.graph.num_edges for one in together] == [0, 8, 100_000]
        (alone,) = interpreter.interpret(model, build_batch(graphs[1:2], features[1:2])).split()
        for layer in range(alone.num_layers):
            assert torch.allclose(together[1].scores[layer], alone.scores[layer], rtol=1e-4, atol=1e-6)
            assert torch.equal(together[1].kept[layer], alone.kept[layer])
        assert all(bool(layer.isfinite().all()) for layer in together[2].scores)
