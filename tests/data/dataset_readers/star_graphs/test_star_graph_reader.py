from collections import UserDict
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.common.util import sanitize
from allennlp.data import DatasetReader
from allennlp.nn.util import move_to_device

from allennlp_graphmask.data.dataset_readers.star_graphs import StarGraph, StarGraphReader, write_split
from allennlp_graphmask.data.dataset_readers.star_graphs.write_split import write_star_graphs
from tests.data.dataset_readers.graph_jsonl.graphs import metadata_of, written
from tests.data.malformed import refused

FEW = {"num_train": 30, "num_dev": 20, "num_test": 10}


def reader_of(**settings: Any) -> StarGraphReader:
    reader = DatasetReader.from_params(Params({"type": "star_graphs", **FEW, **settings}))
    assert isinstance(reader, StarGraphReader)
    return reader


@pytest.mark.parametrize("variant", ["single_layer", "two_layer"])
def test_instances_hold_what_the_graphs_hold(variant: str) -> None:
    reader = reader_of(variant=variant)
    for split, size in (("train", 30), ("dev", 20), ("test", 10)):
        instances, graphs = list(reader.read(split)), list(reader.generate(split))
        assert len(instances) == len(graphs) == size
        for instance, graph in zip(instances, graphs):
            assert instance["graph"].edges == list(graph.edges)
            assert instance["graph"].labels == list(graph.edge_types)
            assert instance["label"].label == graph.label
            expected = torch.from_numpy(graph.node_features(reader.colours))
            assert torch.equal(instance["node_features"].tensor, expected)
            metadata = metadata_of(instance)
            assert metadata["id"] == graph.graph_id
            assert metadata["tokens"] == ["more", graph.query[0], "than", graph.query[1], "?"]
            assert [node["text"] for node in metadata["nodes"]] == list(graph.node_texts)
            assert metadata["graph_metadata"] == {"query": list(graph.query)}
            assert [tuple(edge["matters"]) for edge in metadata["edge_metadata"]] == graph.truth


def test_the_size_of_a_split_is_the_default_of_the_paper() -> None:
    reader = StarGraphReader()
    assert [sum(1 for _ in reader.generate(split)) for split in ("train", "dev", "test")] == [10000, 500, 500]
    assert reader.colours == ["red", "blue", "green", "yellow", "purple", "orange"]


def test_metadata_are_not_searched_for_tensors() -> None:
    """AllenNLP goes through all dictionaries and lists of a batch. Here that would take a third of training."""
    metadata = metadata_of(next(iter(reader_of().read("dev"))))
    assert isinstance(metadata, UserDict) and not isinstance(metadata, dict)
    assert move_to_device([metadata], torch.device("cpu"))[0] is metadata
    assert sanitize(metadata) == dict(metadata)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.bz2", ".jsonl.xz"])
@pytest.mark.parametrize("variant", ["single_layer", "two_layer"])
def test_files_hold_what_was_generated(tmp_path: Path, capsys, variant: str, suffix: str) -> None:
    path = tmp_path / f"stars{suffix}"
    arguments = ["test", str(path), "--variant", variant, "--num-graphs", "12", "--seed", "3"]
    assert write_split.main(arguments) == 0
    assert capsys.readouterr().out == f"12 graphs written to {path}\n"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    first_bytes = path.read_bytes()
    assert write_split.main(arguments) == 0
    assert path.read_bytes() == first_bytes
    reader = reader_of(variant=variant, num_test=12, seed=3)
    for from_file, drawn in zip(reader.read(str(path)), reader.read("test"), strict=True):
        assert metadata_of(from_file) == metadata_of(drawn)
        assert from_file["graph"] == drawn["graph"]


def test_writing_that_fails_leaves_the_old_file(tmp_path: Path, capsys) -> None:
    path = tmp_path / "stars.jsonl"
    path.write_text("old")

    def breaking():
        yield next(iter(reader_of().generate("dev")))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_star_graphs(breaking(), str(path))
    assert path.read_text() == "old"
    assert write_split.main(["dev", str(path), "--num-colours", "1"]) == 1
    assert "num_colours is 1" in capsys.readouterr().err
    assert write_split.main(["dev", str(tmp_path / "nowhere" / "stars.jsonl")]) == 1
    assert path.read_text() == "old"


GOOD = StarGraph.from_leaves(("red", "blue"), ["red", "blue"]).to_json()
BRANCHED = StarGraph.from_leaves(("red", "blue"), ["red"], leaf_branches=[0], num_branches=1).to_json()
ALIEN = StarGraph.from_leaves(("red", "blue"), ["red", "tartan"]).to_json()


@pytest.mark.parametrize(
    "line, expected",
    [
        ([], "'[]'"),
        ({**GOOD, "query": None}, "query is None"),
        ({**GOOD, "label": "more"}, "label is 'more', but the edges and the query give 'not_more'"),
        ({**GOOD, "edges": 1}, "edges is 1"),
        (BRANCHED, "'two_layer', but that of the reader is 'single_layer'"),
        (ALIEN, "'tartan' is not one of this reader's 6 colours, red, blue"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: Any, expected: str) -> None:
    path = written(tmp_path / "stars.jsonl", GOOD, line)
    with refused(f"{path}, line 2: ", expected):
        list(reader_of().read(path))


def test_what_is_neither_a_split_nor_a_file() -> None:
    with refused("'train', 'dev' or 'test'", "'valid'"):
        list(reader_of().read("valid"))


def test_graphs_without_leaves_can_be_read(tmp_path: Path) -> None:
    path = written(tmp_path / "stars.jsonl", StarGraph.from_leaves(("red", "blue"), []).to_json())
    for variant in ("single_layer", "two_layer"):
        [instance] = reader_of(variant=variant).read(path)
        assert instance["graph"].num_nodes == 1 and instance["label"].label == "not_more"
