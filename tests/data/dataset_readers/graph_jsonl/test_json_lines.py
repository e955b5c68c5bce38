import gzip
import json
import lzma

import pytest
from allennlp.common.checks import ConfigurationError
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.dataset_readers.graph_jsonl.json_lines import JsonLine, read_json_lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=50)
def test_any_objects_are_read_as_by_json(tmp_path_factory, objects, ascii_only) -> None:
    path = tmp_path_factory.mktemp("any") / "lines.jsonl"
    path.write_bytes("".join(json.dumps(one, ensure_ascii=ascii_only) + "\n" for one in objects).encode())
    assert list(read_json_lines(str(path))) == [
        JsonLine(content, number) for number, content in enumerate(objects, start=1)
    ]


@pytest.mark.parametrize("suffix, pack", [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_empty_lines_and_byte_order_mark(tmp_path, suffix, pack) -> None:
    path = tmp_path / f"lines.jsonl{suffix}"
    # U+2028 ends a line for Python's strings, but not in a file of JSON lines.
    path.write_bytes(pack('\ufeff{"id": "é\u2028x"}\r\n\n \t\n{"id": 2}'.encode()))
    assert list(read_json_lines(str(path))) == [({"id": "é\u2028x"}, 1), ({"id": 2}, 4)]


def test_lines_are_read_one_by_one(tmp_path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"id": 1}\nno JSON\n')
    lines = read_json_lines(str(path))
    assert next(lines) == ({"id": 1}, 1)
    with pytest.raises(ConfigurationError, match="line 2"):
        next(lines)


@pytest.mark.parametrize(
    "second_line, message",
    [
        (b'{"id": 1', "line 2: not JSON: Expecting ',' delimiter at column 9"),
        (b'{"id": 1} {"id": 2}', "line 2: not JSON: Extra data at column 11"),
        (b"[1]", r"line 2: '\[1\]' is no JSON object"),
        (b"7", "line 2: '7' is no JSON object"),
        (b'{"id": NaN}', "line 2: the object cannot be read: NaN is no JSON number"),
        (b'{"id": -Infinity}', "line 2: the object cannot be read: -Infinity is no JSON number"),
        (b'{"id": 1e999}', "line 2: the object cannot be read: 1e999 is too large a number"),
        (b'{"id": "\\ud83d"}', "line 2: the object cannot be read: .*surrogates not allowed"),
        (b'{"id": ' + b"1" * 5000 + b"}", "line 2: the object cannot be read: .*digits"),
        (b"[" * 200_000, "line 2: the object is nested too deeply"),
        (b'{"id": "\xe9"}', "line 2: not UTF-8 \\(byte 0xe9 at column 9\\). Convert the file"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, second_line, message) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"id": 0}\n' + second_line + b"\n")
    with pytest.raises(ConfigurationError, match=f"^{path}, {message}"):
        list(read_json_lines(str(path)))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file(tmp_path, content) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"^{path}, line 1: the file is empty"):
        list(read_json_lines(str(path)))


@pytest.mark.parametrize("suffix, pack", [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_compressed_file_that_is_cut_off_or_none(tmp_path, suffix, pack) -> None:
    path = tmp_path / f"lines.jsonl{suffix}"
    lines = "".join(json.dumps({"id": str(hash(number))}) + "\n" for number in range(2000))
    path.write_bytes(pack(lines.encode())[:-20])
    with pytest.raises(
        ConfigurationError, match=f"{path} could not be read to its end, after line [0-9]+ .*cut"
    ):
        list(read_json_lines(str(path)))
    path.write_text(lines)
    with pytest.raises(ConfigurationError, match=f"{path} could not be read to its end, after line 0"):
        list(read_json_lines(str(path)))


def test_no_file(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        list(read_json_lines(str(tmp_path / "lines.jsonl")))
