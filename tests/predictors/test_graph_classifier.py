import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model
from allennlp.predictors import Predictor

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.interpret.graphmask import GraphMask
from allennlp_graphmask.predictors import GraphClassifierPredictor, GraphMaskPredictor
from tests.data.dataset_readers.graph_jsonl.graphs import DAN, EVE, FINN, NOBODY, written
from tests.data.malformed import refused
from tests.models.test_graph_classifier import RGCN, config

DATA = {"graph": [DAN, FINN, NOBODY], "nodes": [EVE, FINN, {**NOBODY, "label": None}]}


def predictor_of(folder: Path, classify: str) -> GraphClassifierPredictor:
    settings = config(classify, graph_encoder=RGCN)
    reader = DatasetReader.from_params(Params(settings["dataset_reader"]))
    instances = list(reader.read(written(folder / "graphs.jsonl", *DATA[classify])))
    torch.manual_seed(1)
    model = Model.from_params(Params(settings["model"]), vocab=Vocabulary.from_instances(instances))
    assert model.default_predictor == "graph_classifier"
    predictor = Predictor.by_name("graph_classifier")(model.eval(), reader)
    assert isinstance(predictor, GraphClassifierPredictor)
    return predictor


def plain(predictions: Any) -> List[Dict[str, Any]]:
    """JSON has all of it."""
    return json.loads(json.dumps(predictions, allow_nan=False))


def test_graphs(tmp_path) -> None:
    predictor = predictor_of(tmp_path, "graph")
    together = plain(predictor.predict_batch_json(DATA["graph"]))
    assert [output["id"] for output in together] == ["dan", None, 3]
    for graph, output in zip(DATA["graph"], together):
        prediction = output["prediction"]
        assert prediction["probabilities"][prediction["label"]] == prediction["probability"]
        assert set(prediction["probabilities"]) == {"salty", "sweet"}
        alone = predictor.predict_json(predictor.load_line(json.dumps(graph)))
        assert alone["prediction"]["probability"] == pytest.approx(prediction["probability"], abs=1e-5)
        # The true label changes nothing.
        assert predictor.predict_json({**graph, "label": None}) == alone
        [instance] = predictor.json_to_instances(graph)
        assert predictor.predict_instance(instance) == alone
    # Labels and types that training did not see.
    strange = {**DAN, "label": "bitter", "edges": [{"source": 0, "target": 1, "type": "strange"}]}
    assert predictor.predict_json(strange)["prediction"]["label"] in ("salty", "sweet")


def test_nodes(tmp_path) -> None:
    predictor = predictor_of(tmp_path, "nodes")
    eve, finn, nobody = plain(predictor.predict_batch_json(DATA["nodes"]))
    assert [node["text"] for node in eve["prediction"]["nodes"]] == ["Eve", "jam", ""]
    assert len(finn["prediction"]["nodes"]) == 1 and nobody["prediction"] == {"nodes": []}
    # One file in the reader's way.
    path = str(tmp_path / "graphs.jsonl")
    instances = list(predictor._dataset_reader.read(path))
    assert plain(predictor.predict_batch_instance(instances)) == [eve, finn, nobody]


def test_wrong_input_is_named(tmp_path) -> None:
    predictor = predictor_of(tmp_path, "graph")
    for inputs, expected in (({"nodes": []}, "edges is missing"), (EVE, "nodes have labels"), ([EVE], "'Eve'")):
        with refused(expected):
            predictor.predict_json(inputs)


@pytest.mark.parametrize("classify", ["graph", "nodes"])
def test_explanations_of_the_same_input(tmp_path, classify) -> None:
    predictor = predictor_of(tmp_path, classify)
    target = predictor._model
    explainer = GraphMaskPredictor(GraphMask(target.vocab, target).eval(), predictor._dataset_reader)
    for graph in DATA[classify]:
        [dictionary] = explainer.predict_json(graph)["explanations"]
        explanation = Explanation.from_dict(plain(dictionary))
        assert [node.text for node in explanation.nodes] == [node["text"] for node in graph["nodes"]]
        given = [(edge["source"], edge["target"], edge["type"]) for edge in graph["edges"]]
        inverse = [(target, source, f"{name}^-1") for source, target, name in given]
        assert [(edge.source, edge.target, edge.type) for edge in explanation.edges] == given + inverse
        assert explanation.metadata["id"] == graph.get("id")
        original, masked = (explanation.prediction[key] for key in ("original", "masked"))
        assert set(original) == set(masked) == set(predictor.predict_json(graph)["prediction"])
    [dan] = explainer.predict_json(DATA[classify][0])["explanations"]
    if classify == "graph":
        assert dan["tokens"] == DAN["tokens"] and dan["nodes"][1]["end"] == 4
        assert dan["metadata"]["edge_metadata"] == [{"matters": True}, {}, {}]
        assert dan["metadata"]["node_metadata"] == [{}, {"kind": "food"}]
        assert dan["metadata"]["graph_metadata"] == {"author": "nobody"}
