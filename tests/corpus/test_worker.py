"""What one process of many does, in this process."""

import gzip
import json
import random
from pathlib import Path
from typing import Any, List

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.models import load_archive

from allennlp_graphmask.corpus.folder import CorpusFolder, Counts
from allennlp_graphmask.corpus.worker import Task, Worker
from allennlp_graphmask.explanation import read_explanations
from allennlp_graphmask.predictors import load_explaining_predictor
from tests.corpus.corpora import assert_equal_explanations, explain_files, write_corpus
from tests.predictors.inputs import CONLL

pytest.importorskip("pyarrow", reason="shards are Parquet files")


@pytest.fixture
def load(graphmask_archive_file) -> Any:
    predictor = load_explaining_predictor(load_archive(graphmask_archive_file), batch_size=4)
    return lambda: (predictor, {})


def begin(task: Task, names: List[str], rows: int) -> CorpusFolder:
    folder = CorpusFolder(task.output)
    with folder.locked():
        folder.begin({}, [Worker(task, ".").count(name) for name in names], rows)
    return folder


@pytest.mark.parametrize("rows, seed", [(1, 0), (3, 1), (5, 2), (1000, 3)])
def test_shards_in_any_order_by_any_worker_give_what_explain_gives(
    tmp_path, graphmask_archive_file, load, rows, seed
) -> None:
    names = write_corpus(tmp_path)
    expected = explain_files(graphmask_archive_file, names, tmp_path, "--batch-size", 4)
    task = Task(load, str(tmp_path / "out"), None, "text", 4, False, "float32")
    folder = begin(task, names, rows)
    workers = [Worker(task, "."), Worker(task, ".")]
    shards = list(folder.shards())
    random.Random(seed).shuffle(shards)
    counts = Counts()
    for number, shard in enumerate(shards):
        counts = counts.plus(workers[number % 2].explain(shard))
    found = list(read_explanations(folder.path))
    assert_equal_explanations(found, expected)
    # The same batches.
    assert rows < 1000 or found == expected
    assert counts == folder.read_counts()
    assert counts.records == sum(file.num_records for file in folder.inputs) == 8 + 6 + 1
    assert counts.explanations == len(expected) and counts.kept == sum(one.num_kept() for one in expected)
    failed = [json.loads(line) for path in sorted(Path(folder.path, "failed").iterdir()) for line in path.open()]
    assert [(failure["file"], failure["place"]) for failure in failed] == [(names[0], "line 3"), (names[0], "line 6")]
    assert counts.failures == 2 and "a.jsonl, line 3" in failed[0]["message"]
    assert not list(folder.missing_shards())


def test_a_shard_that_is_explained_again_is_the_same(tmp_path, load) -> None:
    task = Task(load, str(tmp_path / "out"), None, "text", 4, False, "float32")
    folder = begin(task, write_corpus(tmp_path), 4)
    shards = list(folder.shards())
    worker = Worker(task, ".")
    for shard in shards:
        worker.explain(shard)
    first = {path: path.read_bytes() for path in Path(folder.path).rglob("*") if path.is_file()}
    for shard in shards[::-1]:
        worker.explain(shard)
    assert {path: path.read_bytes() for path in Path(folder.path).rglob("*") if path.is_file()} == first


def test_files_that_cannot_be_read(tmp_path, load) -> None:
    task = Task(load, str(tmp_path / "out"), None, "text", 4, False, "float32")
    worker = Worker(task, ".")
    (tmp_path / "bad.jsonl").write_text("{}\n" * 12)
    write_corpus(tmp_path)
    sentences = [CONLL.replace("dog", f"dog{random.random()}") for _ in range(300)]
    (tmp_path / "cut.conll09.gz").write_bytes(gzip.compress("".join(sentences).encode())[:-99])
    found = worker.count(str(tmp_path / "bad.jsonl"))
    assert found.num_records == 0 and "bad.jsonl" in str(found.failure)
    found = worker.count(str(tmp_path / "cut.conll09.gz"))
    assert found.num_records and f"first {found.num_records} inputs" in str(found.failure)
    folder = begin(task, [str(tmp_path / name) for name in ("bad.jsonl", "cut.conll09.gz", "c.jsonl")], 5000)
    counts = worker.explain(next(folder.shards()))
    assert counts.records == found.num_records + 1
    failed = [json.loads(line)["file"] for line in Path(folder.path, "failed", "inputs.jsonl").open()]
    assert [Path(file).name for file in failed] == ["bad.jsonl", "cut.conll09.gz"]


def test_a_file_that_changes_meanwhile(tmp_path, load) -> None:
    task = Task(load, str(tmp_path / "out"), None, "text", 4, False, "float32")
    names = write_corpus(tmp_path)
    folder = begin(task, names, 100)
    Path(names[1]).write_text(Path(names[1]).read_text() * 2)
    with pytest.raises(ConfigurationError, match=r"b\.conll09 has changed"):
        Worker(task, ".").explain(next(folder.shards()))
    assert not list(Path(folder.path).glob("*.p*"))
