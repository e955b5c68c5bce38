"""Graphs of 100,000 edges are read in seconds, by every reader whose format can hold them (`graph_jsonl` has a test of its own)."""

import json
import time

import pytest

from tests.data.dataset_readers.propbank_srl.conll_text import row, text
from tests.data.readers import READERS

MENTIONS = "Ada " * 320  # each joined to each
ROWS = [row(1, "a", 0, "root", predicate=True, roles=["_"])]
ROWS += [row(number, "a", 1, "obj", roles=["_"]) for number in range(2, 50_002)]
LARGE = {
    "questions": json.dumps([{"id": "1", "query": "country x", "candidates": ["Ada"], "supports": [MENTIONS]}]),
    "paragraphs": json.dumps([{"_id": "1", "question": "Ada ?", "answer": "Ada", "context": [["x", [MENTIONS]]]}]),
    "sentences": text("\n".join(ROWS)),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_hundred_thousand_edges(name, tmp_path) -> None:
    (tmp_path / "file").write_text(LARGE[name])
    started = time.process_time()
    [instance] = READERS[name][0].read(str(tmp_path / "file"))
    assert instance["graph"].get_padding_lengths()["num_edges"] >= 100_000
    assert time.process_time() - started < 5
