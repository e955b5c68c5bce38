import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.multihop_qa import read_json_objects
from allennlp_graphmask.data.dataset_readers.multihop_qa.json_objects import ListSplitter
from tests.data.malformed import refused
from tests.data.test_json_lines import VALUES

CHUNKS = [1, 2, 3, 7, 64, 1 << 16]


def written(tmp_path, content: bytes) -> str:
    path = tmp_path / "questions.json"
    path.write_bytes(content)
    return str(path)


@given(
    st.lists(st.dictionaries(st.text(), VALUES | st.floats(), max_size=3), max_size=4),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.sampled_from(CHUNKS),
)
@settings(deadline=None)
def test_any_list_of_objects_is_read_as_by_json(tmp_path_factory, objects, indent, ascii_only, chunk_bytes):
    content = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode()
    path = written(tmp_path_factory.mktemp("any"), content)
    found = list(read_json_objects(path, chunk_bytes=chunk_bytes))
    # Not by `==`: floats may be NaN.
    assert repr([one.content for one in found]) == repr(json.loads(content))
    assert [one.number for one in found] == list(range(1, len(objects) + 1))
    for one in found:
        decoded, _ = json.JSONDecoder().raw_decode(content[one.offset :].decode("utf-8"))
        assert repr(decoded) == repr(one.content)


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
def test_byte_order_mark_and_half_surrogates(tmp_path, chunk_bytes):
    path = written(tmp_path, '\ufeff [{"id": "é"}, {"id": "\\ud83d"}]\n'.encode())
    # The byte order mark has three bytes, "é" two.
    expected = [({"id": "é"}, 1, 5), ({"id": "\ud83d"}, 2, 19)]
    assert list(read_json_objects(path, chunk_bytes=chunk_bytes)) == expected


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
@pytest.mark.parametrize(
    "content, byte, expected",
    [
        (b"", 0, "'['"),
        (b'{"id": 1}', 0, "'['"),
        (b"[1]", 1, "'{'"),
        (b'["a"]', 1, "'{'"),
        (b"[{}, null]", 5, "'{'"),
        (b"[{},]", 4, "'{'"),
        (b"[{} {}]", 4, "',' or ']'"),
        (b"[{}] x", 5, "the end of the file"),
        (b"[{}", 3, "the file ends here"),
        (b'[{"id": "a', 8, "the file is cut off within an object"),
        (b'[{"id": tru', 8, "the file is cut off within an object"),
        (b'[{"id": 1', 9, "the file is cut off within an object; the file ends here"),
        ('[{"é": 1 "b": 2, "c": "a long text that follows it"}]'.encode(), 10, "Expecting ','"),
        (b"[{'id': 1, 'text': 'quoted as Python does'}]", 2, "Expecting property name"),
        (b'[{"id": "\xff"}]', 9, "not UTF-8"),
        (b'[{"id": "\xc3', 9, "not UTF-8"),
        (b'[{"id": ' + b"1" * 5000 + b"}]", 1, "digits"),
        (b'[{"id": 1, "other": 2, "id": 3}]', 1, "'id'"),
        ('[{"id": 1}]'.encode("utf-16"), 0, "UTF-16"),
        (b'[{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}]", 1, "nested too deeply"),
    ],
)
def test_what_is_not_a_list_of_objects(tmp_path, content, byte, expected, chunk_bytes):
    path = written(tmp_path, content)
    with refused(f"{path}, byte {byte}: ", expected):
        list(read_json_objects(path, chunk_bytes=max(chunk_bytes, len(content) // 1000)))


def test_objects_before_a_mistake_are_given(tmp_path):
    found = read_json_objects(written(tmp_path, b'[{"id": 1}, oops]'))
    assert next(found).content == {"id": 1}
    with refused("byte 12"):
        next(found)


class CountedReads:
    """A file that counts what was read of it."""

    def __init__(self, content: bytes) -> None:
        self.content, self.position, self.reads = content, 0, 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        part = self.content[self.position : self.position + size]
        self.position += len(part)
        return part


def test_no_more_is_read_than_needed():
    file = CountedReads(json.dumps([{"text": "x" * 1000}] * 1000).encode())
    for number, _ in enumerate(ListSplitter(file, "file", 4096), start=1):  # type: ignore[arg-type]
        assert file.position <= number * 1020 + 2 * 4096
    assert number == 1000


def test_a_mistake_is_noticed_before_the_rest_is_read():
    file = CountedReads(b'[{"a": 1 "b": 2}, ' + b'{"text": "' + b"x" * 10**6 + b'"}]')
    with refused("byte 9"):
        list(ListSplitter(file, "file", 4096))  # type: ignore[arg-type]
    assert file.position <= 4096


def test_a_large_object_is_tried_few_times():
    file = CountedReads(json.dumps([{"text": "x" * 10**6}]).encode())
    assert len(list(ListSplitter(file, "file", 1024))) == 1  # type: ignore[arg-type]
    assert file.reads < 20
