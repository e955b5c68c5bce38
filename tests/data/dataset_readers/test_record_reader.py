"""
Readers go record by record: what is wrong with one is said when it is asked for, and does not hide those behind it.
"""

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader

from allennlp_graphmask.data.dataset_readers import (
    Conll2009SrlReader,
    GraphJsonlReader,
    StarGraphReader,
    WikiHopReader,
)
from allennlp_graphmask.data.dataset_readers.record_reader import RecordReader
from tests.predictors.inputs import CONLL, QUERIES

GRAPH = {"nodes": [{"text": "a"}, {"text": "b"}], "edges": [{"source": 0, "target": 1, "type": "x"}]}
#: What a reader reads, with the second of four records wrong, and what its place is called.
CASES: Dict[str, Any] = {
    "graphs": (GraphJsonlReader, "\n".join([json.dumps(GRAPH), "{", *[json.dumps(GRAPH)] * 2]), "line 2"),
    "questions": (
        WikiHopReader,
        json.dumps([QUERIES[0], {**QUERIES[1], "supports": 1}, QUERIES[2], QUERIES[3]]),
        f"question '{QUERIES[1]['id']}' (number 2, byte ",
    ),
    "sentences": (
        lambda: Conll2009SrlReader("universal_dependencies"),
        "\n\n".join(
            [
                CONLL.split("\n\n")[0],
                CONLL.split("\n\n")[0].replace("2\t2", "9\t9"),
                *CONLL.rstrip().split("\n\n")[:2],
            ]
        )
        + "\n",
        "sentence at line 5",
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_one_that_is_wrong(case, tmp_path) -> None:
    make, content, place = CASES[case]
    path = tmp_path / "data"
    path.write_text(content)
    reader = make()
    assert isinstance(reader, RecordReader)
    outcomes: List[Any] = []
    for record in reader.records(str(path)):
        try:
            outcomes.append(len(record.instances()))
        except ConfigurationError as error:
            assert str(path) in error.message
            outcomes.append(record.place)
    assert len(outcomes) == 4 and outcomes[1].startswith(place)
    assert all(isinstance(outcome, int) and outcome >= 1 for outcome in (outcomes[0], *outcomes[2:]))
    # `read` stops there.
    instances = iter(reader.read(str(path)))
    next(instances)
    with pytest.raises(ConfigurationError, match="data"):
        next(instances)


def test_passing_over_records_makes_no_instances(tmp_path, monkeypatch) -> None:
    (tmp_path / "data").write_text("\n".join([json.dumps(GRAPH)] * 3))
    monkeypatch.setattr(GraphJsonlReader, "text_to_instance", lambda *arguments: 1 / 0)
    records = list(GraphJsonlReader().records(str(tmp_path / "data")))
    assert [record.place for record in records] == ["line 1", "line 2", "line 3"]
    with pytest.raises(ZeroDivisionError):
        records[0].instances()


def test_drawn_graphs_are_records_too(tmp_path) -> None:
    reader = StarGraphReader(num_test=3)
    records = list(reader.records("test"))
    assert [record.place for record in records] == ["graph 1", "graph 2", "graph 3"]
    expected = [instance["metadata"].metadata["id"] for instance in reader.read("test")]
    assert [record.instances()[0]["metadata"].metadata["id"] for record in records] == expected


def test_every_reader_of_ours_is_one() -> None:
    ours = [
        DatasetReader.by_name(name)
        for name in DatasetReader.list_available()
        if Path(DatasetReader.by_name(name).__module__.split(".")[0]).name == "allennlp_graphmask"
    ]
    assert len(ours) == 5 and all(issubclass(reader, RecordReader) for reader in ours)
