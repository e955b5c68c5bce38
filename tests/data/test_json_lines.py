import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allennlp_graphmask.data.json_lines import read_json_lines
from tests.data.malformed import refused

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(path):
    return [(line.parse(), line.number) for line in read_json_lines(str(path))]


@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=3), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=50)
def test_any_objects_are_read_as_by_json(tmp_path_factory, objects, ascii_only) -> None:
    path = tmp_path_factory.mktemp("any") / "lines.jsonl"
    path.write_bytes("".join(json.dumps(one, ensure_ascii=ascii_only) + "\n" for one in objects).encode())
    assert read(path) == list(zip(objects, range(1, len(objects) + 1)))


def test_empty_lines_and_byte_order_mark(tmp_path) -> None:
    path = tmp_path / "lines.jsonl"
    # U+2028 ends a line for Python's strings, but not in a file of JSON lines.
    path.write_text('\ufeff{"id": "é\u2028x"}\r\n\n \t\n\u3000\n{"id": 2}', encoding="utf-8", newline="")
    assert read(path) == [({"id": "é\u2028x"}, 1), ({"id": 2}, 5)]


@pytest.mark.parametrize(
    "line, expected",
    [
        (b'{"id": 1', "Expecting ',' delimiter at column 9"),
        (b'{"id": 1} {"id": 2}', "Extra data at column 11"),
        (b"[1]", "'[1]'"),
        (b"7", "'7'"),
        (b'{"id": NaN}', "NaN"),
        (b'{"id": -Infinity}', "-Infinity"),
        (b'{"id": 1e999}', "1e999"),
        (b'{"id": "\\ud83d"}', "'\\ud83d'"),
        (b'{"id": ' + b"1" * 5000 + b"}", "digits"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"id": {"a": 1, "b": 2, "a": 3}}', "'a'"),
        (b'{"id": "\xe9"}', "0xe9 at column 9"),
    ],
)
def test_a_wrong_line_is_named_and_does_not_hide_the_others(tmp_path, line, expected) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"id": 0}\n' + line + b'\n{"id": 2}')
    first, second, third = read_json_lines(str(path))
    with refused(f"{path}, line 2: ", expected):
        second.parse()
    assert (first.parse(), third.parse()) == ({"id": 0}, {"id": 2})


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file(tmp_path, content) -> None:
    (tmp_path / "lines.jsonl").write_text(content)
    with refused(f"{tmp_path / 'lines.jsonl'}, line 1"):
        read(tmp_path / "lines.jsonl")
