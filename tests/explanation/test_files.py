"""Explanations in files of JSON lines: what is written is read, and errors name file, line and place."""

import json
import os

import pytest

from allennlp_graphmask.explanation.files import read_explanations, write_atomically, write_explanations
from allennlp_graphmask.explanation.serialization import ExplanationFormatError
from tests.explanation.explanations import entity_explanation, replaced, role_explanation


def test_round_trip(tmp_path):
    path = tmp_path / "explanations.jsonl"
    written = [role_explanation(), entity_explanation(), role_explanation(note="\u2028 \ud800 \r")]
    assert write_explanations(path, iter(written)) == 3
    assert list(read_explanations(path)) == written
    again = tmp_path / "again.jsonl"
    write_explanations(again, read_explanations(path))
    assert again.read_bytes() == path.read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.jsonl", "explanations.jsonl"]


def test_reads_what_the_predictor_gives_for_an_input(tmp_path):
    path = tmp_path / "explanations.jsonl"
    both = [role_explanation(), entity_explanation()]
    lines = [json.dumps({"explanations": [item.to_dict() for item in both]}), "", '{"explanations": []}']
    path.write_text("\n".join(lines))
    assert list(read_explanations(path)) == both


def test_names_file_and_line(tmp_path):
    path = tmp_path / "explanations.jsonl"
    path.write_text(role_explanation().to_json_line() + "\n\n" + json.dumps(replaced("num_layers", 0)) + "\n")
    with pytest.raises(ExplanationFormatError, match=r"explanations\.jsonl, line 3: num_layers is 0"):
        list(read_explanations(path))


def test_names_the_explanation_within_a_line(tmp_path):
    path = tmp_path / "explanations.jsonl"
    path.write_text(json.dumps({"explanations": [role_explanation().to_dict(), replaced("schema_version", 9)]}))
    with pytest.raises(ExplanationFormatError, match=r"line 1: explanations\[1\]: schema_version is 9"):
        list(read_explanations(path))


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"\xff", "0xff at column 1"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": {"b": 1, "b": 2}}', "'b'"),
        (json.dumps(replaced("metadata", {"deep": json.loads("[" * 300 + "]" * 300)})).encode(), "metadata.deep"),
        (json.dumps({**replaced("num_layers", 10**12), "schema_version": 3, "edges": []}).encode(), "num_layers"),
    ],
)
def test_names_the_line_that_cannot_be_read(tmp_path, content, expected):
    path = tmp_path / "explanations.jsonl"
    path.write_bytes(content)
    with pytest.raises(ExplanationFormatError) as error:
        list(read_explanations(path))
    assert f"{path}, line 1: " in str(error.value) and expected in str(error.value)


def test_line_ends_and_byte_order_mark(tmp_path):
    path = tmp_path / "explanations.jsonl"
    path.write_text(f"\ufeff{role_explanation().to_json_line()}\r\n\r\n", encoding="utf-8", newline="")
    assert list(read_explanations(path)) == [role_explanation()]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    def fails():
        yield role_explanation()
        raise error

    path = tmp_path / "explanations.jsonl"
    path.write_text("old")
    with pytest.raises(error):
        write_explanations(path, fails())
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["explanations.jsonl"]


def test_links_are_followed_and_pipes_are_written_to(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link, pipe = tmp_path / "folder" / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink() and target.read_text() == "new" and os.listdir(tmp_path / "folder") == ["target"]
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, "content")
        assert os.read(reader, 100) == b"content" and pipe.is_fifo()
    finally:
        os.close(reader)


@pytest.mark.parametrize("number", ["-3", "1e400", '"two"', "null"])
def test_a_manifest_with_another_number_of_files(number, tmp_path):
    (tmp_path / "manifest.json").write_text(f'{{"num_shards": {number}}}')
    with pytest.raises(ExplanationFormatError, match="manifest.json"):
        list(read_explanations(tmp_path))
