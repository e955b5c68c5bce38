"""Every reader opens its files in the same way: plain or compressed, by path or URL. What cannot be read is named."""

import bz2
import functools
import gzip
import http.server
import lzma
import socketserver
import threading
from typing import Any, Dict, Iterator

import pytest
from allennlp.common.checks import ConfigurationError

from tests.data.malformed import refused
from tests.data.readers import COLUMNS, IN_FILES, WORDS, build_content, read

COMPRESSIONS: Dict[str, Any] = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[str]:
    """The address under which the files of `tmp_path` are served."""
    monkeypatch.setattr("allennlp.common.file_utils.CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    # `http.server` has a server too, which asks for the machine's name on the network.
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize("suffix", COMPRESSIONS)
@pytest.mark.parametrize("name", IN_FILES)
def test_paths_and_urls(tmp_path, server, name, suffix) -> None:
    path = tmp_path / f"data.jsonl{suffix}"
    path.write_bytes(COMPRESSIONS[suffix](build_content(name, WORDS[:3])))
    for address in (path, f"file://{path}", f"{server}/{path.name}"):
        assert list(read(name, address)) == WORDS[:3]


@pytest.mark.parametrize("name", IN_FILES)
def test_what_is_not_a_file(tmp_path, server, name) -> None:
    missing = ("missing.jsonl", f"file://{tmp_path}/missing.jsonl", f"{server}/missing.jsonl", "x://a.jsonl")
    for address in missing:
        with refused(f"'{address}' does not exist"):
            list(read(name, address))
    folder = tmp_path / "folder.jsonl"
    folder.mkdir()
    with refused(str(folder)):
        list(read(name, folder))


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
@pytest.mark.parametrize("name", IN_FILES)
def test_a_compressed_file_that_is_cut_off_or_damaged(tmp_path, name, suffix) -> None:
    path = tmp_path / f"data.jsonl{suffix}"
    content = build_content(name, WORDS)
    compressed = COMPRESSIONS[suffix](content)
    path.write_bytes(compressed[: len(compressed) // 2])
    words = []
    with refused(f"{path} could not be read to its end, after "):
        for word in read(name, path):
            words.append(word)
    assert words and words == WORDS[: len(words)]
    # Behind the header, where gzip's own checks do not look any more but those of zlib.
    damaged = compressed[:30] + b"\xff" * 200 + compressed[230:]
    for wrong in (damaged, content):
        path.write_bytes(wrong)
        with refused(f"{path} could not be read to its end, after "):
            list(read(name, path))


@pytest.mark.parametrize("content", ["", "\n \n\t\n", "\ufeff"])
@pytest.mark.parametrize("name", IN_FILES)
def test_a_file_without_anything(tmp_path, name, content) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(content, encoding="utf-8")
    with refused(str(path)):
        list(read(name, path))


@pytest.mark.parametrize("name", IN_FILES)
def test_line_ends_and_byte_order_marks(tmp_path, name) -> None:
    path = tmp_path / "data.jsonl"
    content = build_content(name, WORDS[:3])
    for same in (content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content, content.rstrip(b"\n")):
        path.write_bytes(same)
        assert list(read(name, path)) == WORDS[:3]


#: Of readers whose files are no lines.
PLACES = {"questions": "byte ", "paragraphs": "byte "}


@pytest.mark.parametrize("name", IN_FILES)
@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda content: content.replace(b"\n", b"\r") + b"\r", ""),
        (lambda content: content.decode().encode("utf-16"), "UTF-16"),
        (lambda content: content.replace(b"word", b"w\xe9"), "0xe9"),
    ],
    ids=["carriage returns", "UTF-16", "Latin-1"],
)
def test_bytes_that_are_not_text(tmp_path, name, change, expected) -> None:
    """A list of questions may have any line ends."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(change(build_content(name, ["word", "second"])))
    if not expected and name in PLACES:
        assert list(read(name, path)) == ["word", "second"]
        return
    with refused(f"{path}, {PLACES.get(name, 'line 1')}", expected):
        list(read(name, path))


@pytest.mark.parametrize(
    "word", ["\0", "x" * 2_000_000, "a\u0301" * 10**5, "1" * 5000], ids=["NUL", "2 MB", "marks", "digits"]
)
@pytest.mark.parametrize("name", IN_FILES)
def test_words_of_any_kind(tmp_path, name, word) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(build_content(name, [word, "b"]))
    if name == "paragraphs" and len(word) > 10**6:
        with refused(str(path), "'tokenizer'"):  # spaCy's limit
            list(read(name, path))
    else:
        assert list(read(name, path)) == [word, "b"]


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "1e400",
        "9" * 5000,
        "[" * 10_000 + "]" * 10_000,
        '{"a": ' * 10_000 + "1" + "}" * 10_000,
        '{"a": 1, "a": 2}',
        '"\\ud800"',
    ],
    ids=["NaN", "infinite", "digits", "deep list", "deep object", "repeated key", "half of a pair"],
)
@pytest.mark.parametrize("name", [name for name in IN_FILES if name not in COLUMNS])
def test_json_of_any_kind(tmp_path, name, value) -> None:
    """In place of texts it is an error. Only readers that ignore other keys take it there, where it can be taken at all."""
    path = tmp_path / "data.jsonl"
    content = build_content(name, ["word"]).decode()
    path.write_text(content.replace('"word"', value))
    place = "byte 1" if name in PLACES else "line 1"
    with refused(f"{path}, ", place):
        list(read(name, path))
    path.write_text(content.replace("{", f'{{"more": {value}, ', 1))
    try:
        assert list(read(name, path)) == ["word"] and name in PLACES
    except ConfigurationError as error:
        assert error.message.startswith(f"{path}, ") and place in error.message
