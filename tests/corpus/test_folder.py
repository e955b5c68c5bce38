"""The folder of explanations of a corpus."""

import json
from pathlib import Path

import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import given
from hypothesis import strategies as st

from allennlp_graphmask.corpus.folder import CorpusFolder, InputFile, find_inputs
from allennlp_graphmask.explanation import ExplanationFormatError, read_explanations

SETTINGS = {"focus": "all", "batch_size": 32}


@given(sizes=st.lists(st.integers(0, 20), max_size=8), rows=st.integers(1, 12))
def test_shards_divide_the_input(sizes, rows) -> None:
    folder = CorpusFolder("nowhere")
    folder.inputs = [InputFile(str(file), None, size, None, None) for file, size in enumerate(sizes)]
    folder.rows_per_shard = rows
    shards = list(folder.shards())
    assert [shard.number for shard in shards] == list(range(len(shards)))
    records = [
        (span.file, span.first_record + number)
        for shard in shards
        for span in shard.spans
        for number in range(span.num_records)
    ]
    assert records == [(str(file), number) for file, size in enumerate(sizes) for number in range(size)]
    lengths = [sum(span.num_records for span in shard.spans) for shard in shards]
    assert all(length == rows for length in lengths[:-1]) and all(0 < length <= rows for length in lengths)


def test_inputs_are_files_and_patterns(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.txt", "a.txt", "c[1].txt", "d.json"):
        Path(name).touch()
    Path("folder").mkdir()
    assert find_inputs(["d.json", "[ab].*"]) == ["d.json", "a.txt", "b.txt"]
    assert find_inputs(["c[1].txt"]) == ["c[1].txt"]
    for patterns, named in (
        (["nix.txt"], "nix.txt"),
        (["folder"], "'folder' is a folder"),
        (["*.csv"], r"\*.csv"),
        (["a.txt", "./*.txt"], r"'./a.txt' is named twice"),
    ):
        with pytest.raises(ConfigurationError, match=named):
            find_inputs(patterns)


@pytest.fixture
def folder(tmp_path) -> CorpusFolder:
    """With a manifest of an input of three records, and no shard."""
    (tmp_path / "a.txt").write_text("text")
    folder = CorpusFolder(str(tmp_path / "out"))
    with folder.locked():
        (file,) = [InputFile(str(tmp_path / "a.txt"), _sha256(tmp_path / "a.txt"), 3, "text", None)]
        folder.begin(SETTINGS, [file], 2)
    return folder


def _sha256(path: Path) -> str:
    from allennlp_graphmask.explanation.provenance import file_fingerprint

    return str(file_fingerprint(str(path)))


@pytest.mark.parametrize(
    "change, named",
    [
        ({"settings": {**SETTINGS, "focus": "A1"}}, r"\(focus\)"),
        ({"settings": {"focus": "all", "seed": 1}}, r"\(batch_size, seed\)"),
        ({"rows_per_shard": 3}, "rows_per_shard"),
        ({"names": ["b.txt"]}, "files to explain"),
        ({"content": "other"}, r"content of .*a\.txt"),
    ],
)
def test_a_run_with_other_settings_is_refused_by_name(folder, tmp_path, change, named) -> None:
    same = {"settings": SETTINGS, "names": [str(tmp_path / "a.txt")], "rows_per_shard": 2}
    assert CorpusFolder(folder.path).resume(**same)
    if "content" in change:
        (tmp_path / "a.txt").write_text(change.pop("content"))
    with pytest.raises(ConfigurationError, match=named):
        CorpusFolder(folder.path).resume(**{**same, **change})


def test_what_killed_processes_leave_is_removed_and_other_files_are_not(folder, tmp_path) -> None:
    for name in ("part-00000.parquet.17.partial", "manifest.json.17.partial"):
        Path(folder.path, name).touch()
    with folder.locked():
        assert [path.name for path in Path(folder.path).iterdir()] == ["manifest.json"]
        with pytest.raises(ConfigurationError, match="Another process"), CorpusFolder(folder.path).locked():
            pass
    with pytest.raises(ConfigurationError, match="a.txt"), CorpusFolder(str(tmp_path)).locked():
        pass
    with pytest.raises(ConfigurationError, match="a.txt"), CorpusFolder(str(tmp_path / "a.txt")).locked():
        pass


def test_a_manifest_of_something_else(tmp_path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(ConfigurationError, match=r"manifest\.json.*inputs"):
        CorpusFolder(str(tmp_path)).resume(SETTINGS, [], 2)


def test_a_part_of_a_corpus_is_not_read_as_the_whole(folder, tmp_path) -> None:
    with pytest.raises(ExplanationFormatError, match=r"2 of 2 parts are missing.*part-00000\.parquet"):
        list(read_explanations(folder.path))
    with pytest.raises(ExplanationFormatError, match="manifest.json"):
        list(read_explanations(tmp_path))


def test_partial_files_of_others_are_others(tmp_path) -> None:
    (tmp_path / "movie.mkv.partial").write_text("mine")
    with pytest.raises(ConfigurationError, match="movie.mkv.partial"), CorpusFolder(str(tmp_path)).locked():
        pass
    assert (tmp_path / "movie.mkv.partial").read_text() == "mine"
