from typing import Any, Dict

import pytest
import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Instance, Vocabulary

from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.models import StarGraphClassifier
from allennlp_graphmask.testing import assert_no_side_effects
from tests.models.building import TRAINING, StockModelChecks, build_model, make_batch


def config(variant: str) -> Dict[str, Any]:
    return {
        "dataset_reader": {"type": "star_graphs", "variant": variant, "num_train": 12, "num_dev": 9},
        "model": {
            "type": "star_graph_classifier",
            "graph_encoder": {
                "type": "rgcn",
                "input_dim": 12,
                "hidden_dim": 5,
                "num_layers": 1 if variant == "single_layer" else 2,
                "normalise": False,
            },
        },
        **TRAINING,
        "train_data_path": "train",
    }


class TestSingleLayer(StockModelChecks):
    def prepare(self):
        return config("single_layer"), "dev"


class TestTwoLayer(StockModelChecks):
    def prepare(self):
        return config("two_layer"), "dev"


def model_and_batch(variant: str) -> tuple[StarGraphClassifier, Dict[str, Any], list[Instance]]:
    settings = config(variant)
    instances = list(DatasetReader.from_params(Params(settings["dataset_reader"])).read("train"))
    vocabulary = Vocabulary.from_instances(instances)
    return build_model(settings["model"], vocabulary), make_batch(instances, vocabulary), instances


def test_a_model_that_counts_is_right() -> None:
    """With weights set by hand: +1 for an edge of the first colour, -1 for one of the second, compared by the last layer."""
    model, batch, instances = model_and_batch("single_layer")
    vocabulary = model.vocab
    [layer] = model.graph_encoder.layers
    colours = ["red", "blue", "green", "yellow", "purple", "orange"]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        weight = layer.relation_transform.weight  # Shape: (num_relations, 1, hidden_dim, input_dim)
        for number, colour in enumerate(colours):
            relation = 2 + vocabulary.get_token_index(colour, "edge_labels")
            weight[relation].view(5, 12)[0, number] = 1.0
            weight[relation].view(5, 12)[0, 6 + number] = -1.0
        more = vocabulary.get_token_index("more", "labels")
        model.classifier.weight[more, 0] = 1.0
        model.classifier.bias[1 - more] = 0.5
        output = model(**batch)
    assert output["logits"].argmax(-1).tolist() == batch["label"].tolist()
    assert model.get_metrics(reset=True) == {"accuracy": 1.0}
    output = model.make_output_human_readable(output)
    for instance, prediction in zip(instances, output["prediction"]):
        assert prediction["label"] == instance["label"].label
        assert set(prediction["probabilities"]) == {"more", "not_more"}
        assert prediction["probability"] == max(prediction["probabilities"].values())
    expected = torch.nn.functional.cross_entropy(output["logits"], batch["label"])
    assert torch.equal(output["loss"], expected)


def test_only_the_centre_is_read() -> None:
    model, batch, _ = model_and_batch("two_layer")
    graph = batch["graph"]
    states = torch.randn(graph.num_nodes, 5)
    model.graph_encoder.register_forward_hook(lambda module, inputs, output: states)
    logits = model(**batch)["logits"]
    first = 0
    for row, num_nodes in zip(logits, graph.nodes_per_graph.tolist()):
        torch.testing.assert_close(row, model.classifier(states[first]))
        first += num_nodes


@pytest.mark.parametrize("variant", ["single_layer", "two_layer"])
def test_graphmask_explains_it_without_side_effects(variant: str) -> None:
    model, batch, _ = model_and_batch(variant)
    explainer = GraphMask(model.vocab, model).eval()
    assert_no_side_effects(
        explainer.target, lambda: explainer(**batch), predict=lambda: explainer.target(**batch)["logits"]
    )
    output = explainer(**batch)
    assert output["attribution"].num_layers == model.graph_encoder.num_layers
    states = model.encode_nodes(**batch)
    assert torch.equal(model(**batch, node_states=states)["logits"], model(**batch)["logits"])
