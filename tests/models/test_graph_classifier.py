import copy
from typing import Any, Dict, List

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Vocabulary

from allennlp_graphmask.graph import Graph
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.models import GraphClassifier
from allennlp_graphmask.models.graph_classifier import pool_nodes
from allennlp_graphmask.testing import assert_no_side_effects
from tests.data.dataset_readers.graph_jsonl.graphs import DAN, EVE, FINN, NOBODY, written
from tests.models.building import TRAINING, StockModelChecks, build_model, make_batch

EMPTY_TEXT = {"nodes": [{"text": ""}, {"text": "Finn"}], "edges": [], "label": "sour"}
GRAPHS = [DAN, {**FINN, "label": "sweet"}, NOBODY, EMPTY_TEXT]
NODES = [EVE, FINN, {"nodes": [], "edges": []}, {"nodes": [{"text": "plum jam", "label": "food"}], "edges": []}]
RGCN = {"type": "rgcn", "input_dim": 6, "hidden_dim": 5, "num_layers": 2}
GCN = {"type": "syntactic_gcn", "input_dim": 6, "hidden_dim": 5, "num_layers": 2}


def config(classify: str = "graph", **settings: Any) -> Dict[str, Any]:
    return {
        "dataset_reader": {"type": "graph_jsonl", "classify": classify, "inverse_edges": True},
        "model": {
            "type": "graph_classifier",
            "classify": classify,
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 6}}},
            **copy.deepcopy(settings),
        },
        **TRAINING,
    }


class TestGraphs(StockModelChecks):
    def prepare(self):
        return config("graph", graph_encoder=RGCN), written(self.TEST_DIR / "graphs.jsonl", *GRAPHS)


class TestNodes(StockModelChecks):
    keys_to_ignore = ("logits", "mask")

    def prepare(self):
        settings = config(
            "nodes",
            graph_encoder={**GCN, "input_dim": 4},
            text_encoder={"type": "lstm", "input_size": 6, "hidden_size": 3},
            node_encoder={"input_dim": 3, "num_layers": 1, "hidden_dims": 4, "activations": "relu"},
        )
        # A text of two tokens in the first batch: the LSTM would get no gradient from its last state.
        graphs = [NODES[0], NODES[3], NODES[2], NODES[1]]
        return settings, written(self.TEST_DIR / "graphs.jsonl", *graphs)


def read(tmp_path, graphs: List[Dict[str, Any]], classify: str = "graph") -> List[Instance]:
    path = written(tmp_path / "graphs.jsonl", *graphs)
    reader = DatasetReader.from_params(Params(config(classify)["dataset_reader"]))
    return list(reader.read(path))


def build(vocabulary: Vocabulary, classify: str = "graph", **settings: Any) -> GraphClassifier:
    return build_model(config(classify, **settings)["model"], vocabulary)


def expected_logits(model: GraphClassifier, batch: Dict[str, Any], pooling: str) -> List[torch.Tensor]:
    """
    Compute the logits of each graph, or without pooling those of its nodes, node by node, with one rgcn layer written out as a sum
    over edges.
    """
    weight = model.text_field_embedder.token_embedder_tokens.weight
    graph = batch["graph"]
    layer = model.graph_encoder.layers[0] if model.graph_encoder is not None else None
    first, logits = 0, []
    for number, num_nodes in enumerate(graph.nodes_per_graph.tolist()):
        nodes = []
        for ids in batch["nodes"]["tokens"]["tokens"][number][:num_nodes].tolist():
            words = [weight[index] for index in ids if index]
            nodes.append(sum(words) / len(words) if words else torch.zeros(6))
        if layer is not None:
            updated = []
            for node in range(num_nodes):
                state = layer.self_transform(nodes[node])
                edges = zip(graph.sources.tolist(), graph.targets.tolist(), graph.edge_type.tolist())
                into = [(source - first, relation) for source, target, relation in edges if target == first + node]
                for source, relation in into:
                    same = sum(1 for _, other in into if other == relation)
                    state = state + layer.relation_transform.weight[relation][0] @ nodes[source] / same
                updated.append(torch.relu(state))
            nodes = updated
        first += num_nodes
        if pooling == "none":
            logits.append(torch.stack([model.classifier(node) for node in nodes]) if nodes else torch.zeros(0, 2))
            continue
        pooled = torch.zeros(model.classifier.in_features)
        if nodes:
            stacked = torch.stack(nodes)
            pooled = {"max": stacked.amax(0), "mean": stacked.mean(0), "sum": stacked.sum(0)}[pooling]
        logits.append(model.classifier(pooled))
    return logits


@pytest.fixture
def graphs(tmp_path) -> List[Instance]:
    return read(tmp_path, GRAPHS)


@pytest.fixture
def vocabulary(graphs) -> Vocabulary:
    return Vocabulary.from_instances(graphs)


@pytest.mark.parametrize("pooling", ["max", "mean", "sum"])
@pytest.mark.parametrize("with_graph", [True, False])
def test_logits_of_graphs_by_hand(graphs, vocabulary, pooling, with_graph) -> None:
    encoder = {"graph_encoder": {**RGCN, "num_layers": 1}} if with_graph else {}
    model = build(vocabulary, pooling=pooling, **encoder)
    batch = make_batch(graphs, vocabulary)
    output = model(**batch)
    assert output["mask"].tolist() == [True] * 4
    expected = torch.stack(expected_logits(model, batch, pooling))
    assert torch.allclose(output["logits"], expected, atol=1e-6)
    # A graph without nodes has the bias alone.
    assert torch.allclose(output["logits"][2], model.classifier.bias)
    labels = [vocabulary.get_token_index(name, "labels") for name in ("salty", "sweet", "sweet", "sour")]
    loss = -sum(expected.log_softmax(-1)[row, label] for row, label in enumerate(labels)) / 4
    assert torch.allclose(output["loss"], loss, atol=1e-6)
    if not with_graph:
        without_edges = {**batch, "graph": batch["graph"]._replace(edge_type=batch["graph"].edge_type * 0)}
        assert torch.equal(model(**without_edges)["logits"], output["logits"])


def test_logits_of_nodes_by_hand(tmp_path) -> None:
    instances = read(tmp_path, NODES, "nodes")
    vocabulary = Vocabulary.from_instances(instances)
    model = build(vocabulary, "nodes", graph_encoder={**RGCN, "num_layers": 1})
    batch = make_batch(instances, vocabulary)
    output = model(**batch)
    assert output["logits"].shape == (4, 3, 2)
    assert output["mask"].tolist() == [[True] * 3, [True, False, False], [False] * 3, [True, False, False]]
    expected = expected_logits(model, batch, "none")
    for row, logits in enumerate(expected):
        assert torch.allclose(output["logits"][row, : len(logits)], logits, atol=1e-6)
    # Three nodes have a label.
    person, food = (vocabulary.get_token_index(name, "labels") for name in ("person", "food"))
    chosen = [(0, 0, person), (0, 1, food), (3, 0, food)]
    loss = -sum(expected[row].log_softmax(-1)[node, label] for row, node, label in chosen) / 3
    assert torch.allclose(output["loss"], loss, atol=1e-6)


@pytest.mark.parametrize("classify, graphs", [("graph", GRAPHS), ("nodes", NODES)])
@pytest.mark.parametrize("encoder", [RGCN, GCN, None])
def test_a_batch_gives_what_its_graphs_give_alone(tmp_path, classify, graphs, encoder) -> None:
    instances = read(tmp_path, graphs, classify)
    vocabulary = Vocabulary.from_instances(instances)
    model = build(vocabulary, classify, **({"graph_encoder": encoder} if encoder else {}))
    together = model(**make_batch(instances, vocabulary))
    for row, instance in enumerate(instances):
        alone = model(**make_batch([instance], vocabulary))
        num_nodes = alone["mask"].sum() if classify == "nodes" else None
        assert torch.allclose(together["logits"][row][:num_nodes], alone["logits"][0][:num_nodes], atol=1e-6)


@pytest.mark.parametrize("classify", ["graph", "nodes"])
@pytest.mark.parametrize(
    "text_encoder",
    [{"type": "lstm", "input_size": 6, "hidden_size": 6}, {"type": "bag_of_embeddings", "embedding_dim": 6}],
)
def test_batches_of_nothing(tmp_path, classify, text_encoder) -> None:
    graphs = [{"nodes": [], "edges": []}, {"nodes": [], "edges": []}]
    instances = read(tmp_path, graphs, classify)
    vocabulary = Vocabulary(counter={"labels": {"a": 2, "b": 1}, "tokens": {"jam": 1}})
    model = build(vocabulary, classify, graph_encoder=RGCN, text_encoder=text_encoder).train()
    output = model(**make_batch(instances, vocabulary))
    # No label is known: nothing to learn, but a way for gradients.
    assert output["loss"].item() == 0
    output["loss"].backward()
    assert not output["mask"].any() or classify == "graph"
    assert model.get_metrics(reset=True) == {"accuracy": 0.0, "f1": 0.0}
    empty_texts = read(tmp_path, [{"nodes": [{"text": ""}] * 2, "edges": []}], classify)
    assert bool(model(**make_batch(empty_texts, vocabulary))["logits"].isfinite().all())


def test_pooling_and_its_gradients() -> None:
    states = torch.tensor([[-1.0, 2.0], [-3.0, 5.0], [4.0, -4.0]], dtype=torch.float64, requires_grad=True)
    graph = Graph.disjoint_union([Graph.from_edges(num_nodes, [], []) for num_nodes in (2, 0, 1)])
    # What is negative stays so: the zeros of graphs without nodes take no part.
    assert pool_nodes(states, graph, "max").tolist() == [[-1, 5], [0, 0], [4, -4]]
    assert pool_nodes(states, graph, "mean").tolist() == [[-2, 3.5], [0, 0], [4, -4]]
    assert pool_nodes(states, graph, "sum").tolist() == [[-4, 7], [0, 0], [4, -4]]
    for pooling in ("max", "mean", "sum"):
        assert torch.autograd.gradcheck(lambda x, p=pooling: pool_nodes(x, graph, p), (states,))


def test_metrics(tmp_path) -> None:
    labelled = [{**FINN, "label": label} for label in ("a", "a", "b", "unseen")]
    instances = read(tmp_path, [*labelled, FINN])
    vocabulary = Vocabulary(counter={"labels": {"a": 2, "b": 1}, "tokens": {"finn": 1}})
    model = build(vocabulary)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([1.0, -1.0]))  # always the label a
    assert model.get_metrics() == {"accuracy": 0.0, "f1": 0.0}
    output = model(**make_batch(instances, vocabulary))
    # Two of the four that have a label. F1 of a: precision 2/3, recall 1; F1 of b: 0.
    metrics = model.get_metrics(reset=True)
    assert metrics == {"accuracy": pytest.approx(0.5), "f1": pytest.approx(0.4)}
    assert model.get_metrics() == {"accuracy": 0.0, "f1": 0.0}
    expected = torch.nn.functional.cross_entropy(output["logits"][:3], torch.tensor([0, 0, 1]))
    assert torch.allclose(output["loss"], expected)
    # The loss of what has no known label, alone.
    assert model(**make_batch(instances[3:], vocabulary))["loss"].item() == 0
    assert model.get_metrics() == {"accuracy": 0.0, "f1": 0.0}


def test_predictions_of_graphs(graphs, vocabulary) -> None:
    model = build(vocabulary, graph_encoder=RGCN)
    for output, logits in zip(model.forward_on_instances(graphs), model(**make_batch(graphs, vocabulary))["logits"]):
        prediction = output["prediction"]
        probabilities = logits.softmax(-1).tolist()
        names = [vocabulary.get_token_from_index(index, "labels") for index in range(3)]
        assert prediction["probabilities"] == pytest.approx(dict(zip(names, probabilities)))
        assert prediction["label"] == names[int(logits.argmax())]
        assert prediction["probability"] == pytest.approx(max(probabilities))


def test_predictions_of_nodes(tmp_path) -> None:
    instances = read(tmp_path, NODES, "nodes")
    vocabulary = Vocabulary.from_instances(instances)
    model = build(vocabulary, "nodes", graph_encoder=RGCN)
    predictions = [output["prediction"]["nodes"] for output in model.forward_on_instances(instances)]
    assert [len(nodes) for nodes in predictions] == [3, 1, 0, 1]
    assert [node["text"] for node in predictions[0]] == ["Eve", "jam", ""]
    for node in predictions[0]:
        assert set(node) == {"text", "label", "probability", "probabilities"}
        assert node["probability"] == max(node["probabilities"].values()) >= 0.5
        assert sum(node["probabilities"].values()) == pytest.approx(1)
    batch = make_batch(instances, vocabulary)
    del batch["metadata"]
    output = model.make_output_human_readable(model(**batch))
    assert set(output["prediction"][0]["nodes"][0]) == {"label", "probability", "probabilities"}


@pytest.mark.parametrize("classify, data", [("graph", GRAPHS), ("nodes", NODES)])
def test_graphmask_explains_it(tmp_path, classify, data) -> None:
    instances = read(tmp_path, data, classify)
    vocabulary = Vocabulary.from_instances(instances)
    target = build(vocabulary, classify, graph_encoder=RGCN)
    batch = make_batch(instances, vocabulary)
    unmasked = target(**batch)
    shared = target(**batch, node_states=target.encode_nodes(**batch))
    assert torch.equal(unmasked["logits"], shared["logits"])
    model = GraphMask(vocabulary, target).eval()

    def explain() -> None:
        output = model(**batch)
        assert torch.equal(output["original"]["logits"], unmasked["logits"])
        assert output["divergence"].shape == (len(data),) and bool(output["divergence"].isfinite().all())
        # What has no edge has nothing to lose.
        assert output["divergence"].tolist()[1:] == pytest.approx([0] * (len(data) - 1), abs=1e-6)

    with torch.no_grad():
        assert_no_side_effects(model.target, explain, predict=lambda: model.target(**batch)["logits"])


@pytest.mark.parametrize("reader, model", [("graph", "nodes"), ("nodes", "graph")])
def test_reader_and_model_must_agree(tmp_path, reader, model) -> None:
    instances = read(tmp_path, [FINN], reader)
    vocabulary = Vocabulary(counter={"labels": {"a": 2}, "tokens": {"finn": 1}})
    with pytest.raises(ConfigurationError, match=f'"classify" is {model!r}'):
        build(vocabulary, model)(**make_batch(instances, vocabulary))
