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

from tests.data.malformed import refused
from tests.data.readers import READERS, WORDS, build_content, read

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
@pytest.mark.parametrize("name", READERS)
def test_paths_and_urls(tmp_path, server, name, suffix) -> None:
    path = tmp_path / f"data.jsonl{suffix}"
    path.write_bytes(COMPRESSIONS[suffix](build_content(name, WORDS[:3])))
    for address in (path, f"file://{path}", f"{server}/{path.name}"):
        assert list(read(name, address)) == WORDS[:3]


@pytest.mark.parametrize("name", READERS)
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
@pytest.mark.parametrize("name", READERS)
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
