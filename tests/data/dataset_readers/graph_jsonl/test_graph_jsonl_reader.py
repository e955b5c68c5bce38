import copy
import gzip
import json
import re
import tracemalloc
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
import torch
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.data.batch import Batch
from allennlp.data.data_loaders import MultiProcessDataLoader

from allennlp_graphmask.data.dataset_readers import GraphJsonlReader
from allennlp_graphmask.data.dataset_readers.graph_jsonl import TextGraph
from allennlp_graphmask.data.fields.open_label_field import NO_LABEL, UNSEEN_LABEL
from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, relation_index
from tests.data.dataset_readers.graph_jsonl.graphs import DAN, EVE, FINN, NOBODY, written

ROOT = Path(__file__).resolve().parents[4]


def read(path: Any, **settings: Any) -> List[Instance]:
    reader = DatasetReader.from_params(Params({"type": "graph_jsonl", **settings}))
    return list(reader.read(str(path)))


def metadata_of(instance: Instance) -> Dict[str, Any]:
    return instance["metadata"].metadata


def texts_of(instance: Instance) -> List[List[str]]:
    return [[token.text for token in field.tokens] for field in instance["nodes"].field_list]


def tensors_of(instances: List[Instance], vocabulary: Vocabulary) -> Dict[str, Any]:
    batch = Batch(instances)
    batch.index_instances(vocabulary)
    return batch.as_tensor_dict()


class TestGraphs:
    def test_fields(self, tmp_path) -> None:
        [dan] = read(written(tmp_path / "graphs.jsonl", DAN))
        assert set(dan.fields) == {"nodes", "graph", "label", "metadata"}
        assert texts_of(dan) == [["dan"], ["old", "olives"]]
        assert dan["graph"].num_nodes == 2
        assert dan["graph"].edges == [(1, 0), (1, 0), (0, 0)]
        assert dan["graph"].labels == ["eaten_by", "named_with", "same"]
        assert dan["label"].label == "salty"
        assert metadata_of(dan) == {
            "id": "dan",
            "text": None,
            "tokens": ["Dan", "eats", "old", "olives"],
            "nodes": [
                {"text": "Dan", "start": 0, "end": 1},
                {"text": "Old olives", "start": 2, "end": 4},
            ],
            "graph_metadata": {"author": "nobody"},
            "node_metadata": [{}, {"kind": "food"}],
            "edge_metadata": [{"matters": True}, {}, {}],
            "label": "salty",
        }

    def test_inverse_edges_come_behind(self, tmp_path) -> None:
        [dan] = read(written(tmp_path / "graphs.jsonl", DAN), inverse_edges=True)
        assert dan["graph"].edges == [(1, 0), (1, 0), (0, 0), (0, 1), (0, 1), (0, 0)]
        assert dan["graph"].labels[3:] == ["eaten_by^-1", "named_with^-1", "same^-1"]

    def test_options(self, tmp_path) -> None:
        [dan] = read(
            written(tmp_path / "graphs.jsonl", DAN),
            lowercase=False,
            tokenizer={"type": "character"},
            token_indexers={"characters": {"type": "single_id", "namespace": "characters"}},
            label_namespace="taste_labels",
            edge_label_namespace="relation_labels",
        )
        assert texts_of(dan)[0] == ["D", "a", "n"]
        vocabulary = Vocabulary.from_instances([dan])
        assert vocabulary.get_vocab_size("taste_labels") == 1
        assert vocabulary.get_vocab_size("relation_labels") == 3
        assert vocabulary.get_token_index("D", "characters") > 1

    def test_text_is_tokenized_where_there_are_no_tokens(self, tmp_path) -> None:
        [eve] = read(written(tmp_path / "graphs.jsonl", EVE), classify="nodes")
        assert metadata_of(eve)["tokens"] == ["Eve", "eats", "jam", "."]
        assert metadata_of(eve)["text"] == "Eve eats jam."
        assert metadata_of(eve)["nodes"][1] == {"text": "jam", "start": 2, "end": 3}
        assert metadata_of(eve)["nodes"][2] == {"text": "", "start": None, "end": None}
        assert metadata_of(eve)["node_labels"] == ["person", "food", None]
        assert metadata_of(eve)["node_metadata"] == metadata_of(eve)["edge_metadata"] == []

    def test_extreme_graphs_in_one_batch(self, tmp_path) -> None:
        instances = read(written(tmp_path / "graphs.jsonl", DAN, FINN, NOBODY))
        vocabulary = Vocabulary.from_instances(instances)
        tensors = tensors_of(instances, vocabulary)
        assert tensors["nodes"]["tokens"]["tokens"].shape == (3, 2, 2)
        assert tensors["graph"].nodes_per_graph.tolist() == [2, 1, 0]
        assert tensors["graph"].edge_index.tolist() == [[1, 1, 0], [0, 0, 0]]
        assert tensors["graph"].edge_type.tolist() == [
            relation_index(vocabulary, name) for name in ("eaten_by", "named_with", "same")
        ]
        labels = [vocabulary.get_token_index(name, "labels") for name in ("salty", "sweet")]
        assert tensors["label"].tolist() == [labels[0], NO_LABEL, labels[1]]
        assert not tensors_of([instances[2]], vocabulary)["nodes"]["tokens"]["tokens"].any()

    def test_node_labels(self, tmp_path) -> None:
        unlabelled = {**FINN, "nodes": [{"text": "Finn"}]}
        instances = read(
            written(tmp_path / "graphs.jsonl", EVE, unlabelled, {**NOBODY, "label": None}), classify="nodes"
        )
        vocabulary = Vocabulary.from_instances(instances)
        person, food = (vocabulary.get_token_index(name, "labels") for name in ("person", "food"))
        assert vocabulary.get_vocab_size("labels") == 2
        tensors = tensors_of(instances, vocabulary)
        assert "label" not in tensors
        assert tensors["node_labels"].tolist()[0] == [person, food, NO_LABEL]
        assert [row[0] for row in tensors["node_labels"].tolist()[1:]] == [NO_LABEL, NO_LABEL]

    def test_labels_and_types_that_training_did_not_see(self, tmp_path) -> None:
        [sour] = read(written(tmp_path / "sour.jsonl", {**DAN, "label": "sour"}))
        vocabulary = Vocabulary.from_instances(read(written(tmp_path / "sweet.jsonl", NOBODY)))
        tensors = tensors_of([sour], vocabulary)
        assert tensors["label"].tolist() == [UNSEEN_LABEL]
        assert bool((tensors["graph"].edge_type < NUM_RESERVED_RELATIONS).all())

    def test_labels_are_required_only_if_asked_for(self, tmp_path) -> None:
        path = written(tmp_path / "graphs.jsonl", DAN, FINN)
        assert len(read(path)) == 2
        with pytest.raises(
            ConfigurationError, match=f"^{path}, line 2: no label, which require_labels asks for"
        ):
            read(path, require_labels=True)
        path = written(tmp_path / "nodes.jsonl", EVE, {**NOBODY, "label": None}, FINN)
        with pytest.raises(ConfigurationError, match=f"^{path}, line 3: no label of any node, which"):
            read(path, require_labels=True, classify="nodes")
        path = written(tmp_path / "nobody.jsonl", {**NOBODY, "label": None})
        with pytest.raises(ConfigurationError, match=f"^{path}, line 1: no label"):
            read(path, require_labels=True)

    def test_inverse_types_in_the_file_are_legal_without_the_option(self, tmp_path) -> None:
        edges = [{"source": 0, "target": 1, "type": "eaten_by^-1"}]
        path = written(tmp_path / "graphs.jsonl", FINN, {**DAN, "edges": edges})
        assert read(path)[1]["graph"].labels == ["eaten_by^-1"]
        with pytest.raises(
            ConfigurationError, match=rf"^{path}, line 2: edges\[0\].type is 'eaten_by\^-1', an inv"
        ):
            read(path, inverse_edges=True)

    def test_workers_share_the_lines(self, tmp_path) -> None:
        path = written(tmp_path / "graphs.jsonl", *({**FINN, "id": number} for number in range(7)))
        loader = MultiProcessDataLoader(GraphJsonlReader(), path, batch_size=2, num_workers=2)
        assert sorted(metadata_of(instance)["id"] for instance in loader.iter_instances()) == list(range(7))

    def test_memory_does_not_grow_with_the_file(self, tmp_path) -> None:
        path = tmp_path / "graphs.jsonl.gz"
        with gzip.open(path, "wt") as file:
            for _ in range(3000):
                file.write(json.dumps({**DAN, "author": "x" * 5000}) + "\n")
        tracemalloc.start()
        try:
            assert sum(1 for _ in GraphJsonlReader().read(str(path))) == 3000
            assert tracemalloc.get_traced_memory()[1] < 3e6
        finally:
            tracemalloc.stop()


def changed(graph: Dict[str, Any], change: Callable[[Dict[str, Any]], Any]) -> Dict[str, Any]:
    graph = copy.deepcopy(graph)
    change(graph)
    return graph


WRONG = {
    "no nodes": (
        lambda g: g.pop("nodes"),
        "the graph lacks the key 'nodes'; the keys are 'id', 'tokens', 'edges'",
    ),
    "no edges": (lambda g: g.pop("edges"), "the graph lacks the key 'edges'"),
    "nodes no list": (lambda g: g.update(nodes={}), "the graph.nodes is {}, expected a list"),
    "nodes null": (lambda g: g.update(nodes=None), "the graph.nodes is None, expected a list"),
    "node no object": (lambda g: g["nodes"].append("Eve"), r"nodes\[2\] is 'Eve', expected an object"),
    "node without text": (lambda g: g["nodes"][0].pop("text"), r"nodes\[0\] lacks the key 'text'"),
    "text no string": (lambda g: g["nodes"][1].update(text=7), r"nodes\[1\].text is 7, expected a string"),
    "edge no object": (
        lambda g: g["edges"].append([0, 1, "x"]),
        r"edges\[3\] is \[0, 1, 'x'\], expected an object",
    ),
    "no source": (lambda g: g["edges"][0].pop("source"), r"edges\[0\] lacks the key 'source'"),
    "no target": (lambda g: g["edges"][0].pop("target"), r"edges\[0\] lacks the key 'target'"),
    "no type": (lambda g: g["edges"][0].pop("type"), r"edges\[0\] lacks the key 'type'"),
    "type no string": (
        lambda g: g["edges"][1].update(type=None),
        r"edges\[1\].type is None, expected a string",
    ),
    "type empty": (lambda g: g["edges"][1].update(type=""), r"edges\[1\].type is empty"),
    "source a float": (
        lambda g: g["edges"][1].update(source=1.0),
        r"edges\[1\].source is 1.0, expected an integer",
    ),
    "source a bool": (
        lambda g: g["edges"][1].update(source=True),
        r"edges\[1\].source is True, expected an int",
    ),
    "edge leaves": (
        lambda g: g["edges"][2].update(target=2),
        r"edges\[2\].target is 2, which leaves the graph: its 2 nodes are numbered 0 to 1",
    ),
    "edge before": (
        lambda g: g["edges"][2].update(source=-1),
        r"edges\[2\].source is -1, which leaves the graph",
    ),
    "edge of nothing": (lambda g: g.update(nodes=[]), r"edges\[0\].source is 1, .*: it has no nodes"),
    "label no string": (
        lambda g: g.update(label=1),
        "'label' is 1, expected a string .*Write numbers in quotes",
    ),
    "label empty": (lambda g: g.update(label=""), "'label' is empty"),
    "node label": (
        lambda g: g["nodes"][0].update(label=["a"]),
        r"nodes\[0\].label is \['a'\], expected a string",
    ),
    "both labels": (
        lambda g: g["nodes"][1].update(label="food"),
        r"the graph has the label 'salty' and nodes\[1\] the label 'food', expected labels of one kind",
    ),
    "id": (lambda g: g.update(id=[1]), r"'id' is \[1\], expected a string or an integer"),
    "tokens no list": (lambda g: g.update(tokens="Dan eats"), "'tokens' is 'Dan eats', expected a list"),
    "token no string": (lambda g: g["tokens"].append(None), r"tokens\[4\] is None, expected a string"),
    "text a list": (lambda g: g.update(text=["Dan"]), r"'text' is \['Dan'\], expected a string"),
    "start alone": (lambda g: g["nodes"][0].pop("end"), r"nodes\[0\] has the start 0 and the end None"),
    "span too long": (
        lambda g: g["nodes"][1].update(end=5),
        r"nodes\[1\] stands for the tokens 2 to 5 \(exclusive\), expected 0 <= start < end <= 4",
    ),
    "span empty": (lambda g: g["nodes"][1].update(end=2), r"nodes\[1\] stands for the tokens 2 to 2"),
    "span without tokens": (
        lambda g: g.pop("tokens"),
        r"nodes\[0\] has 'start' and 'end', but the graph has neither",
    ),
    "span in text": (
        lambda g: (g.pop("tokens"), g.update(text="Dan eats.")),
        r"nodes\[1\] stands for the tokens 2 to 4 \(exclusive\), expected 0 <= start < end <= 3",
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_lines_are_named(tmp_path, name) -> None:
    change, message = WRONG[name]
    path = written(tmp_path / "graphs.jsonl", FINN, changed(DAN, change))
    with pytest.raises(ConfigurationError, match=f"^{path}, line 2: {message}"):
        read(path)


@pytest.mark.parametrize(
    "classify, graph, message",
    [
        ("nodes", DAN, "the graph has a label, but nodes are to be classified"),
        ("graph", EVE, "nodes have labels, but graphs are to be classified"),
    ],
)
def test_labels_of_the_other_kind(tmp_path, classify, graph, message) -> None:
    path = written(tmp_path / "graphs.jsonl", FINN, graph)
    with pytest.raises(ConfigurationError, match=f"^{path}, line 2: {message}"):
        read(path, classify=classify)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"classify": "edges"}, "classify must be 'graph' or 'nodes', got 'edges'"),
        ({"label_namespace": "taste"}, "line 1: The label namespace 'taste' must end in"),
        ({"edge_label_namespace": "relations"}, "line 1: The edge label namespace 'relations' must end in"),
    ],
)
def test_wrong_options(tmp_path, settings, message) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(written(tmp_path / "graphs.jsonl", DAN), **settings)


class TestDocumentation:
    TEXT = (ROOT / "docs" / "graph_jsonl.md").read_text(encoding="utf-8")

    def example(self, number: int, tmp_path: Path) -> Path:
        path = tmp_path / "graphs.jsonl"
        path.write_text(re.findall(r"^```json\n(.*?)^```$", self.TEXT, re.MULTILINE | re.DOTALL)[number])
        return path

    def test_the_example(self, tmp_path) -> None:
        dan, eve, finn = read(self.example(0, tmp_path))
        assert [metadata_of(instance)["id"] for instance in (dan, eve, finn)] == ["dan-1", "eve-1", None]
        assert [instance["label"].label for instance in (dan, eve, finn)] == ["salty", "sweet", None]
        assert metadata_of(dan)["edge_metadata"] == [{"matters": True}, {}]
        assert metadata_of(dan)["node_metadata"] == [{}, {"kind": "food"}, {"kind": "food"}]
        assert metadata_of(eve)["graph_metadata"] == {"source": "invented"}
        for instance in (dan, eve):
            tokens = metadata_of(instance)["tokens"]
            for node in metadata_of(instance)["nodes"]:
                if node["start"] is not None:
                    assert " ".join(tokens[node["start"] : node["end"]]) == node["text"]
        assert finn["graph"].num_nodes == 1 and finn["graph"].edges == []

    def test_the_example_of_node_labels(self, tmp_path) -> None:
        [dan] = read(self.example(1, tmp_path), classify="nodes")
        assert dan["node_labels"].labels == ["person", "food", None]

    def test_the_error_that_it_shows(self, tmp_path) -> None:
        path = self.example(0, tmp_path)
        lines = path.read_text().splitlines()
        lines[1] = lines[0].replace('"target": 0', '"target": 3')
        path.write_text("\n".join(lines))
        with pytest.raises(ConfigurationError) as error:
            read(path)
        assert error.value.message.replace(str(path), "graphs.jsonl") in self.TEXT

    def test_the_fixtures(self) -> None:
        for name, size in (("train", 120), ("dev", 45)):
            instances = read(ROOT / "fixtures" / "graph_jsonl" / f"{name}.jsonl", require_labels=True)
            assert len(instances) == size
            for instance in instances:
                metadata = metadata_of(instance)
                marked = [edge.get("matters", False) for edge in metadata["edge_metadata"]]
                assert marked == [label == "eaten_by" for label in instance["graph"].labels]
                assert sum(marked) == 1
                tokens = metadata["tokens"]
                for node in metadata["nodes"]:
                    assert " ".join(tokens[node["start"] : node["end"]]) == node["text"]


def test_a_text_graph_of_python() -> None:
    graph = TextGraph.from_json(DAN)
    assert graph.classified == "graph" and TextGraph.from_json(EVE).classified == "nodes"
    assert TextGraph.from_json(FINN).classified is None
    instance = GraphJsonlReader().text_to_instance(graph)
    GraphJsonlReader().apply_token_indexers(instance)
    instance.index_fields(Vocabulary.from_instances([instance]))
    assert torch.equal(instance.as_tensor_dict()["graph"].edge_index, torch.tensor([[1, 1, 0], [0, 0, 0]]))
