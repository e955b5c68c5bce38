import gzip
import json
import re
import tracemalloc
from pathlib import Path
from typing import Any, List

import pytest
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Vocabulary

from allennlp_graphmask.data.dataset_readers import GraphJsonlReader
from allennlp_graphmask.data.dataset_readers.graph_jsonl import TextGraph
from allennlp_graphmask.data.fields.open_label_field import NO_LABEL, UNSEEN_LABEL
from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS, relation_index
from tests.data.dataset_readers.graph_jsonl.graphs import DAN, EVE, FINN, NOBODY, metadata_of, written
from tests.data.malformed import DELETED, changed, refused, wrong_value
from tests.models.building import make_batch

ROOT = Path(__file__).resolve().parents[4]


def read(path: Any, **settings: Any) -> List[Instance]:
    reader = DatasetReader.from_params(Params({"type": "graph_jsonl", **settings}))
    return list(reader.read(str(path)))


def texts_of(instance: Instance) -> List[List[str]]:
    return [[token.text for token in field.tokens] for field in instance["nodes"].field_list]


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
            "nodes": [{"text": "Dan", "start": 0, "end": 1}, {"text": "Old olives", "start": 2, "end": 4}],
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
        tensors = make_batch(instances, vocabulary)
        assert tensors["nodes"]["tokens"]["tokens"].shape == (3, 2, 2)
        assert tensors["graph"].nodes_per_graph.tolist() == [2, 1, 0]
        assert tensors["graph"].edge_index.tolist() == [[1, 1, 0], [0, 0, 0]]
        assert tensors["graph"].edge_type.tolist() == [
            relation_index(vocabulary, name) for name in ("eaten_by", "named_with", "same")
        ]
        labels = [vocabulary.get_token_index(name, "labels") for name in ("salty", "sweet")]
        assert tensors["label"].tolist() == [labels[0], NO_LABEL, labels[1]]
        assert not make_batch([instances[2]], vocabulary)["nodes"]["tokens"]["tokens"].any()

    def test_node_labels(self, tmp_path) -> None:
        unlabelled = {**FINN, "nodes": [{"text": "Finn"}]}
        instances = read(
            written(tmp_path / "graphs.jsonl", EVE, unlabelled, {**NOBODY, "label": None}), classify="nodes"
        )
        vocabulary = Vocabulary.from_instances(instances)
        person, food = (vocabulary.get_token_index(name, "labels") for name in ("person", "food"))
        assert vocabulary.get_vocab_size("labels") == 2
        tensors = make_batch(instances, vocabulary)
        assert "label" not in tensors
        assert tensors["node_labels"].tolist()[0] == [person, food, NO_LABEL]
        assert [row[0] for row in tensors["node_labels"].tolist()[1:]] == [NO_LABEL, NO_LABEL]

    def test_labels_and_types_that_training_did_not_see(self, tmp_path) -> None:
        [sour] = read(written(tmp_path / "sour.jsonl", {**DAN, "label": "sour"}))
        vocabulary = Vocabulary.from_instances(read(written(tmp_path / "sweet.jsonl", NOBODY)))
        tensors = make_batch([sour], vocabulary)
        assert tensors["label"].tolist() == [UNSEEN_LABEL]
        assert bool((tensors["graph"].edge_type < NUM_RESERVED_RELATIONS).all())

    @pytest.mark.parametrize(
        "classify, graphs, line",
        [
            ("graph", [DAN, FINN], 2),
            ("nodes", [EVE, {**NOBODY, "label": None}, FINN], 3),
            ("graph", [{**NOBODY, "label": None}], 1),
        ],
    )
    def test_labels_are_required_only_if_asked_for(self, tmp_path, classify, graphs, line) -> None:
        path = written(tmp_path / "graphs.jsonl", *graphs)
        assert len(read(path, classify=classify)) == len(graphs)
        with refused(f"{path}, line {line}: ", "require_labels"):
            read(path, require_labels=True, classify=classify)

    def test_inverse_types_in_the_file_are_legal_without_the_option(self, tmp_path) -> None:
        edges = [{"source": 0, "target": 1, "type": "eaten_by^-1"}]
        path = written(tmp_path / "graphs.jsonl", FINN, {**DAN, "edges": edges})
        assert read(path)[1]["graph"].labels == ["eaten_by^-1"]
        with refused(f"{path}, line 2: edges[0].type is 'eaten_by^-1'", "inverse_edges"):
            read(path, inverse_edges=True)

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


#: Wrong values of `DAN`.
WRONG_VALUES = [
    *((key, value) for key in ("nodes", "edges") for value in (DELETED, {}, None)),
    ("nodes[2]", "Eve"),
    ("nodes[0].text", DELETED),
    ("nodes[1].text", 7),
    ("nodes[0].label", ["a"]),
    ("nodes[0].start", 0.0),
    ("edges[3]", [0, 1, "x"]),
    *((f"edges[0].{key}", DELETED) for key in ("source", "target", "type")),
    ("edges[1].type", None),
    ("edges[1].type", ""),
    ("edges[1].source", 1.0),
    ("edges[1].source", True),
    ("label", 1),
    ("label", ""),
    ("id", [1]),
    ("id", True),
    ("tokens", "Dan eats"),
    ("tokens[4]", None),
    ("text", ["Dan"]),
]


@pytest.mark.parametrize("path, value", WRONG_VALUES)
def test_wrong_values_are_named(tmp_path, path, value) -> None:
    file = written(tmp_path / "graphs.jsonl", FINN, changed(DAN, path, value))
    with refused(f"{file}, line 2: {wrong_value(path, value)}"):
        read(file)


UNTOKENIZED = {**changed(DAN, "tokens", DELETED), "text": "Dan eats."}


@pytest.mark.parametrize(
    "graph, expected",
    [
        (changed(DAN, "edges[2].target", 2), ["edges[2].target is 2", "0 to 1"]),
        (changed(DAN, "edges[2].source", -1), ["edges[2].source is -1"]),
        (changed(DAN, "nodes", []), ["edges[0].source is 1", "no nodes"]),
        (changed(DAN, "nodes[1].label", "food"), ["'salty'", "nodes[1]", "'food'"]),
        (changed(DAN, "nodes[0].end", DELETED), ["nodes[0] has the start 0 and the end None"]),
        (changed(DAN, "nodes[1].end", 5), ["nodes[1]", "tokens 2 to 5", "<= 4"]),
        (changed(DAN, "nodes[1].end", 2), ["nodes[1]", "tokens 2 to 2"]),
        (changed(DAN, "tokens", DELETED), ["nodes[0]", "neither 'tokens' nor 'text'"]),
        (UNTOKENIZED, ["nodes[1]", "tokens 2 to 4", "<= 3"]),
        (EVE, ["nodes have labels", '"classify": "graph"']),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, graph, expected) -> None:
    path = written(tmp_path / "graphs.jsonl", FINN, graph)
    with refused(f"{path}, line 2: ", *expected):
        read(path)


def test_a_label_of_the_graph_where_nodes_are_classified(tmp_path) -> None:
    path = written(tmp_path / "graphs.jsonl", FINN, DAN)
    with refused(f"{path}, line 2: ", "the graph has a label", '"classify": "nodes"'):
        read(path, classify="nodes")


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
    assert GraphJsonlReader().text_to_instance(graph)["graph"].edges == [(1, 0), (1, 0), (0, 0)]


@pytest.mark.parametrize("place", ["more", "nodes[0].more", "edges[0].more"])
def test_metadata_may_not_be_nested_too_deeply(tmp_path, place) -> None:
    """What walks through explanations later calls itself for each level."""
    fits, deep = (json.loads("[" * depth + "]" * depth) for depth in (90, 110))
    read(written(tmp_path / "graphs.jsonl", changed(DAN, place, fits)))
    with refused("line 1: ", "_metadata: ", "nested too deeply"):
        read(written(tmp_path / "graphs.jsonl", changed(DAN, place, deep)))


def test_a_hundred_thousand_edges(tmp_path) -> None:
    edges = [{"source": number % 2, "target": 0, "type": "x"} for number in range(100_000)]
    [instance] = read(written(tmp_path / "graphs.jsonl", {"nodes": [{"text": "a"}] * 2, "edges": edges}))
    assert instance["graph"].get_padding_lengths()["num_edges"] == 100_000
