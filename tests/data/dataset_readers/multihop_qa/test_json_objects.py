import gzip
import json
import lzma
import random

import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.multihop_qa import read_json_objects
from allennlp_graphmask.data.dataset_readers.multihop_qa.json_objects import _ListSplitter

CHUNKS = [1, 2, 3, 7, 64, 1 << 16]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def written(tmp_path, content: bytes) -> str:
    path = tmp_path / "questions.json"
    path.write_bytes(content)
    return str(path)


@given(
    st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from(CHUNKS),
)
@settings(deadline=None)
def test_any_list_of_objects_is_read_as_by_json(tmp_path_factory, objects, indent, ascii_only, chunk_bytes):
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)
    content = text.encode("utf-8", errors="replace")  # st.text() has no surrogates, floats may be NaN
    path = written(tmp_path_factory.mktemp("any"), content)
    found = list(read_json_objects(path, chunk_bytes=chunk_bytes))
    expected = json.loads(content)
    assert repr([one.content for one in found]) == repr(expected)
    assert [one.number for one in found] == list(range(1, len(expected) + 1))
    for one in found:
        decoded, _ = json.JSONDecoder().raw_decode(content[one.offset :].decode("utf-8"))
        assert repr(decoded) == repr(one.content)


@pytest.mark.parametrize("suffix, pack", [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files(tmp_path, suffix, pack):
    path = tmp_path / f"questions.json{suffix}"
    path.write_bytes(pack('\ufeff [{"id": "é"}, {"id": 2}]\n'.encode()))
    found = list(read_json_objects(str(path)))
    # The byte order mark has three bytes, "é" two.
    assert found == [({"id": "é"}, 1, 5), ({"id": 2}, 2, 19)]


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", r"byte 0: expected '\['.*the file ends here"),
        (b'{"id": 1}', r"byte 0: expected '\[': the file must be one JSON list"),
        (b"[1]", "byte 1: expected '{': the list must hold objects"),
        (b'["a"]', "byte 1: expected '{'"),
        (b"[{}, null]", "byte 5: expected '{'"),
        (b"[{},]", "byte 4: expected '{'"),
        (b"[{} {}]", "byte 4: expected ',' or ']' after an object"),
        (b"[{}] x", "byte 5: expected the end of the file"),
        (b"[{}", "byte 3: expected ',' or ']' after an object; the file ends here"),
        (b'[{"id": "a', "byte 8: the file is cut off within an object"),
        (b'[{"id": tru', "byte 8: the file is cut off within an object"),
        (b'[{"id": 1', "byte 9: the file is cut off within an object; the file ends here"),
        (
            '[{"é": 1 "b": 2, "c": "a long text that follows it"}]'.encode(),
            "byte 10: not JSON: Expecting ','",
        ),
        (b"[{'id': 1, 'text': 'quoted as Python does'}]", "byte 2: not JSON: Expecting property name"),
        (b'[{"id": "\xff"}]', "byte 9: not UTF-8"),
        (b'[{"id": "\xc3', "byte 9: not UTF-8"),
    ],
)
def test_what_is_no_list_of_objects_is_refused(tmp_path, content, message, chunk_bytes):
    path = written(tmp_path, content)
    with pytest.raises(ConfigurationError, match=message) as error:
        list(read_json_objects(path, chunk_bytes=chunk_bytes))
    assert path in error.value.message


def test_objects_before_a_mistake_are_given(tmp_path):
    found = read_json_objects(written(tmp_path, b'[{"id": 1}, oops]'))
    assert next(found).content == {"id": 1}
    with pytest.raises(ConfigurationError, match="byte 12"):
        next(found)


@pytest.mark.parametrize("suffix, pack", [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_cut_off_archive_is_refused(tmp_path, suffix, pack):
    noise = random.Random(0).sample(range(10**6), 5000)
    packed = pack(json.dumps([{"id": number} for number in noise]).encode())
    path = tmp_path / f"questions.json{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ConfigurationError, match="(damaged or was cut off|the file ends here)") as error:
        list(read_json_objects(str(path)))
    assert str(path) in error.value.message
    path.write_bytes(b"no archive at all")
    with pytest.raises(ConfigurationError, match="after 0 objects"):
        list(read_json_objects(str(path)))


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigurationError, match="does not exist"):
        list(read_json_objects(str(tmp_path / "nothing.json")))


def test_an_object_nested_too_deeply(tmp_path):
    content = b'[{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}]"
    with pytest.raises(ConfigurationError, match="byte 1: the object is nested too deeply"):
        list(read_json_objects(written(tmp_path, content)))


class CountedReads:
    """A file that says how much was read of it."""

    def __init__(self, content: bytes) -> None:
        self.content, self.position, self.reads = content, 0, 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        part = self.content[self.position : self.position + size]
        self.position += len(part)
        return part


def test_no_more_is_read_than_needed():
    file = CountedReads(json.dumps([{"text": "x" * 1000}] * 1000).encode())
    objects = iter(_ListSplitter(file, "file", 4096))  # type: ignore[arg-type]
    for number in range(1, 1001):
        next(objects)
        assert file.position <= number * 1020 + 2 * 4096


def test_a_mistake_is_noticed_before_the_rest_is_read():
    file = CountedReads(b'[{"a": 1 "b": 2}, ' + b'{"text": "' + b"x" * 10**6 + b'"}]')
    with pytest.raises(ConfigurationError, match="byte 9: not JSON"):
        list(_ListSplitter(file, "file", 4096))  # type: ignore[arg-type]
    assert file.position <= 4096


def test_a_large_object_is_tried_few_times():
    file = CountedReads(json.dumps([{"text": "x" * 10**6}]).encode())
    assert len(list(_ListSplitter(file, "file", 1024))) == 1  # type: ignore[arg-type]
    assert file.reads < 20
