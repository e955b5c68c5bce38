"""
Readers go record by record: an error of one comes when its instances are asked for, and does not hide those behind it.
"""

import copy
from functools import partial
from pathlib import Path
from typing import Iterator, List

import pytest
import torch
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Instance, Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.dataset_readers.dataset_reader import WorkerInfo
from allennlp.data.fields import MetadataField
from allennlp.nn import util as nn_util

from allennlp_graphmask.data.dataset_readers import GraphJsonlReader, StarGraphReader
from allennlp_graphmask.data.dataset_readers.record_reader import Record, RecordReader
from tests.data.malformed import refused
from tests.data.readers import READERS, WORDS, build_content, get_word, read, word_of, write_content
from tests.models.building import make_batch
from tests.test_graph import assert_same_graph

PLACES = {
    "graphs": "line 2",
    "stars": "line 2",
    "sentences": "sentence at line 4",
    "propositions": "sentence at line 4",
    "treebank": "sentence at line 2 of wsj_0001.mrg",
    "questions": "question 'wrong' (number 2, byte ",
    "paragraphs": "question 'wrong' (number 2, byte ",
}


def written(folder: Path, name: str, words: List[str]) -> str:
    return write_content(name, build_content(name, words), folder)


@pytest.mark.parametrize("name", READERS)
def test_one_that_is_wrong(tmp_path, name) -> None:
    path = written(tmp_path, name, ["a", "", "b", "c"])
    outcomes = []
    for record in READERS[name][0].records(path):
        try:
            outcomes += [word_of(name, instance) for instance in record.instances()]
        except ConfigurationError as error:
            assert error.message.startswith(path)
            outcomes.append(record.place)
    assert outcomes.pop(1).startswith(PLACES[name])
    assert outcomes == ["a", "b", "c"]
    # `read` stops there.
    words = read(name, path)
    assert next(words) == "a"
    with refused(path):
        next(words)


@pytest.mark.parametrize("name", READERS)
def test_moving_a_batch_does_not_visit_metadata(tmp_path, name, monkeypatch) -> None:
    """The search for tensors in words and tags took 10 milliseconds a batch of 64 sentences."""
    [instance] = READERS[name][0].read(written(tmp_path, name, ["a"]))
    batch = make_batch([instance], Vocabulary.from_instances([instance]))
    [metadata] = batch["metadata"]
    expected = copy.deepcopy(dict(metadata))
    visited = []
    move = nn_util.move_to_device
    monkeypatch.setattr(nn_util, "move_to_device", lambda obj, device: visited.append(obj) or move(obj, device))
    [moved] = nn_util.move_to_device(batch, torch.device("cpu"))["metadata"]
    assert any(value is metadata for value in visited)
    assert not any(part is value for value in metadata.values() for part in visited if isinstance(part, (list, dict)))
    assert moved is metadata and dict(moved) == expected


@pytest.mark.parametrize("name", READERS)
def test_workers_share_them(tmp_path, name) -> None:
    words = WORDS[:7]
    path = written(tmp_path, name, words)
    shares = []
    for worker in range(2):
        reader = copy.copy(READERS[name][0])
        reader._set_worker_info(WorkerInfo(2, worker))
        shares.append([word_of(name, instance) for instance in reader.read(path)])
    assert shares == [words[::2], words[1::2]]


@pytest.mark.parametrize("max_instances_in_memory", [None, 2])
@pytest.mark.parametrize("name", READERS)
def test_data_loader_with_workers(tmp_path, name, max_instances_in_memory) -> None:
    reader, words = READERS[name][0], WORDS[:7]
    path = written(tmp_path, name, words)
    instances = {word_of(name, instance): instance for instance in reader.read(path)}
    vocabulary = Vocabulary.from_instances(instances.values())
    loader = MultiProcessDataLoader(
        reader, path, batch_size=2, num_workers=2, max_instances_in_memory=max_instances_in_memory, quiet=True
    )
    loader.index_with(vocabulary)
    seen = []
    for tensors in loader:
        of_batch = [get_word(name, metadata) for metadata in tensors["metadata"]]
        expected = make_batch([instances[word] for word in of_batch], vocabulary)
        assert_same_graph(tensors["graph"], expected["graph"])
        seen += of_batch
    assert sorted(seen) == sorted(words)


def test_passing_over_records_makes_no_instances(tmp_path, monkeypatch) -> None:
    path = written(tmp_path, "graphs", ["a", "b", "c"])
    monkeypatch.setattr(GraphJsonlReader, "text_to_instance", lambda *arguments: 1 / 0)
    records = list(GraphJsonlReader().records(path))
    assert [record.place for record in records] == ["line 1", "line 2", "line 3"]
    with pytest.raises(ZeroDivisionError):
        records[0].instances()


def test_drawn_graphs_are_records_too() -> None:
    reader = StarGraphReader(num_test=3)
    records = list(reader.records("test"))
    assert [record.place for record in records] == ["graph 1", "graph 2", "graph 3"]
    drawn = [word_of("stars", instance) for record in records for instance in record.instances()]
    assert drawn == [word_of("stars", instance) for instance in reader.read("test")]


def test_every_reader_of_ours_is_one() -> None:
    registered = map(DatasetReader.by_name, DatasetReader.list_available())
    ours = [reader for reader in registered if reader.__module__.split(".")[0] == "allennlp_graphmask"]
    assert len(ours) == 7 and all(issubclass(reader, RecordReader) for reader in ours)


@pytest.mark.parametrize("max_instances, number", [(0, 0), (1, 1), (2, 2), (3, 3), (None, 3)])
def test_the_limit_is_of_instances_and_not_of_records(max_instances, number) -> None:
    class Reader(RecordReader):
        def records(self, path: str) -> Iterator[Record]:
            for place, size in enumerate([0, 0, 2, 0, 1]):
                yield Record(str(place), partial(self.build, size))

        def build(self, size: int) -> List[Instance]:
            return [Instance({"number": MetadataField(number)}) for number in range(size)]

    reader = Reader(max_instances=max_instances)
    assert len(list(reader.read("nothing"))) == number and reader.max_instances == max_instances
